// What people set and answer at a display: its settings, the question whether a caster may, and its name in large
// letters when the caster looks for it. Like all of the display page it loads with ES2018.

import { chosenSize, isDark, offerSizes } from './device.js';
import { emit, listen } from './events.js';
import { language, t } from './lang.js';
import { announce, byId, inputById, note } from './page.js';
import { problemText } from './problem.js';

/**
 * @typedef {{id: string, name: string, kept: boolean, approval: string, sound: boolean, width: number, height: number,
 *   off: {from: string, to: string}, allowed: {id: string, name: string, since: string}[]}} Device
 */

/** Events: `device` (what is known of this display has changed), `sound` (detail is whether to play it). */
export class DisplayPanel extends EventTarget {
  /** @param {import('./session.js').Session} session */
  constructor(session) {
    super();
    this.session = session;
    /** @type {Device | null} */
    this.device = null;
    /** @type {Message | null} the question that stands */
    this.question = null;
    this.until = 0;
    /** @type {any} */ this.flashTimer = 0;
    /** @type {Element | null} */ this.before = null;
    this.listen();
    setInterval(() => this.tick(), 1000);
  }

  listen() {
    const session = this.session;
    listen(session, 'device', (message) => this.setDevice(message));
    listen(session, 'approve', (message) => this.ask(message));
    listen(session, 'withdrawn', (message) => {
      if (this.question && this.question.request === message.request) this.closeQuestion();
    });
    listen(session, 'identify', (message) => this.flash(message));
    listen(session, 'sound', (message) => emit(this, 'sound', message.on));
    for (const name of ['open', 'lost']) listen(session, name, () => this.closeQuestion());
    byId('approve-allow').addEventListener('click', () => this.answer(true, false));
    byId('approve-always').addEventListener('click', () => this.answer(true, true));
    byId('approve-deny').addEventListener('click', () => this.answer(false, false));
    byId('settings-open').addEventListener('click', () => this.open());
    byId('settings-close').addEventListener('click', () => this.close());
    const form = /** @type {HTMLFormElement} */ (byId('settings-form'));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.save();
    });
    document.addEventListener('keydown', (event) => this.key(event));
    document.addEventListener('languagechange', () => this.draw());
  }

  /** @param {any} device */
  setDevice(device) {
    this.device = device;
    emit(this, 'device');
    this.draw();
    this.tick();
  }

  // ---- the question

  /** @param {Message} message */
  ask(message) {
    this.question = message;
    this.until = Date.now() + message.within;
    this.before = document.activeElement;
    byId('approve').hidden = false;
    this.draw();
    announce(byId('approve-title').textContent + ' ' + byId('approve-who').textContent);
    // An Enter that was meant for something else must not let anybody in.
    byId('approve-deny').focus();
  }

  /** @param {boolean} allow @param {boolean} always */
  async answer(allow, always) {
    const question = this.question;
    if (!question || (always && !question.remember)) return;
    this.closeQuestion();
    try {
      await this.session.request('decide', { request: question.request, allow, always });
    } catch (err) {
      if (/** @type {any} */ (err).code !== 'request_unknown') note(problemText(err), 8);
    }
  }

  closeQuestion() {
    if (!this.question) return;
    this.question = null;
    byId('approve').hidden = true;
    if (this.before instanceof HTMLElement) this.before.focus();
  }

  // ---- the name in large letters

  /** @param {Message} message */
  flash(message) {
    byId('identify').textContent = message.name || t('display.unnamed');
    byId('identify').hidden = false;
    clearTimeout(this.flashTimer);
    this.flashTimer = setTimeout(() => (byId('identify').hidden = true), message.within);
  }

  // ---- the settings

  get isOpen() {
    return !byId('settings').hidden;
  }

  open() {
    if (!this.device) return;
    byId('settings').hidden = false;
    this.fill();
    byId('settings-name').focus();
  }

  close() {
    byId('settings').hidden = true;
    byId('settings-open').focus();
  }

  /** Puts what is known into the form. */
  fill() {
    const device = this.device;
    if (!device) return;
    inputById('settings-name').value = device.name;
    /** @type {HTMLSelectElement} */ (byId('settings-approval')).value = device.approval;
    inputById('settings-sound').checked = device.sound;
    offerSizes(/** @type {HTMLSelectElement} */ (byId('settings-size')), device, t('size.any'));
    inputById('settings-from').value = device.off.from;
    inputById('settings-to').value = device.off.to;
  }

  async save() {
    const from = inputById('settings-from').value;
    const to = inputById('settings-to').value;
    const size = chosenSize(/** @type {HTMLSelectElement} */ (byId('settings-size')));
    const wish = {
      name: inputById('settings-name').value.trim(),
      approval: /** @type {HTMLSelectElement} */ (byId('settings-approval')).value,
      sound: inputById('settings-sound').checked,
      width: size.width,
      height: size.height,
      off: from && to ? { from, to } : { from: '', to: '' },
    };
    try {
      await this.session.request('configure', wish);
      note(t('settings.saved'), 3);
      this.close();
    } catch (err) {
      note(problemText(err), 8);
    }
  }

  draw() {
    const question = this.question;
    if (question) {
      const caster = question.caster;
      byId('approve-title').textContent = t(question.why === 'group' ? 'approve.group' : 'approve.cast');
      const device = caster.device ? t('device.' + caster.device) : '';
      byId('approve-who').textContent = caster.name || t('approve.nameless');
      byId('approve-what').textContent = [device, caster.program, caster.address].filter(Boolean).join(' · ');
      byId('approve-always').hidden = !question.remember;
      byId('approve-allow').hidden = question.why === 'group';
    }
    const device = this.device;
    byId('settings-open').hidden = !device;
    if (!device) return;
    byId('settings-forgetful').hidden = device.kept;
    byId('settings-nobody').hidden = device.allowed.length > 0;
    const list = byId('settings-allowed');
    list.textContent = '';
    for (const caster of device.allowed) list.appendChild(this.allowedItem(caster));
  }

  /** @param {{id: string, name: string, since: string}} caster */
  allowedItem(caster) {
    const item = document.createElement('li');
    const text = document.createElement('span');
    const since = new Date(caster.since).toLocaleDateString(language());
    text.textContent = (caster.name || t('approve.nameless')) + ' · ' + since;
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = t('settings.revoke');
    button.addEventListener('click', () => {
      button.disabled = true;
      this.session.request('forget', { caster: caster.id }).catch((err) => {
        button.disabled = false;
        note(problemText(err), 8);
      });
    });
    item.appendChild(text);
    item.appendChild(button);
    return item;
  }

  tick() {
    if (this.question) {
      const left = Math.max(0, Math.ceil((this.until - Date.now()) / 1000));
      byId('approve-left').textContent = t('approve.left', { n: left });
    }
    const now = new Date();
    const clock = ('0' + now.getHours()).slice(-2) + ':' + ('0' + now.getMinutes()).slice(-2);
    const dark = Boolean(this.device && !this.question && !this.isOpen && isDark(this.device.off, clock));
    document.body.classList.toggle('dark', dark);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.question) {
      if (event.key === 'y' && this.question.why !== 'group') this.answer(true, false);
      else if (event.key === 'a') this.answer(true, true);
      else if (event.key === 'n' || event.key === 'Escape') this.answer(false, false);
      else if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') this.step(event.key === 'ArrowLeft' ? -1 : 1);
      else return;
      event.preventDefault();
      return;
    }
    if (event.key === 'Escape' && this.isOpen) this.close();
    else if (event.key === 's' && !this.isOpen) {
      event.preventDefault();
      this.open();
    }
  }

  /** Moves along the buttons, for remote controls. @param {number} by */
  step(by) {
    const buttons = [byId('approve-allow'), byId('approve-always'), byId('approve-deny')].filter((button) => !button.hidden);
    const at = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    buttons[(at + by + buttons.length) % buttons.length].focus();
  }
}
