// The Session against sockets that the test holds in its hands, with time under its control.

import assert from 'node:assert/strict';
import test from 'node:test';

import { RequestError, Session, backoff } from '../static/js/session.js';

/** A WebSocket of which the test is the other end. */
class Wire {
  constructor() {
    this.sent = [];
    this.closed = false;
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.closed = true;
  }
  get last() {
    return this.sent[this.sent.length - 1];
  }
  open() {
    this.onopen();
  }
  say(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }
  drop(code) {
    this.onclose({ code });
  }
}

/** A session with its wires and the names of the events it told. */
function begin(t) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  const wires = [];
  const session = new Session({
    url: 'ws://test/ws',
    name: 'Hall 1',
    random: () => 0,
    connect: () => {
      const wire = new Wire();
      wires.push(wire);
      return wire;
    },
  });
  const told = [];
  for (const name of ['open', 'resumed', 'lost', 'down', 'fatal', 'room', 'draining']) {
    session.addEventListener(name, (event) => told.push(name + (event.detail.code ? ':' + event.detail.code : '')));
  }
  session.start();
  return { session, wires, told };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

async function welcome(wire, fields) {
  wire.open();
  wire.say({ type: 'welcome', re: wire.last.id, version: 1, peer: 'p_1', resume: 'token-1', resumed: false, role: 'idle', ice: { servers: [{ urls: ['turn:h'] }], ttl: 300 }, ...fields });
  await settle();
}

test('hello comes first and carries name and version; welcome opens', async (t) => {
  const { session, wires, told } = begin(t);
  wires[0].open();
  const { id, ...hello } = wires[0].last;
  assert.deepEqual(hello, { type: 'hello', version: 1, name: 'Hall 1' });
  assert.ok(id > 0);
  await assert.rejects(session.request('look'), (err) => err.code === 'offline');
  await welcome(wires[0]);
  assert.deepEqual(told, ['open']);
  assert.equal(session.state, 'open');
  assert.equal(session.peer, 'p_1');
});

test('answers find their requests, whatever their order', async (t) => {
  const { session, wires } = begin(t);
  await welcome(wires[0]);
  const look = session.request('look', { code: '123456' });
  const open = session.request('open');
  const [first, second] = wires[0].sent.slice(1);
  assert.equal(first.code, '123456');
  wires[0].say({ type: 'opened', re: second.id, code: '111111' });
  wires[0].say({ type: 'error', re: first.id, code: 'code_unknown', tries: 4 });
  assert.equal((await open).code, '111111');
  await assert.rejects(look, (err) => err instanceof RequestError && err.code === 'code_unknown' && err.tries === 4);
});

test('a request without an answer times out, and nonsense is ignored', async (t) => {
  const { session, wires } = begin(t);
  await welcome(wires[0]);
  const request = session.request('look', {}, 3000);
  const refused = assert.rejects(request, (err) => err.code === 'timeout');
  wires[0].onmessage({ data: 'not json' });
  wires[0].onmessage({ data: 'null' });
  wires[0].onmessage({ data: '{"type":5}' });
  wires[0].say({ type: 'ok', re: 999 });
  t.mock.timers.tick(3000);
  await refused;
  assert.equal(session.state, 'open');
});

test('a lost socket is replaced, with the token; open requests fail at once', async (t) => {
  const { session, wires, told } = begin(t);
  await welcome(wires[0]);
  const request = assert.rejects(session.request('look'), (err) => err.code === 'offline');
  wires[0].drop(1006);
  await request;
  assert.deepEqual(told, ['open', 'down:1006']);
  t.mock.timers.tick(249);
  assert.equal(wires.length, 1);
  t.mock.timers.tick(1);
  assert.equal(wires.length, 2);
  wires[1].open();
  assert.equal(wires[1].last.resume, 'token-1');
  await welcome(wires[1], { resumed: true, resume: 'token-2' });
  assert.equal(told.at(-1), 'resumed');
  wires[1].drop(1006);
  t.mock.timers.tick(8000);
  await welcome(wires[2], { resumed: false });
  assert.equal(wires[2].sent[0].resume, 'token-2');
  assert.equal(told.at(-1), 'lost');
});

test('back-off doubles to 8 s, and half of it is chance', () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 99].map((n) => backoff(n, 1)), [500, 1000, 2000, 4000, 8000, 8000, 8000]);
  assert.equal(backoff(4, 0), 4000);
});

test('a silent server is noticed by the ping', async (t) => {
  const { session, wires, told } = begin(t);
  await welcome(wires[0]);
  t.mock.timers.tick(10000);
  assert.equal(wires[0].last.type, 'ping');
  wires[0].say({ type: 'pong', re: wires[0].last.id });
  await settle();
  t.mock.timers.tick(10000);
  t.mock.timers.tick(5000);
  await settle();
  assert.equal(session.state, 'down');
  assert.ok(wires[0].closed);
  assert.deepEqual(told, ['open', 'down']);
});

test('a server that accepts and says nothing is given up', async (t) => {
  const { wires, told } = begin(t);
  wires[0].open();
  t.mock.timers.tick(5000);
  await settle();
  assert.deepEqual(told, ['down']);
  t.mock.timers.tick(500);
  assert.equal(wires.length, 2);
});

test('check finds a dead socket in 2 s, and hurries one that waits', async (t) => {
  const { session, wires } = begin(t);
  await welcome(wires[0]);
  const checked = session.check();
  t.mock.timers.tick(2000);
  await checked;
  assert.equal(session.state, 'down');
  session.check();
  assert.equal(wires.length, 2, 'without waiting for the back-off');
});

test('4403, 4409 and 4426 are final', async (t) => {
  for (const [code, name] of [[4403, 'removed'], [4409, 'replaced'], [4426, 'version']]) {
    await t.test(name, async (t) => {
      const { session, wires, told } = begin(t);
      await welcome(wires[0]);
      const waiting = session.whenOpen();
      await waiting;
      wires[0].drop(code);
      assert.equal(told.at(-1), 'fatal:' + name);
      t.mock.timers.tick(60000);
      assert.equal(wires.length, 1);
      await assert.rejects(session.whenOpen(), (err) => err.code === 'offline');
    });
  }
});

test('hello refused for its version is final too, even when the error has no number', async (t) => {
  const { wires, told } = begin(t);
  wires[0].open();
  wires[0].say({ type: 'error', code: 'version' });
  await settle();
  t.mock.timers.tick(60000);
  assert.deepEqual(told, ['fatal:version']);
  assert.equal(wires.length, 1);
});

test('a refused resume token is not shown again', async (t) => {
  const { wires } = begin(t);
  await welcome(wires[0]);
  wires[0].drop(1006);
  t.mock.timers.tick(250);
  wires[1].open();
  wires[1].say({ type: 'error', re: wires[1].last.id, code: 'auth' });
  await settle();
  t.mock.timers.tick(8000);
  wires[2].open();
  assert.equal(wires[2].last.resume, undefined);
});

test('draining: leaves when told to, and not before', async (t) => {
  const { session, wires, told } = begin(t);
  await welcome(wires[0]);
  wires[0].say({ type: 'draining', within: 4000 });
  assert.equal(told.at(-1), 'draining');
  t.mock.timers.tick(3999);
  assert.equal(session.state, 'open');
  t.mock.timers.tick(1);
  assert.equal(session.state, 'down');
  t.mock.timers.tick(250);
  assert.equal(wires.length, 2);
});

test('draining: a socket closed early still waits for its turn', async (t) => {
  const { session, wires } = begin(t);
  await welcome(wires[0]);
  wires[0].say({ type: 'draining', within: 4000 });
  t.mock.timers.tick(1000);
  wires[0].drop(1012);
  session.check();
  t.mock.timers.tick(2999);
  assert.equal(wires.length, 1);
  t.mock.timers.tick(1);
  assert.equal(wires.length, 2);
});

test('ICE servers are asked for anew before their credentials end', async (t) => {
  const { session, wires } = begin(t);
  await welcome(wires[0]);
  assert.deepEqual(await session.ice(), [{ urls: ['turn:h'] }]);
  assert.equal(wires[0].sent.length, 1);
  t.mock.timers.setTime(Date.now() + 241000);
  const fresh = session.ice();
  assert.equal(wires[0].last.type, 'ice');
  wires[0].say({ type: 'ice', re: wires[0].last.id, servers: [{ urls: ['turn:new'] }], ttl: 300 });
  assert.deepEqual(await fresh, [{ urls: ['turn:new'] }]);
});

test('whenOpen waits for the next socket', async (t) => {
  const { session, wires } = begin(t);
  let open = false;
  session.whenOpen().then(() => (open = true));
  await settle();
  assert.equal(open, false);
  await welcome(wires[0]);
  await settle();
  assert.equal(open, true);
});

test('close is for good', async (t) => {
  const { session, wires } = begin(t);
  await welcome(wires[0]);
  session.close();
  t.mock.timers.tick(60000);
  assert.equal(wires.length, 1);
  assert.ok(wires[0].closed);
});
