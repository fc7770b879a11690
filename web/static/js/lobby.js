// Lobby: what the page of a viewer shows who has to wait, either for the caster or for the room to open. The server
// tells it nothing else of the room.

import { clock } from './clock.js';
import { language, t } from './lang.js';
import { byId, setState } from './page.js';

/** Thrown out of a join that was answered with `waiting`: there is no media yet. */
export class Held extends Error {
  /** @param {Message} waiting */
  constructor(waiting) {
    super('waiting');
    this.waiting = waiting;
  }
}

export class Lobby {
  constructor() {
    /** @type {Message | null} the last `waiting`; null outside */
    this._waiting = null;
    this._opensAt = 0;
    document.addEventListener('languagechange', () => this._draw());
  }

  get inside() {
    return this._waiting !== null;
  }

  /** The way back to this place after a reload. */
  get ticket() {
    return this._waiting ? this._waiting.ticket : '';
  }

  /** @param {Message} waiting */
  enter(waiting) {
    this._waiting = waiting;
    this._opensAt = Date.now() + (waiting.starts || 0);
    this._draw();
  }

  leave() {
    this._waiting = null;
  }

  /** @private */
  _draw() {
    const waiting = this._waiting;
    if (!waiting) return;
    byId('lobby-address').textContent = waiting.address ? t('lobby.address', { address: waiting.address }) : '';
    byId('opens-at').textContent = t('soon.at', { time: clock(this._opensAt, Date.now(), language()) });
    setState(waiting.reason === 'starts' ? 'soon' : 'lobby');
  }
}
