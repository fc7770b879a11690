// Which way media goes, and when to look for a better one. No DOM.

/** Milliseconds on another path than plain UDP until the first look, then twice as many each time, and at most. */
const FIRST_LOOK = 15000;
const SELDOM = 120000;
/** Milliseconds that a relay over UDP has to answer. */
const REACH_TIMEOUT = 4000;

/**
 * Whether a path goes over TCP, at whichever end. Pure.
 * @param {string | undefined} path as in Summary
 * @returns {boolean}
 */
export function isSlow(path) {
  return Boolean(path && /TCP|TLS/.test(path));
}

/** Says when it is time to look whether UDP works (again). Feed it the path once a second. Pure. */
export class PathWatch {
  constructor() {
    this._next = 0;
    this._wait = FIRST_LOOK;
  }

  /** Begins anew, as in another network. */
  reset() {
    this._next = 0;
    this._wait = FIRST_LOOK;
  }

  /**
   * @param {string | undefined} path as in Summary
   * @param {number} now milliseconds
   * @returns {boolean}
   */
  sample(path, now) {
    if (!path) return false;
    if (path === 'UDP') {
      this.reset();
      return false;
    }
    if (!this._next) this._next = now + this._wait;
    if (now < this._next) return false;
    this._wait = Math.min(2 * this._wait, SELDOM);
    this._next = now + this._wait;
    return true;
  }
}

/**
 * Finds out whether UDP to the server passes, by asking its relay for an address over UDP. An ICE restart would find it
 * out too, but costs a caster a moment of its stream.
 * @param {RTCConfiguration} config that leaves nothing but relays over UDP
 * @returns {Promise<'yes' | 'no' | 'unknown'>} unknown without such a relay
 */
export async function udpPasses(config) {
  if (!config.iceServers || !config.iceServers.length) return 'unknown';
  const pc = new RTCPeerConnection(config);
  try {
    return await new Promise((resolve, reject) => {
      setTimeout(() => resolve('no'), REACH_TIMEOUT);
      pc.addEventListener('icecandidate', (event) => {
        if (!event.candidate) resolve('no');
        else if (/ typ relay/.test(event.candidate.candidate)) resolve('yes');
      });
      // Whoever refuses has been reached; 701 is the browser's own number for who has not.
      pc.addEventListener('icecandidateerror', (event) => {
        const code = event.errorCode;
        if (code >= 300 && code < 700) resolve('yes');
      });
      pc.createDataChannel('path');
      pc.createOffer()
        .then((offer) => pc.setLocalDescription(offer))
        .catch(reject);
    });
  } finally {
    pc.close();
  }
}
