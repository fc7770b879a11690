// The page `/`: type a code, choose what to share, and the cast itself.

import { CaptureError, isPhone, obstacle } from './capture.js';
import { CasterPanel } from './caster-panel.js';
import { Cast } from './cast.js';
import { CodeBox } from './codebox.js';
import { casterKey } from './displays-panel.js';
import { DISPLAY_DIGITS, LONG_DISPLAY_DIGITS, ROOM_DIGITS, codeOfHash, tokenOfHash } from './digits.js';
import { listen } from './events.js';
import { startLanguage, t } from './lang.js';
import { agentName, byId, icePolicy, imageById, inputById, note, pageState, setState, socketUrl, startLanguageSwitch, store, WakeLock } from './page.js';
import { problemCode, problemText, showProblem } from './problem.js';
import { displayLink, showQr } from './qr.js';
import { Session } from './session.js';

/** @typedef {import('./hints.js').Mode} Mode */

class CasterPage {
  constructor() {
    this.session = new Session({ url: socketUrl(), name: agentName(navigator.userAgent) });
    window.castcode = { session: this.session, peer: null };
    this.tickets = store('session', 'castcode.caster');
    this.cast = new Cast(this.session, icePolicy(), this.tickets, /** @type {HTMLVideoElement} */ (byId('preview')), casterKey());
    this.panel = new CasterPanel(this.cast);
    this.lock = new WakeLock();
    /** @type {{code?: string, ticket?: string, name?: string}} where the cast goes */
    this.target = {};
    /** Join token of this page, '' without one. */
    this.token = '';
    this.obstacle = obstacle({ secure: window.isSecureContext, devices: navigator.mediaDevices, phone: isPhone() });
    this.box = new CodeBox(byId('code'), [DISPLAY_DIGITS, LONG_DISPLAY_DIGITS, ROOM_DIGITS], (code) => this.look(code));
  }

  start() {
    this.listen();
    this.showObstacle();
    this.session.start();
    const before = this.tickets.load();
    this.token = tokenOfHash(location.hash);
    setState('idle');
    if (before && before.ticket && before.encoder) this.host({ ticket: before.ticket });
    else if (before && before.ticket) this.choose({ ticket: before.ticket });
    else if (!this.fromHash() && !isPhone()) this.box.focus();
  }

  listen() {
    byId('start').addEventListener('click', () => this.choose({}));
    byId('share').addEventListener('click', () => this.begin('screen'));
    byId('camera').addEventListener('click', () => this.begin('camera'));
    byId('host').addEventListener('click', () => this.host(this.target));
    byId('host-home').addEventListener('click', () => this.host({}));
    byId('back').addEventListener('click', () => this.idle());
    byId('again').addEventListener('click', () => this.idle());
    byId('rejoin').addEventListener('click', () => location.reload());
    addEventListener('hashchange', () => this.fromHash());
    document.addEventListener('languagechange', () => this.describeTarget());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.session.check();
    });
    listen(this.cast, 'change', () => this.changed());
    listen(this.cast, 'problem', (err) => note(problemText(err), 8));
    listen(this.cast, 'nosound', () => note(t('no_audio'), 10));
    listen(this.session, 'fatal', (detail) => this.fatal(detail.code));
    listen(this.session, 'draining', () => note(t('draining'), 8));
    listen(this.session, 'down', (detail) => document.body.classList.add(detail.code === 1013 ? 'slow' : 'offline'));
    for (const name of ['open', 'resumed', 'lost']) listen(this.session, name, () => document.body.classList.remove('offline', 'slow'));
  }

  /** Takes a join token or a code out of the fragment, as a link or a QR code brings it. */
  fromHash() {
    this.token = tokenOfHash(location.hash) || this.token;
    if (tokenOfHash(location.hash) && !this.cast.running) {
      this.choose({});
      return true;
    }
    const code = codeOfHash(location.hash);
    if (!code || this.cast.running) return false;
    setState('idle');
    this.box.value = code;
    this.box.submit();
    return true;
  }

  /** @param {string} code */
  async look(code) {
    const error = byId('code-error');
    showProblem(error, null);
    try {
      await this.session.whenOpen();
      const found = await this.session.request('look', { code });
      // More digits may have been typed since.
      if (this.box.value !== code || pageState() !== 'idle') return;
      if (found.kind === 'room') location.href = '/w' + location.search + '#c=' + code;
      else this.choose({ code, name: found.name });
    } catch (err) {
      if (this.box.value !== code) return;
      showProblem(error, err);
      this.box.refuse();
    }
  }

  /** @param {{code?: string, ticket?: string, name?: string}} target */
  choose(target) {
    this.target = target;
    showProblem(byId('choose-error'), null);
    this.describeTarget();
    setState('choosing');
    const qr = imageById('laptop-qr');
    if (this.obstacle === 'mobile_no_capture') showQr(qr, target.code ? displayLink(target.code) : location.origin + '/');
    const secure = /** @type {HTMLAnchorElement} */ (byId('secure'));
    secure.href = 'https://' + location.host + '/' + (target.code ? '#c=' + target.code : '');
    const next = [byId('share'), byId('camera'), secure].find((node) => !node.hidden);
    if (next) next.focus();
  }

  describeTarget() {
    const { code, ticket, name } = this.target;
    byId('choose-title').textContent = code ? t('choose.to_display', { name: name || t('display.unnamed') }) : t('choose.to_room');
    byId('room-open').hidden = !ticket;
  }

  /** The target, with what lets this page open it. */
  where() {
    return this.token ? Object.assign({ token: this.token }, this.target) : this.target;
  }

  /** @param {'screen' | 'camera'} from */
  async begin(from) {
    const error = byId('choose-error');
    showProblem(error, null);
    const wish = {
      from,
      mode: this.mode(),
      sound: inputById('with-sound').checked,
      microphone: inputById('with-mic').checked,
    };
    try {
      await this.cast.begin(wish, this.where());
      history.replaceState(null, '', location.pathname + location.search);
    } catch (err) {
      this.refused(err);
    }
  }

  /** Opens a room for an encoder. @param {{code?: string, ticket?: string, name?: string}} target */
  async host(target) {
    this.target = target;
    this.describeTarget();
    showProblem(byId('choose-error'), null);
    try {
      await this.cast.host(this.where());
      history.replaceState(null, '', location.pathname + location.search);
    } catch (err) {
      this.refused(err);
    }
  }

  /** @param {any} err */
  refused(err) {
    this.panel.displays.answered();
    if (problemCode(err) === 'cancelled') {
      setState('choosing');
      return;
    }
    const spent = !(err instanceof CaptureError) && this.target.code && ['code_unknown', 'code_limited', 'code_format', 'display_gone', 'denied'].indexOf(problemCode(err)) >= 0;
    if (!spent) {
      setState('choosing');
      showProblem(byId('choose-error'), err);
      return;
    }
    // The display has another code by now: back to the box.
    this.idle();
    showProblem(byId('code-error'), err);
  }

  /** @returns {Mode} */
  mode() {
    if (inputById('mode-text').checked) return 'text';
    return inputById('mode-video').checked ? 'video' : 'auto';
  }

  idle() {
    if (this.target.ticket) this.tickets.save(null);
    this.target = {};
    if (codeOfHash(location.hash)) history.replaceState(null, '', location.pathname + location.search);
    showProblem(byId('code-error'), null);
    this.box.value = '';
    setState('idle');
    this.box.focus();
  }

  changed() {
    const state = this.cast.state;
    this.lock.want(this.cast.running);
    if (state === 'none') return;
    if (state !== 'connecting' || this.cast.room) this.panel.displays.answered();
    this.panel.update();
    if (state === 'ended') this.ended();
    setState(state);
  }

  ended() {
    const reason = this.cast.reason;
    const known = ['replaced', 'version', 'already_casting', 'removed', 'expired'];
    byId('ended-text').textContent = reason === 'gone' ? t('ended.gone') : known.indexOf(reason) >= 0 ? t(reason) : t('ended.by_you');
    byId('rejoin').hidden = reason !== 'version';
  }

  /** @param {string} code */
  fatal(code) {
    byId('ended-text').textContent = t(code);
    byId('rejoin').hidden = false;
    byId('again').hidden = true;
    setState('ended');
  }

  showObstacle() {
    const kind = this.obstacle;
    const warning = byId('insecure');
    warning.hidden = kind !== 'insecure_context';
    byId('choose-obstacle').hidden = !kind;
    byId('laptop').hidden = kind !== 'mobile_no_capture';
    byId('share').hidden = kind !== '';
    const insecure = kind === 'insecure_context';
    byId('camera').hidden = insecure;
    byId('secure').hidden = !insecure;
    byId('wishes').hidden = insecure;
    byId('camera').classList.toggle('primary', kind !== '');
    const tell = () => {
      const text = kind ? problemText({ code: kind }) : '';
      byId('choose-obstacle').textContent = text;
    };
    tell();
    document.addEventListener('languagechange', tell);
    /** @type {HTMLAnchorElement} */ (byId('insecure-link')).href = 'https://' + location.host + '/';
  }
}

startLanguage().then(() => {
  startLanguageSwitch();
  new CasterPage().start();
});
