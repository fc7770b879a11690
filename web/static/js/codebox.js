// CodeBox: one box per digit. Typing runs along, paste fills everything, and a whole code submits itself.

import { t } from './lang.js';
import { digitsOf } from './digits.js';

/** Milliseconds that a short code waits for one more digit when longer codes exist too. */
const HOLD = 450;
/** Milliseconds: a digit typed this soon after a refused short code continues it; a later one begins anew. */
const CONTINUES = 4000;

export class CodeBox {
  /**
   * @param {HTMLElement} root gets the boxes
   * @param {number[]} lengths of codes, ascending, as [6, 9]; as many boxes as the first are shown to begin with
   * @param {(code: string) => void} submit
   */
  constructor(root, lengths, submit) {
    this.root = root;
    this._lengths = lengths;
    this._submit = submit;
    /** @type {HTMLInputElement[]} */
    this._boxes = [];
    /** @type {any} */ this._hold = 0;
    this._typedAt = 0;
    this._refused = false;
    this._full = false;
    root.setAttribute('role', 'group');
    root.classList.add('code-box');
    this._grow(lengths[0]);
    root.addEventListener('pointerdown', (event) => this._pointed(event));
    document.addEventListener('languagechange', () => this._label());
  }

  /** What stands in the boxes. */
  get value() {
    return this._boxes.map((box) => box.value).join('');
  }

  /** @param {string} code shown, not submitted */
  set value(code) {
    clearTimeout(this._hold);
    this._refused = false;
    this._write(code);
  }

  /** Submits what stands there, when it has a length that a code can have. */
  submit() {
    clearTimeout(this._hold);
    const code = this.value;
    if (code.length >= this._lengths[0]) this._submit(code);
  }

  /** Puts the cursor where the next digit goes. */
  focus() {
    const next = this._boxes.find((box) => !box.value) || this._boxes[this._boxes.length - 1];
    next.focus();
    // In a full row the cursor stands behind the last digit, so that one more digit can be told from a correction
    // (keyboards on phones name no keys).
    if (next.value) next.setSelectionRange(next.value.length, next.value.length);
  }

  /** The code was refused: mark it; the next digit begins a new one. */
  refuse() {
    this._refused = true;
    this.root.classList.add('refused');
    this.focus();
  }

  /** @private @param {number} count */
  _grow(count) {
    while (this._boxes.length < count) {
      if (this._boxes.length % 3 === 0) {
        const group = document.createElement('span');
        group.className = 'code-group';
        this.root.appendChild(group);
      }
      const box = document.createElement('input');
      box.type = 'text';
      box.inputMode = 'numeric';
      box.autocomplete = 'off';
      box.setAttribute('pattern', '[0-9]*');
      const at = this._boxes.length;
      box.addEventListener('input', () => this._typed(at));
      box.addEventListener('keydown', (event) => this._key(event, at));
      box.addEventListener('paste', (event) => this._pasted(event));
      box.addEventListener('focus', () => {
        if (!this._full || at < this._boxes.length - 1) box.select();
      });
      this._boxes.push(box);
      const last = this.root.lastElementChild;
      if (last) last.appendChild(box);
    }
    this.root.dataset.digits = String(count);
    this._label();
  }

  /** @private @param {number} count */
  _shrink(count) {
    while (this._boxes.length > count) {
      const box = this._boxes.pop();
      const group = box && box.parentElement;
      if (box) box.remove();
      if (group && !group.firstChild) group.remove();
    }
    this.root.dataset.digits = String(count);
    this._label();
  }

  /** @private */
  _label() {
    this._boxes.forEach((box, i) => box.setAttribute('aria-label', t('code.digit', { i: i + 1, all: this._boxes.length })));
  }

  /** @private @param {string} code */
  _write(code) {
    this.root.classList.remove('refused');
    const fits = this._lengths.find((length) => length >= code.length) || this._lengths[this._lengths.length - 1];
    if (fits > this._boxes.length) this._grow(fits);
    else if (fits < this._boxes.length) this._shrink(fits);
    this._boxes.forEach((box, i) => (box.value = code[i] || ''));
    this._full = code.length >= this._boxes.length;
  }

  /** @private @param {number} at */
  _typed(at) {
    const box = this._boxes[at];
    const digits = digitsOf(box.value);
    if (!digits) {
      box.value = '';
      return;
    }
    const soon = Date.now() - this._typedAt < CONTINUES;
    const longer = this._lengths.some((length) => length > this._boxes.length);
    const beyond = this._full && at === this._boxes.length - 1 && digits.length > 1;
    this._typedAt = Date.now();
    if ((beyond && !(longer && soon)) || (this._refused && !soon)) {
      this._write(digits.slice(-1));
    } else {
      const before = this._boxes.slice(0, at).map((one) => one.value).join('');
      const behind = this._boxes.slice(at + 1).map((one) => one.value).join('');
      // Several digits at once are a paste or a keyboard's suggestion and replace what follows.
      this._write(digits.length > 1 ? before + digits : before + digits + behind);
    }
    this._refused = false;
    this._after();
  }

  /** After each change: go on, or submit. @private */
  _after() {
    clearTimeout(this._hold);
    const code = this.value;
    const longest = this._lengths[this._lengths.length - 1];
    this.focus();
    if (code.length >= longest) {
      this._submit(code);
    } else if (this._lengths.indexOf(code.length) >= 0) {
      this._hold = setTimeout(() => this._submit(code), HOLD);
    }
  }

  /** @private @param {KeyboardEvent} event @param {number} at */
  _key(event, at) {
    if (event.key === 'Backspace') {
      event.preventDefault();
      clearTimeout(this._hold);
      this._refused = false;
      const code = this.value;
      const gone = this._boxes[at].value ? at : at - 1;
      if (gone < 0) return;
      this._write(code.slice(0, gone) + code.slice(gone + 1));
      this._boxes[Math.min(gone, this._boxes.length - 1)].focus();
    } else if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') {
      event.preventDefault();
      const next = this._boxes[at + (event.key === 'ArrowLeft' ? -1 : 1)];
      if (next) next.focus();
    } else if (event.key === 'Enter') {
      event.preventDefault();
      this.submit();
    }
  }

  /** @private @param {ClipboardEvent} event */
  _pasted(event) {
    event.preventDefault();
    const digits = event.clipboardData ? digitsOf(event.clipboardData.getData('text')) : '';
    if (!digits) return;
    this._refused = false;
    this._typedAt = Date.now();
    this._write(digits);
    this._after();
  }

  /** The boxes are one field: a tap on an empty one goes to the first empty one. @private @param {PointerEvent} event */
  _pointed(event) {
    const target = /** @type {HTMLInputElement} */ (event.target);
    if (target.tagName === 'INPUT' && target.value) return;
    event.preventDefault();
    this.focus();
  }
}
