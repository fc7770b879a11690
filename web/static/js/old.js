// For browsers without modules: one sentence instead of an empty page. ES5 on purpose.
(function () {
  var lang = /^zh/i.test(navigator.language || '') ? 'zh-CN' : 'en';
  var request = new XMLHttpRequest();
  request.open('GET', '/lang/' + lang + '.json');
  request.onload = function () {
    document.body.setAttribute('data-state', 'unsupported');
    document.body.textContent = JSON.parse(request.responseText)['display.old'];
  };
  request.send();
})();
