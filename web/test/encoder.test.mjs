// Casting from an encoder: its lines, what its health says, and the room that a page keeps open for it, against a session
// that the test holds in its hands.

import assert from 'node:assert/strict';
import test from 'node:test';

import { EncoderWatch, codecName, ffmpegLine, gstreamerLine, isLoopback, seconds, whepUrl, whipUrl } from '../static/js/encoder.js';
import { RequestError } from '../static/js/session.js';

globalThis.document = new EventTarget();
const { Cast } = await import('../static/js/cast.js');

const ORIGIN = 'https://cast.example:8443';
const CODE = '123456789';
const ROOM = { id: 'r_1', name: '', code: CODE, state: 'waiting', slots: {}, viewers: 0, displays: 0, capacity: 500, members: [] };

test('addresses hold the room code', () => {
  assert.equal(whipUrl(ORIGIN, CODE), 'https://cast.example:8443/whip/123456789');
  assert.equal(whepUrl(ORIGIN, CODE), 'https://cast.example:8443/whep/123456789');
});

test('lines carry address and token in double quotes, and no token where there is none', () => {
  const url = whipUrl(ORIGIN, CODE);
  const gst = gstreamerLine(url, 'ey.J_-1');
  assert.match(gst, /^gst-launch-1\.0 whipclientsink name=whip /);
  assert.ok(gst.includes(` signaller::whip-endpoint="${url}" signaller::auth-token="ey.J_-1" `), gst);
  assert.equal(gst.match(/! whip\./g).length, 2, 'picture and sound');
  const ffmpeg = ffmpegLine(url, 'ey.J_-1');
  assert.ok(ffmpeg.endsWith(` -f whip -authorization "ey.J_-1" "${url}"`), ffmpeg);
  for (const need of ['-c:v libx264', '-bf 0', '-g 60', '-c:a libopus', '-ar 48000', '-ac 2']) assert.ok(ffmpeg.includes(` ${need} `), need);
  for (const line of [gstreamerLine(url, ''), ffmpegLine(url, '')]) assert.doesNotMatch(line, /auth/);
  for (const line of [gst, ffmpeg]) assert.doesNotMatch(line, /[\n'$`%\\]/, 'a shell would change that');
});

test('isLoopback', () => {
  for (const host of ['localhost', 'cast.localhost', '127.0.0.1', '127.1.2.3', '[::1]']) assert.ok(isLoopback(host), host);
  for (const host of ['cast.example', '10.0.0.1', 'localhost.example', '128.0.0.1']) assert.ok(!isLoopback(host), host);
});

test('codecs and ages are short', () => {
  assert.deepEqual(['video/H264', 'H264', 'audio/opus', undefined].map(codecName), ['H264', 'H264', 'Opus', '']);
  assert.deepEqual([0, 840, 9940, 12400, -5].map(seconds), ['0.0', '0.8', '9.9', '12', '0.0']);
});

const STREAM = { slot: 'screen', codec: 'H264', width: 1920, height: 1080, fps: 30, bitrate: 4200000, keyframe: 1200 };

test('health: waiting, present, gone', () => {
  const watch = new EncoderWatch();
  assert.equal(watch.health(0).state, 'waiting');
  watch.hear({ type: 'encoder', present: false }, 1000);
  assert.equal(watch.health(1000).state, 'waiting', 'nobody has been there');
  watch.hear({ type: 'encoder', present: true, agent: 'OBS', since: 60000, streams: [STREAM], warnings: ['no_audio'] }, 100000);
  const health = watch.health(101000);
  assert.deepEqual(health, { state: 'present', agent: 'OBS', since: 40000, streams: [STREAM], warnings: ['no_audio'], refused: null });
  const left = { type: 'encoder', present: false, agent: 'OBS', since: 0, streams: [], warnings: ['timestamps'] };
  watch.hear(left, 102000);
  assert.deepEqual(watch.health(105000), { state: 'gone', agent: 'OBS', since: 102000, streams: [], warnings: [], refused: null });
  const late = new EncoderWatch();
  late.hear({ ...left, since: 3000 }, 105000);
  assert.equal(late.health(105000).state, 'gone', 'told to a page that came later');
  watch.reset();
  assert.equal(watch.health(103000).state, 'waiting', 'another room');
});

test('health: an encoder of which nothing is heard is gone', () => {
  const watch = new EncoderWatch();
  watch.hear({ type: 'encoder', present: true }, 1000);
  assert.equal(watch.health(7000).state, 'present', 'two messages may be late');
  assert.equal(watch.health(9000).state, 'gone');
  watch.hear({ type: 'encoder', present: true }, 9500);
  assert.equal(watch.health(9500).state, 'present');
});

test('health: an unsupported codec is said once', () => {
  const watch = new EncoderWatch();
  watch.hear({ type: 'encoder', present: true, warnings: ['codec', 'no_audio'], refused: { code: 'codec_unsupported' } }, 0);
  assert.deepEqual(watch.health(0).warnings, ['no_audio']);
  watch.hear({ type: 'encoder', present: true, warnings: ['codec'] }, 0);
  assert.deepEqual(watch.health(0).warnings, ['codec']);
});

test('health: a refusal is news once', () => {
  const watch = new EncoderWatch();
  const refused = { code: 'bad_offer', reason: 'two video tracks' };
  assert.equal(watch.hear({ type: 'encoder', present: false, refused }, 0), true);
  assert.equal(watch.hear({ type: 'encoder', present: false, refused: { ...refused } }, 2000), false);
  assert.deepEqual(watch.health(2000).refused, refused);
  watch.forgive();
  assert.equal(watch.health(2000).refused, null);
  assert.equal(watch.hear({ type: 'encoder', present: false, refused }, 3000), true, 'again, although nothing stood in its way');
  assert.equal(watch.hear({ type: 'encoder', present: false, refused: { code: 'codec_unsupported' } }, 4000), true);
  assert.equal(watch.hear({ type: 'encoder', present: true }, 6000), false);
  assert.equal(watch.health(6000).refused, null);
});

/** A session whose answers the test decides. */
class Line extends EventTarget {
  state = 'open';
  asked = [];
  answers = {};
  whenOpen() {
    return Promise.resolve();
  }
  async request(type, fields) {
    this.asked.push({ type, ...fields });
    const answer = this.answers[type];
    if (answer instanceof Error) throw answer;
    return typeof answer === 'function' ? answer(fields) : answer || { type: 'ok' };
  }
  say(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail: { type, ...detail } }));
  }
}

/** @returns a cast that is open for an encoder */
async function hosted(where = {}, answers = {}) {
  const line = new Line();
  line.answers = { create: { type: 'created', room: ROOM, ticket: 't1', encoder: { token: 'secret' }, player: { token: 'p' } }, ...answers };
  const kept = [];
  const cast = new Cast(line, '', { load: () => null, save: (value) => kept.push(value) }, { srcObject: null });
  const states = [];
  cast.addEventListener('change', () => states.at(-1) !== cast.state && states.push(cast.state));
  await cast.host(where);
  return { line, cast, kept, states };
}

test('host opens a room, captures nothing and publishes nothing', async () => {
  const { line, cast, kept, states } = await hosted();
  assert.deepEqual(line.asked, [{ type: 'create' }]);
  assert.deepEqual(states, ['connecting', 'encoder']);
  assert.equal(cast.token, 'secret');
  assert.equal(cast.room.code, CODE);
  assert.deepEqual(kept.at(-1), { ticket: 't1', encoder: true }, 'a reload comes back to the encoder');
});

test('host for a display takes its code along, and a ticket its room', async () => {
  assert.deepEqual((await hosted({ code: '123456' })).line.asked, [{ type: 'create', code: '123456' }]);
  assert.deepEqual((await hosted({ ticket: 'old' })).line.asked, [{ type: 'create', ticket: 'old' }]);
});

test('a ticket whose room is gone makes a new room', async () => {
  const create = (fields) => {
    if (fields.ticket) throw new RequestError('not_live');
    return { type: 'created', room: ROOM, ticket: 't2' };
  };
  const { line, cast, kept } = await hosted({ ticket: 'old' }, { create });
  assert.deepEqual(line.asked, [{ type: 'create', ticket: 'old' }, { type: 'create' }]);
  assert.deepEqual(kept.at(-1), { ticket: 't2', encoder: true });
  assert.equal(cast.token, '', 'a server that asks for no token');
});

test('a refused host leaves nothing behind', async () => {
  const line = new Line();
  line.answers.create = new RequestError('server_busy', { wait: 5 });
  const cast = new Cast(line, '', { load: () => null, save: () => assert.fail('nothing to keep') }, { srcObject: null });
  await assert.rejects(cast.host({}), (err) => err.code === 'server_busy');
  assert.equal(cast.state, 'none');
  assert.equal(cast.hosting, false);
});

test('a dropped socket and its return; the room of a server that forgot is taken over', async () => {
  const { line, cast, states, kept } = await hosted();
  line.state = 'down';
  line.say('down', { code: 1006 });
  assert.equal(cast.state, 'reconnecting');
  line.state = 'open';
  line.say('resumed', { role: 'caster' });
  assert.equal(cast.state, 'encoder');
  line.answers.create = { type: 'created', room: ROOM, ticket: 't9', encoder: { token: 'newer' } };
  line.state = 'down';
  line.say('down', { code: 1006 });
  line.state = 'open';
  line.say('lost', { role: 'idle' });
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(line.asked.find((message) => message.ticket === 't1'), { type: 'create', ticket: 't1' });
  assert.equal(cast.token, 'newer');
  assert.deepEqual(line.asked.filter((message) => message.type === 'status'), [], 'there is nothing that could be frozen');
  assert.deepEqual(kept.at(-1), { ticket: 't9', encoder: true });
  assert.deepEqual(states, ['connecting', 'encoder', 'reconnecting', 'encoder', 'reconnecting', 'encoder']);
});

test('news of the encoder arrive while hosting, and end with the room', async () => {
  const { line, cast, kept } = await hosted();
  const told = [];
  cast.addEventListener('encoder', (event) => told.push(event.detail));
  line.say('encoder', { present: true, agent: 'OBS', since: 0, streams: [STREAM], warnings: [] });
  line.say('encoder', { present: true, agent: 'OBS', since: 0, streams: [STREAM], warnings: [], refused: { code: 'already_casting' } });
  assert.deepEqual(told, [false, true]);
  assert.equal(cast.encoder.health(Date.now()).agent, 'OBS');
  await cast.end();
  assert.equal(cast.state, 'ended');
  assert.equal(cast.hosting, false);
  assert.equal(cast.token, '');
  assert.equal(kept.at(-1), null);
  assert.equal(cast.encoder.health(Date.now()).state, 'waiting');
});

test('handing over closes the connection, keeps the room and lets the picture go on', async () => {
  const { line, cast, kept } = await hosted();
  // As after a cast of the screen that was frozen.
  let closed = 0;
  let stopped = 0;
  cast.hosting = false;
  cast.publisher = { state: 'connected', close: () => closed++ };
  cast._still = { stop: () => stopped++ };
  cast._update();
  assert.equal(cast.state, 'frozen');
  line.asked.length = 0;
  await cast.handOver();
  assert.deepEqual([closed, stopped], [1, 1]);
  assert.equal(cast.state, 'encoder');
  assert.deepEqual(line.asked, [{ type: 'unpublish' }], 'which is not frozen either');
  assert.deepEqual(kept.at(-1), { ticket: 't1', encoder: true });
  assert.equal(cast.room.code, CODE);
  await cast.handOver();
  assert.equal(closed, 1, 'twice is once');
});
