// The page `/w`: type a room's code, then watch.

import { Audience } from './audience.js';
import { isPhone } from './capture.js';
import { CodeBox } from './codebox.js';
import { ROOM_DIGITS, codeOfHash, linkOfHash, pinOf, tokenOfHash } from './digits.js';
import { listen } from './events.js';
import { startLanguage, t } from './lang.js';
import { Held, Lobby } from './lobby.js';
import { agentName, byId, hideIdlePointer, icePolicy, inputById, note, setState, socketUrl, startLanguageSwitch, store, toggleFullscreen, WakeLock } from './page.js';
import { problemText, showProblem } from './problem.js';
import { RequestError, Session } from './session.js';

/** Milliseconds after a restart of the server in which the caster may come back and make the room again. */
const REJOIN_FOR = 60000;
const REJOIN_EVERY = 1500;

/** @typedef {{code: string, link?: string, ticket?: string, pin?: string}} Place how to come to a room */

/** The secret of a link or the join token in the address, '' without one. */
function doorOfHash() {
  return tokenOfHash(location.hash) || linkOfHash(location.hash);
}

class ViewerPage {
  constructor() {
    this.session = new Session({ url: socketUrl(), name: agentName(navigator.userAgent) });
    window.castcode = { session: this.session, peer: null };
    const video = /** @type {HTMLVideoElement} */ (byId('picture'));
    this.audience = new Audience(this.session, icePolicy(), video, byId('stats'));
    this.tickets = store('session', 'castcode.viewer');
    this.lock = new WakeLock();
    this.box = new CodeBox(byId('code'), [ROOM_DIGITS], (code) => this.join({ code }));
    this.lobby = new Lobby();
    this.ticket = '';
    this.code = '';
    this.link = '';
    this.joining = false;
    /** @type {Place | null} the room that asks for its PIN */
    this.asked = null;
  }

  start() {
    this.listen();
    this.session.start();
    const saved = this.tickets.load();
    const code = codeOfHash(location.hash);
    const link = doorOfHash();
    if (link) {
      this.join(saved && saved.link === link && saved.ticket ? { code: '', link, ticket: saved.ticket } : { code: '', link });
    } else if (code.length === ROOM_DIGITS) {
      this.box.value = code;
      this.join(saved && saved.code === code && saved.ticket ? { code, ticket: saved.ticket } : { code });
    } else if (saved && saved.ticket) {
      this.join({ code: '', ticket: saved.ticket });
    } else {
      setState('code');
      this.box.value = code;
      if (!isPhone()) this.box.focus();
    }
  }

  listen() {
    listen(this.audience, 'change', () => this.changed());
    listen(this.audience, 'problem', (err) => this.problem(err));
    listen(this.audience, 'slower', () => note(t('udp_blocked'), 8));
    for (const name of ['blocked', 'sound']) listen(this.audience.picture, name, () => this.offerSound());
    listen(this.session, 'waiting', (message) => this.hold(message));
    listen(this.session, 'admitted', (message) => this.admitted(message));
    listen(this.session, 'ended', (message) => this.ended(message.reason));
    listen(this.session, 'lost', () => this.rejoin(Date.now()));
    listen(this.session, 'resumed', (welcome) => {
      const expected = this.audience.inside ? ['viewer'] : this.lobby.inside ? ['waiting', 'viewer'] : [];
      if (expected.length && expected.indexOf(welcome.role) < 0) this.rejoin(Date.now());
    });
    listen(this.session, 'down', (detail) => {
      document.body.classList.add('offline');
      if (detail.code === 1013) note(t('slow_client'), 6);
    });
    for (const name of ['open', 'resumed', 'lost']) listen(this.session, name, () => document.body.classList.remove('offline'));
    listen(this.session, 'fatal', (detail) => this.ended(detail.code));
    byId('sound').addEventListener('click', () => this.audience.picture.unmute());
    byId('fullscreen').addEventListener('click', () => this.fullscreen());
    byId('stats-button').addEventListener('click', () => this.audience.overlay.toggle());
    byId('stage').addEventListener('dblclick', () => this.fullscreen());
    for (const id of ['leave', 'leave-lobby', 'leave-soon', 'leave-pin']) byId(id).addEventListener('click', () => this.leave());
    byId('pin-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.enterPin();
    });
    byId('other').addEventListener('click', () => this.toCode());
    byId('reload').addEventListener('click', () => location.reload());
    addEventListener('hashchange', () => this.fromHash());
    document.addEventListener('keydown', (event) => this.key(event));
    document.addEventListener('languagechange', () => this.describe());
    hideIdlePointer();
  }

  fromHash() {
    const link = doorOfHash();
    const code = link ? '' : codeOfHash(location.hash);
    if (link ? link === this.link : code.length !== ROOM_DIGITS || code === this.code) return;
    this.leave().then(() => this.join(link ? { code, link } : { code }));
  }

  /**
   * Joins by ticket where there is one, else by link or code; the offer travels along, so one round trip does.
   * @param {Place} place
   */
  async join(place) {
    if (this.joining) return;
    this.joining = true;
    showProblem(byId('code-error'), null);
    setState('connecting');
    try {
      await this.session.whenOpen();
      await this.audience.enter(null, async (offer, slots) => {
        const message = await this.request(place, offer, slots);
        this.remember(place, message.ticket);
        if (message.type === 'waiting') throw new Held(message);
        this.audience.setRoom(message.room);
        return message.answer;
      });
    } catch (err) {
      if (err instanceof Held) this.hold(err.waiting);
      else await this.refused(place, err);
    } finally {
      this.joining = false;
    }
  }

  /**
   * @param {Place} place
   * @param {string} offer
   * @param {Object<string, string>} slots
   * @returns {Promise<Message>}
   */
  async request(place, offer, slots) {
    if (place.ticket) {
      try {
        return await this.session.request('join', Object.assign({ ticket: place.ticket, offer, slots }, place.pin ? { pin: place.pin } : null));
      } catch (err) {
        const old = err instanceof RequestError && (err.code === 'auth' || err.code === 'not_live');
        if (!old || !(place.code || place.link)) throw err;
      }
    }
    const door = !place.link ? { code: place.code } : tokenOfHash('#t=' + place.link) ? { token: place.link } : { link: place.link };
    return this.session.request('join', Object.assign({ offer, slots }, door, place.pin ? { pin: place.pin } : null));
  }

  /** Keeps the way back. @param {Place} place @param {string} ticket */
  remember(place, ticket) {
    this.code = place.code;
    this.link = place.link || '';
    this.ticket = ticket;
    this.asked = null;
    this.tickets.save({ ticket, code: this.code, link: this.link });
    // The link of the room stays in the address, to be sent on; fragments never reach the server.
    if (this.code && codeOfHash(location.hash) !== this.code) history.replaceState(null, '', location.pathname + location.search + '#c=' + this.code);
  }

  /** Waits to be let in. @param {Message} waiting */
  hold(waiting) {
    if (this.audience.inside) this.audience.leave();
    this.remember({ code: this.code, link: this.link }, waiting.ticket);
    this.lobby.enter(waiting);
  }

  /** Let in: a viewer from now on. @param {Message} message */
  async admitted(message) {
    this.remember({ code: this.code, link: this.link }, message.ticket);
    this.lobby.leave();
    if (this.audience.inside) {
      this.audience.setRoom(message.room);
      return;
    }
    try {
      await this.audience.enter(message.room);
    } catch (err) {
      // The seat is there, only the connection is not: the ticket brings it.
      await this.session.request('leave').catch(() => undefined);
      await this.join({ code: this.code, link: this.link, ticket: message.ticket });
    }
  }

  /** Asks for the PIN of a room. @param {Place} place @param {any} err */
  askPin(place, err) {
    const again = err.code !== 'pin_required';
    this.asked = { code: place.code, link: place.link, ticket: place.ticket };
    this.lobby.leave();
    showProblem(byId('pin-error'), again ? err : null);
    inputById('pin').value = '';
    setState('pin');
    inputById('pin').focus();
  }

  enterPin() {
    const pin = pinOf(inputById('pin').value);
    if (!this.asked || pin.length < 4) {
      inputById('pin').focus();
      return;
    }
    this.join(Object.assign({}, this.asked, { pin }));
  }

  /** @param {Place} place @param {any} err */
  async refused(place, err) {
    if (this.session.state === 'closed') return;
    // A socket that went away in the middle says nothing about the code: try again on the next one.
    if (err.code === 'offline' || err.code === 'timeout') {
      await this.session.whenOpen().catch(() => undefined);
      setTimeout(() => this.join(place), 0);
      return;
    }
    if (err.code === 'pin_required' || err.code === 'pin_wrong' || (err.code === 'code_limited' && place.pin)) {
      this.askPin(place, err);
      return;
    }
    // Joined, and the media failed afterwards: the session must not stay in a room that the page does not show.
    if (this.ticket) await this.session.request('leave').catch(() => undefined);
    this.forget();
    setState('code');
    if (place.ticket && !place.code && !place.link && (err.code === 'auth' || err.code === 'not_live')) {
      // A ticket of yesterday is no mistake of the person who opens the page.
      this.box.focus();
      return;
    }
    showProblem(byId('code-error'), err);
    this.box.value = place.code;
    this.box.refuse();
  }

  /**
   * Back into the same room after the server has forgotten the session. The room is there again as soon as its
   * caster is; until then the last picture stays.
   * @param {number} since when this began, Unix ms
   */
  async rejoin(since) {
    if (this.session.state !== 'open' || !(this.audience.inside || this.lobby.inside) || !this.ticket || this.joining) return;
    try {
      const message = await this.session.request('join', { ticket: this.ticket });
      if (message.type === 'waiting') this.hold(message);
      else if (this.lobby.inside) await this.admitted(message);
      else {
        this.remember({ code: this.code, link: this.link }, message.ticket);
        this.audience.setRoom(message.room);
        this.audience.returned();
      }
    } catch (err) {
      const code = err instanceof RequestError ? err.code : 'internal';
      // A socket that dropped once more brings the next chance with it.
      if (code === 'offline' || code === 'timeout') return;
      const later = code === 'server_busy' || code === 'draining' || code === 'rate_limited';
      if (later || (code === 'not_live' && Date.now() - since < REJOIN_FOR)) setTimeout(() => this.rejoin(since), REJOIN_EVERY);
      else if (code === 'pin_required') this.askPin({ code: this.code, link: this.link, ticket: this.ticket }, err);
      else this.ended(code === 'denied' ? code : 'gone');
    }
  }

  changed() {
    const state = this.audience.inside ? this.audience.state : '';
    this.lock.want(state === 'live' || state === 'frozen' || state === 'reconnecting' || state === 'moving');
    this.offerSound();
    if (!state) return;
    setState(state);
    this.describe();
  }

  /** The button for sound is there only when the browser holds sound back that the cast has. */
  offerSound() {
    byId('sound').hidden = !this.audience.silenced;
  }

  /** Words for the present state. */
  describe() {
    const room = this.audience.room;
    const away = room !== null && room.state === 'away';
    byId('reconnecting-text').textContent = t(away ? 'watch.caster_away' : 'reconnecting');
    byId('room-name').textContent = room ? room.name : '';
    byId('viewer-count').textContent = room ? t('live.viewers', { n: room.viewers }) : '';
  }

  /** @param {any} err */
  problem(err) {
    note(problemText(err), 10);
  }

  /** @param {string} reason */
  ended(reason) {
    const over = reason === 'replaced' || reason === 'version' || this.session.state === 'closed';
    if (!this.audience.inside && !this.lobby.inside && !over) return;
    this.forget();
    this.audience.leave();
    const own = ['removed', 'expired', 'replaced', 'version', 'denied'].indexOf(reason) >= 0;
    byId('ended-text').textContent = t(own ? reason : reason === 'gone' ? 'ended.gone' : 'room_ended');
    byId('reload').hidden = !over;
    byId('other').hidden = over;
    if (document.fullscreenElement) document.exitFullscreen().catch(() => undefined);
    setState('ended');
  }

  async leave() {
    if (this.audience.inside || this.lobby.inside) {
      this.audience.leave();
      this.lobby.leave();
      await this.session.request('leave').catch(() => undefined);
    }
    this.toCode();
  }

  toCode() {
    this.forget();
    history.replaceState(null, '', location.pathname + location.search);
    this.box.value = '';
    showProblem(byId('code-error'), null);
    setState('code');
    this.box.focus();
  }

  forget() {
    this.lobby.leave();
    this.asked = null;
    this.ticket = '';
    this.code = '';
    this.link = '';
    this.tickets.save(null);
    byId('sound').hidden = true;
  }

  fullscreen() {
    toggleFullscreen(byId('stage'), this.audience.picture.front);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || target.tagName === 'INPUT') return;
    if (event.key === 'f') this.fullscreen();
    else if (event.key === 'm') this.audience.picture.front.muted = !this.audience.picture.front.muted;
  }
}

startLanguage().then(() => {
  startLanguageSwitch();
  new ViewerPage().start();
});
