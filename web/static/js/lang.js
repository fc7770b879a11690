// The texts of the pages, by key. HTML names keys in data-t (text), data-t-label (aria-label), data-t-title (title)
// and data-t-alt; scripts call t(). The server never sends sentences.

export const LANGUAGES = ['en', 'zh-CN'];
const STORED = 'castcode.lang';

/** @type {Object<string, Object<string, string>>} */
const dictionaries = {};
let current = 'en';

/**
 * The language to use. Pure.
 * @param {Array<string | null>} wishes in order: ?lang=, the stored choice, what the browser prefers
 * @returns {string}
 */
export function choose(wishes) {
  for (const wish of wishes) {
    if (!wish) continue;
    if (/^zh\b/i.test(wish)) return 'zh-CN';
    if (/^en\b/i.test(wish)) return 'en';
  }
  return 'en';
}

/** @returns {string | null} */
function stored() {
  try {
    return localStorage.getItem(STORED);
  } catch (err) {
    return null;
  }
}

/** @param {string} lang @returns {Promise<Object<string, string>>} */
export async function dictionary(lang) {
  if (!dictionaries[lang]) {
    const answer = await fetch('/lang/' + lang + '.json');
    if (!answer.ok) throw new Error('no texts for ' + lang + ': ' + answer.status);
    dictionaries[lang] = await answer.json();
  }
  return dictionaries[lang];
}

/** Loads the texts and fills the page. */
export async function startLanguage() {
  const wishes = [new URLSearchParams(location.search).get('lang'), stored()];
  await setLanguage(choose(wishes.concat(navigator.languages || [navigator.language])));
}

/**
 * Changes the language of the page; `languagechange` is fired on the document afterwards.
 * @param {string} lang
 */
export async function setLanguage(lang) {
  await dictionary(lang);
  current = lang;
  document.documentElement.lang = lang;
  fill(document);
  document.dispatchEvent(new CustomEvent('languagechange'));
}

/** @param {string} lang remembered for the next visit */
export function remember(lang) {
  try {
    localStorage.setItem(STORED, lang);
  } catch (err) {
    // Private windows of some browsers have no storage; the choice then lasts as long as the page.
  }
}

/** @returns {string} the language of the page */
export function language() {
  return current;
}

/**
 * The text of a key. `{name}` in it is filled from params; where params.n is one, `<key>_one` is preferred, and
 * `<key>_plain` where a param is not known.
 * @param {string} key
 * @param {Object<string, string | number>} [params]
 * @param {string} [lang] another language than the page's; its dictionary must be loaded
 * @returns {string}
 */
export function t(key, params, lang) {
  const texts = dictionaries[lang || current] || {};
  let text = texts[key];
  if (params && Number(params.n) === 1 && texts[key + '_one'] !== undefined) text = texts[key + '_one'];
  if (text === undefined) {
    console.error('missing text: ' + key);
    return key;
  }
  const known = (/** @type {string} */ name) => params && params[name] !== undefined;
  if ((text.match(/\{[a-z-]+\}/g) || []).some((hole) => !known(hole.slice(1, -1)))) text = texts[key + '_plain'] || text;
  return text.replace(/\{([a-z-]+)\}/g, (whole, name) => (params && known(name) ? String(params[name]) : whole));
}

/** @param {string} key @returns {boolean} */
export function hasText(key) {
  return (dictionaries[current] || {})[key] !== undefined;
}

/**
 * Fills everything below root that names a key.
 * @param {ParentNode} root
 */
export function fill(root) {
  for (const node of Array.from(root.querySelectorAll('[data-t]'))) node.textContent = t(node.getAttribute('data-t') || '');
  for (const [data, attribute] of [['data-t-label', 'aria-label'], ['data-t-title', 'title'], ['data-t-alt', 'alt']]) {
    for (const node of Array.from(root.querySelectorAll('[' + data + ']'))) {
      node.setAttribute(attribute, t(node.getAttribute(data) || ''));
    }
  }
}
