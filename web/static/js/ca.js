// The page `/ca`: how to trust the server's own certificate authority.

import { startLanguage, t } from './lang.js';
import { byId, setState, startLanguageSwitch } from './page.js';

const SYSTEMS = ['windows', 'macos', 'ios', 'android', 'linux', 'firefox'];

/** @param {string} agent as in navigator.userAgent @param {number} touches @returns {string} */
export function systemOf(agent, touches) {
  if (/iPhone|iPad|iPod/.test(agent) || (/Macintosh/.test(agent) && touches > 1)) return 'ios';
  if (/Android/.test(agent)) return 'android';
  if (/Firefox/.test(agent)) return 'firefox';
  if (/Windows/.test(agent)) return 'windows';
  if (/Macintosh/.test(agent)) return 'macos';
  return 'linux';
}

/** @param {string} system shows its steps and marks its tab */
function choose(system) {
  for (const name of SYSTEMS) {
    const tab = byId('tab-' + name);
    const chosen = name === system;
    tab.setAttribute('aria-selected', String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    byId('steps-' + name).hidden = !chosen;
  }
}

function startTabs() {
  SYSTEMS.forEach((name, i) => {
    const tab = byId('tab-' + name);
    tab.addEventListener('click', () => choose(name));
    tab.addEventListener('keydown', (event) => {
      const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
      if (!step) return;
      const next = SYSTEMS[(i + step + SYSTEMS.length) % SYSTEMS.length];
      choose(next);
      byId('tab-' + next).focus();
    });
  });
  choose(systemOf(navigator.userAgent, navigator.maxTouchPoints || 0));
}

async function show() {
  const link = /** @type {HTMLAnchorElement} */ (byId('secure-link'));
  link.href = 'https://' + location.host + '/';
  link.textContent = link.href;
  try {
    const answer = await fetch('/ca.json');
    if (!answer.ok) throw new Error('the server answered ' + answer.status);
    const ca = await answer.json();
    if (ca.mode !== 'local-ca') {
      setState('trusted');
      return;
    }
    byId('fingerprint').textContent = ca.fingerprint || '–';
    setState('local-ca');
  } catch (err) {
    byId('ca-error').textContent = t('ca.unreachable');
    setState('unreachable');
  }
}

startLanguage().then(() => {
  startLanguageSwitch();
  startTabs();
  return show();
});
