// The page `/doctor`: tests the way to the server and this browser, and says what to open.

import { DEVICE, NETWORK, summary } from './checks.js';
import { examine } from './examine.js';
import { startLanguage, t } from './lang.js';
import { copyText } from './overlay.js';
import { announce, byId, fillLinked, note, setState, startLanguageSwitch } from './page.js';

/** @typedef {import('./checks.js').Finding} Finding */

/** @type {Map<string, Finding>} */
const found = new Map();
let finished = false;
let when = new Date();

const again = /** @type {HTMLButtonElement} */ (byId('again'));
const copy = /** @type {HTMLButtonElement} */ (byId('copy'));

/** @param {string} check @returns {HTMLLIElement} */
function row(check) {
  const node = document.createElement('li');
  node.className = 'check';
  node.id = 'check-' + check;
  for (const name of ['mark', 'name', 'said']) {
    const part = document.createElement('div');
    part.className = name;
    node.append(part);
  }
  return node;
}

/** @param {string} check */
function draw(check) {
  const [mark, name, said] = /** @type {HTMLElement[]} */ (Array.from(byId('check-' + check).children));
  const f = found.get(check);
  byId('check-' + check).dataset.found = f ? f.found : '';
  mark.textContent = f ? t('doctor.state.' + f.found) : t('doctor.waiting');
  name.textContent = t('doctor.name.' + check);
  said.textContent = '';
  for (const phrase of f ? f.said : []) {
    const line = document.createElement('p');
    const given = phrase.params || {};
    fillLinked(line, t(phrase.key, phrase.params), given['ca-url'] || given['https-url']);
    said.append(line);
  }
}

function drawSum() {
  const all = NETWORK.length + DEVICE.length;
  const progress = /** @type {HTMLProgressElement} */ (byId('progress'));
  progress.max = all;
  progress.value = found.size;
  progress.hidden = finished;
  byId('sum').textContent = finished ? t(summary(Array.from(found.values()))) : t('doctor.running', { done: found.size, all });
  const text = /** @type {HTMLTextAreaElement} */ (byId('text'));
  if (!text.hidden) text.value = asText();
}

function drawAll() {
  NETWORK.concat(DEVICE).forEach(draw);
  drawSum();
}

/** @returns {string} all findings; there are addresses in it, and no secrets */
function asText() {
  const lines = [t('doctor.text_head', { url: location.origin, when: when.toISOString() }), byId('sum').textContent || ''];
  for (const check of NETWORK.concat(DEVICE)) {
    const f = found.get(check);
    if (!f) continue;
    lines.push('[' + t('doctor.state.' + f.found) + '] ' + t('doctor.name.' + check) + ': ' + f.said.map((p) => t(p.key, p.params)).join(' '));
  }
  return lines.concat(navigator.userAgent, '').join('\n');
}

async function run() {
  again.disabled = copy.disabled = true;
  finished = false;
  when = new Date();
  found.clear();
  byId('text').hidden = true;
  setState('testing');
  drawAll();
  announce(byId('sum').textContent || '');
  await examine((f) => {
    found.set(f.check, f);
    draw(f.check);
    drawSum();
  });
  finished = true;
  drawSum();
  setState('tested');
  announce(byId('sum').textContent || '');
  again.disabled = copy.disabled = false;
}

async function copyAll() {
  const done = await copyText(asText());
  note(t(done ? 'doctor.copied' : 'doctor.copy_failed'), done ? 3 : 8);
  const text = /** @type {HTMLTextAreaElement} */ (byId('text'));
  text.hidden = false;
  text.value = asText();
  if (!done) text.select();
}

startLanguage().then(() => {
  startLanguageSwitch();
  NETWORK.forEach((check) => byId('checks-network').append(row(check)));
  DEVICE.forEach((check) => byId('checks-device').append(row(check)));
  document.addEventListener('languagechange', drawAll);
  again.addEventListener('click', run);
  copy.addEventListener('click', copyAll);
  return run();
});
