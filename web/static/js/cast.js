// Cast: what the caster's page does, without its looks. It owns the captured stream, the mix, the publisher and the
// room's ticket. A hosted room has none of the first three: an encoder casts there.
//
// Events: `change` (state, room or source changed), `stats` (detail is a Summary), `problem` (detail is an error to
// show), `nosound` (sound was wanted, the source has none), `encoder` (news of the room's encoder; detail is whether one
// has just been refused).

import { captureCamera, captureMicrophone, captureScreen } from './capture.js';
import { EncoderWatch } from './encoder.js';
import { emit, listen } from './events.js';
import { Mixer } from './mixer.js';
import { Publisher } from './publisher.js';
import { ASK_FOR, makeRoom } from './room.js';
import { RequestError } from './session.js';
import { LastFrame, Still } from './still.js';

/** Milliseconds that a cast without a source waits for another choice before it ends. */
const SOURCELESS_FOR = 5 * 60 * 1000;

export class Cast extends EventTarget {
  /**
   * @param {import('./session.js').Session} session
   * @param {import('./peer.js').IcePolicy} policy
   * @param {{load: () => any, save: (value: any) => void}} tickets where the room's ticket survives a reload
   * @param {HTMLVideoElement} preview shows what viewers see
   * @param {string} [key] by which displays know this device again
   */
  constructor(session, policy, tickets, preview, key) {
    super();
    this.session = session;
    this.policy = policy;
    this.tickets = tickets;
    this.preview = preview;
    this.key = key || '';
    /** @type {'none' | 'connecting' | 'live' | 'frozen' | 'encoder' | 'reconnecting' | 'ended'} */
    this.state = 'none';
    /** True while the room is open but this page sends nothing, so that an encoder may. */
    this.hosting = false;
    this.encoder = new EncoderWatch();
    /** What an encoder shows as its right to cast here; empty where the server asks for none. */
    this.token = '';
    /** What a player shows where the code does not suffice. */
    this.playerToken = '';
    /** Why it ended: a reason of `ended`, or an error code. */
    this.reason = '';
    /** @type {Room | null} */
    this.room = null;
    /** @type {MediaStream | null} */
    this.stream = null;
    /** @type {Publisher | null} */
    this.publisher = null;
    /** @type {Mixer | null} */
    this.mixer = null;
    /** True when the browser's own "stop sharing" has ended the source. */
    this.sourceless = false;
    this.startedAt = 0;
    /** @type {Still | null} */
    this._still = null;
    /** @type {LastFrame | null} */
    this._last = null;
    this._ticket = '';
    /** @type {'screen' | 'camera'} */
    this._from = 'screen';
    this._wish = { mode: /** @type {import('./hints.js').Mode} */ ('auto'), sound: true };
    /** @type {any} */ this._sourcelessTimer = 0;
    listen(session, 'room', (message) => this._setRoom(message.room));
    listen(session, 'encoder', (message) => emit(this, 'encoder', this.encoder.hear(message, Date.now())));
    listen(session, 'ended', (message) => this._finish(message.reason));
    listen(session, 'resumed', (welcome) => this._resumed(welcome));
    listen(session, 'lost', () => this._takeOver());
    listen(session, 'down', () => this._update());
    listen(session, 'fatal', (detail) => this._finish(detail.code));
  }

  get running() {
    return this.state !== 'none' && this.state !== 'ended';
  }

  /** True while viewers see a held picture. */
  get frozen() {
    return this._still !== null;
  }

  /**
   * Captures, makes or takes over the room, and publishes. Call it from a press of a button. Rejects with a
   * CaptureError or a RequestError; everything captured is given back then.
   * @param {{from: 'screen' | 'camera', mode: import('./hints.js').Mode, sound: boolean, microphone: boolean}} wish
   * @param {{code?: string, ticket?: string} | null} where null is the room that is hosted already
   */
  async begin(wish, where) {
    this._wish = { mode: wish.mode, sound: wish.sound };
    // Made before the first await, while the press still counts as one.
    const mixer = new Mixer();
    /** @type {MediaStream | null} */
    let stream = null;
    try {
      this._from = wish.from;
      stream = wish.from === 'camera' ? await captureCamera() : await captureScreen(this._wish);
      if (wish.microphone) await this._speak(mixer);
      this._take(stream, mixer);
      if (where) await this._create(where);
      await this._publish(stream, mixer);
    } catch (err) {
      this._releaseMedia();
      mixer.close();
      if (stream) stop(stream);
      if (where) this._forget('none');
      this._changed();
      throw err;
    }
  }

  /**
   * Makes or takes over the room without capturing anything: an encoder is to cast there. Rejects with a RequestError.
   * @param {{code?: string, ticket?: string, token?: string}} where
   */
  async host(where) {
    this.hosting = true;
    try {
      await this._create(where);
    } catch (err) {
      this._forget('none');
      this._changed();
      throw err;
    }
    this._update();
  }

  /** Stops sending but keeps the room, so that an encoder may go on. */
  async handOver() {
    if (!this.publisher) return;
    this.hosting = true;
    this.encoder.forgive();
    this._releaseMedia();
    this._remember();
    this._update();
    await this._tellSource().catch(() => undefined); // told again when the socket is back
  }

  /**
   * Captures again and shows that instead, in the same room. Rejects with a CaptureError, or a RequestError when it has to
   * take the place of an encoder.
   * @param {'screen' | 'camera'} from
   */
  async changeSource(from) {
    if (this.hosting) {
      await this.begin({ from, mode: this._wish.mode, sound: this._wish.sound, microphone: false }, null);
      return;
    }
    const stream = from === 'camera' ? await captureCamera() : await captureScreen(this._wish);
    const publisher = this.publisher;
    if (!publisher || !this.mixer) {
      stop(stream);
      return;
    }
    const old = this.stream;
    this._take(stream, this.mixer);
    this._from = from;
    await publisher.show(stream.getVideoTracks()[0], from === 'camera');
    this._thaw();
    if (old) stop(old);
    this._changed();
  }

  /** Holds the picture, or lets it go on. */
  async toggleFreeze() {
    if (!this.publisher || this.sourceless) return;
    if (this._still && this.stream) {
      await this.publisher.show(this.stream.getVideoTracks()[0]);
      this._thaw();
    } else {
      await this._hold();
    }
    this._changed();
  }

  /** Switches the microphone. */
  async toggleMicrophone() {
    const mixer = this.mixer;
    if (!mixer) return;
    if (mixer.speaking) mixer.setMicrophone(null);
    else await this._speak(mixer);
    this._sound();
    this._changed();
  }

  /** The source ended outside of this page: keep its last picture and wait for another one. @private */
  async _sourceEnded() {
    if (!this.running || this.sourceless) return;
    this.sourceless = true;
    if (!this._still) await this._hold();
    this._sourcelessTimer = setTimeout(() => this.end(), SOURCELESS_FOR);
    this._changed();
  }

  /** Shows the cast on one more display. Rejects with a RequestError. @param {string} code */
  async add(code) {
    await this.session.request('add', { code }, ASK_FOR);
  }

  /** Sends a display or viewer away. @param {string} peer */
  async remove(peer) {
    await this.session.request('remove', { peer });
  }

  /** Ends the room for everybody. */
  async end() {
    if (!this.running) return;
    // The room would end by itself a minute after the caster is gone, should this not arrive.
    await this.session.request('end').catch(() => undefined);
    this._finish('ended');
  }

  // ---- the room

  /** @private @param {{code?: string, ticket?: string, token?: string}} where */
  async _create(where) {
    this.state = 'connecting';
    this._changed();
    const made = await makeRoom(this.session, where, this.key);
    this.encoder.reset();
    this.proved(made);
  }

  /** Takes over the newest proofs of the room. @param {Message} proofs `created`, `settings` or `rotated` */
  proved(proofs) {
    this._ticket = proofs.ticket;
    this.token = (proofs.encoder && proofs.encoder.token) || '';
    if (proofs.player) this.playerToken = proofs.player.token || '';
    this._remember();
    this._setRoom(proofs.room);
  }

  /** Keeps the way back after a reload. @private */
  _remember() {
    this.tickets.save(this.hosting ? { ticket: this._ticket, encoder: true } : { ticket: this._ticket });
  }

  /** Back by ticket after the server has forgotten the session. @private */
  async _takeOver() {
    if (!this.running || !this._ticket) return;
    try {
      const made = await this.session.request('create', Object.assign({ ticket: this._ticket }, this.key ? { key: this.key } : {}));
      this.proved(made);
      this._update();
      if (this.publisher) this.publisher.restart();
      await this._tellSource();
    } catch (err) {
      const code = err instanceof RequestError ? err.code : 'internal';
      // A socket that dropped once more brings the next chance with it.
      if (code !== 'offline' && code !== 'timeout') this._finish(code === 'not_live' || code === 'auth' ? 'gone' : code);
    }
  }

  /** @private @param {Message} welcome */
  _resumed(welcome) {
    if (!this.running) return;
    if (welcome.role !== 'caster') {
      this._takeOver();
      return;
    }
    if (this.publisher) this.publisher.revive();
    this._tellSource().catch(() => undefined);
    this._update();
  }

  /** @private @param {Room} room */
  _setRoom(room) {
    if (!room) return;
    this.room = room;
    this._changed();
  }

  // ---- media

  /** @private @param {MediaStream} stream @param {Mixer} mixer */
  async _publish(stream, mixer) {
    const publisher = new Publisher(this.session, this.policy, { video: stream.getVideoTracks()[0], audio: mixer.audible ? mixer.track : null, mode: this._wish.mode, camera: this._from === 'camera' });
    this.publisher = publisher;
    listen(publisher, 'state', () => this._update());
    listen(publisher, 'pc', (pc) => (window.castcode.peer = pc));
    listen(publisher, 'stats', (sum) => emit(this, 'stats', sum));
    listen(publisher, 'error', (err) => {
      // While the way back by ticket is under way the server may still see an idle session.
      if (err.code !== 'bad_state') emit(this, 'problem', err);
    });
    await publisher.start();
    this.startedAt = Date.now();
    if (this.hosting) {
      this.hosting = false;
      this.state = 'connecting';
      this._remember();
    }
    this._update();
  }

  /** Makes a captured stream the source of picture and sound. @private @param {MediaStream} stream @param {Mixer} mixer */
  _take(stream, mixer) {
    this.stream = stream;
    this.mixer = mixer;
    mixer.setSystem(stream);
    this._sound();
    const track = stream.getVideoTracks()[0];
    track.addEventListener('ended', () => {
      if (this.stream === stream) this._sourceEnded();
    });
    this._show(stream);
    if (this._wish.sound && stream.getAudioTracks().length === 0 && !mixer.speaking) emit(this, 'nosound');
  }

  /** Switches the microphone on; a cast does not fail for want of one. @private @param {Mixer} mixer */
  async _speak(mixer) {
    try {
      mixer.setMicrophone(await captureMicrophone());
    } catch (err) {
      emit(this, 'problem', err);
    }
  }

  /** Sends the mix while there is something in it. @private */
  _sound() {
    const mixer = this.mixer;
    if (this.publisher && mixer) this.publisher.hear(mixer.audible ? mixer.track : null).catch(() => undefined);
  }

  /** @private @param {MediaStream | null} stream */
  _show(stream) {
    if (!this._last) this._last = new LastFrame(this.preview);
    this.preview.srcObject = stream;
    if (stream) this.preview.play().catch(() => undefined);
  }

  /** @private */
  async _hold() {
    if (!this._last) return;
    this._last.copy();
    const still = new Still(this._last.picture);
    this._still = still;
    this._show(new MediaStream([still.track]));
    if (this.publisher) await this.publisher.show(still.track);
    await this._tellSource().catch(() => undefined);
    this._update();
  }

  /** @private */
  _thaw() {
    clearTimeout(this._sourcelessTimer);
    this.sourceless = false;
    if (!this._still) return;
    this._still.stop();
    this._still = null;
    this._show(this.stream);
    this._tellSource().catch(() => undefined);
    this._update();
  }

  /** Tells the server what to expect of this page: nothing, a still, or a picture. @private */
  async _tellSource() {
    if (this.hosting) await this.session.request('unpublish');
    else await this.session.request('status', { frozen: this.frozen });
  }

  // ---- state

  /** @private */
  _update() {
    if (!this.running) return;
    if (this.hosting) this.state = this.session.state === 'open' ? 'encoder' : 'reconnecting';
    else if (!this.publisher) return;
    else if (this.publisher.state === 'connected') this.state = this.frozen ? 'frozen' : 'live';
    else if (this.publisher.state === 'lost') this.state = 'reconnecting';
    this._changed();
  }

  /** @private @param {string} reason */
  _finish(reason) {
    if (!this.running) return;
    this.reason = reason;
    this.tickets.save(null);
    this._forget('ended');
    this._releaseMedia();
    this._changed();
  }

  /** The room is no longer ours. @private @param {'none' | 'ended'} state */
  _forget(state) {
    this.state = state;
    this.hosting = false;
    this.encoder.reset();
    this.token = this.playerToken = this._ticket = '';
  }

  /** Gives back everything captured and connected. @private */
  _releaseMedia() {
    clearTimeout(this._sourcelessTimer);
    if (this.publisher) this.publisher.close();
    if (this._still) this._still.stop();
    if (this._last) this._last.stop();
    this.preview.srcObject = null;
    if (this.mixer) this.mixer.close();
    if (this.stream) stop(this.stream);
    this.publisher = this._still = this._last = this.mixer = this.stream = null;
    this.sourceless = false;
  }

  /** @private */
  _changed() {
    emit(this, 'change');
  }
}

/** @param {MediaStream} stream */
function stop(stream) {
  for (const track of stream.getTracks()) track.stop();
}
