// Audience: what a viewer and a bound display have in common. It knows the room, owns the watcher and the picture,
// and says which state the page is in.
//
// Events: `change` (look at `state`), `frame` (a new connection shows its first frame), `problem` (detail is an
// error), `slower` (from now on the media path goes over TCP, TURN/TCP or TURN/TLS).

import { emit, listen } from './events.js';
import { Overlay } from './overlay.js';
import { isSlow } from './path.js';
import { Picture } from './picture.js';
import { RequestError } from './session.js';
import { viewState } from './view.js';
import { Watcher } from './watcher.js';

/** Milliseconds without a byte after which a dead socket means a dead path too. */
const SILENT_FOR = 2000;

export class Audience extends EventTarget {
  /**
   * @param {import('./session.js').Session} session
   * @param {import('./peer.js').IcePolicy} policy
   * @param {HTMLVideoElement} video
   * @param {HTMLElement} overlay
   */
  constructor(session, policy, video, overlay) {
    super();
    this.session = session;
    this.policy = policy;
    this.picture = new Picture(video);
    this.overlay = new Overlay(overlay);
    /** @type {Watcher | null} */
    this.watcher = null;
    /** @type {Room | null} */
    this.room = null;
    this._frame = false;
    this._moving = false;
    this._stalled = false;
    this._slow = false;
    this._bytes = 0;
    this._heardAt = 0;
    listen(session, 'draining', () => {
      this._moving = this.watcher !== null;
      this._changed();
    });
    listen(session, 'room', (message) => this.setRoom(message.room));
    listen(session, 'media', (message) => {
      if (message.state === 'unsupported' && this.inside) emit(this, 'problem', new RequestError('codec_unsupported'));
    });
    listen(session, 'down', () => this._changed());
    listen(session, 'resumed', () => this._settled());
    this.picture.addEventListener('frame', () => this._shown());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.session.check();
    });
    setInterval(() => this._listenForSilence(), 1000);
  }

  /** True between `enter` and `leave`. */
  get inside() {
    return this.watcher !== null;
  }

  /** True while the cast has sound and the browser waits for a tap before it plays any. */
  get silenced() {
    return this.inside && this.picture.blocked && this.room !== null && Boolean(this.room.slots && this.room.slots.audio);
  }

  /** State of the page while inside. */
  get state() {
    const link = this.watcher ? this.watcher.state : 'new';
    return viewState({ room: this.room, link, frame: this._frame, moving: this._moving, stalled: this._stalled });
  }

  /**
   * Begins to watch. Rejects with a RequestError when the server refuses; the audience is outside again then.
   * @param {Room | null} room
   * @param {import('./peer.js').Exchange} [exchange] when the offer travels in `join`
   */
  async enter(room, exchange) {
    this._closeWatcher();
    const watcher = new Watcher(this.session, this.policy);
    this.watcher = watcher;
    this.room = room;
    listen(watcher, 'state', () => this._changed());
    listen(watcher, 'pc', (pc) => (window.castcode.peer = pc));
    listen(watcher, 'stream', (stream) => this.picture.show(stream));
    listen(watcher, 'stuck', () => this.picture.reattach());
    listen(watcher, 'stats', (sum) => this._measured(sum));
    listen(watcher, 'error', (err) => {
      // While the way back by ticket is under way the server may still see an idle session.
      if (err.code !== 'bad_state') emit(this, 'problem', err);
    });
    this._changed();
    try {
      await watcher.start(exchange);
    } catch (err) {
      if (this.watcher === watcher) this.leave();
      throw err;
    }
  }

  /** @param {Room} room the newest state of the room */
  setRoom(room) {
    if (!this.inside || !room) return;
    this.room = room;
    this._changed();
  }

  /** The server knows us again under the same room, but has forgotten the media. */
  returned() {
    if (this.watcher) this.watcher.restart();
  }

  /** Stops watching and takes the picture away. */
  leave() {
    this._closeWatcher();
    this.picture.clear();
    this.overlay.update(null);
    this.room = null;
    this._frame = this._moving = this._stalled = this._slow = false;
    this._changed();
  }

  /** @private */
  _closeWatcher() {
    const watcher = this.watcher;
    this.watcher = null;
    if (watcher) watcher.close();
  }

  /** @private */
  _settled() {
    if (!this.watcher) return;
    if (this.watcher.state === 'connected') this._moving = false;
    this.watcher.revive();
    this._changed();
  }

  /** @private */
  _shown() {
    this._frame = true;
    this._moving = false;
    if (this.watcher) this.watcher.retire();
    emit(this, 'frame');
    this._changed();
  }

  /** @private @param {import('./stats.js').Summary} sum */
  _measured(sum) {
    this.overlay.update(sum);
    if (sum.bytes !== this._bytes) this._heardAt = Date.now();
    this._bytes = sum.bytes;
    const slow = isSlow(sum.path);
    if (slow && !this._slow) emit(this, 'slower');
    this._slow = slow;
  }

  /** @private */
  _listenForSilence() {
    const stalled = this.inside && this.session.state !== 'open' && Date.now() - this._heardAt > SILENT_FOR;
    if (stalled === this._stalled) return;
    this._stalled = stalled;
    this._changed();
  }

  /** @private */
  _changed() {
    const link = this.watcher ? this.watcher.state : 'new';
    // A stale picture is greyed. While the server is moving it may still be live.
    const away = this.room !== null && this.room.state === 'away';
    document.body.classList.toggle('stale', this._frame && (link !== 'connected' || this._stalled || away));
    emit(this, 'change');
  }
}
