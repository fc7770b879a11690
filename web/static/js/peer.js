// Peer: one media connection to the server and its way back when it fails. Watcher and Publisher say what it
// carries. One offer, one answer, no trickle: the server is ICE-lite and needs no candidate of ours. A path that breaks is
// made anew by an ICE restart of the same connection; only when that does not help is the connection replaced. While the
// path is none of plain UDP, it is looked for a better one from time to time, and taken by an ICE restart as well: the
// old one carries on until then.
//
// Events: `state` (detail is the new state), `pc` (detail is the connection that now counts), `error` (detail is a
// RequestError; after a final one the peer has stopped trying).

import { emit, pause } from './events.js';
import { onNetworkChange } from './network.js';
import { PathWatch, udpPasses } from './path.js';
import { onlyTCP } from './sdp.js';
import { RequestError, backoff } from './session.js';

/** Milliseconds a connection may take from the answer to connected; TURN over TLS is the slowest. */
const CONNECT_TIMEOUT = 15000;
/** Milliseconds that ICE may be `disconnected`: most such gaps close by themselves. */
const DISCONNECTED_FOR = 2000;
/** Milliseconds in which an ICE restart must have its answer, and then its path. */
const RESTART_TIMEOUT = 4000;

/** Refusals that another try does not change; the page decides what comes next. */
const FINAL = ['auth', 'bad_state', 'bad_offer', 'code_format', 'code_unknown', 'code_limited', 'codec_unsupported', 'not_live', 'already_casting', 'room_full'];

/** @typedef {'' | 'relay' | 'relay-udp' | 'relay-tcp' | 'relay-tls' | 'tcp'} IcePolicy which paths `?ice=` leaves */
/** @typedef {(offer: string, slots: Object<string, string>) => Promise<string>} Exchange gives the answer */

/**
 * The configuration of a connection. Pure.
 *
 * A server that is marked `media` is on the UDP port that media is on. Chromium takes all that comes from the address of
 * a relay for the relay's, media that comes without it too, and who reaches that port needs no relay to it.
 * @param {(RTCIceServer & {media?: boolean})[]} servers
 * @param {IcePolicy} policy
 * @returns {RTCConfiguration}
 */
export function pcConfig(servers, policy) {
  /** @type {RTCConfiguration} */
  const config = { iceServers: servers, bundlePolicy: 'max-bundle' };
  if (!policy) {
    config.iceServers = servers.filter((server) => !server.media);
    return config;
  }
  if (policy === 'tcp') return { iceServers: [], bundlePolicy: 'max-bundle' };
  config.iceTransportPolicy = 'relay';
  if (policy === 'relay') return config;
  const wanted = { 'relay-udp': /^turn:(?!.*transport=tcp)/, 'relay-tcp': /^turns:|^turn:.*transport=tcp/, 'relay-tls': /^turns:/ }[policy];
  config.iceServers = servers
    .map((server) => {
      const urls = Array.isArray(server.urls) ? server.urls : [server.urls];
      const kept = urls.filter((url) => wanted.test(url));
      return Object.assign({}, server, { urls: kept });
    })
    .filter((server) => server.urls.length > 0);
  return config;
}

export class Peer extends EventTarget {
  /**
   * @param {import('./session.js').Session} session
   * @param {IcePolicy} policy
   */
  constructor(session, policy) {
    super();
    this.session = session;
    this.policy = policy;
    /** @type {RTCPeerConnection | null} */
    this.pc = null;
    /** @type {'new' | 'connecting' | 'connected' | 'lost' | 'closed'} */
    this.state = 'new';
    /** @type {RTCPeerConnection[]} older connections, kept while their last picture is still shown */
    this._old = [];
    this._recovering = false;
    this._again = false;
    /** The network has changed since the last look at the path. */
    this._moved = false;
    /** The present connection has been up. */
    this._proven = false;
    this._attempt = 0;
    /** @type {any} */ this._timer = 0;
    this._path = new PathWatch();
    this._looking = false;
    this._unwatch = onNetworkChange(() => {
      this._path.reset();
      this._move();
    });
  }

  /**
   * First connection. Rejects with a RequestError when the exchange is refused; what happens after the answer is
   * told by events.
   * @param {Exchange} [exchange] when the first offer travels in another request, as in `join`
   */
  async start(exchange) {
    this._enter('connecting');
    try {
      await this._connect(exchange || ((offer, slots) => this.exchange(offer, slots)));
    } catch (err) {
      if (!this._isClosed()) this._enter('new');
      throw err;
    }
  }

  /** Replaces the connection as soon as the session allows. The old one stays until `retire`. */
  restart() {
    if (this.state === 'closed') return;
    this._again = true;
    this._recover();
  }

  /** Makes sure of the connection after the session has come back: replaces it when it does not work. */
  revive() {
    if (this.state === 'lost') this._recover();
  }

  /** Closes older connections; called when the new one shows a picture. */
  retire() {
    for (const pc of this._old) pc.close();
    this._old = [];
  }

  /** Closes everything for good. */
  close() {
    clearTimeout(this._timer);
    this._unwatch();
    this.retire();
    if (this.pc) this.pc.close();
    this.pc = null;
    this._enter('closed');
    emit(this, 'pc', null);
  }

  /**
   * Hears once a second which way media goes.
   * @param {string | undefined} path as in Summary
   */
  measured(path) {
    // Who was told which path to take stays there.
    if (!this.policy && this._path.sample(path, Date.now())) this._look();
  }

  // ---- what Watcher and Publisher provide

  /**
   * Adds what the connection carries; gives a function that names the slots once the m-lines have their mids.
   * @param {RTCPeerConnection} pc
   * @returns {() => Object<string, string>}
   */
  prepare(pc) {
    throw new Error('prepare is not provided for ' + pc);
  }

  /**
   * @param {string} offer
   * @param {Object<string, string>} slots
   * @returns {Promise<string>} the answer
   */
  exchange(offer, slots) {
    return Promise.reject(new Error('exchange is not provided for ' + offer.length + slots));
  }

  /**
   * Sets the local description and gives the SDP to send.
   * @param {RTCPeerConnection} pc
   * @param {RTCOfferOptions} [options]
   * @returns {Promise<string>}
   */
  async describe(pc, options) {
    await pc.setLocalDescription(await pc.createOffer(options));
    return localSdp(pc);
  }

  /** @param {string} answer @returns {string} the answer as the browser gets it */
  tune(answer) {
    return answer;
  }

  /** The connection has its answer and counts from now on. @param {RTCPeerConnection} pc */
  adopted(pc) {
    void pc;
  }

  // ---- connecting and recovering

  /** @private @param {Exchange} exchange */
  async _connect(exchange) {
    const servers = await this.session.ice();
    const pc = new RTCPeerConnection(pcConfig(servers, this.policy));
    try {
      const slots = this.prepare(pc);
      const offer = await this.describe(pc);
      const answer = await exchange(offer, slots());
      if (this._isClosed()) throw new RequestError('offline');
      await pc.setRemoteDescription({ type: 'answer', sdp: this._answer(answer) });
    } catch (err) {
      pc.close();
      throw err;
    }
    if (this._isClosed()) {
      pc.close();
      throw new RequestError('offline');
    }
    this._adopt(pc);
  }

  /** @private @param {RTCPeerConnection} pc */
  _adopt(pc) {
    if (this.pc) this._old.push(this.pc);
    this.pc = pc;
    this._proven = false;
    this._moved = false;
    clearTimeout(this._timer);
    pc.addEventListener('connectionstatechange', () => this._changed(pc));
    this._timer = setTimeout(() => this._failed(pc), CONNECT_TIMEOUT);
    emit(this, 'pc', pc);
    this.adopted(pc);
    this._changed(pc);
  }

  /** @private @param {RTCPeerConnection} pc */
  _changed(pc) {
    if (pc !== this.pc) return;
    const now = pc.connectionState;
    if (now === 'connected') {
      clearTimeout(this._timer);
      this._attempt = 0;
      this._proven = true;
      this._enter('connected');
    } else if (now === 'disconnected') {
      clearTimeout(this._timer);
      this._enter('lost');
      this._timer = setTimeout(() => this._recover(), DISCONNECTED_FOR);
    } else if (now === 'failed' || now === 'closed') {
      this._failed(pc);
    }
  }

  /** @private @param {RTCPeerConnection} pc */
  _failed(pc) {
    if (pc !== this.pc) return;
    clearTimeout(this._timer);
    // Three in a row without ever being connected are worth a word; trying goes on.
    if (++this._attempt === 3) emit(this, 'error', new RequestError('ice_failed'));
    this._enter('lost');
    this._recover();
  }

  /**
   * The device has another network. The path may be gone without ICE having noticed; if it is not, a new one costs
   * nothing.
   * @private
   */
  _move() {
    if (!this.pc || !this._proven || this._isClosed()) return;
    this._moved = true;
    this._recover();
  }

  /**
   * Looks whether the network lets UDP through by now, and takes another path then.
   * @private
   */
  async _look() {
    const pc = this.pc;
    if (this._looking || !pc) return;
    this._looking = true;
    try {
      const passes = await udpPasses(pcConfig(await this.session.ice(), 'relay-udp'));
      if (passes !== 'no' && pc === this.pc && pc.connectionState === 'connected') this._move();
    } catch (err) {
      console.debug('no look at UDP', err); // the next one is due anyway
    } finally {
      this._looking = false;
    }
  }

  /** @private @param {string} answer @returns {string} */
  _answer(answer) {
    const tuned = this.tune(answer);
    return this.policy === 'tcp' ? onlyTCP(tuned) : tuned;
  }

  /** @private */
  async _recover() {
    if (this._recovering || this.state === 'closed') return;
    this._recovering = true;
    let answered = false;
    try {
      answered = await this._try();
    } finally {
      this._recovering = false;
    }
    if (this.session.state === 'closed') return; // there is nobody to ask
    const now = answered && this.pc ? this.pc.connectionState : '';
    if (this._again || this._moved || now === 'failed' || now === 'closed') this._recover();
    // Its timer may have run out while this was under way.
    else if (now === 'disconnected' && this.pc) this._changed(this.pc);
  }

  /**
   * Tries until there is an answer; what comes after it is the business of `_changed`.
   * @private
   * @returns {Promise<boolean>} false when it gave up
   */
  async _try() {
    // The first way back is at once; a path that fails again and again is tried more and more seldom.
    if (this._attempt > 1) await pause(backoff(this._attempt - 2, Math.random()));
    let renewed = false;
    for (let attempt = 0; !this._isClosed(); attempt++) {
      try {
        // First find out whether the server can be reached at all: the old connection often comes back together
        // with the socket, and an offer sent into a dead network would only come too late.
        await this.session.check();
        await this.session.whenOpen();
        if (this._isClosed()) return false;
        if (!this._again && !this._moved && this.pc && this.pc.connectionState === 'connected') return true;
        this._moved = false;
        if (!this._again && !renewed) {
          renewed = true;
          if (await this._renew()) return true;
          if (this._isClosed()) return false;
        }
        this._again = false;
        this._enter(this.state === 'lost' ? 'lost' : 'connecting');
        await this._connect((offer, slots) => this.exchange(offer, slots));
        return true;
      } catch (err) {
        if (this._isClosed() || this.session.state === 'closed') return false;
        const refusal = err instanceof RequestError ? err : new RequestError('internal', { reason: String(err) });
        if (FINAL.indexOf(refusal.code) >= 0) {
          emit(this, 'error', refusal);
          return false;
        }
        await pause(Math.max(backoff(attempt, Math.random()), (refusal.wait || 0) * 1000));
      }
    }
    return false;
  }

  /**
   * Gives the connection a new path by an ICE restart; what it carries goes on.
   * @private
   * @returns {Promise<boolean>} false when the connection has to be replaced
   */
  async _renew() {
    const pc = this.pc;
    if (!pc || !this._proven || pc.signalingState !== 'stable') return false;
    const attempt = { over: false };
    try {
      // Nothing in here may keep the page from a new connection, not even a browser that never answers.
      await within(this._offerPath(pc, attempt), 2 * RESTART_TIMEOUT);
    } catch (err) {
      attempt.over = true;
      return this._rollBack(pc);
    }
    return connects(pc, RESTART_TIMEOUT);
  }

  /** @private @param {RTCPeerConnection} pc @param {{over: boolean}} attempt */
  async _offerPath(pc, attempt) {
    const servers = await this.session.ice();
    // The credentials for the relays may have run out since the connection was made.
    if (pc.setConfiguration) pc.setConfiguration(pcConfig(servers, this.policy));
    const offer = await this.describe(pc, { iceRestart: true });
    if (attempt.over) return;
    const message = await this.session.request('restart', { offer }, RESTART_TIMEOUT);
    if (attempt.over) return;
    await pc.setRemoteDescription({ type: 'answer', sdp: this._answer(message.answer) });
  }

  /**
   * The restart was refused. A connection that works all the same, as when only the network's name has changed, is
   * kept with the path that it has.
   * @private
   * @param {RTCPeerConnection} pc
   * @returns {Promise<boolean>} whether it is kept
   */
  async _rollBack(pc) {
    if (pc.connectionState !== 'connected') return false;
    try {
      if (pc.signalingState !== 'stable') await within(pc.setLocalDescription({ type: 'rollback' }), RESTART_TIMEOUT);
    } catch (err) {
      return false;
    }
    return pc.connectionState === 'connected';
  }

  /** @private */
  _isClosed() {
    return this.state === 'closed';
  }

  /** @private @param {Peer['state']} state */
  _enter(state) {
    if (this.state === state) return;
    this.state = state;
    emit(this, 'state', state);
  }
}

/**
 * @param {RTCPeerConnection} pc
 * @returns {string}
 */
export function localSdp(pc) {
  const description = pc.localDescription;
  return description ? description.sdp : '';
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {number} milliseconds
 * @returns {Promise<T>} rejects when the promise takes longer
 */
function within(promise, milliseconds) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new RequestError('timeout')), milliseconds);
    promise.then(resolve, reject).then(() => clearTimeout(timer));
  });
}

/**
 * @param {RTCPeerConnection} pc
 * @param {number} milliseconds
 * @returns {Promise<boolean>} whether it is connected by then; resolves as soon as that is known
 */
function connects(pc, milliseconds) {
  return new Promise((resolve) => {
    /** @param {boolean} yes */
    const end = (yes) => {
      clearTimeout(timer);
      pc.removeEventListener('connectionstatechange', look);
      resolve(yes);
    };
    const look = () => {
      if (pc.connectionState === 'connected') end(true);
      else if (pc.connectionState === 'closed') end(false);
    };
    const timer = setTimeout(() => end(false), milliseconds);
    pc.addEventListener('connectionstatechange', look);
    look();
  });
}
