// Watcher: receives a cast. More events than Peer: `stream` (detail is the MediaStream of a new connection),
// `stats` (detail is a Summary, once a second), `stuck` (attach the stream again).

import { emit } from './events.js';
import { Peer, localSdp } from './peer.js';
import { stereo } from './sdp.js';
import { StallWatch, summarise } from './stats.js';

/** Milliseconds between two looks at the statistics. */
const SAMPLE_EVERY = 1000;

export class Watcher extends Peer {
  /**
   * @param {import('./session.js').Session} session
   * @param {import('./peer.js').IcePolicy} policy
   */
  constructor(session, policy) {
    super(session, policy);
    /** @type {MediaStream | null} */
    this.stream = null;
    /** @type {import('./stats.js').Summary | null} */
    this.summary = null;
    this._stall = new StallWatch();
    /** @type {MediaStream | null} */
    this._coming = null;
    this._sampler = setInterval(() => this._sample(), SAMPLE_EVERY);
  }

  close() {
    clearInterval(this._sampler);
    super.close();
  }

  /** @param {RTCPeerConnection} pc */
  prepare(pc) {
    const video = pc.addTransceiver('video', { direction: 'recvonly' });
    const audio = pc.addTransceiver('audio', { direction: 'recvonly' });
    const stream = new MediaStream();
    this._coming = stream;
    pc.addEventListener('track', (event) => {
      stream.addTrack(event.track);
      hurry(event.receiver);
    });
    return () => {
      /** @type {Object<string, string>} */
      const slots = {};
      if (video.mid !== null) slots[video.mid] = 'screen';
      if (audio.mid !== null) slots[audio.mid] = 'audio';
      return slots;
    };
  }

  /**
   * @param {RTCPeerConnection} pc
   * @param {RTCOfferOptions} [options]
   */
  async describe(pc, options) {
    const offer = await pc.createOffer(options);
    try {
      // Chromium decodes stereo only when its own description asks for it.
      await pc.setLocalDescription({ type: 'offer', sdp: stereo(offer.sdp || '') });
    } catch (err) {
      await pc.setLocalDescription(offer);
    }
    return localSdp(pc);
  }

  /**
   * @param {string} offer
   * @param {Object<string, string>} slots
   */
  async exchange(offer, slots) {
    const message = await this.session.request('watch', { offer, slots });
    return message.answer;
  }

  adopted() {
    this.stream = this._coming;
    this.summary = null;
    this._stall = new StallWatch();
    emit(this, 'stream', this.stream);
  }

  /** @private */
  async _sample() {
    const pc = this.pc;
    if (!pc || pc.connectionState !== 'connected') return;
    const report = await pc.getStats();
    if (pc !== this.pc) return;
    this.summary = summarise(report.values(), this.summary);
    emit(this, 'stats', this.summary);
    this.measured(this.summary.path);
    const remedy = this._stall.sample(this.summary);
    if (remedy === 'reattach') emit(this, 'stuck');
    else if (remedy === 'reconnect') this.restart();
  }
}

/**
 * Asks for the shortest jitter buffer: a cast is watched beside its source.
 * @param {RTCRtpReceiver} receiver
 */
function hurry(receiver) {
  try {
    if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0;
    else if ('playoutDelayHint' in receiver) /** @type {RTCRtpReceiver} */ (receiver).playoutDelayHint = 0;
  } catch (err) {
    // A wish, no more.
  }
}
