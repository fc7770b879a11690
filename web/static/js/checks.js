// What the network test finds, and how it is judged. Pure: no DOM, no network. The keys are those of `sfu doctor`
// (internal/doctor), which tries the same ways.

/** @typedef {'ok' | 'slow' | 'blocked' | 'none'} Found */
/** @typedef {{key: string, params?: Object<string, string>}} Phrase a text by its key */
/** @typedef {{check: string, found: Found, said: Phrase[], ms?: number}} Finding */
/** @typedef {{host: string, port: string}} End */

export const NETWORK = ['https', 'websocket', 'udp', 'tcp', 'ice-tcp', 'turn-udp', 'turn-tcp', 'turn-tls', 'clock'];
export const DEVICE = ['codecs', 'capture', 'wake', 'autoplay', 'full'];

/** Milliseconds above which a round trip is called slow. */
const SLOW = 250;
/** Seconds by which a clock may be wrong; dates of answers are good to one. */
const SKEW = 5;

/** @param {string} key @param {Object<string, string>} [params] @returns {Phrase} */
export function say(key, params) {
  return { key: 'doctor.' + key, params };
}

/** @param {string} check @param {Found} found @param {...Phrase} said @returns {Finding} */
export function finding(check, found, ...said) {
  return { check, found, said };
}

/** @param {End} end @returns {string} */
export function address(end) {
  return (end.host.indexOf(':') >= 0 ? '[' + end.host + ']' : end.host) + ':' + end.port;
}

/**
 * A path that answered.
 * @param {string} check
 * @param {string} to
 * @param {number} ms
 * @param {string} [mapped] this device's address as seen from there
 * @returns {Finding}
 */
export function trip(check, to, ms, mapped) {
  const text = ms < 1 ? '<1' : ms.toFixed(0); // what browsers measure is not finer
  const said = [mapped ? say('trip_mapped', { ms: text, address: to, mapped }) : say('trip', { ms: text, address: to })];
  if (ms > SLOW) said.push(say('far'));
  return { check, found: ms > SLOW ? 'slow' : 'ok', said, ms };
}

/**
 * A path on which nothing came back, and what to open.
 * @param {string} check
 * @param {'udp' | 'tcp' | 'tls' | 'ws'} protocol
 * @param {End[]} ends
 * @param {number} seconds
 * @returns {Finding}
 */
export function shut(check, protocol, ends, seconds) {
  const silent = say('silent', { address: ends.map(address).join(', '), s: String(seconds) });
  return finding(check, 'blocked', silent, ...ends.map((end) => say('open_' + protocol, { host: end.host, port: end.port })));
}

/**
 * @param {number} ahead seconds by which the server's clock is ahead of ours
 * @returns {Finding}
 */
export function clock(ahead) {
  const s = Math.max(1, Math.round(Math.abs(ahead))).toFixed(0);
  if (Math.abs(ahead) <= SKEW) return finding('clock', 'ok', say('clock_right', { s }));
  return finding('clock', 'slow', say('clock_wrong', { s }), say('clock_set'));
}

/**
 * The candidates of an answer that go by one protocol, each end once.
 * @param {string} sdp
 * @param {'udp' | 'tcp'} protocol
 * @returns {End[]}
 */
export function endsOf(sdp, protocol) {
  /** @type {End[]} */
  const ends = [];
  for (const line of sdp.split(/\r?\n/)) {
    const part = line.split(' ');
    if (line.indexOf('a=candidate:') !== 0 || part.length < 8 || part[2].toLowerCase() !== protocol) continue;
    const end = { host: part[4], port: part[5] };
    if (!ends.some((have) => address(have) === address(end))) ends.push(end);
  }
  return ends;
}

/**
 * An answer with the candidates of one protocol only.
 * @param {string} sdp
 * @param {'udp' | 'tcp'} protocol
 * @returns {string}
 */
export function keepCandidates(sdp, protocol) {
  return sdp
    .split(/\r?\n/)
    .filter((line) => line.indexOf('a=candidate:') !== 0 || line.split(' ')[2].toLowerCase() === protocol)
    .join('\r\n');
}

/** How TURN is reached: scheme and transport of its URLs (RFC 7065), and what a network has to let through. */
export const RELAYS = [
  { check: 'turn-udp', scheme: 'turn', transport: 'udp', protocol: /** @type {'udp'} */ ('udp') },
  { check: 'turn-tcp', scheme: 'turn', transport: 'tcp', protocol: /** @type {'tcp'} */ ('tcp') },
  { check: 'turn-tls', scheme: 'turns', transport: 'tcp', protocol: /** @type {'tls'} */ ('tls') },
];

/** @param {string} url @returns {{scheme: string, transport: string, end: End} | null} */
function parseRelay(url) {
  const match = /^(turns?):(\[[^\]]+\]|[^:?]+)(?::(\d+))?(?:\?transport=(\w+))?$/.exec(url);
  if (!match) return null;
  const secure = match[1] === 'turns';
  return {
    scheme: match[1],
    transport: match[4] || (secure ? 'tcp' : 'udp'),
    end: { host: match[2].replace(/^\[|\]$/g, ''), port: match[3] || (secure ? '5349' : '3478') },
  };
}

/**
 * The servers with those of their URLs that go one way, and where these lead.
 * @param {RTCIceServer[]} servers
 * @param {{scheme: string, transport: string}} way
 * @returns {{servers: RTCIceServer[], ends: End[]}}
 */
export function relaysOf(servers, way) {
  /** @type {End[]} */
  const ends = [];
  const kept = [];
  for (const server of servers) {
    const urls = [];
    for (const url of Array.isArray(server.urls) ? server.urls : [server.urls]) {
      const relay = parseRelay(url);
      if (!relay || relay.scheme !== way.scheme || relay.transport !== way.transport) continue;
      urls.push(url);
      if (!ends.some((have) => address(have) === address(relay.end))) ends.push(relay.end);
    }
    if (urls.length > 0) kept.push(Object.assign({}, server, { urls }));
  }
  return { servers: kept, ends };
}

/**
 * The whole in one sentence.
 * @param {Finding[]} findings
 * @returns {string} a key
 */
export function summary(findings) {
  const works = (/** @type {string} */ check) => findings.some((f) => f.check === check && (f.found === 'ok' || f.found === 'slow'));
  const blocked = (/** @type {string} */ check) => findings.some((f) => f.check === check && f.found === 'blocked');
  if (works('udp')) return NETWORK.some(blocked) ? 'doctor.sum.some' : 'doctor.sum.good';
  if (['ice-tcp', 'turn-udp', 'turn-tcp', 'turn-tls'].some(works)) return 'doctor.sum.slower';
  return ['udp', 'ice-tcp', 'turn-udp', 'turn-tcp', 'turn-tls'].some(blocked) ? 'doctor.sum.shut' : 'doctor.sum.untested';
}
