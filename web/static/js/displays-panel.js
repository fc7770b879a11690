// The caster's displays: for each its sound, size, name and way out; groups of them; and waiting for one to answer.

import { chosenSize, deviceKey, offerSizes } from './device.js';
import { listen } from './events.js';
import { t } from './lang.js';
import { byId, inputById, note, store } from './page.js';
import { problemText, showProblem } from './problem.js';

/** @returns {string} what proves to displays that this is the caster they remember */
export function casterKey() {
  return deviceKey(store('local', 'castcode.caster-key'));
}

export class DisplaysPanel {
  /** @param {import('./cast.js').Cast} cast */
  constructor(cast) {
    this.cast = cast;
    /** What each display says it gets, by peer. @type {Map<string, any>} */
    this.seen = new Map();
    /** @type {any[]} */ this.groups = [];
    /** @type {Member[]} */ this.members = [];
    this.room = '';
    const session = cast.session;
    listen(session, 'displays', (message) => this.measured(message.displays));
    listen(session, 'asking', (message) => this.asking(message));
    byId('displays-sound').addEventListener('click', () => this.change({ sound: !this.allSound() }));
    byId('displays-identify').addEventListener('click', () => this.change({ identify: true }));
    byId('asking-cancel').addEventListener('click', () => this.cancel());
    byId('asking-add-cancel').addEventListener('click', () => this.cancel());
    byId('group-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.save();
    });
  }

  /** Shows the displays of a room. @param {Room} room */
  update(room) {
    this.members = (room.members || []).filter((member) => member.role === 'display');
    const some = this.members.length > 0;
    byId('displays-all').hidden = this.members.length < 2;
    byId('displays-sound').setAttribute('aria-pressed', String(this.allSound()));
    byId('group-form').hidden = !some || !this.members.some((member) => member.display && member.display.kept);
    const ready = room.id + ' ' + this.members.map((member) => member.peer).join();
    if (ready === this.room) return;
    this.room = ready;
    this.refresh();
  }

  allSound() {
    return this.members.length > 0 && this.members.every((member) => member.display && member.display.sound);
  }

  /** The controls of one display. @param {Member} member @returns {HTMLElement} */
  controls(member) {
    const place = member.display || { sound: false, muted: false, width: 0, height: 0 };
    const name = member.name || t('display.unnamed');
    const row = document.createElement('div');
    row.className = 'display-controls';
    const line = document.createElement('span');
    line.className = 'display-line';
    line.dataset.line = member.peer;
    line.textContent = this.line(member.peer);
    const sound = button(t(place.muted ? 'displays.muted' : 'displays.sound'), t('displays.sound_of', { name }));
    sound.dataset.key = 'sound ' + member.peer;
    sound.setAttribute('aria-pressed', String(place.sound && !place.muted));
    sound.disabled = place.muted;
    sound.addEventListener('click', () => this.change({ peer: member.peer, sound: !place.sound }));
    const size = document.createElement('select');
    size.dataset.key = 'size ' + member.peer;
    size.setAttribute('aria-label', t('displays.size_of', { name }));
    offerSizes(size, place, t('size.any'));
    size.addEventListener('change', () => this.change(Object.assign({ peer: member.peer }, chosenSize(size))));
    const identify = button(t('displays.identify'), t('displays.identify_one', { name }));
    identify.dataset.key = 'identify ' + member.peer;
    identify.addEventListener('click', () => this.change({ peer: member.peer, identify: true }));
    const rename = button(t('displays.rename'), t('displays.rename_one', { name }));
    rename.dataset.key = 'rename ' + member.peer;
    rename.addEventListener('click', () => this.rename(member, row));
    for (const node of [line, sound, size, identify, rename]) row.appendChild(node);
    return row;
  }

  /** Whether a list that is drawn anew would take a control away from under somebody's hands. */
  get busy() {
    const at = document.activeElement;
    return at instanceof HTMLElement && (at.tagName === 'SELECT' || at.tagName === 'INPUT') && at.closest('.display-controls') !== null;
  }

  /** @param {Member} member @param {HTMLElement} row */
  rename(member, row) {
    const input = document.createElement('input');
    input.maxLength = 64;
    input.value = member.name;
    input.setAttribute('aria-label', t('displays.rename_one', { name: member.name || t('display.unnamed') }));
    const done = () => {
      const name = input.value.trim();
      input.remove();
      if (name && name !== member.name) this.change({ peer: member.peer, name });
    };
    input.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') done();
      else if (event.key === 'Escape') {
        input.value = member.name;
        done();
      }
    });
    input.addEventListener('blur', done, { once: true });
    row.appendChild(input);
    input.focus();
    input.select();
  }

  /** @param {Object<string, any>} wish */
  async change(wish) {
    try {
      await this.cast.session.request('display', wish);
    } catch (err) {
      note(problemText(err), 8);
    }
  }

  /** @param {any[]} list */
  measured(list) {
    this.seen.clear();
    for (const one of list) this.seen.set(one.peer, one);
    for (const node of Array.from(document.querySelectorAll('[data-line]'))) {
      node.textContent = this.line(/** @type {HTMLElement} */ (node).dataset.line || '');
    }
  }

  /** @param {string} peer */
  line(peer) {
    const one = this.seen.get(peer);
    if (!one) return '';
    const parts = [];
    if (one.width && one.height) parts.push(one.width + ' × ' + one.height);
    if (one.path) parts.push(one.path);
    if (one.round_trip) parts.push(t('displays.round_trip', { n: one.round_trip }));
    parts.push(t('displays.loss', { n: (one.loss * 100).toFixed(1) }));
    return parts.join(' · ');
  }

  // ---- waiting for an answer

  /** @param {Message} message */
  asking(message) {
    const caster = message.caster;
    const text = t('asking.text', { name: message.display || t('display.unnamed') });
    const shown = t('asking.shown', { list: [caster.name, caster.program, caster.address].filter(Boolean).join(' · ') });
    if (this.cast.room) note(text + ' ' + shown, message.within / 1000);
    byId('asking-text').textContent = text;
    byId('asking-shown').textContent = shown;
    byId('asking').hidden = false;
    byId('connecting-title').hidden = true;
  }

  /** The answer has come, or nobody waits for it any more. */
  answered() {
    byId('asking').hidden = true;
    byId('connecting-title').hidden = false;
    byId('asking-add').hidden = true;
  }

  async cancel() {
    await this.cast.session.request('cancel').catch(() => undefined);
  }

  // ---- groups

  async refresh() {
    if (!this.cast.running || !casterKey()) return;
    try {
      this.show(await this.cast.session.request('groups'));
    } catch (err) {
      // The list is asked for again with the next change of the room.
    }
  }

  /** @param {Message} message */
  show(message) {
    this.groups = message.groups;
    const list = byId('groups');
    list.textContent = '';
    for (const group of this.groups) list.appendChild(this.groupItem(group));
    byId('groups-label').hidden = this.groups.length === 0;
  }

  /** @param {{id: string, name: string, own: boolean, displays: number, ready: number}} group */
  groupItem(group) {
    const item = document.createElement('li');
    const text = document.createElement('span');
    text.className = 'member-name';
    text.textContent = group.name + ' · ' + t('groups.ready', { n: group.ready, all: group.displays });
    const add = button(t('groups.add'), t('groups.add_one', { name: group.name }));
    add.disabled = group.ready === 0;
    add.addEventListener('click', () => this.addGroup(group.id));
    item.appendChild(text);
    item.appendChild(add);
    if (group.own) {
      const drop = button(t('groups.drop'), t('groups.drop_one', { name: group.name }));
      drop.addEventListener('click', () => this.dropGroup(group.id));
      item.appendChild(drop);
    }
    return item;
  }

  async save() {
    const name = inputById('group-name').value.trim();
    if (!name) return;
    showProblem(byId('add-error'), null);
    try {
      const answer = await this.cast.session.request('group', { name });
      inputById('group-name').value = '';
      this.show(answer);
      note(answer.asked ? t('groups.asked', { n: answer.asked }) : t('groups.saved'), 8);
    } catch (err) {
      showProblem(byId('add-error'), err);
    }
  }

  /** @param {string} group */
  async addGroup(group) {
    try {
      const answer = await this.cast.session.request('add', { group });
      const left = answer.skipped.map((/** @type {any} */ one) => one.name + ' (' + t('skipped.' + one.why) + ')');
      if (left.length) note(t('groups.skipped', { list: left.join(', ') }), 10);
    } catch (err) {
      note(problemText(err), 8);
    }
    this.refresh();
  }

  /** @param {string} group */
  async dropGroup(group) {
    try {
      this.show(await this.cast.session.request('ungroup', { group }));
    } catch (err) {
      note(problemText(err), 8);
    }
  }
}

/** @param {string} text @param {string} label @returns {HTMLButtonElement} */
function button(text, label) {
  const node = document.createElement('button');
  node.type = 'button';
  node.className = 'small-button';
  node.textContent = text;
  node.setAttribute('aria-label', label);
  node.title = label;
  return node;
}
