// The caster's live view: preview, buttons, code, link, QR, who is there.

import { CodeBox } from './codebox.js';
import { DisplaysPanel } from './displays-panel.js';
import { DISPLAY_DIGITS, LONG_DISPLAY_DIGITS, groups, spoken } from './digits.js';
import { DoorPanel } from './door-panel.js';
import { EncoderPanel } from './encoder-panel.js';
import { listen } from './events.js';
import { language, t } from './lang.js';
import { rate, copyText } from './overlay.js';
import { byId, imageById, note } from './page.js';
import { isSlow } from './path.js';
import { problemText, showProblem } from './problem.js';
import { roomLink, showQr } from './qr.js';

export class CasterPanel {
  /** @param {import('./cast.js').Cast} cast */
  constructor(cast) {
    this.cast = cast;
    this.encoder = new EncoderPanel(cast);
    this.displays = new DisplaysPanel(cast);
    this.door = new DoorPanel(cast);
    this.addBox = new CodeBox(byId('add-code'), [DISPLAY_DIGITS, LONG_DISPLAY_DIGITS], (code) => this.add(code));
    /** @type {import('./stats.js').Summary | null} */
    this.sum = null;
    this.listen();
    setInterval(() => this.drawTime(), 1000);
  }

  listen() {
    const cast = this.cast;
    listen(cast, 'stats', (sum) => this.drawStats(sum));
    this.press('freeze', () => cast.toggleFreeze());
    this.press('change-source', () => cast.changeSource('screen'));
    this.press('choose-again', () => cast.changeSource('screen'));
    this.press('mic', () => cast.toggleMicrophone());
    this.press('stop', () => cast.end());
    byId('copy-link').addEventListener('click', () => this.copy());
    const big = byId('big-qr');
    byId('fullscreen-qr').addEventListener('click', () => this.openQr(big));
    big.addEventListener('click', () => this.closeQr(big));
    big.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' || event.key === 'Enter') this.closeQr(big);
    });
    document.addEventListener('languagechange', () => this.update());
  }

  /**
   * A button that is off while its work is under way, so that a double press does not ask twice.
   * @param {string} id
   * @param {() => Promise<void>} act
   */
  press(id, act) {
    const button = /** @type {HTMLButtonElement} */ (byId(id));
    button.addEventListener('click', async () => {
      button.disabled = true;
      try {
        await act();
      } catch (err) {
        note(problemText(err), 8);
      } finally {
        button.disabled = false;
      }
    });
  }

  /** @param {string} code */
  async add(code) {
    const error = byId('add-error');
    showProblem(error, null);
    byId('asking-add').hidden = false;
    try {
      await this.cast.add(code);
      this.addBox.value = '';
      this.addBox.focus();
    } catch (err) {
      if (/** @type {any} */ (err).code !== 'cancelled') showProblem(error, err);
      this.addBox.refuse();
    } finally {
      this.displays.answered();
    }
  }

  update() {
    const cast = this.cast;
    const frozen = byId('freeze');
    frozen.setAttribute('aria-pressed', String(cast.frozen));
    byId('freeze-label').textContent = t(cast.frozen ? 'live.unfreeze' : 'live.freeze');
    frozen.hidden = cast.sourceless || cast.hosting;
    const speaking = cast.mixer !== null && cast.mixer.speaking;
    byId('mic').setAttribute('aria-pressed', String(speaking));
    byId('mic').hidden = !cast.mixer || !cast.mixer.track;
    byId('mic-label').textContent = t(speaking ? 'live.mic_off' : 'live.mic_on');
    byId('sourceless').hidden = !cast.sourceless;
    byId('preview-frame').hidden = byId('numbers').hidden = cast.hosting;
    if (cast.hosting) byId('slower').hidden = true;
    byId('change-source').hidden = cast.hosting && !canCapture();
    byId('change-label').textContent = t(cast.hosting ? 'live.to_screen' : 'live.change');
    byId('stop-label').textContent = t(cast.hosting ? 'live.close_room' : 'live.stop');
    const state = cast.state === 'none' || cast.state === 'encoder' ? 'connecting' : cast.state;
    byId('status').textContent = t('pill.' + state);
    this.encoder.update();
    if (cast.room) this.drawRoom(cast.room);
    this.drawTime();
  }

  /** @param {Room} room */
  drawRoom(room) {
    const code = room.code || '';
    const place = byId('room-code');
    if (code && place.dataset.code !== code) {
      place.dataset.code = code;
      place.textContent = '';
      for (const group of groups(code)) {
        const span = document.createElement('span');
        span.textContent = group;
        place.appendChild(span);
      }
      place.setAttribute('aria-label', spoken(code));
      const link = roomLink(code);
      byId('room-link').dataset.link = link;
      this.drawLink(link);
      showQr(imageById('room-qr'), link);
      showQr(imageById('big-qr-image'), link);
      byId('big-qr-code').textContent = groups(code).join(' ');
      byId('big-qr-host').textContent = location.host + '/w';
    }
    // Where join tokens are needed a room has a name instead of a code.
    if (!code) place.textContent = room.name;
    for (const id of ['room-link', 'copy-link', 'room-qr', 'fullscreen-qr']) byId(id).hidden = !code;
    byId('viewer-count').textContent = t('live.viewers', { n: room.viewers });
    byId('display-count').textContent = t('live.displays', { n: room.displays });
    this.displays.update(room);
    this.drawMembers(room.members || []);
    this.door.draw(room);
  }

  /** The link breaks before its code, nowhere else. @param {string} link */
  drawLink(link) {
    const place = byId('room-link');
    const [page, code] = link.replace(/^https?:\/\//, '').split('#');
    place.textContent = page;
    place.appendChild(document.createElement('wbr'));
    place.appendChild(document.createTextNode('#' + code));
  }

  /** @param {Member[]} members */
  drawMembers(members) {
    const list = byId('members');
    // A list or a name that somebody is at is drawn again when they are done.
    if (this.displays.busy) return;
    const at = document.activeElement instanceof HTMLElement ? document.activeElement : null;
    const focused = at ? at.dataset.removes : '';
    const pressed = at ? at.dataset.key : '';
    list.textContent = '';
    const order = members.slice().sort((a, b) => (a.role === b.role ? 0 : a.role === 'display' ? -1 : 1));
    for (const member of order) {
      const item = this.memberItem(member);
      list.appendChild(item);
      for (const control of Array.from(item.querySelectorAll('button, select'))) {
        const { removes, key } = /** @type {HTMLElement} */ (control).dataset;
        if ((focused && focused === removes) || (pressed && pressed === key)) /** @type {HTMLElement} */ (control).focus();
      }
    }
    byId('nobody').hidden = members.length > 0;
  }

  /** @param {Member} member */
  memberItem(member) {
    const item = document.createElement('li');
    item.dataset.peer = member.peer;
    item.dataset.role = member.role;
    item.dataset.state = member.state;
    const icon = document.createElement('span');
    icon.className = 'icon icon-' + (member.role === 'display' ? 'display' : 'viewer');
    icon.setAttribute('aria-hidden', 'true');
    const text = document.createElement('span');
    text.className = 'member-name';
    text.textContent = member.name || t(member.role === 'display' ? 'display.unnamed' : 'viewer.unnamed');
    const state = document.createElement('span');
    state.className = 'member-state';
    state.textContent = t('member.' + member.state);
    const remove = document.createElement('button');
    remove.type = 'button';
    remove.className = 'round';
    remove.dataset.removes = member.peer;
    remove.setAttribute('aria-label', t('live.remove', { name: text.textContent }));
    remove.title = t('live.remove', { name: text.textContent });
    const cross = document.createElement('span');
    cross.className = 'icon icon-close';
    cross.setAttribute('aria-hidden', 'true');
    remove.appendChild(cross);
    remove.addEventListener('click', () => {
      remove.disabled = true;
      this.cast.remove(member.peer).catch((err) => {
        remove.disabled = false;
        if (err.code !== 'peer_unknown') note(problemText(err), 6);
      });
    });
    for (const node of [icon, text, state, remove]) item.appendChild(node);
    if (member.role === 'display') item.appendChild(this.displays.controls(member));
    return item;
  }

  /** @param {import('./stats.js').Summary} sum */
  drawStats(sum) {
    const parts = [];
    if (sum.width && sum.height) parts.push(sum.width + ' × ' + sum.height);
    if (sum.fps !== undefined) parts.push(t('live.fps', { fps: Math.round(sum.fps) }));
    if (sum.kbps !== undefined) parts.push(rate(sum.kbps));
    if (sum.codec) parts.push(sum.codec);
    if (sum.path) parts.push(sum.path);
    byId('numbers').textContent = parts.join(' · ');
    byId('slower').hidden = !isSlow(sum.path);
  }

  drawTime() {
    const began = this.cast.startedAt;
    if (!began || !this.cast.running) {
      byId('elapsed').textContent = '';
      return;
    }
    const seconds = Math.floor((Date.now() - began) / 1000);
    const two = (/** @type {number} */ n) => (n < 10 ? '0' : '') + n;
    byId('elapsed').textContent = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map(two).join(':');
    byId('elapsed').lang = language();
  }

  async copy() {
    const done = await copyText(byId('room-link').dataset.link || '');
    note(t(done ? 'copied' : 'copy_failed'), 3);
  }

  /** @param {HTMLElement} big */
  openQr(big) {
    big.hidden = false;
    big.focus();
    if (big.requestFullscreen) big.requestFullscreen().catch(() => undefined);
  }

  /** @param {HTMLElement} big */
  closeQr(big) {
    big.hidden = true;
    if (document.fullscreenElement) document.exitFullscreen().catch(() => undefined);
    byId('fullscreen-qr').focus();
  }
}

/** @returns {boolean} whether this page could cast a screen itself */
function canCapture() {
  return Boolean(navigator.mediaDevices && typeof navigator.mediaDevices.getDisplayMedia === 'function');
}
