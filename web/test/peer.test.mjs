// The Peer's way back when its path breaks, against a connection and a session that the test holds in its hands.

import assert from 'node:assert/strict';
import test from 'node:test';

import { onNetworkChange } from '../static/js/network.js';
import { Peer } from '../static/js/peer.js';
import { RequestError } from '../static/js/session.js';

/** A connection whose states the test decides. */
class Connection extends EventTarget {
  static all = [];
  constructor(config) {
    super();
    this.config = config;
    this.connectionState = 'new';
    this.signalingState = 'stable';
    this.localDescription = null;
    this.restarts = 0;
    Connection.all.push(this);
  }
  setConfiguration(config) {
    this.config = config;
  }
  async createOffer(options) {
    if (options && options.iceRestart) this.restarts++;
    return { type: 'offer', sdp: 'offer ' + this.restarts };
  }
  async setLocalDescription(description) {
    this.signalingState = description.type === 'rollback' ? 'stable' : 'have-local-offer';
    if (description.type !== 'rollback') this.localDescription = description;
  }
  async setRemoteDescription(description) {
    this.signalingState = 'stable';
    this.remote = description.sdp;
  }
  become(state) {
    this.connectionState = state;
    this.dispatchEvent(new Event('connectionstatechange'));
  }
  close() {
    this.connectionState = 'closed';
  }
  createDataChannel() {}
  /** A candidate of its own, or an error of that number. */
  found(candidate, errorCode) {
    const event = new Event(errorCode ? 'icecandidateerror' : 'icecandidate');
    this.dispatchEvent(Object.assign(event, { candidate, errorCode }));
  }
}

/** A peer with an open session. `answers` says what becomes of each restart: an answer, an error code, or nothing. */
async function begin(t, answers = []) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  Connection.all = [];
  globalThis.RTCPeerConnection = Connection;
  globalThis.window = new EventTarget();
  t.after(() => {
    delete globalThis.RTCPeerConnection;
    delete globalThis.window;
  });
  const requests = [];
  const session = {
    state: 'open',
    check: async () => undefined,
    whenOpen: async () => {
      if (session.state === 'closed') throw new RequestError('offline');
    },
    ice: async () => [{ urls: ['turn:h'] }],
    request(type, fields, timeout) {
      requests.push({ type, ...fields });
      const answer = answers.shift();
      if (answer === undefined) return new Promise((_, reject) => setTimeout(() => reject(new RequestError('timeout')), timeout));
      if (answer.startsWith('!')) return Promise.reject(new RequestError(answer.slice(1)));
      return Promise.resolve({ answer });
    },
  };
  const peer = new Peer(session, '');
  const told = [];
  peer.addEventListener('state', (event) => told.push(event.detail));
  peer.addEventListener('error', (event) => told.push('error ' + event.detail.code));
  peer.prepare = () => () => ({ 0: 'screen' });
  peer.exchange = async () => 'whole answer ' + Connection.all.length;
  await peer.start();
  const first = Connection.all[0];
  return { peer, session, requests, told, first };
}

const settle = async () => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
};

async function pass(t, milliseconds) {
  t.mock.timers.tick(milliseconds);
  await settle();
}

test('a path that is gone for two seconds is made anew in the same connection', async (t) => {
  const { peer, requests, told, first } = await begin(t, ['new path']);
  first.become('connected');
  first.become('disconnected');
  await pass(t, 1999);
  assert.equal(requests.length, 0);
  await pass(t, 1);
  assert.deepEqual(requests, [{ type: 'restart', offer: 'offer 1' }]);
  assert.equal(first.remote, 'new path');
  first.become('connected');
  await pass(t, 30000);
  assert.equal(Connection.all.length, 1);
  assert.equal(peer.pc, first);
  assert.deepEqual(told, ['connecting', 'connected', 'lost', 'connected']);
  peer.close();
});

test('a gap that closes by itself is left alone', async (t) => {
  const { peer, requests, first } = await begin(t);
  first.become('connected');
  first.become('disconnected');
  await pass(t, 1500);
  first.become('connected');
  await pass(t, 30000);
  assert.equal(requests.length, 0);
  assert.equal(Connection.all.length, 1);
  peer.close();
});

test('a failed path is tried at once', async (t) => {
  const { peer, requests, first } = await begin(t, ['new path']);
  first.become('connected');
  first.become('failed');
  await settle();
  assert.equal(requests.length, 1);
  first.become('connected');
  await settle();
  assert.equal(peer.state, 'connected');
  assert.equal(Connection.all.length, 1);
  peer.close();
});

for (const [name, answers, wait] of [
  ['the server knows no such connection', ['!bad_state'], 0],
  ['there were too many restarts', ['!rate_limited'], 0],
  ['the restart is not answered', [], 4000],
  ['the restart finds no path', ['new path'], 4000],
]) {
  test('the connection is replaced when ' + name, async (t) => {
    const { peer, requests, told, first } = await begin(t, answers);
    first.become('connected');
    first.become('failed');
    await settle();
    if (wait) {
      assert.equal(Connection.all.length, 1);
      await pass(t, wait);
    }
    assert.equal(Connection.all.length, 2, 'a second connection');
    assert.equal(requests.length, 1, 'one restart');
    const second = Connection.all[1];
    second.become('connected');
    await settle();
    assert.equal(peer.pc, second);
    assert.deepEqual(told, ['connecting', 'connected', 'lost', 'connected']);
    peer.close();
  });
}

test('a browser that never makes an offer does not keep the page from a new connection', async (t) => {
  const { peer, first } = await begin(t);
  first.become('connected');
  first.createOffer = () => new Promise(() => undefined);
  first.become('failed');
  await settle();
  await pass(t, 8000);
  assert.equal(Connection.all.length, 2);
  assert.equal(peer.pc, Connection.all[1]);
  peer.close();
});

test('a connection that never was up is replaced without a restart', async (t) => {
  const { peer, requests, first } = await begin(t);
  first.become('failed');
  await settle();
  assert.equal(requests.length, 0);
  assert.equal(Connection.all.length, 2);
  peer.close();
});

test('another network is worth a restart, but not a connection', async (t) => {
  const { peer, requests, told, first } = await begin(t, ['new path', '!rate_limited']);
  first.become('connected');
  window.dispatchEvent(new Event('online'));
  await settle();
  assert.deepEqual(requests, [{ type: 'restart', offer: 'offer 1' }]);
  window.dispatchEvent(new Event('online'));
  await settle();
  assert.equal(requests.length, 2);
  assert.equal(first.signalingState, 'stable', 'rolled back');
  assert.equal(Connection.all.length, 1);
  // It can still be restarted afterwards.
  first.become('disconnected');
  await pass(t, 2000);
  assert.equal(requests.length, 3);
  assert.deepEqual(told, ['connecting', 'connected', 'lost']);
  peer.close();
});

test('a page that is closed during a restart makes no connection any more', async (t) => {
  const { peer, requests, first } = await begin(t);
  first.become('connected');
  first.become('failed');
  await settle();
  assert.equal(requests.length, 1);
  peer.close();
  await pass(t, 60000);
  assert.equal(Connection.all.length, 1);
  window.dispatchEvent(new Event('online'));
  await settle();
  assert.equal(requests.length, 1);
});

test('a session that is over ends the trying', async (t) => {
  const { peer, session, requests, first } = await begin(t);
  first.become('connected');
  session.state = 'closed';
  window.dispatchEvent(new Event('online'));
  await settle();
  assert.equal(requests.length, 0);
  assert.equal(Connection.all.length, 1);
  peer.close();
});

test('only another kind of network counts as a change', () => {
  const target = new EventTarget();
  const link = new EventTarget();
  link.type = 'wifi';
  let called = 0;
  const end = onNetworkChange(() => called++, { target, link });
  link.dispatchEvent(new Event('change')); // another guess of the speed
  assert.equal(called, 0);
  link.type = 'none';
  link.dispatchEvent(new Event('change')); // there is nothing to try
  assert.equal(called, 0);
  link.type = 'cellular';
  link.dispatchEvent(new Event('change'));
  target.dispatchEvent(new Event('online'));
  assert.equal(called, 2);
  end();
  link.type = 'wifi';
  link.dispatchEvent(new Event('change'));
  target.dispatchEvent(new Event('online'));
  assert.equal(called, 2);
});

/** Seconds on a path, each with its statistics. */
async function stay(t, peer, path, seconds) {
  for (let second = 0; second < seconds; second++) {
    peer.measured(path);
    await pass(t, 1000);
  }
}

for (const [name, show, restarts] of [
  ['a relay over UDP answers', (probe) => probe.found({ candidate: 'candidate:1 1 udp 1 192.0.2.1 5 typ relay raddr 0.0.0.0 rport 0' }), 1],
  ['the relay refuses, which it can only do if it is asked', (probe) => probe.found(null, 486), 1],
  ['there is no answer', (probe) => probe.found({ candidate: 'candidate:1 1 udp 1 192.0.2.7 5 typ host' }), 0],
  ['the browser says that there is none', (probe) => probe.found(null, 701), 0],
  ['it finds nothing', (probe) => probe.found(null), 0],
]) {
  test('on TCP it looks whether UDP passes: ' + name, async (t) => {
    const { peer, session, requests, first } = await begin(t, ['new path']);
    session.ice = async () => [{ urls: ['turn:h:1?transport=udp', 'turn:h:1?transport=tcp'] }];
    first.become('connected');
    await stay(t, peer, 'TCP', 16);
    assert.equal(Connection.all.length, 2);
    const probe = Connection.all[1];
    assert.deepEqual(probe.config.iceServers[0].urls, ['turn:h:1?transport=udp']);
    show(probe);
    await pass(t, 5000);
    assert.equal(probe.connectionState, 'closed');
    assert.equal(requests.length, restarts);
    assert.equal(peer.pc, first);
    assert.equal(peer.state, 'connected');
    peer.close();
  });
}

test('without a relay the restart itself has to show whether UDP passes', async (t) => {
  const { peer, session, requests, first } = await begin(t, ['new path', '!rate_limited']);
  session.ice = async () => [];
  first.become('connected');
  await stay(t, peer, 'TCP', 60);
  assert.deepEqual(requests.map((r) => r.type), ['restart', 'restart']);
  assert.equal(Connection.all.length, 1); // also after a refusal: the path works
  assert.equal(peer.state, 'connected');
  await stay(t, peer, 'UDP', 300);
  assert.equal(requests.length, 2);
  peer.close();
});

test('who was told which path to take does not look for another', async (t) => {
  const { peer, requests, first } = await begin(t);
  peer.policy = 'relay-tcp';
  first.become('connected');
  await stay(t, peer, 'TURN/TCP', 60);
  assert.equal(requests.length, 0);
  assert.equal(Connection.all.length, 1);
  peer.close();
});
