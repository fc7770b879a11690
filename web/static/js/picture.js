// Picture: shows one stream after the other without a black moment between them. A new stream plays behind the
// picture until its first frame is there; then it becomes the picture.
//
// Events: `frame` (the current stream has a picture), `blocked` (sound needs a tap), `sound` (sound plays).

import { emit } from './events.js';

export class Picture extends EventTarget {
  /** @param {HTMLVideoElement} front the element in the page; it keeps its id and class through changes */
  constructor(front) {
    super();
    this.front = front;
    /** @type {HTMLVideoElement | null} */
    this._back = null;
    /** @type {boolean} true once the browser has refused sound, until somebody taps */
    this.blocked = false;
    /** True while no sound is wanted. */
    this.quiet = false;
  }

  /** Plays sound, or not, whatever the browser allows. @param {boolean} quiet */
  hush(quiet) {
    if (this.quiet === quiet) return;
    this.quiet = quiet;
    if (quiet) {
      this.front.muted = true;
      if (this._back) this._back.muted = true;
      this._setBlocked(false);
    } else if (this.front.srcObject) {
      this._play(this.front);
    }
  }

  /**
   * Shows the stream from its first frame on.
   * @param {MediaStream} stream
   */
  show(stream) {
    this._dropBack();
    const back = /** @type {HTMLVideoElement} */ (this.front.cloneNode(false));
    back.removeAttribute('id');
    back.classList.add('behind');
    back.muted = this.quiet;
    back.autoplay = true;
    back.srcObject = stream;
    this._back = back;
    const parent = this.front.parentNode;
    if (parent) parent.insertBefore(back, this.front);
    const ready = () => {
      if (this._back === back && back.videoWidth > 0 && back.readyState >= 2) this._swap(back);
    };
    for (const name of ['loadeddata', 'resize', 'playing', 'timeupdate']) back.addEventListener(name, ready);
    this._play(back);
  }

  /** Attaches the current stream again, for a decoder that has stopped. */
  reattach() {
    const stream = this.front.srcObject;
    if (stream instanceof MediaStream) this.show(stream);
  }

  /** Takes the picture away. */
  clear() {
    this._dropBack();
    this.front.srcObject = null;
    this.blocked = false;
  }

  /** Turns sound on; call it from a tap or key press. */
  unmute() {
    this.front.muted = this.quiet;
    if (this._back) this._back.muted = this.quiet;
    return this._play(this.front);
  }

  /**
   * Tries with sound; where the browser refuses that, plays without and says so.
   * @private @param {HTMLVideoElement} video
   */
  async _play(video) {
    video.muted = this.quiet;
    try {
      await video.play();
      if (video === this.front || video === this._back) this._setBlocked(false);
    } catch (err) {
      if (!(err instanceof DOMException) || err.name !== 'NotAllowedError') return;
      video.muted = true;
      this._setBlocked(true);
      // Even silent play may be refused, as in low power mode on phones; the tap for sound starts it then.
      await video.play().catch(() => undefined);
    }
  }

  /** @private @param {boolean} blocked */
  _setBlocked(blocked) {
    if (this.blocked === blocked) return;
    this.blocked = blocked;
    emit(this, blocked ? 'blocked' : 'sound');
  }

  /** @private @param {HTMLVideoElement} back */
  _swap(back) {
    const old = this.front;
    this._back = null;
    this.front = back;
    const id = old.id;
    old.removeAttribute('id');
    back.id = id;
    back.classList.remove('behind');
    old.srcObject = null;
    old.remove();
    emit(this, 'frame');
  }

  /** @private */
  _dropBack() {
    const back = this._back;
    this._back = null;
    if (!back) return;
    back.srcObject = null;
    back.remove();
  }
}
