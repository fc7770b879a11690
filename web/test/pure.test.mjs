// The pure parts: codes, hints, view states, session descriptions, statistics, choices.

import assert from 'node:assert/strict';
import test from 'node:test';

import { captureError, obstacle } from '../static/js/capture.js';
import { clock } from '../static/js/clock.js';
import { codeOfHash, digitsOf, groups, linkOfHash, pinOf, spoken, tokenOfHash } from '../static/js/digits.js';
import { MotionWatch, encodingsOf, fitEncodings, hintsOf } from '../static/js/hints.js';
import { choose } from '../static/js/lang.js';
import { agentName } from '../static/js/page.js';
import { PathWatch, isSlow } from '../static/js/path.js';
import { pcConfig } from '../static/js/peer.js';
import { onlyTCP, startBitrate, stereo } from '../static/js/sdp.js';
import { StallWatch, summarise } from '../static/js/stats.js';
import { viewState } from '../static/js/view.js';

test('digitsOf takes what people type and paste', () => {
  const cases = {
    '123456': '123456',
    '123 456': '123456',
    '123-456-789': '123456789',
    '１２３４５６': '123456',
    'https://cast.example:8443/#c=654321': '654321',
    'https://10.0.0.7/w#c=123456789': '123456789',
    'code: 12': '12',
    '1234567890123': '123456789',
    abc: '',
    '': '',
  };
  for (const [typed, want] of Object.entries(cases)) assert.equal(digitsOf(typed), want, typed);
});

test('codeOfHash survives what an address can hold', () => {
  assert.equal(codeOfHash('#c=123456'), '123456');
  assert.equal(codeOfHash('#x=1&c=123%20456'), '123456');
  assert.equal(codeOfHash('#c=%E0%A4%A'), '');
  assert.equal(codeOfHash('#other'), '');
});

test('tokenOfHash tells a join token from the secret of a link', () => {
  const token = 'eyJhbGciOiJIUzI1NiJ9.eyJyb29tIjoiaGFsbCJ9.c2lnbmF0dXJl-_';
  assert.equal(tokenOfHash('#t=' + token), token);
  assert.equal(tokenOfHash('#lang=zh&t=' + token + '&x=1'), token);
  assert.equal(linkOfHash('#t=' + token), '');
  for (const hash of ['#t=' + 'A'.repeat(26), '#t=a.b', '#t=a.b.c.d', '#t=a..c', '#t=' + token + '!', '#t=a.b.' + 'c'.repeat(4096), '#xt=' + token, '']) {
    assert.equal(tokenOfHash(hash), '', hash);
  }
});

test('linkOfHash takes a whole secret, and nothing else', () => {
  const secret = 'ABCDEFGHIJKLMNOPQRSTUV2345';
  assert.equal(linkOfHash('#t=' + secret), secret);
  assert.equal(linkOfHash('#lang=zh&t=' + secret + '&x=1'), secret);
  for (const hash of ['#t=' + secret.slice(1), '#t=' + secret.toLowerCase(), '#t=' + secret + '!', '#c=123456789', '#xt=' + secret, '']) assert.equal(linkOfHash(hash), '', hash);
});

test('pinOf takes a PIN as people type it', () => {
  for (const [typed, want] of Object.entries({ '４7 1-1': '4711', '123456789': '12345678', abc: '', '': '' })) assert.equal(pinOf(typed), want, typed);
});

test('clock names the day only when it is another one', () => {
  const now = new Date(2026, 10, 21, 9, 0).getTime();
  assert.equal(clock(new Date(2026, 10, 21, 14, 5).getTime(), now, 'zh-CN'), '14:05');
  assert.match(clock(new Date(2026, 10, 22, 14, 5).getTime(), now, 'en'), /Sun.*Nov 22.*02:05/);
});

test('codes are shown and read in groups of three', () => {
  assert.deepEqual(groups('12345678'), ['123', '456', '78']);
  assert.equal(spoken('123456'), '1 2 3, 4 5 6');
});

test('auto follows motion: quickly into it, slowly out of it', () => {
  const watch = new MotionWatch();
  assert.equal(hintsOf('auto', watch.moving).contentHint, 'detail');
  assert.deepEqual([30, 30, 30].map((fps) => watch.sample(fps)), [false, false, true]);
  assert.equal(hintsOf('auto', watch.moving).contentHint, 'motion');
  assert.equal(hintsOf('auto', watch.moving).degradation, 'maintain-framerate');
  for (let second = 0; second < 7; second++) assert.equal(watch.sample(1), false);
  assert.equal(watch.sample(30), false, 'one lively second begins the count anew');
  for (let second = 0; second < 7; second++) assert.equal(watch.sample(1), false);
  assert.equal(watch.sample(1), true);
  assert.equal(watch.moving, false);
});

test('a camera as video goes out in three sizes, all else in one', () => {
  const [three, two, plain] = encodingsOf('video', false, true);
  assert.deepEqual(three.map((e) => [e.rid, e.scaleResolutionDownBy]), [['l', 4], ['m', 2], ['h', 1]]);
  assert.equal(two[0].scalabilityMode, 'L1T2');
  assert.deepEqual(plain, [{ maxBitrate: hintsOf('video', false).bitrate }]);
  for (const [mode, camera] of [['text', true], ['auto', true], ['video', false]]) {
    assert.ok(encodingsOf(mode, false, camera).every((way) => way.length === 1), `${mode} ${camera}`);
  }
  fitEncodings(three, { ...hintsOf('video', false), bitrate: 7 }, false);
  assert.deepEqual(three.map((e) => e.active), [false, false, undefined], 'a screen in the place of the camera');
  assert.deepEqual(three.map((e) => e.maxBitrate), [200000, 800000, 7]);
  fitEncodings(three, hintsOf('video', false), true);
  assert.deepEqual(three.map((e) => e.active), [true, true, undefined]);
});

test('of several sizes sent the statistics tell the largest', () => {
  const sizes = [320, 1280, 640].map((frameWidth, i) => ({
    id: `o${i}`, type: 'outbound-rtp', kind: 'video', timestamp: 1, bytesSent: 10, frameWidth, frameHeight: frameWidth / 2, pliCount: 1,
  }));
  const sum = summarise(sizes, null);
  assert.equal(sum.width, 1280);
  assert.equal(sum.height, 640);
  assert.equal(sum.videoBytes, 30);
  assert.equal(sum.keyframes, 3);
});

test('a chosen mode does not follow anything', () => {
  assert.equal(hintsOf('text', true).contentHint, 'detail');
  assert.equal(hintsOf('video', false).contentHint, 'motion');
});

test('viewState', () => {
  const room = (state) => ({ id: 'r', name: '', state, slots: {}, viewers: 1, displays: 0, capacity: 5 });
  const cases = [
    [{ room: null, link: 'connecting', frame: false }, 'connecting'],
    [{ room: room('waiting'), link: 'connected', frame: false }, 'waiting'],
    [{ room: room('live'), link: 'connecting', frame: false }, 'connecting'],
    [{ room: room('waiting'), link: 'connected', frame: true }, 'live'],
    [{ room: room('live'), link: 'connected', frame: true }, 'live'],
    [{ room: room('frozen'), link: 'connected', frame: true }, 'frozen'],
    [{ room: room('live'), link: 'lost', frame: true }, 'reconnecting'],
    [{ room: room('frozen'), link: 'lost', frame: true }, 'reconnecting'],
    [{ room: room('live'), link: 'connected', frame: true, stalled: true }, 'reconnecting'],
    [{ room: room('away'), link: 'connected', frame: true }, 'reconnecting'],
    [{ room: room('away'), link: 'connected', frame: false }, 'reconnecting'],
    [{ room: room('live'), link: 'lost', frame: true, moving: true }, 'moving'],
  ];
  for (const [sight, want] of cases) {
    assert.equal(viewState({ moving: false, stalled: false, ...sight }), want, JSON.stringify(sight));
  }
});

const OPUS = ['m=audio 9 UDP/TLS/RTP/SAVPF 111 63', 'a=rtpmap:111 opus/48000/2', 'a=fmtp:111 minptime=10;useinbandfec=1', 'a=rtpmap:63 red/48000/2', 'a=fmtp:63 111/111', ''].join('\r\n');

test('startBitrate is told to video codecs, with and without a format line', () => {
  const lines = ['m=video 9 X 96 97 98', 'a=rtpmap:96 VP8/90000', 'a=rtpmap:97 rtx/90000', 'a=fmtp:97 apt=96', 'a=rtpmap:98 VP9/90000', 'a=fmtp:98 profile-id=0', 'a=rtpmap:111 opus/48000/2', 'a=fmtp:111 minptime=10', ''];
  const got = startBitrate(lines.join('\r\n'), 2500).split('\r\n');
  assert.equal(got[2], 'a=fmtp:96 x-google-start-bitrate=2500');
  assert.ok(got.includes('a=fmtp:97 apt=96'));
  assert.ok(got.includes('a=fmtp:98 profile-id=0;x-google-start-bitrate=2500'));
  assert.ok(got.includes('a=fmtp:111 minptime=10'));
  assert.equal(got.length, lines.length + 1);
  const once = startBitrate(lines.join('\r\n'), 2500);
  assert.equal(startBitrate(once, 2500), once, 'twice is once');
});

test('stereo changes the Opus line and nothing else', () => {
  const got = stereo(OPUS, 128000).split('\r\n');
  assert.equal(got[2], 'a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1;maxaveragebitrate=128000');
  assert.equal(got[4], 'a=fmtp:63 111/111');
  assert.equal(got.length, OPUS.split('\r\n').length);
  assert.equal(stereo(stereo(OPUS)), stereo(OPUS), 'twice is once');
});

test('stereo writes a line where there was none, and overrules mono', () => {
  assert.match(stereo('a=rtpmap:96 opus/48000/2\r\nm=video\r\n'), /^a=rtpmap:96 opus\/48000\/2\r\na=fmtp:96 stereo=1;sprop-stereo=1\r\nm=video\r\n$/);
  assert.match(stereo('a=rtpmap:96 opus/48000/2\r\na=fmtp:96 stereo=0\r\n'), /fmtp:96 stereo=1;sprop-stereo=1\r\n/);
  assert.equal(stereo('v=0\r\n'), 'v=0\r\n');
});

test('pcConfig leaves the paths that ?ice= asks for', () => {
  const servers = [{ urls: ['turn:h:1?transport=udp', 'turn:h:1?transport=tcp', 'turns:h:1?transport=tcp', 'stun:h:1'], username: 'u', credential: 'p' }];
  assert.equal(pcConfig(servers, '').iceTransportPolicy, undefined);
  assert.deepEqual(pcConfig(servers, 'relay').iceServers, servers);
  assert.deepEqual(pcConfig(servers, 'relay-udp').iceServers[0].urls, ['turn:h:1?transport=udp']);
  assert.deepEqual(pcConfig(servers, 'relay-tcp').iceServers[0].urls, ['turn:h:1?transport=tcp', 'turns:h:1?transport=tcp']);
  assert.equal(pcConfig(servers, 'relay-tcp').iceServers[0].credential, 'p');
  assert.deepEqual(pcConfig(servers, 'relay-tls').iceServers[0].urls, ['turns:h:1?transport=tcp']);
  assert.deepEqual(pcConfig([{ urls: 'stun:h' }], 'relay-udp').iceServers, []);
  const media = { urls: ['turn:h:2?transport=udp'], media: true };
  assert.deepEqual(pcConfig([media, ...servers], '').iceServers, servers);
  assert.deepEqual(pcConfig([media, ...servers], 'relay-udp').iceServers.map((server) => server.urls[0]), [media.urls[0], servers[0].urls[0]]);
});

test('?ice=tcp leaves the addresses over TCP', () => {
  assert.deepEqual(pcConfig([{ urls: 'turn:h' }], 'tcp').iceServers, []);
  const udp = 'a=candidate:1 1 udp 2130706431 192.0.2.1 443 typ host\r\n', tcp = 'a=candidate:2 1 tcp 1520434943 192.0.2.1 443 typ host tcptype passive\r\n';
  assert.equal(onlyTCP('a=mid:0\r\n' + udp + tcp + udp.replace('udp', 'UDP') + 'a=end-of-candidates\r\n'), 'a=mid:0\r\n' + tcp + 'a=end-of-candidates\r\n');
});

test('PathWatch: 15 s after UDP was left, then more and more seldom, and never on UDP', () => {
  const watch = new PathWatch();
  const looks = (path, from, to) => {
    const at = [];
    for (let second = from; second < to; second++) if (watch.sample(path, second * 1000)) at.push(second - from);
    return at;
  };
  assert.deepEqual(looks('UDP', 0, 1000), []);
  assert.deepEqual(looks('TCP', 1000, 1600), [15, 45, 105, 225, 345, 465, 585]);
  assert.deepEqual(looks('UDP', 1600, 1700), []);
  assert.deepEqual(looks('TURN/UDP', 1700, 1750), [15, 45]);
  watch.reset();
  assert.deepEqual(looks('TURN/TLS', 1750, 1770), [15]);
  assert.deepEqual(looks(undefined, 1770, 3000), []);
});

test('isSlow', () => {
  assert.deepEqual(['UDP', 'TURN/UDP', undefined, 'TCP', 'TURN/TCP', 'TURN/TLS'].map(isSlow), [false, false, false, true, true, true]);
});

const inbound = (at, bytes, frames, more) => [
  { id: 'v', type: 'inbound-rtp', kind: 'video', timestamp: at, bytesReceived: bytes, packetsReceived: bytes / 1000, packetsLost: 0, framesDecoded: frames, frameWidth: 1920, frameHeight: 1080, codecId: 'c', ...more },
  { id: 'c', type: 'codec', mimeType: 'video/VP8' },
  { id: 't', type: 'transport', selectedCandidatePairId: 'p' },
  { id: 'p', type: 'candidate-pair', localCandidateId: 'l', currentRoundTripTime: 0.012 },
  { id: 'l', type: 'local-candidate', candidateType: 'relay', protocol: 'udp', relayProtocol: 'tls' },
];

test('summarise gives rates, codec and path', () => {
  const first = summarise(inbound(1000, 100000, 30), null);
  assert.equal(first.kbps, undefined);
  const second = summarise(inbound(2000, 200000, 60, { packetsLost: 25 }), first);
  assert.equal(second.kbps, 800);
  assert.equal(second.fps, 30);
  assert.equal(second.loss, 20);
  assert.equal(second.rtt, 12);
  assert.equal(second.codec, 'VP8');
  assert.equal(second.path, 'TURN/TLS');
});

test('summarise does not stumble over an empty or odd report', () => {
  assert.equal(summarise([], null).path, undefined);
  assert.equal(summarise([{ id: 't', type: 'transport', selectedCandidatePairId: 'gone' }], null).path, undefined);
});

test('StallWatch: attach again first, connect again if that was in vain', () => {
  const watch = new StallWatch();
  const remedies = [];
  for (let second = 0; second <= 12; second++) remedies.push(watch.sample(summarise(inbound(second * 1000, second * 5000, 10), null)));
  assert.deepEqual(remedies.filter(Boolean), ['reattach', 'reconnect']);
  assert.equal(remedies.indexOf('reattach'), 5);
});

test('StallWatch leaves a still picture alone, and one that moves', () => {
  const still = new StallWatch();
  const moving = new StallWatch();
  for (let second = 0; second <= 20; second++) {
    assert.equal(still.sample(summarise(inbound(second * 1000, 7000, 10), null)), '');
    assert.equal(moving.sample(summarise(inbound(second * 1000, second * 5000, second), null)), '');
  }
});

test('captureError finds the text for what the browser says', () => {
  const name = (n, how) => captureError({ name: n }, { mac: false, elapsed: 5000, ...how });
  assert.equal(name('NotAllowedError'), 'capture_cancelled');
  assert.equal(name('NotAllowedError', { mac: true, elapsed: 20 }), 'capture_denied_os');
  assert.equal(name('NotAllowedError', { mac: true }), 'capture_cancelled');
  assert.equal(name('InvalidStateError'), 'no_gesture');
  assert.equal(name('NotReadableError'), 'capture_failed');
  assert.equal(name('AbortError'), 'capture_failed');
  assert.equal(name('NotFoundError'), 'no_source');
  assert.equal(name('OverconstrainedError'), 'settings_too_high');
  assert.equal(captureError(undefined, { mac: true, elapsed: 0 }), 'capture_failed');
});

test('obstacle says why a screen cannot be cast', () => {
  const devices = { getDisplayMedia() {} };
  assert.equal(obstacle({ secure: true, devices, phone: false }), '');
  assert.equal(obstacle({ secure: false, devices, phone: false }), 'insecure_context');
  assert.equal(obstacle({ secure: true, devices: undefined, phone: false }), 'insecure_context');
  assert.equal(obstacle({ secure: true, devices: {}, phone: false }), 'unsupported');
  assert.equal(obstacle({ secure: true, devices: {}, phone: true }), 'mobile_no_capture');
});

test('the language is the first wish that we have', () => {
  assert.equal(choose(['zh-CN', null, 'en']), 'zh-CN');
  assert.equal(choose([null, null, 'fr', 'zh-TW', 'en']), 'zh-CN');
  assert.equal(choose(['xx', null, 'en-GB']), 'en');
  assert.equal(choose([null]), 'en');
});

test('agentName', () => {
  assert.equal(agentName('Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36 Edg/156.0'), 'Edge on Windows');
  assert.equal(agentName('Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605 (KHTML, like Gecko) Version/19.0 Mobile Safari/604.1'), 'Safari on iPhone');
  assert.equal(agentName('Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0'), 'Firefox on Linux');
  assert.equal(agentName(''), 'Browser');
});
