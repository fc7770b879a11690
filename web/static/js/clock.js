// Moments as people read them. Pure; no DOM.

/**
 * A moment as people say it: the time, and the day when that is not today. Pure.
 * @param {number} at Unix ms
 * @param {number} now Unix ms
 * @param {string} lang
 * @returns {string}
 */
export function clock(at, now, lang) {
  const date = new Date(at);
  /** @type {Intl.DateTimeFormatOptions} */
  const options = { hour: '2-digit', minute: '2-digit' };
  if (date.toDateString() !== new Date(now).toDateString()) {
    options.weekday = 'short';
    options.month = 'short';
    options.day = 'numeric';
  }
  return date.toLocaleString(lang, options);
}
