// From a refusal to the sentence under the box.

import { hasText, t } from './lang.js';

/**
 * @param {any} err a RequestError, a CaptureError, or anything else
 * @returns {string} the stable code
 */
export function problemCode(err) {
  const code = err && err.code;
  if (code === 'offline' || code === 'timeout') return 'reconnecting';
  return typeof code === 'string' && hasText(code) ? code : 'internal';
}

/**
 * @param {any} err
 * @returns {string} what happened and what to do next
 */
export function problemText(err) {
  const code = problemCode(err);
  /** @type {Object<string, string | number>} */
  const params = {
    'https-url': 'https://' + location.host + '/',
    'ca-url': location.origin + '/ca',
    'doctor-url': location.origin + '/doctor',
    host: location.host,
  };
  if (err && err.tries !== undefined) params.n = err.tries;
  if (err && err.wait !== undefined) params.s = err.wait;
  if (err && err.reason) params.reason = params.id = err.reason;
  return t(code, params);
}

/** @type {WeakMap<HTMLElement, {err: any, until: number, timer: any}>} */
const shown = new WeakMap();

/**
 * Shows a problem in its place, counts down where it says how long to wait; null takes it away.
 * @param {HTMLElement} place an element with aria-live
 * @param {any} err
 */
export function showProblem(place, err) {
  const before = shown.get(place);
  if (before) clearInterval(before.timer);
  shown.delete(place);
  if (!err) {
    place.textContent = '';
    place.removeAttribute('data-code');
    return;
  }
  place.dataset.code = problemCode(err);
  place.textContent = problemText(err);
  const entry = { err, until: Date.now() + (err.wait || 0) * 1000, timer: 0 };
  shown.set(place, entry);
  if (!err.wait) return;
  entry.timer = /** @type {any} */ (setInterval(() => {
    const left = Math.ceil((entry.until - Date.now()) / 1000);
    if (left <= 0) showProblem(place, null);
    else place.textContent = problemText(Object.assign({}, err, { code: err.code, wait: left }));
  }, 1000));
}

document.addEventListener('languagechange', () => {
  for (const place of Array.from(document.querySelectorAll('[data-code]'))) {
    const entry = shown.get(/** @type {HTMLElement} */ (place));
    if (entry) place.textContent = problemText(entry.err);
  }
});
