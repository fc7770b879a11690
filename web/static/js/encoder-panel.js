// The caster's panel for encoders: addresses, token, ready lines, and how the encoder is doing.

import { MASK, codecName, ffmpegLine, gstreamerLine, isLoopback, seconds, whepUrl, whipUrl } from './encoder.js';
import { listen } from './events.js';
import { hasText, t } from './lang.js';
import { copyText, rate } from './overlay.js';
import { byId, imageById, inputById, note } from './page.js';
import { roomLink, showQr } from './qr.js';
import { startTabs } from './tabs.js';

/** @typedef {import('./encoder.js').Health} Health */
/** @typedef {import('./encoder.js').Stream} Stream */

export class EncoderPanel {
  /** @param {import('./cast.js').Cast} cast */
  constructor(cast) {
    this.cast = cast;
    /** Opened beside a cast of this page; a hosted room always shows the panel. */
    this.open = false;
    this.revealed = false;
    this._hosted = false;
    this._drawn = '';
    startTabs(['obs', 'gstreamer', 'ffmpeg', 'phone'], 'obs');
    this.listen();
    this.look();
  }

  listen() {
    const cast = this.cast;
    listen(cast, 'encoder', (refused) => {
      this.drawHealth();
      if (refused && !this.shown) note(this.refusal(cast.encoder.health(Date.now())), 8);
    });
    setInterval(() => this.shown && this.drawHealth(), 1000);
    byId('encoder-open').addEventListener('click', () => this.toggle(!this.open));
    byId('encoder-close').addEventListener('click', () => this.toggle(false));
    byId('encoder').addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && !cast.hosting) this.toggle(false);
    });
    byId('hand-over').addEventListener('click', () => cast.handOver());
    byId('show-token').addEventListener('click', () => this.reveal(!this.revealed));
    byId('show-token-qr').addEventListener('click', () => {
      this.reveal(true);
      byId('tab-phone').focus();
    });
    for (const id of ['copy-whip', 'copy-obs-url']) this.copies(id, () => this.url);
    for (const id of ['copy-token', 'copy-obs-token']) this.copies(id, () => cast.token);
    this.copies('copy-gstreamer', () => gstreamerLine(this.url, cast.token));
    this.copies('copy-ffmpeg', () => ffmpegLine(this.url, cast.token));
    this.copies('copy-whep', () => whepUrl(location.origin, this.code));
    this.copies('copy-watch', () => cast.playerToken);
    for (const id of ['whip-url', 'whip-token', 'whep-url']) inputById(id).addEventListener('focus', (event) => /** @type {HTMLInputElement} */ (event.target).select());
  }

  /** Finds out what to warn of before anybody tries. */
  async look() {
    byId('encoder-loopback').hidden = !isLoopback(location.hostname);
    try {
      const answer = await fetch('/ca.json');
      const ca = answer.ok ? await answer.json() : {};
      byId('encoder-ca').hidden = location.protocol !== 'https:' || ca.mode !== 'local-ca';
    } catch (err) {
      // The hint stays away; the panel works without it.
    }
  }

  get code() {
    return (this.cast.room && this.cast.room.code) || '';
  }

  get url() {
    return whipUrl(location.origin, this.code);
  }

  get shown() {
    return this.cast.running && (this.cast.hosting || this.open);
  }

  /** @param {string} id @param {() => string} text */
  copies(id, text) {
    byId(id).addEventListener('click', async () => {
      const done = await copyText(text());
      note(t(done ? 'copied' : 'copy_failed'), 3);
    });
  }

  /** Opens or closes the panel beside a cast of this page. @param {boolean} open */
  toggle(open) {
    this.open = open;
    if (!open) this.revealed = false;
    this.update();
    if (!open) {
      byId('encoder-open').focus();
      return;
    }
    this.approach();
  }

  /** Leads eyes, keyboard and screen reader to the panel. */
  approach() {
    const title = byId('encoder-title');
    title.focus({ preventScroll: true });
    byId('health').scrollIntoView({ block: this.cast.hosting ? 'nearest' : 'start' });
  }

  /** @param {boolean} revealed */
  reveal(revealed) {
    this.revealed = revealed;
    this.drawAddresses();
  }

  update() {
    const cast = this.cast;
    const hosting = cast.hosting;
    const begins = hosting && !this._hosted && cast.state === 'encoder';
    if (begins) this.revealed = false;
    if (!cast.running) this.open = this.revealed = false;
    this._hosted = hosting;
    byId('encoder').hidden = byId('health').hidden = !this.shown;
    // In the place of the preview, or below the buttons of a cast that goes on.
    const follows = byId(hosting ? 'toolbar' : 'encoder');
    const health = byId('health');
    if (health.nextElementSibling !== follows && follows.parentNode) follows.parentNode.insertBefore(health, follows);
    byId('encoder-open').hidden = hosting;
    byId('encoder-open').setAttribute('aria-expanded', String(this.open));
    byId('encoder-close').hidden = hosting;
    this.drawAddresses();
    this.drawHealth();
    // The section becomes visible with the page's state, right after this.
    if (begins) setTimeout(() => this.cast.hosting && this.approach(), 0);
  }

  drawAddresses() {
    const set = this.cast.room && this.cast.room.settings;
    const guarded = Boolean(set && (set.pin || set.waiting || set.forced) && this.cast.playerToken);
    byId('player-hint').hidden = guarded;
    byId('player-token').hidden = !guarded;
    const url = this.code ? this.url : '';
    const real = this.cast.token;
    const token = real && !this.revealed ? MASK : real;
    inputById('whip-url').value = url;
    inputById('whip-token').value = token || t('encoder.no_token');
    inputById('whep-url').value = url && whepUrl(location.origin, this.code);
    byId('show-token').textContent = t(this.revealed ? 'encoder.hide' : 'encoder.show');
    byId('show-token').setAttribute('aria-pressed', String(this.revealed));
    for (const id of ['show-token', 'copy-token', 'token-hint', 'obs-token-row', 'token-figure']) byId(id).hidden = !real;
    byId('obs-url').textContent = url;
    byId('obs-token').textContent = token;
    byId('line-gstreamer').textContent = gstreamerLine(url, token);
    byId('line-ffmpeg').textContent = ffmpegLine(url, token);
    if (url && this.shown) showQr(imageById('whip-qr'), url);
    this.drawTokenQr();
    /** @type {HTMLAnchorElement} */ (byId('health-watch')).href = roomLink(this.code);
  }

  async drawTokenQr() {
    const qr = imageById('token-qr');
    byId('show-token-qr').hidden = this.revealed;
    if (this.revealed && this.cast.token) await showQr(qr, this.cast.token);
    // The image may have been made while the token was hidden again.
    qr.hidden = !this.revealed || !qr.src;
  }

  drawHealth() {
    const cast = this.cast;
    const health = cast.encoder.health(Date.now());
    const state = !cast.hosting ? 'own' : cast.state === 'reconnecting' ? 'reconnecting' : health.state;
    const box = byId('health');
    const title = this.title(state, health);
    // Written only when it changes, so that a screen reader speaks once.
    if (byId('health-state').textContent !== title) byId('health-state').textContent = title;
    box.dataset.health = state;
    const hint = 'encoder.hint.' + state;
    byId('health-hint').textContent = hasText(hint) ? t(hint) : '';
    byId('health-hint').hidden = !hasText(hint);
    const timed = state === 'present' || state === 'gone';
    byId('health-time').textContent = timed && health.since ? clock(Date.now() - health.since) : '';
    byId('health-watch').hidden = !timed;
    byId('hand-over').hidden = state !== 'own';
    this.drawStreams(state === 'present' ? health.streams : []);
    this.drawWarnings(state === 'present' ? health.warnings.filter((name) => hasText('encoder.warn.' + name)) : []);
    const refused = byId('health-refused');
    const text = health.refused ? this.refusal(health) : '';
    if (refused.textContent !== text) refused.textContent = text;
    refused.hidden = !text;
  }

  /** @param {string} state @param {Health} health */
  title(state, health) {
    const named = (state === 'present' || state === 'gone') && health.agent;
    return t('encoder.state.' + state, named ? { agent: health.agent } : {});
  }

  /** @param {Stream[]} streams */
  drawStreams(streams) {
    const list = byId('health-streams');
    list.textContent = '';
    list.hidden = streams.length === 0;
    for (const stream of streams) {
      const item = document.createElement('li');
      const name = document.createElement('strong');
      const slot = 'encoder.slot.' + stream.slot;
      name.textContent = (hasText(slot) ? t(slot) : stream.slot) + (stream.rid ? ' ' + stream.rid : '');
      const facts = document.createElement('span');
      facts.textContent = streamFacts(stream).join(' · ');
      item.appendChild(name);
      item.appendChild(facts);
      list.appendChild(item);
    }
  }

  /** @param {string[]} warnings */
  drawWarnings(warnings) {
    const list = byId('health-warnings');
    list.hidden = warnings.length === 0;
    const texts = warnings.map((name) => t('encoder.warn.' + name));
    if (this._drawn === texts.join('\n')) return;
    this._drawn = texts.join('\n');
    list.textContent = '';
    warnings.forEach((name, i) => {
      const item = document.createElement('li');
      item.dataset.warning = name;
      item.textContent = texts[i];
      list.appendChild(item);
    });
  }

  /** @param {Health} health @returns {string} what was refused and, for people who debug, why */
  refusal(health) {
    const refused = health.refused;
    if (!refused) return '';
    const own = refused.code === 'already_casting' && !this.cast.hosting;
    const key = 'encoder.refused.' + (own ? 'own' : refused.code);
    const text = hasText(key) ? t(key) : t('encoder.refused.other');
    return refused.reason ? text + ' (' + refused.reason + ')' : text;
  }
}

/** @param {Stream} stream @returns {string[]} */
function streamFacts(stream) {
  const facts = [];
  if (stream.codec) facts.push(codecName(stream.codec));
  if (stream.width && stream.height) facts.push(stream.width + ' × ' + stream.height);
  if (stream.fps) facts.push(t('live.fps', { fps: Math.round(stream.fps) }));
  if (stream.bitrate !== undefined) facts.push(rate(stream.bitrate / 1000));
  if (stream.keyframe !== undefined && stream.keyframe >= 0 && stream.slot !== 'audio') facts.push(t('encoder.keyframe', { s: seconds(stream.keyframe) }));
  return facts;
}

/** @param {number} milliseconds @returns {string} like 0:04:10 */
function clock(milliseconds) {
  const s = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (/** @type {number} */ n) => (n < 10 ? '0' : '') + n;
  return [String(Math.floor(s / 3600)), two(Math.floor(s / 60) % 60), two(s % 60)].join(':');
}
