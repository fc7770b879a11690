// The caster's card "Who gets in": waiting room, lock, PIN, places, opening, name, another code or link, and the lobby.
// What the server says of the room is what the card shows; a press asks for a change.

import { clock } from './clock.js';
import { pinOf } from './digits.js';
import { language, t } from './lang.js';
import { copyText } from './overlay.js';
import { announce, byId, inputById, note } from './page.js';
import { showProblem } from './problem.js';
import { privateLink } from './qr.js';

/** Fewest digits of a PIN. */
const MIN_PIN = 4;

export class DoorPanel {
  /** @param {import('./cast.js').Cast} cast */
  constructor(cast) {
    this.cast = cast;
    /** @type {Room | null} */
    this.room = null;
    this._count = 0;
    this._drawn = '';
    for (const [id, field] of [['door-waiting', 'waiting'], ['door-locked', 'locked']]) {
      const box = inputById(id);
      box.addEventListener('change', () => this.ask('settings', { [field]: box.checked }));
    }
    this.form('door-name', () => ({ name: inputById('door-name').value }));
    this.form('door-pin', () => this.pin());
    this.form('door-capacity', () => ({ capacity: Math.max(0, Math.floor(Number(inputById('door-capacity').value) || 0)) }));
    this.form('door-starts', () => this.starts());
    byId('pin-remove').addEventListener('click', () => this.ask('settings', { pin: '' }));
    byId('open-now').addEventListener('click', () => this.ask('settings', { starts: 0 }));
    byId('rotate-code').addEventListener('click', () => this.ask('rotate', { code: true }, 'door.rotated_code'));
    byId('rotate-link').addEventListener('click', () => this.ask('rotate', { link: true }, 'door.rotated_link'));
    byId('copy-private').addEventListener('click', () => this.copy());
    byId('admit-all').addEventListener('click', () => this.ask('admit', { all: true, allow: true }));
    byId('decline-all').addEventListener('click', () => this.ask('admit', { all: true, allow: false }));
    document.addEventListener('languagechange', () => {
      this._drawn = '';
      if (this.room) this.draw(this.room);
    });
  }

  /**
   * A field with its own button: Enter and the button send it.
   * @param {string} id of the input; its form is `<id>-form`
   * @param {() => Object<string, any> | null} read null when there is nothing to send
   */
  form(id, read) {
    byId(id + '-form').addEventListener('submit', (event) => {
      event.preventDefault();
      const fields = read();
      if (fields) this.ask('settings', fields, 'door.saved');
      else byId(id).focus();
    });
  }

  pin() {
    const pin = pinOf(inputById('door-pin').value);
    return pin.length >= MIN_PIN ? { pin } : null;
  }

  starts() {
    const at = new Date(inputById('door-starts').value).getTime();
    return isNaN(at) ? null : { starts: Math.max(0, at - Date.now()) };
  }

  /**
   * @param {'settings' | 'rotate' | 'admit'} type
   * @param {Object<string, any>} fields
   * @param {string} [done] key of what to say afterwards
   */
  async ask(type, fields, done) {
    const error = byId('door-error');
    showProblem(error, null);
    try {
      const answer = await this.cast.session.request(type, fields);
      if (answer.type !== 'ok' && this.cast.running) this.cast.proved(answer);
      if ('pin' in fields) inputById('door-pin').value = '';
      if (done) note(t(done), 3);
    } catch (err) {
      if (/** @type {any} */ (err).code !== 'peer_unknown') showProblem(error, err);
      if (this.room) this.draw(this.room);
    }
  }

  async copy() {
    const secret = this.room && this.room.link;
    const done = Boolean(secret) && (await copyText(privateLink(secret || '')));
    note(t(done ? 'copied' : 'copy_failed'), 3);
  }

  /** @param {Room} room */
  draw(room) {
    this.room = room;
    const set = room.settings;
    if (!set) return;
    inputById('door-waiting').checked = set.waiting;
    inputById('door-locked').checked = set.locked;
    byId('door-forced').hidden = !set.forced;
    byId('pin-remove').hidden = !set.pin;
    byId('door-pin-state').textContent = t(set.pin ? 'door.pin_on' : 'door.pin_off');
    byId('open-now').hidden = !room.starts;
    byId('door-starts-state').textContent = room.starts ? t('door.opens_at', { time: clock(Date.now() + room.starts, Date.now(), language()) }) : t('door.is_open');
    this.fill('door-name', set.name);
    this.fill('door-capacity', set.capacity ? String(set.capacity) : '');
    this.drawLobby(room);
  }

  /** Shows what is set, but not over what is being typed. @param {string} id @param {string} value */
  fill(id, value) {
    if (document.activeElement !== inputById(id)) inputById(id).value = value;
  }

  /** @param {Room} room */
  drawLobby(room) {
    const count = room.waiting || 0;
    const list = room.lobby || [];
    byId('lobby').hidden = count === 0;
    const text = t('lobby.count', { n: count });
    byId('lobby-count').textContent = text;
    if (count > this._count) announce(text);
    this._count = count;
    byId('lobby-more').textContent = count > list.length ? t('lobby.more', { n: count - list.length }) : '';
    // Drawn anew only when somebody came or went: a button must not go away under a finger.
    const drawn = JSON.stringify(list.map((one) => [one.peer, one.name, one.address, one.state]));
    if (drawn === this._drawn) return;
    this._drawn = drawn;
    const place = byId('lobby-list');
    place.textContent = '';
    for (const one of list) place.appendChild(this.item(one));
  }

  /** @param {Waiting} one */
  item(one) {
    const item = document.createElement('li');
    item.dataset.peer = one.peer;
    item.dataset.state = one.state;
    const name = one.name || t('viewer.unnamed');
    const who = document.createElement('span');
    who.className = 'lobby-who';
    for (const [kind, text] of [['member-name', name], ['lobby-address', one.address]]) {
      const part = document.createElement('span');
      part.className = kind;
      part.textContent = text;
      who.appendChild(part);
    }
    item.appendChild(who);
    item.appendChild(this.button(one, true, name));
    item.appendChild(this.button(one, false, name));
    return item;
  }

  /** @param {Waiting} one @param {boolean} allow @param {string} name */
  button(one, allow, name) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = allow ? 'round admit' : 'round';
    button.setAttribute('aria-label', t(allow ? 'lobby.admit' : 'lobby.decline', { name }));
    button.title = t(allow ? 'lobby.admit' : 'lobby.decline', { name });
    const icon = document.createElement('span');
    icon.className = 'icon icon-' + (allow ? 'done' : 'close');
    icon.setAttribute('aria-hidden', 'true');
    button.appendChild(icon);
    button.addEventListener('click', async () => {
      button.disabled = true;
      await this.ask('admit', { peer: one.peer, allow });
      button.disabled = false;
    });
    return button;
  }
}
