// Codes as people type, paste and read them. Pure; no DOM.

/** Digits of a display's code. */
export const DISPLAY_DIGITS = 6;
/** Digits of a display's code while codes are being guessed. */
export const LONG_DISPLAY_DIGITS = 8;
/** Digits of a room's code, and the most that any code has. */
export const ROOM_DIGITS = 9;

/**
 * Takes the digits out of what was typed or pasted: `123 456`, `123-456`, full-width `１２３４５６`, or a link with
 * `#c=123456`. Anything else is left out. At most ROOM_DIGITS come back.
 * @param {string} text
 * @returns {string}
 */
export function digitsOf(text) {
  const link = /[#&]c=([\d\s-]+)/.exec(text);
  const source = link ? link[1] : text;
  let digits = '';
  for (const char of source) {
    const code = char.charCodeAt(0);
    if (code >= 0x30 && code <= 0x39) digits += char;
    else if (code >= 0xff10 && code <= 0xff19) digits += String(code - 0xff10);
  }
  return digits.slice(0, ROOM_DIGITS);
}

/**
 * The code in a URL fragment, or "" when there is none.
 * @param {string} hash as in location.hash
 * @returns {string}
 */
export function codeOfHash(hash) {
  const match = /[#&]c=([^&]*)/.exec(hash);
  if (!match) return '';
  try {
    return digitsOf(decodeURIComponent(match[1]));
  } catch (err) {
    return '';
  }
}

/**
 * The secret of a room's link in a URL fragment, or "" when there is none.
 * @param {string} hash as in location.hash
 * @returns {string}
 */
export function linkOfHash(hash) {
  const match = /[#&]t=([A-Z2-7]{26,64})(?:&|$)/.exec(hash);
  return match ? match[1] : '';
}

/**
 * The join token in a URL fragment, or "" when there is none. It has two dots, which tells it from the secret of a link.
 * @param {string} hash as in location.hash
 * @returns {string}
 */
export function tokenOfHash(hash) {
  const match = /[#&]t=([\w-]+\.[\w-]+\.[\w-]+)(?:&|$)/.exec(hash);
  return match && match[1].length <= 4096 ? match[1] : '';
}

/**
 * The digits of a PIN as people type it, at most 8.
 * @param {string} text
 * @returns {string}
 */
export function pinOf(text) {
  return digitsOf(text).slice(0, 8);
}

/**
 * Splits a code in groups of three, the way it is shown and read out.
 * @param {string} code
 * @returns {string[]}
 */
export function groups(code) {
  return code.match(/.{1,3}/g) || [];
}

/**
 * The code digit by digit, for screen readers: "1 2 3, 4 5 6".
 * @param {string} code
 * @returns {string}
 */
export function spoken(code) {
  return groups(code).map((group) => group.split('').join(' ')).join(', ');
}
