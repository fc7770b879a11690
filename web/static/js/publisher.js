// Publisher: sends a cast. Its two m-lines never change; sources come and go by replaceTrack. One more event than
// Peer: `stats` (detail is a Summary, once a second).

import { emit } from './events.js';
import { MotionWatch, encodingsOf, fitEncodings, hintsOf } from './hints.js';
import { Peer } from './peer.js';
import { startBitrate, stereo } from './sdp.js';
import { summarise } from './stats.js';

const AUDIO_BITRATE = 128000;
/**
 * kbit/s that the encoder begins with. Chromium begins with 300, scales the picture down to fit, and with the hint
 * `motion` was seen to stay at a third of the width for as long as we looked. The estimate corrects it in a second.
 */
const START_BITRATE = 2500;
const SAMPLE_EVERY = 1000;

export class Publisher extends Peer {
  /**
   * @param {import('./session.js').Session} session
   * @param {import('./peer.js').IcePolicy} policy
   * @param {{video: MediaStreamTrack, audio: MediaStreamTrack | null, mode: import('./hints.js').Mode, camera: boolean}} source
   */
  constructor(session, policy, source) {
    super(session, policy);
    this.video = source.video;
    this.audio = source.audio;
    this.mode = source.mode;
    this.camera = source.camera;
    /** @type {import('./stats.js').Summary | null} */
    this.summary = null;
    this._motion = new MotionWatch();
    /** @type {RTCRtpSender | null} */
    this._sender = null;
    /** @type {RTCRtpSender | null} */
    this._comingSender = null;
    /** @type {RTCRtpSender | null} */
    this._audioSender = null;
    /** @type {RTCRtpSender | null} */
    this._comingAudioSender = null;
    this._sampler = setInterval(() => this._sample(), SAMPLE_EVERY);
  }

  close() {
    clearInterval(this._sampler);
    super.close();
  }

  /**
   * Shows another source from now on, without renegotiation.
   * @param {MediaStreamTrack} track
   * @param {boolean} [camera] whether it is a camera's; as before when left out
   */
  async show(track, camera = this.camera) {
    this.video = track;
    this.camera = camera;
    this._motion = new MotionWatch();
    this._hintTrack();
    if (this._sender) await this._sender.replaceTrack(track);
    this._hintSender();
  }

  /**
   * Sends this sound from now on, or none.
   * @param {MediaStreamTrack | null} track
   */
  async hear(track) {
    this.audio = track;
    if (this._audioSender && this._audioSender.track !== track) await this._audioSender.replaceTrack(track);
  }

  /** @param {RTCPeerConnection} pc */
  prepare(pc) {
    this._hintTrack();
    const video = this._addVideo(pc);
    // The audio line is there without sound too: a microphone can then be added at any time.
    const audio = pc.addTransceiver(this.audio || 'audio', { direction: 'sendonly' });
    this._comingSender = video.sender;
    this._comingAudioSender = audio.sender;
    return () => {
      /** @type {Object<string, string>} */
      const slots = {};
      if (video.mid !== null) slots[video.mid] = 'screen';
      if (audio.mid !== null) slots[audio.mid] = 'audio';
      return slots;
    };
  }

  /** @private @param {RTCPeerConnection} pc @returns {RTCRtpTransceiver} */
  _addVideo(pc) {
    const ways = encodingsOf(this.mode, this._motion.moving, this.camera);
    for (const sendEncodings of ways) {
      try {
        return pc.addTransceiver(this.video, { direction: 'sendonly', sendEncodings });
      } catch (err) {
        console.debug('encodings refused', err); // nothing was added; the next way asks for less
      }
    }
    return pc.addTransceiver(this.video, { direction: 'sendonly' });
  }

  /**
   * @param {RTCPeerConnection} pc
   * @param {RTCOfferOptions} [options]
   */
  async describe(pc, options) {
    // The offer that travels asks for stereo, so that the answer may; the local description stays as the browser
    // made it, which every browser accepts.
    return stereo(await super.describe(pc, options));
  }

  /** @param {string} answer */
  tune(answer) {
    return startBitrate(stereo(answer, AUDIO_BITRATE), START_BITRATE);
  }

  /**
   * @param {string} offer
   * @param {Object<string, string>} slots
   */
  async exchange(offer, slots) {
    const message = await this.session.request('publish', { offer, slots });
    return message.answer;
  }

  adopted() {
    this._sender = this._comingSender;
    this._audioSender = this._comingAudioSender;
    // The source may have changed while the answer was on its way.
    if (this._sender && this._sender.track !== this.video) this._sender.replaceTrack(this.video);
    this.hear(this.audio);
    this.summary = null;
    this._hintSender();
    // The server has replaced the old connection already, and nobody looks at it here.
    this.retire();
  }

  /** @private */
  _hintTrack() {
    const track = this.video;
    if (!('contentHint' in track)) return;
    track.contentHint = hintsOf(this.mode, this._motion.moving).contentHint;
  }

  /** @private */
  _hintSender() {
    const sender = this._sender;
    if (!sender || !sender.getParameters) return;
    const hints = hintsOf(this.mode, this._motion.moving);
    const parameters = sender.getParameters();
    if (!parameters.encodings || !parameters.encodings.length) return;
    parameters.degradationPreference = hints.degradation;
    fitEncodings(parameters.encodings, hints, this.camera);
    // Refused where the browser does not know a field or the connection has just closed: a wish, no more.
    sender.setParameters(parameters).catch(() => undefined);
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
    const fps = this.summary.sourceFps;
    if (this.mode === 'auto' && fps !== undefined && this._motion.sample(fps)) {
      this._hintTrack();
      this._hintSender();
    }
  }
}
