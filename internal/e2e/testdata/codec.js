// Lets a caster's page send its picture in one codec only. What repairs losses stays: without it the browser does not
// accept the list.
(() => {
  'use strict';
  const add = RTCPeerConnection.prototype.addTransceiver;
  window.onlyCodec = (wanted) => {
    RTCPeerConnection.prototype.addTransceiver = function (what, init) {
      const transceiver = add.call(this, what, init);
      if (what === 'video' || what.kind === 'video') {
        const { codecs } = RTCRtpSender.getCapabilities('video');
        const repair = ['video/rtx', 'video/red', 'video/ulpfec'];
        const list = codecs.filter((c) => c.mimeType === wanted).concat(codecs.filter((c) => repair.includes(c.mimeType)));
        transceiver.setCodecPreferences(list);
      }
      return transceiver;
    };
  };
})();
