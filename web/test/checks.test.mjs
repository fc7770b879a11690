// The judging of the network test.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RELAYS, clock, endsOf, finding, keepCandidates, relaysOf, shut, summary, trip } from '../static/js/checks.js';

const answer = [
  'v=0', 'a=candidate:1 1 udp 2130706431 192.0.2.1 8443 typ host', 'a=candidate:1 1 UDP 2130706431 192.0.2.1 8443 typ host',
  'a=candidate:2 1 tcp 1671430143 2001:db8::1 443 typ host tcptype passive', 'a=end-of-candidates', '',
].join('\r\n');

const keys = (f) => f.said.map((p) => p.key.replace('doctor.', '')).join(' ');

test('paths are judged by their round trip', () => {
  assert.equal(trip('udp', 'a:1', 250).found, 'ok');
  assert.equal(keys(trip('udp', 'a:1', 250, '198.51.100.1')), 'trip_mapped');
  assert.equal(trip('udp', 'a:1', 250.1).found, 'slow');
  assert.equal(keys(trip('udp', 'a:1', 251)), 'trip far');
  assert.equal(trip('udp', 'a:1', 0).said[0].params.ms, '<1');
});

test('what is blocked names each host, port and protocol', () => {
  const f = shut('turn-tls', 'tls', [{ host: '192.0.2.1', port: '8443' }, { host: '2001:db8::1', port: '443' }], 6);
  assert.equal(f.found, 'blocked');
  assert.equal(keys(f), 'silent open_tls open_tls');
  assert.equal(f.said[0].params.address, '192.0.2.1:8443, [2001:db8::1]:443');
  assert.deepEqual(f.said[2].params, { host: '2001:db8::1', port: '443' });
});

test('a clock may be five seconds off', () => {
  assert.equal(clock(-5).found, 'ok');
  assert.equal(clock(0).said[0].params.s, '1');
  assert.equal(clock(-5.1).found, 'slow');
  assert.equal(clock(3600).said[0].params.s, '3600');
});

test('candidates are told apart by their protocol', () => {
  assert.deepEqual(endsOf(answer, 'udp'), [{ host: '192.0.2.1', port: '8443' }]);
  assert.deepEqual(endsOf(answer, 'tcp'), [{ host: '2001:db8::1', port: '443' }]);
  assert.equal(keepCandidates(answer, 'tcp').includes('192.0.2.1'), false);
  assert.equal(keepCandidates(answer, 'udp').includes('2001:db8::1'), false);
  assert.ok(keepCandidates(answer, 'udp').endsWith('a=end-of-candidates\r\n'));
});

test('relays are told apart by scheme and transport', () => {
  const servers = [{
    urls: ['turn:a:1?transport=udp', 'turn:a:1?transport=tcp', 'turns:[2001:db8::1]:2?transport=tcp', 'turn:b', 'turns:c', 'stun:d:3', 'odd'],
    username: 'u', credential: 'p',
  }, { urls: 'stun:e' }];
  const [udp, tcp, tls] = RELAYS.map((way) => relaysOf(servers, way));
  assert.deepEqual(udp.ends, [{ host: 'a', port: '1' }, { host: 'b', port: '3478' }]);
  assert.deepEqual(tcp.servers, [{ urls: ['turn:a:1?transport=tcp'], username: 'u', credential: 'p' }]);
  assert.deepEqual(tls.ends, [{ host: '2001:db8::1', port: '2' }, { host: 'c', port: '5349' }]);
});

test('the whole in one sentence', () => {
  const all = (found) => Object.entries(found).map(([check, state]) => finding(check, state));
  assert.equal(summary(all({ udp: 'ok', tcp: 'ok' })), 'doctor.sum.good');
  assert.equal(summary(all({ udp: 'slow', 'turn-tls': 'blocked' })), 'doctor.sum.some');
  assert.equal(summary(all({ udp: 'blocked', 'turn-tls': 'slow' })), 'doctor.sum.slower');
  assert.equal(summary(all({ udp: 'blocked', 'turn-tls': 'blocked', https: 'ok' })), 'doctor.sum.shut');
  assert.equal(summary(all({ udp: 'none', https: 'ok' })), 'doctor.sum.untested');
});
