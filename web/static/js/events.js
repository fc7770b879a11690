// CustomEvents with their detail as the argument.

/**
 * @param {EventTarget} target
 * @param {string} name
 * @param {(detail: any) => void} act
 */
export function listen(target, name, act) {
  target.addEventListener(name, (event) => act(/** @type {CustomEvent} */ (event).detail));
}

/**
 * @param {EventTarget} target
 * @param {string} name
 * @param {any} [detail]
 */
export function emit(target, name, detail) {
  target.dispatchEvent(new CustomEvent(name, { detail }));
}

/**
 * @param {number} milliseconds
 * @returns {Promise<void>}
 */
export function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
