// The page `/ca`: how to trust the server's own certificate authority.

import { startLanguage, t } from './lang.js';
import { byId, setState, startLanguageSwitch } from './page.js';
import { startTabs } from './tabs.js';

const SYSTEMS = ['windows', 'macos', 'ios', 'android', 'linux', 'firefox'];

/** @param {string} agent as in navigator.userAgent @param {number} touches @returns {string} */
export function systemOf(agent, touches) {
  if (/iPhone|iPad|iPod/.test(agent) || (/Macintosh/.test(agent) && touches > 1)) return 'ios';
  if (/Android/.test(agent)) return 'android';
  if (/Firefox/.test(agent)) return 'firefox';
  if (/Windows/.test(agent)) return 'windows';
  if (/Macintosh/.test(agent)) return 'macos';
  return 'linux';
}

async function show() {
  const link = /** @type {HTMLAnchorElement} */ (byId('secure-link'));
  link.href = 'https://' + location.host + '/';
  link.textContent = link.href;
  try {
    const answer = await fetch('/ca.json');
    if (!answer.ok) throw new Error('the server answered ' + answer.status);
    const ca = await answer.json();
    if (ca.mode !== 'local-ca') {
      setState('trusted');
      return;
    }
    byId('fingerprint').textContent = ca.fingerprint || '–';
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
