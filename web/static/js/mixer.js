// Mixer: the sound of a cast. System sound and the microphone meet in one track that the sender keeps for good, so
// that either can come and go without renegotiation.

export class Mixer {
  constructor() {
    const Context = window.AudioContext || window.webkitAudioContext;
    /** @type {AudioContext | null} */
    this._context = null;
    /** @type {MediaStreamAudioDestinationNode | null} */
    this._mix = null;
    /** @type {MediaStreamAudioSourceNode | null} */
    this._system = null;
    /** @type {MediaStreamAudioSourceNode | null} */
    this._microphone = null;
    /** @type {MediaStream | null} */
    this._microphoneStream = null;
    if (!Context) return;
    this._context = new Context({ latencyHint: 'interactive' });
    this._mix = this._context.createMediaStreamDestination();
    // Made after a press of a button, but Safari starts it suspended all the same.
    this._context.resume().catch(() => undefined);
  }

  /** The mix, or null where the browser cannot mix. */
  get track() {
    return this._mix ? this._mix.stream.getAudioTracks()[0] : null;
  }

  /** True while there is anything in the mix. An empty one is not sent: viewers would be asked to tap for silence. */
  get audible() {
    return this._system !== null || this._microphone !== null;
  }

  /** True while the microphone is in the mix. */
  get speaking() {
    return this._microphone !== null;
  }

  /**
   * Takes the sound of a captured surface into the mix, in place of the one before. null takes it out.
   * @param {MediaStream | null} stream
   */
  setSystem(stream) {
    if (this._system) this._system.disconnect();
    this._system = this._join(stream && stream.getAudioTracks().length ? stream : null);
  }

  /**
   * Takes the microphone into the mix; null takes it out and switches it off.
   * @param {MediaStream | null} stream
   */
  setMicrophone(stream) {
    if (this._microphone) this._microphone.disconnect();
    if (this._microphoneStream && this._microphoneStream !== stream) {
      for (const track of this._microphoneStream.getTracks()) track.stop();
    }
    this._microphoneStream = stream;
    this._microphone = this._join(stream);
  }

  /** Ends the mix and the microphone. */
  close() {
    this.setMicrophone(null);
    this.setSystem(null);
    if (this._context) this._context.close().catch(() => undefined);
    this._context = null;
    this._mix = null;
  }

  /** @private @param {MediaStream | null} stream */
  _join(stream) {
    if (!stream || !this._context || !this._mix) return null;
    const source = this._context.createMediaStreamSource(stream);
    source.connect(this._mix);
    return source;
  }
}
