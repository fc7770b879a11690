// The signaling socket: one Session per page, which outlives its sockets (docs/protocol.md). No DOM here.
//
// Events, each a CustomEvent:
//   open     first welcome; detail is the welcome
//   resumed  a new socket took the session over; detail is the welcome
//   lost     a new socket, but the server has forgotten the session; the page comes back by ticket
//   down     the socket is gone, another one is being tried; detail {code}
//   fatal    over for good; detail {code: 'replaced' | 'removed' | 'version'}
//   code bound room media ended draining   messages of the server; detail is the message

/** Milliseconds. */
const HELLO_TIMEOUT = 5000;
const REQUEST_TIMEOUT = 10000;
const PING_EVERY = 10000;
const PONG_TIMEOUT = 5000;
const BACKOFF_FIRST = 500;
const BACKOFF_MOST = 8000;
/** A socket that lived this long was a good one: the next back-off starts small again. */
const STABLE_AFTER = 5000;

const CLOSE_POLICY = 1008;
const CLOSE_REMOVED = 4403;
const CLOSE_REPLACED = 4409;
const CLOSE_VERSION = 4426;
/** Close codes after which the server does not want this page back. @type {Object<number, string>} */
const FATAL = { [CLOSE_REMOVED]: 'removed', [CLOSE_REPLACED]: 'replaced', [CLOSE_VERSION]: 'version' };

/** A refused or unanswered request. `code` is a stable code of the protocol, or `offline` or `timeout`. */
export class RequestError extends Error {
  /**
   * @param {string} code
   * @param {{tries?: number, wait?: number, reason?: string}} [fields]
   */
  constructor(code, fields) {
    super(code);
    const given = fields || {};
    this.name = 'RequestError';
    this.code = code;
    /** Wrong codes left. */
    this.tries = given.tries;
    /** Seconds to wait. */
    this.wait = given.wait;
    /** English, for people who debug. */
    this.reason = given.reason;
  }
}

/**
 * Delay before attempt n (from 0): 0.5 s doubling to 8 s, of which the upper half is random so that a hall does
 * not come back in one instant.
 * @param {number} attempt
 * @param {number} random 0 to 1
 * @returns {number} milliseconds
 */
export function backoff(attempt, random) {
  const full = Math.min(BACKOFF_MOST, BACKOFF_FIRST * Math.pow(2, Math.min(attempt, 10)));
  return full / 2 + (full / 2) * random;
}

export class Session extends EventTarget {
  /**
   * @param {{url: string, name?: string, connect?: (url: string) => WebSocket, random?: () => number}} options
   *   connect and random are there for tests.
   */
  constructor(options) {
    super();
    this.url = options.url;
    this.name = options.name || '';
    /** @type {'new' | 'connecting' | 'open' | 'down' | 'closed'} */
    this.state = 'new';
    /** Own peer id, once welcomed. */
    this.peer = '';
    this._connect = options.connect || ((/** @type {string} */ url) => new WebSocket(url));
    this._random = options.random || Math.random;
    /** @type {WebSocket | null} */
    this._socket = null;
    /** @type {Map<number, {resolve: (m: Message) => void, reject: (e: Error) => void, timer: any}>} */
    this._pending = new Map();
    this._lastId = 0;
    this._helloId = 0;
    this._attempt = 0;
    this._resume = '';
    this._welcomed = false;
    this._openedAt = 0;
    this._drainUntil = 0;
    /** @type {{servers: RTCIceServer[], until: number}} */
    this._ice = { servers: [], until: 0 };
    /** @type {any} */ this._dialTimer = 0;
    /** @type {any} */ this._helloTimer = 0;
    /** @type {any} */ this._pingTimer = 0;
    this._online = () => this._redial();
  }

  /** Opens the first socket. Later calls do nothing. */
  start() {
    if (this.state !== 'new') return;
    if (typeof addEventListener === 'function') addEventListener('online', this._online);
    this._dial();
  }

  /** Closes the session for good; open requests are rejected with `offline`. */
  close() {
    if (this.state === 'closed') return;
    this._detach();
    this.state = 'closed';
    if (typeof removeEventListener === 'function') removeEventListener('online', this._online);
    this._emit('closed', {});
  }

  /**
   * Sends a request and gives its direct answer. Rejects with a RequestError.
   * @param {string} type
   * @param {Object<string, any>} [fields]
   * @param {number} [timeout] milliseconds
   * @returns {Promise<Message>}
   */
  request(type, fields, timeout) {
    const socket = this._socket;
    if (this.state !== 'open' || !socket) return Promise.reject(new RequestError('offline'));
    return this._ask(socket, type, fields || {}, timeout || REQUEST_TIMEOUT);
  }

  /**
   * Resolves as soon as the session has a welcomed socket; rejects with `offline` once it is closed for good.
   * @returns {Promise<void>}
   */
  whenOpen() {
    if (this.state === 'open') return Promise.resolve();
    if (this.state === 'closed') return Promise.reject(new RequestError('offline'));
    return new Promise((resolve, reject) => {
      const settle = () => {
        for (const name of ['open', 'resumed', 'lost', 'closed', 'fatal']) this.removeEventListener(name, settle);
        if (this.state === 'open') resolve();
        else reject(new RequestError('offline'));
      };
      for (const name of ['open', 'resumed', 'lost', 'closed', 'fatal']) this.addEventListener(name, settle);
    });
  }

  /**
   * Finds out within 2 s whether the socket still carries anything, and replaces it when it does not. A session
   * that is waiting for its next attempt tries at once.
   * @returns {Promise<void>} when the check is over, with whatever result
   */
  check() {
    if (this.state === 'down') this._redial();
    if (this.state !== 'open') return Promise.resolve();
    return this._ping(2000);
  }

  /**
   * ICE servers whose credentials admit a new connection now.
   * @returns {Promise<RTCIceServer[]>}
   */
  async ice() {
    if (Date.now() < this._ice.until) return this._ice.servers;
    this._keepIce(await this.request('ice'));
    return this._ice.servers;
  }

  // ---- sockets

  /** @private */
  _dial() {
    this.state = 'connecting';
    /** @type {WebSocket} */
    let socket;
    try {
      socket = this._connect(this.url);
    } catch (err) {
      this._drop(0);
      return;
    }
    this._socket = socket;
    this._helloTimer = setTimeout(() => this._drop(0), HELLO_TIMEOUT);
    socket.onopen = () => this._hello(socket);
    socket.onmessage = (event) => this._receive(event.data);
    socket.onclose = (event) => this._drop(event.code);
  }

  /** @private @param {WebSocket} socket */
  _hello(socket) {
    /** @type {Object<string, any>} */
    const fields = { version: 1 };
    if (this.name) fields.name = this.name;
    if (this._resume) fields.resume = this._resume;
    this._helloId = this._lastId + 1;
    this._ask(socket, 'hello', fields, HELLO_TIMEOUT).then(
      (message) => this._welcome(message),
      (/** @type {RequestError} */ err) => {
        if (this._socket !== socket) return;
        if (err.code === 'version') return this._drop(CLOSE_VERSION);
        if (err.code === 'auth') this._resume = '';
        if (err.wait) this._drainUntil = Date.now() + err.wait * 1000;
        return this._drop(0);
      },
    );
  }

  /** @private @param {Message} message */
  _welcome(message) {
    clearTimeout(this._helloTimer);
    this.state = 'open';
    this.peer = message.peer;
    this._resume = message.resume || '';
    this._openedAt = Date.now();
    this._drainUntil = 0;
    this._keepIce(message.ice);
    this._pingTimer = setInterval(() => this._ping(PONG_TIMEOUT), PING_EVERY);
    const event = message.resumed ? 'resumed' : this._welcomed ? 'lost' : 'open';
    this._welcomed = true;
    this._emit(event, message);
  }

  /**
   * The socket is of no more use: forget it and plan the next one, unless the server said not to come back.
   * @private @param {number} code of the close frame, 0 when there was none
   */
  _drop(code) {
    const lived = this.state === 'open' && Date.now() - this._openedAt > STABLE_AFTER;
    this._detach();
    if (FATAL[code]) {
      this.close();
      this._emit('fatal', { code: FATAL[code] });
      return;
    }
    this.state = 'down';
    if (lived) this._attempt = 0;
    let delay = code === CLOSE_POLICY ? BACKOFF_MOST : backoff(this._attempt, this._random());
    this._attempt++;
    delay = Math.max(delay, this._drainUntil - Date.now());
    this._dialTimer = setTimeout(() => this._dial(), delay);
    this._emit('down', { code });
  }

  /** @private */
  _redial() {
    if (this.state !== 'down' || Date.now() < this._drainUntil) return;
    clearTimeout(this._dialTimer);
    this._dial();
  }

  /** @private */
  _detach() {
    clearTimeout(this._dialTimer);
    clearTimeout(this._helloTimer);
    clearInterval(this._pingTimer);
    const socket = this._socket;
    this._socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      try {
        socket.close();
      } catch (err) {
        // A socket that cannot be closed is a dead one.
      }
    }
    const pending = Array.from(this._pending.values());
    this._pending.clear();
    for (const entry of pending) {
      clearTimeout(entry.timer);
      entry.reject(new RequestError('offline'));
    }
  }

  // ---- messages

  /**
   * @private
   * @param {WebSocket} socket @param {string} type @param {Object<string, any>} fields @param {number} timeout
   * @returns {Promise<Message>}
   */
  _ask(socket, type, fields, timeout) {
    const id = ++this._lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this._pending.delete(id);
        reject(new RequestError('timeout'));
      }, timeout);
      this._pending.set(id, { resolve, reject, timer });
      socket.send(JSON.stringify(Object.assign({}, fields, { type, id })));
    });
  }

  /** @private @param {number} timeout */
  _ping(timeout) {
    const socket = this._socket;
    if (!socket) return Promise.resolve();
    return this._ask(socket, 'ping', {}, timeout).then(
      () => undefined,
      (/** @type {RequestError} */ err) => {
        if (err.code === 'timeout' && this._socket === socket) this._drop(0);
      },
    );
  }

  /** @private @param {any} data */
  _receive(data) {
    /** @type {Message} */
    let message;
    try {
      message = JSON.parse(data);
    } catch (err) {
      return;
    }
    if (!message || typeof message.type !== 'string') return;
    // An answer to hello may come without its number when the server refuses before it has read the message.
    if (!message.re && this.state === 'connecting') message.re = this._helloId;
    if (message.re) {
      const entry = this._pending.get(message.re);
      if (!entry) return;
      this._pending.delete(message.re);
      clearTimeout(entry.timer);
      if (message.type === 'error') entry.reject(new RequestError(message.code, { tries: message.tries, wait: message.wait, reason: message.reason }));
      else entry.resolve(message);
      return;
    }
    if (message.type === 'draining') this._drain(message.within);
    this._emit(message.type, message);
  }

  /**
   * Leaves the draining server when it asked us to; each peer gets another time.
   * @private @param {number} within milliseconds
   */
  _drain(within) {
    const socket = this._socket;
    const wait = Math.max(0, Number(within) || 0);
    this._drainUntil = Date.now() + wait;
    setTimeout(() => {
      if (this._socket === socket && socket) this._drop(0);
    }, wait);
  }

  /** @private @param {any} ice */
  _keepIce(ice) {
    if (!ice) return;
    const servers = Array.isArray(ice) ? ice : ice.servers || [];
    const ttl = Array.isArray(ice) ? 300 : ice.ttl || 300;
    // Credentials are renewed a fifth of their life before they end.
    this._ice = { servers, until: Date.now() + ttl * 800 };
  }

  /** @private @param {string} name @param {any} detail */
  _emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
