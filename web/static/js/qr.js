// QR codes: the server draws them, so that no page carries an encoder.

/** @type {WeakMap<HTMLImageElement, {text: string, url: string}>} */
const shown = new WeakMap();

/**
 * Shows the text as a QR code in the image. The image stays hidden when the server cannot draw it.
 * @param {HTMLImageElement} image
 * @param {string} text at most 512 bytes
 */
export async function showQr(image, text) {
  const before = shown.get(image);
  if (before && before.text === text) return;
  const entry = { text, url: '' };
  shown.set(image, entry);
  try {
    const answer = await fetch('/qr', { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body: text });
    if (!answer.ok) throw new Error('the server answered ' + answer.status);
    const blob = await answer.blob();
    // A later text may have overtaken this one.
    if (shown.get(image) !== entry) return;
    entry.url = URL.createObjectURL(blob);
    image.src = entry.url;
    image.hidden = false;
  } catch (err) {
    if (shown.get(image) !== entry) return;
    shown.delete(image);
    image.hidden = true;
  }
  if (before && before.url) URL.revokeObjectURL(before.url);
}

/** @param {string} code of a display @returns {string} the link that a QR code of a display holds */
export function displayLink(code) {
  return location.origin + '/#c=' + code;
}

/** @param {string} secret of a room's link @returns {string} the private link for viewers */
export function privateLink(secret) {
  return location.origin + '/w#t=' + secret;
}

/** @param {string} code of a room @returns {string} the link for viewers */
export function roomLink(code) {
  return location.origin + '/w#c=' + code;
}
