// Tries what the network test asks: every way to the server, and what this browser can do. Each check gives a Finding;
// none throws.

import { RELAYS, clock, endsOf, finding, keepCandidates, relaysOf, say, shut, trip } from './checks.js';
import { socketUrl } from './page.js';

/** Milliseconds. A connection test of the server lives for 10 s. */
const WEB_TIMEOUT = 5000;
const PATH_TIMEOUT = 6000;

/** @typedef {import('./checks.js').Finding} Finding */
/** @typedef {(f: Finding) => void} Tell */

/**
 * The server does not let a test in.
 * @param {number} status
 * @param {string} detail
 */
function refusal(status, detail) {
  return new Error('HTTP ' + status + ' ' + detail);
}

/**
 * Asks the server for ICE servers, and with an offer for an answer too (docs/protocol.md).
 * @param {string} [offer]
 * @returns {Promise<{answer?: string, ice: {servers: RTCIceServer[]}}>}
 */
async function probe(offer) {
  const request = offer ? { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: offer } : {};
  const answer = await within(fetch('/probe', request), WEB_TIMEOUT);
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({}));
  throw refusal(answer.status, problem.detail || '');
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {number} milliseconds
 * @returns {Promise<T>} rejects when the promise takes longer
 */
function within(promise, milliseconds) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(milliseconds / 1000 + ' s')), milliseconds);
    promise.then(resolve, reject).then(() => clearTimeout(timer));
  });
}

/** @param {any} err @returns {string} */
function reasonOf(err) {
  return err && err.message ? String(err.message).slice(0, 160) : String(err);
}

/** @returns {import('./checks.js').End} where this page came from */
export function here() {
  return { host: location.hostname.replace(/^\[|\]$/g, ''), port: location.port || (location.protocol === 'https:' ? '443' : '80') };
}

/** All checks; tell gets each finding as soon as it is there. @param {Tell} tell */
export async function examine(tell) {
  await Promise.all([device(tell), network(tell)]);
}

/** @param {Tell} tell */
async function network(tell) {
  const web = Promise.all([https().then(tell), websocket().then(tell), time().then(tell)]);
  try {
    if (typeof RTCPeerConnection !== 'function') throw new Error('no WebRTC');
    await media((await probe()).ice.servers, tell);
  } catch (err) {
    for (const check of ['udp', 'tcp', 'ice-tcp'].concat(RELAYS.map((r) => r.check))) {
      tell(finding(check, 'none', say('no_probe', { reason: reasonOf(err) })));
    }
  }
  await web;
}

/** @returns {Promise<Finding>} */
async function https() {
  const ca = await within(fetch('/ca.json'), WEB_TIMEOUT).then((answer) => answer.json()).catch(() => null);
  if (!ca) return finding('https', 'none', say('unreached'));
  const url = 'http://' + location.host + '/ca';
  if (location.protocol === 'https:') {
    if (!ca.issuer) return finding('https', 'ok', say('cert_accepted'));
    const said = [say('cert', { issuer: ca.issuer, until: String(ca.until).slice(0, 10), host: location.hostname })];
    if (ca.mode === 'local-ca') said.push(say('cert_own', { 'ca-url': url }));
    return finding('https', 'ok', ...said);
  }
  const said = [say('plain')];
  if (ca.mode === 'off') return finding('https', 'none', ...said);
  const secure = 'https://' + location.hostname + (ca.port === '443' ? '' : ':' + ca.port);
  // The policy of this page lets it ask the same port only.
  if (ca.port === here().port || (ca.port === '443' && here().port === '80')) {
    const trusted = await within(fetch(secure + '/healthz', { mode: 'no-cors' }), WEB_TIMEOUT).then(() => true, () => false);
    said.push(trusted ? say('plain_trusted') : say('plain_untrusted', { 'ca-url': url }));
  }
  return finding('https', 'none', ...said, say('plain_open', { 'https-url': secure + '/doctor' }));
}

/** @returns {Promise<Finding>} */
function websocket() {
  return new Promise((resolve) => {
    const socket = new WebSocket(socketUrl());
    let began = 0;
    const fail = () => {
      if (location.protocol === 'http:' && !window.isSecureContext) end(finding('websocket', 'none', say('secure_only')));
      else end(shut('websocket', 'ws', [here()], WEB_TIMEOUT / 1000));
    };
    const timer = setTimeout(fail, WEB_TIMEOUT);
    /** @param {Finding} f */
    const end = (f) => {
      clearTimeout(timer);
      socket.onclose = socket.onerror = null;
      socket.close();
      resolve(f);
    };
    socket.onclose = socket.onerror = fail;
    socket.onopen = () => socket.send(JSON.stringify({ type: 'hello', version: 1 }));
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      if (message.type === 'welcome') {
        began = performance.now();
        socket.send(JSON.stringify({ type: 'ping', id: 1 }));
      } else if (message.type === 'pong') {
        end(trip('websocket', location.host, performance.now() - began));
      } else {
        fail();
      }
    };
  });
}

/** @returns {Promise<Finding>} */
async function time() {
  const began = Date.now();
  const date = await within(fetch('/healthz', { cache: 'no-store' }), WEB_TIMEOUT).then((answer) => answer.headers.get('Date')).catch(() => null);
  if (!date) return finding('clock', 'none', say('clock_unknown'));
  return clock((Date.parse(date) + 500 - (began + Date.now()) / 2) / 1000);
}

/** Connects by each kind of path at the same time. @param {RTCIceServer[]} servers @param {Tell} tell */
async function media(servers, tell) {
  const stun = relaysOf(servers, RELAYS[0]).ends.map((end) => ({ urls: 'stun:' + (end.host.indexOf(':') >= 0 ? '[' + end.host + ']' : end.host) + ':' + end.port }));
  const direct = connect('udp', 'udp', { iceServers: stun.slice(0, 1) }, 'udp', null).then(tell);
  const tcp = [connect('ice-tcp', 'tcp', {}, 'tcp', null)];
  const rest = RELAYS.map((way) => {
    const relays = relaysOf(servers, way);
    if (relays.ends.length === 0) return Promise.resolve(finding(way.check, 'none', say('not_offered')));
    return connect(way.check, 'udp', { iceServers: relays.servers, iceTransportPolicy: 'relay' }, way.protocol, relays.ends);
  });
  tcp.push(rest[1]);
  await Promise.all([direct, tcp[0].then(tell), ...rest.map((test) => test.then(tell)), Promise.all(tcp).then((found) => tell(plainTcp(found)))]);
}

/**
 * A page cannot open a bare TCP connection; what goes over one says as much.
 * @param {Finding[]} found over TCP
 * @returns {Finding}
 */
function plainTcp(found) {
  const best = found.find((f) => f.found === 'ok') || found.find((f) => f.found === 'slow') || found.find((f) => f.found === 'blocked') || found[0];
  return Object.assign({}, best, { check: 'tcp' });
}

/**
 * Makes a media connection that can go one way only, and measures its round trip.
 * @param {string} check
 * @param {'udp' | 'tcp'} keep which candidates of the server
 * @param {RTCConfiguration} config
 * @param {'udp' | 'tcp' | 'tls'} protocol what the network has to let through
 * @param {import('./checks.js').End[] | null} relays where that leads; null: to the candidates
 * @returns {Promise<Finding>}
 */
async function connect(check, keep, config, protocol, relays) {
  const pc = new RTCPeerConnection(config);
  try {
    pc.addTransceiver('video', { direction: 'recvonly' });
    await pc.setLocalDescription(await pc.createOffer());
    const answer = (await probe(pc.localDescription ? pc.localDescription.sdp : '')).answer || '';
    const ends = endsOf(answer, keep);
    if (ends.length === 0) return finding(check, 'none', say('not_offered'));
    if (relays && !ends.some((end) => end.host.indexOf(':') < 0)) return finding(check, 'none', say('relay_four'));
    const tried = relays || ends;
    await pc.setRemoteDescription({ type: 'answer', sdp: keepCandidates(answer, keep) });
    if (!(await connected(pc))) return shut(check, protocol, tried, PATH_TIMEOUT / 1000);
    return await measure(pc, check, tried, !relays);
  } catch (err) {
    return finding(check, 'none', say('no_probe', { reason: reasonOf(err) }));
  } finally {
    pc.close();
  }
}

/** @param {RTCPeerConnection} pc @returns {Promise<boolean>} */
function connected(pc) {
  return new Promise((resolve) => {
    /** @param {boolean} yes */
    const end = (yes) => {
      clearTimeout(timer);
      resolve(yes);
    };
    const timer = setTimeout(() => end(false), PATH_TIMEOUT);
    const look = () => {
      const now = pc.iceConnectionState;
      if (now === 'connected' || now === 'completed') end(true);
      else if (now === 'failed' || now === 'closed') end(false);
    };
    pc.addEventListener('iceconnectionstatechange', look);
    look(); // a near server may have answered already
  });
}

/**
 * @param {RTCPeerConnection} pc
 * @param {string} check
 * @param {import('./checks.js').End[]} ends
 * @param {boolean} direct
 * @returns {Promise<Finding>}
 */
async function measure(pc, check, ends, direct) {
  const stats = Array.from((await pc.getStats()).values());
  const pair = stats.find((s) => s.type === 'candidate-pair' && s.state === 'succeeded' && (s.nominated || s.selected)) ||
    stats.find((s) => s.type === 'candidate-pair' && s.state === 'succeeded');
  const ms = pair && pair.currentRoundTripTime !== undefined ? pair.currentRoundTripTime * 1000 : 0;
  const remote = pair && stats.find((s) => s.id === pair.remoteCandidateId);
  const outside = direct && stats.find((s) => s.type === 'local-candidate' && s.candidateType === 'srflx' && s.address);
  const to = direct && remote && remote.address ? { host: remote.address, port: String(remote.port) } : ends[0];
  return trip(check, (to.host.indexOf(':') >= 0 ? '[' + to.host + ']' : to.host) + ':' + to.port, ms, outside ? outside.address : undefined);
}

/** @param {Tell} tell */
async function device(tell) {
  tell(codecs());
  tell(capture());
  tell(fullScreen());
  await Promise.all([wake().then(tell), autoplay().then(tell)]);
}

/** @returns {Finding} */
function codecs() {
  if (typeof RTCRtpReceiver !== 'function' || !RTCRtpReceiver.getCapabilities) return finding('codecs', 'none', say('codecs_no'));
  /** @param {typeof RTCRtpSender | typeof RTCRtpReceiver} way @returns {string[]} */
  const names = (way) => {
    const known = ['VP8', 'VP9', 'H264', 'AV1', 'Opus'];
    const all = ['video', 'audio'].flatMap((kind) => (way.getCapabilities(kind) || { codecs: [] }).codecs);
    return known.filter((name) => all.some((codec) => codec.mimeType.split('/')[1].toLowerCase() === name.toLowerCase()));
  };
  const sends = names(RTCRtpSender);
  const receives = names(RTCRtpReceiver);
  const said = say('codecs_both', { sends: sends.join(', ') || '–', receives: receives.join(', ') || '–' });
  const common = ['VP8', 'H264'].some((name) => sends.indexOf(name) >= 0 && receives.indexOf(name) >= 0);
  return common ? finding('codecs', 'ok', said) : finding('codecs', 'slow', said, say('codecs_few'));
}

/** @returns {Finding} */
function capture() {
  const devices = navigator.mediaDevices;
  if (!window.isSecureContext) return finding('capture', 'none', say('capture_no'), say('plain'));
  if (devices && typeof devices.getDisplayMedia === 'function') return finding('capture', 'ok', say('capture_all'));
  if (devices && typeof devices.getUserMedia === 'function') return finding('capture', 'none', say('capture_camera'));
  return finding('capture', 'none', say('capture_no'));
}

/** @returns {Finding} */
function fullScreen() {
  const able = document.fullscreenEnabled || typeof HTMLVideoElement.prototype.webkitEnterFullscreen === 'function';
  return able ? finding('full', 'ok', say('full_ok')) : finding('full', 'none', say('full_no'));
}

/** @returns {Promise<Finding>} */
async function wake() {
  if (!('wakeLock' in navigator)) return finding('wake', 'none', say('wake_no'));
  try {
    const lock = await within(navigator.wakeLock.request('screen'), WEB_TIMEOUT);
    await lock.release();
    return finding('wake', 'ok', say('wake_ok'));
  } catch (err) {
    return finding('wake', 'none', say('wake_refused'));
  }
}

/** @returns {Promise<Finding>} */
async function autoplay() {
  const Sound = window.AudioContext || window.webkitAudioContext;
  const sound = Sound ? new Sound() : null;
  const loud = sound !== null && sound.state === 'running';
  if (sound) sound.close().catch(() => undefined);
  if (loud) return finding('autoplay', 'ok', say('autoplay_sound'));
  const canvas = document.createElement('canvas');
  const pen = canvas.getContext('2d');
  if (!pen || typeof canvas.captureStream !== 'function') return finding('autoplay', 'none', say('autoplay_no'));
  const video = document.createElement('video');
  video.muted = true;
  video.srcObject = canvas.captureStream();
  const paint = setInterval(() => pen.fillRect(0, 0, 8, 8), 50); // playing begins with a picture
  try {
    await within(video.play(), 2000);
    return finding('autoplay', 'ok', say('autoplay_muted'));
  } catch (err) {
    return finding('autoplay', 'none', say('autoplay_no'));
  } finally {
    clearInterval(paint);
    video.srcObject = null;
  }
}
