// The page `/w`: type a room's code, then watch.

import { Audience } from './audience.js';
import { isPhone } from './capture.js';
import { CodeBox } from './codebox.js';
import { ROOM_DIGITS, codeOfHash } from './digits.js';
import { listen } from './events.js';
import { startLanguage, t } from './lang.js';
import { agentName, byId, hideIdlePointer, icePolicy, note, setState, socketUrl, startLanguageSwitch, store, toggleFullscreen, WakeLock } from './page.js';
import { problemText, showProblem } from './problem.js';
import { RequestError, Session } from './session.js';

/** Milliseconds after a restart of the server in which the caster may come back and make the room again. */
const REJOIN_FOR = 60000;
const REJOIN_EVERY = 1500;

class ViewerPage {
  constructor() {
    this.session = new Session({ url: socketUrl(), name: agentName(navigator.userAgent) });
    window.castcode = { session: this.session, peer: null };
    const video = /** @type {HTMLVideoElement} */ (byId('picture'));
    this.audience = new Audience(this.session, icePolicy(), video, byId('stats'));
    this.tickets = store('session', 'castcode.viewer');
    this.lock = new WakeLock();
    this.box = new CodeBox(byId('code'), [ROOM_DIGITS], (code) => this.join({ code }));
    this.ticket = '';
    this.code = '';
    this.joining = false;
  }

  start() {
    this.listen();
    this.session.start();
    const saved = this.tickets.load();
    const code = codeOfHash(location.hash);
    if (code.length === ROOM_DIGITS) {
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
    listen(this.session, 'ended', (message) => this.ended(message.reason));
    listen(this.session, 'lost', () => this.rejoin(Date.now()));
    listen(this.session, 'resumed', (welcome) => {
      if (this.audience.inside && welcome.role !== 'viewer') this.rejoin(Date.now());
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
    byId('leave').addEventListener('click', () => this.leave());
    byId('other').addEventListener('click', () => this.toCode());
    byId('reload').addEventListener('click', () => location.reload());
    addEventListener('hashchange', () => this.fromHash());
    document.addEventListener('keydown', (event) => this.key(event));
    document.addEventListener('languagechange', () => this.describe());
    hideIdlePointer();
  }

  fromHash() {
    const code = codeOfHash(location.hash);
    if (code.length !== ROOM_DIGITS || code === this.code) return;
    this.leave().then(() => this.join({ code }));
  }

  /**
   * Joins by ticket where there is one, else by code; the offer travels along, so one round trip does.
   * @param {{code: string, ticket?: string}} place
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
        this.joined(place.code, message);
        return message.answer;
      });
    } catch (err) {
      await this.refused(place, err);
    } finally {
      this.joining = false;
    }
  }

  /**
   * @param {{code: string, ticket?: string}} place
   * @param {string} offer
   * @param {Object<string, string>} slots
   * @returns {Promise<Message>}
   */
  async request(place, offer, slots) {
    if (place.ticket) {
      try {
        return await this.session.request('join', { ticket: place.ticket, offer, slots });
      } catch (err) {
        const old = err instanceof RequestError && (err.code === 'auth' || err.code === 'not_live');
        if (!old || !place.code) throw err;
      }
    }
    return this.session.request('join', { code: place.code, offer, slots });
  }

  /** @param {string} code @param {Message} message */
  joined(code, message) {
    this.code = code;
    this.ticket = message.ticket;
    this.tickets.save({ ticket: message.ticket, code });
    // The link of the room stays in the address, to be sent on; fragments never reach the server.
    if (code && codeOfHash(location.hash) !== code) history.replaceState(null, '', location.pathname + location.search + '#c=' + code);
    this.audience.setRoom(message.room);
  }

  /** @param {{code: string, ticket?: string}} place @param {any} err */
  async refused(place, err) {
    if (this.session.state === 'closed') return;
    // A socket that went away in the middle says nothing about the code: try again on the next one.
    if (err.code === 'offline' || err.code === 'timeout') {
      await this.session.whenOpen().catch(() => undefined);
      setTimeout(() => this.join(place), 0);
      return;
    }
    // Joined, and the media failed afterwards: the session must not stay in a room that the page does not show.
    if (this.ticket) await this.session.request('leave').catch(() => undefined);
    this.forget();
    setState('code');
    if (place.ticket && !place.code && (err.code === 'auth' || err.code === 'not_live')) {
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
    if (this.session.state !== 'open' || !this.audience.inside || !this.ticket || this.joining) return;
    try {
      const message = await this.session.request('join', { ticket: this.ticket });
      this.joined(this.code, message);
      this.audience.returned();
    } catch (err) {
      const code = err instanceof RequestError ? err.code : 'internal';
      // A socket that dropped once more brings the next chance with it.
      if (code === 'offline' || code === 'timeout') return;
      const later = code === 'server_busy' || code === 'draining' || code === 'rate_limited';
      if (later || (code === 'not_live' && Date.now() - since < REJOIN_FOR)) setTimeout(() => this.rejoin(since), REJOIN_EVERY);
      else this.ended('gone');
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
    if (!this.audience.inside && reason !== 'replaced' && reason !== 'version') return;
    this.forget();
    this.audience.leave();
    byId('ended-text').textContent = t(reason === 'removed' || reason === 'replaced' || reason === 'version' ? reason : reason === 'gone' ? 'ended.gone' : 'room_ended');
    byId('reload').hidden = reason !== 'replaced' && reason !== 'version';
    byId('other').hidden = reason === 'replaced' || reason === 'version';
    if (document.fullscreenElement) document.exitFullscreen().catch(() => undefined);
    setState('ended');
  }

  async leave() {
    if (this.audience.inside) {
      this.audience.leave();
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
    this.ticket = '';
    this.code = '';
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
