// The device key: a secret of this browser by which the server knows it again, and the hours in which a display's screen
// is dark. No Web Crypto, which plain HTTP does not have.

const KEY_BYTES = 32;

/**
 * The key in a storage, made at the first call. '' where it cannot be kept: a key that is new each time would fill the
 * server's memory with displays that never come back.
 * @param {{load: () => any, save: (value: any) => void}} storage
 * @param {(bytes: Uint8Array) => void} [random] fills it; for tests
 * @returns {string}
 */
export function deviceKey(storage, random) {
  const saved = storage.load();
  if (saved && typeof saved.key === 'string' && /^[0-9a-f]{64}$/.test(saved.key)) return saved.key;
  const bytes = new Uint8Array(KEY_BYTES);
  if (random) random(bytes);
  else if (typeof crypto !== 'undefined' && crypto.getRandomValues) crypto.getRandomValues(bytes);
  else return '';
  const key = Array.from(bytes, (byte) => (byte < 16 ? '0' : '') + byte.toString(16)).join('');
  storage.save({ key });
  const kept = storage.load();
  return kept && kept.key === key ? key : '';
}

/**
 * Whether a time of day lies in the dark hours. The end is not part of them; from and to may be on two sides of midnight.
 * @param {{from: string, to: string}} off HH:MM, '' for never
 * @param {string} now HH:MM
 * @returns {boolean}
 */
export function isDark(off, now) {
  if (!off.from || !off.to || off.from === off.to) return false;
  if (off.from < off.to) return now >= off.from && now < off.to;
  return now >= off.from || now < off.to;
}

/** Sizes that a picture can be limited to, as width and height; 0 for any. */
export const SIZES = [
  { width: 0, height: 0 },
  { width: 3840, height: 2160 },
  { width: 1920, height: 1080 },
  { width: 1280, height: 720 },
  { width: 640, height: 360 },
];

/**
 * Fills a select with the sizes, and with the present one if it is another.
 * @param {HTMLSelectElement} select
 * @param {{width: number, height: number}} now
 * @param {string} any the text for no limit
 */
export function offerSizes(select, now, any) {
  const value = now.width + 'x' + now.height;
  const known = SIZES.some((size) => size.width === now.width && size.height === now.height);
  const list = known ? SIZES : SIZES.concat([now]);
  select.textContent = '';
  for (const size of list) {
    const option = document.createElement('option');
    option.value = size.width + 'x' + size.height;
    option.textContent = size.width || size.height ? (size.width || '–') + ' × ' + (size.height || '–') : any;
    select.appendChild(option);
  }
  select.value = value;
}

/** @param {HTMLSelectElement} select @returns {{width: number, height: number}} */
export function chosenSize(select) {
  const sides = select.value.split('x').map(Number);
  return { width: sides[0] || 0, height: sides[1] || 0 };
}
