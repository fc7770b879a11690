// Notes when the first connection of the page was up, and when it had decoded its first frame, before any code of the
// page runs: window.connectedAt and window.decodedAt, milliseconds since 1970.
(() => {
  'use strict';
  const firstFrame = async (peer) => {
    for (const stat of (await peer.getStats()).values()) {
      if (stat.type === 'inbound-rtp' && stat.framesDecoded > 0) window.decodedAt = window.decodedAt || Date.now();
    }
    if (!window.decodedAt) setTimeout(firstFrame, 10, peer);
  };
  window.RTCPeerConnection = class extends window.RTCPeerConnection {
    constructor(...args) {
      super(...args);
      this.addEventListener('connectionstatechange', () => {
        if (this.connectionState !== 'connected' || window.connectedAt) return;
        window.connectedAt = Date.now();
        firstFrame(this);
      });
    }
  };
})();
