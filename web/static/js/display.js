// The page `/d`: a screen that shows a code, and then what is cast to it. It runs on televisions: nothing here or in
// what it imports may need more than ES2018 to load (a test looks), and every API is asked for before it is used.

import { Audience } from './audience.js';
import { deviceKey } from './device.js';
import { DisplayPanel } from './display-panel.js';
import { groups, spoken, tokenOfHash } from './digits.js';
import { listen } from './events.js';
import { dictionary, language, startLanguage, t } from './lang.js';
import { agentName, byId, hideIdlePointer, icePolicy, imageById, note, setState, socketUrl, startLanguageSwitch, store, toggleFullscreen, WakeLock } from './page.js';
import { problemText } from './problem.js';
import { displayLink, showQr } from './qr.js';
import { RequestError, Session } from './session.js';

/** Milliseconds that "the cast has ended" is shown before the code. */
const ENDED_FOR = 2500;
/** Milliseconds after a restart of the server in which the caster may bind this display again. */
const REBIND_FOR = 6000;

class DisplayPage {
  constructor() {
    const wishes = new URLSearchParams(location.search);
    /** The name that the address asks for; without one the server chooses. */
    this.wanted = (wishes.get('name') || '').slice(0, 64);
    this.kiosk = wishes.get('kiosk') === '1';
    this.session = new Session({ url: socketUrl(), name: this.wanted || agentName(navigator.userAgent) });
    window.castcode = { session: this.session, peer: null };
    const video = /** @type {HTMLVideoElement} */ (byId('picture'));
    this.audience = new Audience(this.session, icePolicy(), video, byId('stats'));
    // Several displays may live in one browser, told apart by the names in their addresses.
    this.tickets = store('local', 'castcode.display:' + this.wanted);
    /** Join token of this page, '' without one. */
    this.token = tokenOfHash(location.hash);
    /** What proves to the server which display this is. */
    this.deviceKey = deviceKey(store('local', 'castcode.key:' + this.wanted));
    this.panel = new DisplayPanel(this.session);
    this.lock = new WakeLock();
    /** @type {any} */ this.codeTimer = 0;
    this.name = this.wanted;
  }

  start() {
    document.body.classList.toggle('kiosk', this.kiosk);
    this.listen();
    setState('starting');
    this.tick();
    setInterval(() => this.tick(), 1000);
    this.drift();
    setInterval(() => this.drift(), 30000);
    // A hint for systems that ignore it while nothing plays; a display must not go dark with its code on it.
    this.lock.want(true);
    this.session.start();
  }

  listen() {
    const session = this.session;
    listen(this.panel, 'device', () => this.renamed());
    listen(this.panel, 'sound', (on) => this.audience.picture.hush(!on));
    listen(session, 'open', () => this.open());
    listen(session, 'lost', () => this.open());
    listen(session, 'resumed', (welcome) => this.resumed(welcome));
    listen(session, 'code', (message) => this.showCode(message.code));
    listen(session, 'bound', (message) => this.bound(message));
    listen(session, 'ended', (message) => this.ended(message.reason));
    listen(session, 'down', () => this.dot('down'));
    for (const name of ['open', 'resumed', 'lost']) listen(session, name, () => this.dot('up'));
    listen(session, 'fatal', (detail) => this.fatal(detail.code));
    listen(this.audience, 'change', () => this.changed());
    listen(this.audience, 'problem', (err) => note(problemText(err), 15));
    listen(this.audience, 'slower', () => note(t('udp_blocked'), 6));
    for (const name of ['blocked', 'sound']) listen(this.audience.picture, name, () => (byId('sound').hidden = !this.audience.silenced));
    byId('sound').addEventListener('click', () => this.audience.picture.unmute());
    byId('fullscreen').addEventListener('click', () => this.fullscreen());
    byId('stage').addEventListener('dblclick', () => this.fullscreen());
    document.addEventListener('keydown', (event) => this.key(event));
    document.addEventListener('languagechange', () => this.relabel());
    hideIdlePointer();
  }

  /** Registers this display; its name comes back by ticket. */
  async open() {
    /** @type {Object<string, any>} */
    const fields = {};
    if (this.wanted) fields.name = this.wanted;
    if (this.deviceKey) fields.key = this.deviceKey;
    const saved = this.tickets.load();
    if (saved && saved.ticket) fields.ticket = saved.ticket;
    else if (this.token) fields.token = this.token;
    if (saved && saved.ticket && saved.seat) fields.seat = saved.seat;
    try {
      this.opened(await this.session.request('open', fields));
    } catch (err) {
      const code = err instanceof RequestError ? err.code : 'internal';
      if (code === 'auth' && fields.token) {
        this.token = ''; // without it there is a code to be shown
        note(problemText(err), 15);
      }
      if (code === 'auth') this.tickets.save(null);
      // A socket that dropped brings the next chance with it; every other refusal is asked again in a while.
      if (code === 'offline' || code === 'timeout') return;
      const wait = err instanceof RequestError && err.wait ? err.wait : code === 'auth' ? 0.2 : 5;
      if (code !== 'auth') note(problemText(err), wait);
      setTimeout(() => this.open(), wait * 1000);
    }
  }

  /** @param {Message} message */
  opened(message) {
    this.name = message.name || '';
    this.panel.setDevice(message.device);
    const saved = this.tickets.load();
    this.tickets.save({ ticket: message.ticket, seat: (saved && saved.seat) || '' });
    this.relabel();
    clearTimeout(this.codeTimer);
    if (!this.audience.inside) {
      this.showCode(message.code);
      return;
    }
    // The server has just restarted: keep the last picture for the moment in which the caster comes back too.
    this.codeTimer = setTimeout(() => {
      this.audience.leave();
      this.showCode(message.code);
    }, REBIND_FOR);
  }

  /** Somebody has given this display another name, here or in a list. */
  renamed() {
    const device = this.panel.device;
    if (!device || device.name === this.name) return;
    this.name = device.name;
    this.relabel();
  }

  /** @param {Message} welcome */
  resumed(welcome) {
    if (welcome.role !== 'display') this.open();
    // The cast ended while the socket was away; the server sends the code next.
    else if (!welcome.bound && this.audience.inside) {
      this.keepSeat('');
      this.audience.leave();
    }
  }

  /** @param {Message} message */
  async bound(message) {
    const room = message.room;
    clearTimeout(this.codeTimer);
    this.audience.picture.hush(!message.sound);
    this.keepSeat(message.seat);
    try {
      if (this.audience.inside) {
        this.audience.setRoom(room);
        this.audience.returned();
      } else {
        await this.audience.enter(room);
      }
    } catch (err) {
      note(problemText(err), 15);
      if (!(err instanceof RequestError) || err.code === 'offline' || err.code === 'timeout') return;
      // Not able to show this cast: make room for another code.
      await this.session.request('leave').catch(() => undefined);
      this.open();
    }
  }

  /** Remembers the place in the room, in case the server restarts; '' forgets it. @param {string} seat */
  keepSeat(seat) {
    const saved = this.tickets.load();
    if (saved && saved.ticket) this.tickets.save({ ticket: saved.ticket, seat });
  }

  /** @param {string} reason */
  ended(reason) {
    this.keepSeat('');
    this.audience.leave();
    byId('ended-text').textContent = t(reason === 'removed' ? 'display.removed' : reason === 'gone' ? 'ended.gone' : 'room_ended');
    setState('ended');
    clearTimeout(this.codeTimer);
    this.codeTimer = setTimeout(() => {
      if (byId('code').dataset.code) setState('code');
    }, ENDED_FOR);
  }

  /** @param {string} code */
  showCode(code) {
    if (!code) return;
    const place = byId('code');
    place.dataset.code = code;
    place.dataset.digits = String(code.length);
    place.textContent = '';
    for (const group of groups(code)) {
      const span = document.createElement('span');
      span.textContent = group;
      place.appendChild(span);
    }
    place.setAttribute('aria-label', spoken(code));
    showQr(imageById('qr'), displayLink(code));
    const state = document.body.dataset.state;
    if (!this.audience.inside && state !== 'ended') setState('code');
  }

  changed() {
    byId('sound').hidden = !this.audience.silenced;
    if (!this.audience.inside) return;
    const state = this.audience.state;
    const room = this.audience.room;
    byId('reconnecting-text').textContent = t(room && room.state === 'away' ? 'watch.caster_away' : 'reconnecting');
    // A display has no waiting room of its own: until there is a picture it is connecting.
    setState(state === 'waiting' ? 'connecting' : state);
  }

  /** @param {string} code */
  fatal(code) {
    this.audience.leave();
    byId('ended-text').textContent = t(code);
    clearTimeout(this.codeTimer);
    setState('ended');
    // Nobody stands before a kiosk to press reload when the server has a new version.
    if (code === 'version') setTimeout(() => location.reload(), 5000);
  }

  /** @param {'up' | 'down'} state */
  dot(state) {
    const node = byId('connection');
    node.dataset.state = state;
    node.setAttribute('aria-label', t(state === 'up' ? 'display.online' : 'display.offline'));
    byId('connection-text').textContent = t(state === 'up' ? 'display.online' : 'display.offline');
  }

  /** Everything that depends on the language. */
  relabel() {
    const other = language() === 'en' ? 'zh-CN' : 'en';
    byId('name').textContent = this.name || t('display.unnamed');
    document.title = (this.name || t('display.unnamed')) + ' – castcode';
    byId('short-url').textContent = location.host;
    this.dot(/** @type {'up' | 'down'} */ (byId('connection').dataset.state === 'up' ? 'up' : 'down'));
    dictionary(other).then(() => {
      const line = byId('other-language');
      line.lang = other;
      line.textContent = t('display.both', { host: location.host }, other);
    });
    byId('step1').textContent = t('display.step1', { host: location.host });
    this.tick();
  }

  tick() {
    const now = new Date();
    const text = now.toLocaleTimeString(language(), { hour: '2-digit', minute: '2-digit' });
    if (byId('clock').textContent !== text) byId('clock').textContent = text;
  }

  /** Moves the idle screen a little, so that no letter burns in. */
  drift() {
    const turn = (Date.now() / 30000) * 0.7;
    const node = byId('idle');
    node.style.transform = 'translate(' + (Math.sin(turn) * 1.4).toFixed(2) + 'vw, ' + (Math.cos(turn * 0.83) * 1.2).toFixed(2) + 'vh)';
  }

  fullscreen() {
    toggleFullscreen(document.documentElement, this.audience.picture.front);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || this.panel.question || this.panel.isOpen) return;
    if (event.key === 'f') this.fullscreen();
    // The OK key of a remote control; a focused button has its own Enter.
    else if (event.key === 'Enter' && this.audience.picture.blocked && document.activeElement === document.body) this.audience.picture.unmute();
  }
}

/** @returns {string[]} what this browser does not have and the display cannot do without */
function missing() {
  /** @type {any} */
  const has = window;
  return ['WebSocket', 'RTCPeerConnection', 'MediaStream', 'Promise', 'fetch', 'URLSearchParams'].filter((name) => !has[name]);
}

const lacks = missing();
startLanguage().then(() => {
  if (lacks.length) {
    byId('lacks').textContent = t('display.lacks', { list: lacks.join(', ') });
    setState('unsupported');
    return;
  }
  startLanguageSwitch();
  const page = new DisplayPage();
  page.relabel();
  page.start();
});
