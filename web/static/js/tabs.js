// Tabs: of the elements tab-<name> and steps-<name> one pair is chosen, by mouse or arrow keys.

import { byId } from './page.js';

/**
 * @param {string[]} names
 * @param {string} first the one that is chosen to begin with
 */
export function startTabs(names, first) {
  const choose = (/** @type {string} */ chosen) => {
    for (const name of names) {
      const tab = byId('tab-' + name);
      tab.setAttribute('aria-selected', String(name === chosen));
      tab.tabIndex = name === chosen ? 0 : -1;
      byId('steps-' + name).hidden = name !== chosen;
    }
  };
  names.forEach((name, i) => {
    const tab = byId('tab-' + name);
    tab.addEventListener('click', () => choose(name));
    tab.addEventListener('keydown', (event) => {
      const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
      if (!step) return;
      const next = names[(i + step + names.length) % names.length];
      choose(next);
      byId('tab-' + next).focus();
    });
  });
  choose(first);
}
