// The overlay with the numbers (key `i`).

import { t } from './lang.js';
import { isSlow } from './path.js';

/** @param {number | undefined} value @param {number} digits @param {string} unit */
function number(value, digits, unit) {
  return value === undefined || value === null || isNaN(value) ? '–' : value.toFixed(digits) + (unit ? ' ' + unit : '');
}

/** @param {number | undefined} kbps */
export function rate(kbps) {
  if (kbps === undefined) return '–';
  return kbps >= 1000 ? (kbps / 1000).toFixed(1) + ' Mbit/s' : Math.round(kbps) + ' kbit/s';
}

/**
 * The rows of the overlay: key of the label, and the value.
 * @param {import('./stats.js').Summary | null} sum
 * @returns {Array<[string, string]>}
 */
export function rows(sum) {
  /** @type {Partial<import('./stats.js').Summary>} */
  const s = sum || {};
  return [
    ['stats.resolution', s.width && s.height ? s.width + ' × ' + s.height : '–'],
    ['stats.fps', number(s.fps, 0, '')],
    ['stats.bitrate', rate(s.kbps)],
    ['stats.loss', number(s.loss, 1, '%')],
    ['stats.rtt', number(s.rtt, 0, 'ms')],
    ['stats.buffer', number(s.jitterBuffer, 0, 'ms')],
    ['stats.codec', s.codec || '–'],
    ['stats.path', (s.path || '–') + (isSlow(s.path) ? ' – ' + t('udp_blocked') : '')],
    ['stats.frames', number(s.frames, 0, '') + ' / ' + number(s.dropped, 0, '')],
    ['stats.keyframes', number(s.keyframes, 0, '')],
  ];
}

export class Overlay {
  /**
   * @param {HTMLElement} root an empty section, hidden
   */
  constructor(root) {
    this.root = root;
    /** @type {import('./stats.js').Summary | null} */
    this._sum = null;
    this._list = document.createElement('dl');
    const copy = document.createElement('button');
    copy.type = 'button';
    copy.className = 'quiet';
    copy.setAttribute('data-t', 'stats.copy');
    copy.textContent = t('stats.copy');
    copy.addEventListener('click', () => this._copy(copy));
    root.appendChild(this._list);
    root.appendChild(copy);
    document.addEventListener('keydown', (event) => {
      const target = /** @type {HTMLElement} */ (event.target);
      if (event.key !== 'i' || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA)$/.test(target.tagName)) return;
      this.toggle();
    });
  }

  toggle() {
    this.root.hidden = !this.root.hidden;
    this._draw();
  }

  /** @param {import('./stats.js').Summary | null} sum */
  update(sum) {
    this._sum = sum;
    this._draw();
  }

  /** @private */
  _draw() {
    if (this.root.hidden) return;
    while (this._list.firstChild) this._list.removeChild(this._list.firstChild);
    for (const [key, value] of rows(this._sum)) {
      const term = document.createElement('dt');
      term.textContent = t(key);
      const text = document.createElement('dd');
      text.textContent = value;
      this._list.appendChild(term);
      this._list.appendChild(text);
    }
  }

  /** @private @param {HTMLButtonElement} button */
  async _copy(button) {
    const text = rows(this._sum).map((row) => t(row[0]) + ': ' + row[1]).join('\n');
    const done = await copyText(text);
    button.textContent = t(done ? 'copied' : 'copy_failed');
    setTimeout(() => (button.textContent = t('stats.copy')), 2000);
  }
}

/**
 * @param {string} text
 * @returns {Promise<boolean>} false when the page may not write to the clipboard
 */
export async function copyText(text) {
  try {
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(text);
      return true;
    }
    // Plain HTTP has no clipboard object; the old command still works there.
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'unseen';
    document.body.appendChild(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  } catch (err) {
    return false;
  }
}
