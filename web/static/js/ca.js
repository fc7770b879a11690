// The page `/ca`: how to trust the server's own certificate authority.

import { startLanguage, t } from './lang.js';
import { byId, imageById, setState, startLanguageSwitch } from './page.js';
import { showQr } from './qr.js';
import { startTabs } from './tabs.js';

const SYSTEMS = ['windows', 'macos', 'ios', 'android', 'linux', 'chromeos', 'firefox'];

/** @param {string} agent as in navigator.userAgent @param {number} touches @returns {string} */
export function systemOf(agent, touches) {
  if (/iPhone|iPad|iPod/.test(agent) || (/Macintosh/.test(agent) && touches > 1)) return 'ios';
  if (/Android/.test(agent)) return 'android';
  if (/Firefox/.test(agent)) return 'firefox';
  if (/CrOS/.test(agent)) return 'chromeos';
  if (/Windows/.test(agent)) return 'windows';
  if (/Macintosh/.test(agent)) return 'macos';
  return 'linux';
}

/** @param {string} port of HTTPS; this page may have come over plain HTTP from another one */
function linkTo(port) {
  const link = /** @type {HTMLAnchorElement} */ (byId('secure-link'));
  link.href = 'https://' + location.hostname + (port === '443' ? '' : ':' + port) + '/';
  link.textContent = link.href;
}

async function show() {
  try {
    const answer = await fetch('/ca.json');
    if (!answer.ok) throw new Error('the server answered ' + answer.status);
    const ca = await answer.json();
    if (ca.mode !== 'local-ca') {
      setState('trusted');
      return;
    }
    byId('fingerprint').textContent = ca.fingerprint || '–';
    linkTo(ca.port);
    // Another device does not trust HTTPS yet.
    const port = location.protocol === 'http:' ? location.port || '80' : ca.port;
    showQr(imageById('ca-qr'), 'http://' + location.hostname + (port === '80' ? '' : ':' + port) + '/ca');
    setState('local-ca');
  } catch (err) {
    byId('ca-error').textContent = t('ca.unreachable');
    setState('unreachable');
  }
}

startLanguage().then(() => {
  startLanguageSwitch();
  startTabs(SYSTEMS, systemOf(navigator.userAgent, navigator.maxTouchPoints || 0));
  return show();
});
