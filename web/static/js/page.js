// What all pages share: the state, announcements, notes, the language switch, small storage, the wake lock.

import { LANGUAGES, hasText, language, remember, setLanguage, t } from './lang.js';

/**
 * The element with this id, which the page's HTML must have.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error('the page has no element ' + id);
  return node;
}

/** @param {string} id @returns {HTMLInputElement} */
export function inputById(id) {
  return /** @type {HTMLInputElement} */ (byId(id));
}

/** @param {string} id @returns {HTMLImageElement} */
export function imageById(id) {
  return /** @type {HTMLImageElement} */ (byId(id));
}

/** @returns {string} the state of the page */
export function pageState() {
  return document.body.dataset.state || '';
}

/**
 * Enters a state: what names it in data-when is shown, the rest of those is hidden, and it is announced.
 * @param {string} state
 */
export function setState(state) {
  if (pageState() === state) return;
  document.body.dataset.state = state;
  for (const node of Array.from(document.querySelectorAll('[data-when]'))) {
    const when = (node.getAttribute('data-when') || '').split(' ');
    /** @type {HTMLElement} */ (node).hidden = when.indexOf(state) < 0;
  }
  const key = 'state.' + state;
  if (hasText(key)) announce(t(key));
}

/**
 * Reads a text out to people who do not see the page.
 * @param {string} text
 */
export function announce(text) {
  const live = document.getElementById('announce');
  if (live) live.textContent = text;
}

/**
 * Puts a text into an element. A page of ours that it names can be opened from it, beside the one that says so.
 * @param {HTMLElement} node
 * @param {string} text
 * @param {string} [address] of the page
 */
export function fillLinked(node, text, address) {
  const at = address ? text.indexOf(address) : -1;
  if (!address || at < 0) {
    node.textContent = text;
    return;
  }
  const link = document.createElement('a');
  link.href = link.textContent = address;
  link.target = '_blank';
  node.textContent = text.slice(0, at);
  node.append(link, text.slice(at + address.length));
}

/** @type {any} */
let noteTimer = 0;

/**
 * Shows a short note at the lower edge for some seconds.
 * @param {string} text
 * @param {number} [seconds]
 */
export function note(text, seconds) {
  const node = document.getElementById('note');
  if (!node) return;
  clearTimeout(noteTimer);
  fillLinked(node, text, location.origin + '/doctor');
  node.hidden = false;
  noteTimer = setTimeout(() => (node.hidden = true), (seconds || 5) * 1000);
}

/** Wires the language switch, where the page has one. */
export function startLanguageSwitch() {
  for (const lang of LANGUAGES) {
    const button = document.querySelector('[data-lang="' + lang + '"]');
    if (!button) continue;
    const mark = () => button.setAttribute('aria-pressed', String(language() === lang));
    mark();
    document.addEventListener('languagechange', mark);
    button.addEventListener('click', () => {
      remember(lang);
      // A ?lang= of the address would win over the choice at the next load.
      const url = new URL(location.href);
      url.searchParams.delete('lang');
      history.replaceState(null, '', url.href);
      setLanguage(lang);
    });
  }
}

/** @returns {import('./peer.js').IcePolicy} what `?ice=` asks for */
export function icePolicy() {
  const wish = new URLSearchParams(location.search).get('ice');
  return wish === 'relay' || wish === 'relay-udp' || wish === 'relay-tcp' || wish === 'relay-tls' || wish === 'tcp' ? wish : '';
}

/** @returns {string} the address of the signaling socket */
export function socketUrl() {
  return (location.protocol === 'https:' ? 'wss://' : 'ws://') + location.host + '/ws';
}

/**
 * How this peer is named to others, like "Chrome on Windows". Pure.
 * @param {string} agent as in navigator.userAgent
 * @returns {string}
 */
export function agentName(agent) {
  const browsers = [['Edg', 'Edge'], ['OPR', 'Opera'], ['SamsungBrowser', 'Samsung Internet'], ['MicroMessenger', 'WeChat'], ['Firefox', 'Firefox'], ['FxiOS', 'Firefox'], ['CriOS', 'Chrome'], ['Chrome', 'Chrome'], ['Safari', 'Safari']];
  const systems = [['iPhone', 'iPhone'], ['iPad', 'iPad'], ['Android', 'Android'], ['Tizen', 'Tizen'], ['Web0S', 'webOS'], ['CrOS', 'ChromeOS'], ['Windows', 'Windows'], ['Macintosh', 'macOS'], ['Linux', 'Linux']];
  const find = (/** @type {string[][]} */ list) => {
    const hit = list.find((entry) => agent.indexOf(entry[0]) >= 0);
    return hit ? hit[1] : '';
  };
  return [find(browsers) || 'Browser', find(systems)].filter(Boolean).join(' on ');
}

/**
 * A small stored object. Storage that is missing or full only costs the way back after a reload.
 * @param {'local' | 'session'} where
 * @param {string} key
 */
export function store(where, key) {
  /** @returns {Storage | null} */
  const area = () => {
    try {
      return where === 'local' ? localStorage : sessionStorage;
    } catch (err) {
      return null;
    }
  };
  return {
    /** @returns {any} null when there is nothing */
    load() {
      try {
        const storage = area();
        return storage ? JSON.parse(storage.getItem(key) || 'null') : null;
      } catch (err) {
        return null;
      }
    },
    /** @param {any} value null forgets it */
    save(value) {
      try {
        const storage = area();
        if (!storage) return;
        if (value === null) storage.removeItem(key);
        else storage.setItem(key, JSON.stringify(value));
      } catch (err) {
        // See above.
      }
    },
  };
}

/** Keeps the screen on while wanted. The lock is lost whenever the page is hidden, and taken again after that. */
export class WakeLock {
  constructor() {
    this._wanted = false;
    /** @type {WakeLockSentinel | null} */
    this._lock = null;
    document.addEventListener('visibilitychange', () => this._take());
  }

  /** @param {boolean} wanted */
  want(wanted) {
    this._wanted = wanted;
    if (wanted) {
      this._take();
      return;
    }
    if (this._lock) this._lock.release().catch(() => undefined);
    this._lock = null;
  }

  /** @private */
  async _take() {
    if (!this._wanted || document.visibilityState !== 'visible' || !('wakeLock' in navigator)) return;
    if (this._lock && !this._lock.released) return;
    try {
      const lock = await navigator.wakeLock.request('screen');
      if (this._wanted) this._lock = lock;
      else lock.release().catch(() => undefined);
    } catch (err) {
      // Refused on low battery; asked again when the page is shown the next time.
    }
  }
}

/** Hides the mouse pointer after 3 s without movement, by a class on the body that the style sheet honours. */
export function hideIdlePointer() {
  /** @type {any} */
  let timer = 0;
  const wake = () => {
    document.body.classList.remove('pointer-idle');
    clearTimeout(timer);
    timer = setTimeout(() => document.body.classList.add('pointer-idle'), 3000);
  };
  for (const name of ['mousemove', 'mousedown', 'keydown', 'touchstart']) document.addEventListener(name, wake, { passive: true });
  wake();
}

/**
 * Fills the screen with the element, or leaves full screen.
 * @param {HTMLElement} element
 * @param {HTMLVideoElement} video used where only a video can fill the screen
 */
export function toggleFullscreen(element, video) {
  if (document.fullscreenElement) document.exitFullscreen().catch(() => undefined);
  else if (element.requestFullscreen) element.requestFullscreen().catch(() => undefined);
  else if (video.webkitEnterFullscreen) video.webkitEnterFullscreen();
}
