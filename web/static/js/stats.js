// From getStats() to the few numbers that people look at. Pure; no DOM.

/**
 * @typedef {object} Summary undefined where the browser does not say
 * @property {number} at milliseconds, of the report
 * @property {number} bytes of media, all tracks, ever
 * @property {number} packets
 * @property {number} lost
 * @property {number} videoBytes
 * @property {number} frames decoded or encoded, ever
 * @property {number} [width]
 * @property {number} [height]
 * @property {number} [fps]
 * @property {number} [sourceFps] of the capture, caster only
 * @property {number} [kbps] since the summary before
 * @property {number} [loss] per cent since the summary before
 * @property {number} [rtt] milliseconds
 * @property {number} [jitterBuffer] milliseconds, mean since the summary before
 * @property {number} [buffered] seconds spent in the jitter buffer, ever
 * @property {number} [emitted] frames that left the jitter buffer, ever
 * @property {number} [dropped]
 * @property {number} [keyframes] asked of the sender
 * @property {string} [codec]
 * @property {string} [path] UDP, TCP, TURN/UDP, TURN/TCP or TURN/TLS
 */

/**
 * Sums one report up.
 * @param {Iterable<any>} reports the values of an RTCStatsReport
 * @param {Summary | null} before the last summary of the same connection
 * @returns {Summary}
 */
export function summarise(reports, before) {
  /** @type {Map<string, any>} */
  const byId = new Map();
  for (const report of reports) byId.set(report.id, report);
  /** @type {Summary} */
  const sum = { at: 0, bytes: 0, packets: 0, lost: 0, videoBytes: 0, frames: 0 };
  for (const report of byId.values()) {
    if (report.type === 'inbound-rtp') addInbound(sum, report, byId);
    else if (report.type === 'outbound-rtp') addOutbound(sum, report, byId);
    else if (report.type === 'remote-inbound-rtp' && report.kind === 'video') addRemote(sum, report);
    else if (report.type === 'media-source' && report.kind === 'video') sum.sourceFps = report.framesPerSecond;
  }
  addPath(sum, byId);
  if (before && sum.at > before.at) addRates(sum, before);
  return sum;
}

/** @param {Summary} sum @param {any} report @param {Map<string, any>} byId */
function addInbound(sum, report, byId) {
  sum.at = Math.max(sum.at, report.timestamp);
  sum.bytes += report.bytesReceived || 0;
  sum.packets += report.packetsReceived || 0;
  sum.lost += Math.max(0, report.packetsLost || 0);
  if (report.kind !== 'video') return;
  sum.videoBytes += report.bytesReceived || 0;
  sum.frames = report.framesDecoded || 0;
  sum.width = report.frameWidth;
  sum.height = report.frameHeight;
  sum.fps = report.framesPerSecond;
  sum.dropped = report.framesDropped;
  sum.keyframes = (report.pliCount || 0) + (report.firCount || 0);
  sum.buffered = report.jitterBufferDelay;
  sum.emitted = report.jitterBufferEmittedCount;
  sum.codec = codecOf(report, byId);
}

/** @param {Summary} sum @param {any} report @param {Map<string, any>} byId */
function addOutbound(sum, report, byId) {
  sum.at = Math.max(sum.at, report.timestamp);
  sum.bytes += report.bytesSent || 0;
  sum.packets += report.packetsSent || 0;
  if (report.kind !== 'video') return;
  sum.videoBytes += report.bytesSent || 0;
  sum.keyframes = (sum.keyframes || 0) + (report.pliCount || 0) + (report.firCount || 0);
  if ((report.frameWidth || 0) < (sum.width || 0)) return; // of several sizes the largest counts
  sum.frames = report.framesEncoded || 0;
  sum.width = report.frameWidth;
  sum.height = report.frameHeight;
  sum.fps = report.framesPerSecond;
  sum.codec = codecOf(report, byId);
}

/** @param {Summary} sum @param {any} report */
function addRemote(sum, report) {
  sum.lost += Math.max(0, report.packetsLost || 0);
  if (report.roundTripTime !== undefined) sum.rtt = report.roundTripTime * 1000;
}

/** @param {any} report @param {Map<string, any>} byId */
function codecOf(report, byId) {
  const codec = byId.get(report.codecId);
  return codec && codec.mimeType ? codec.mimeType.replace(/^video\//, '') : undefined;
}

/** @param {Summary} sum @param {Map<string, any>} byId */
function addPath(sum, byId) {
  let pair = null;
  for (const report of byId.values()) {
    if (report.type === 'transport' && report.selectedCandidatePairId) pair = byId.get(report.selectedCandidatePairId);
    // Firefox marks the pair itself.
    else if (!pair && report.type === 'candidate-pair' && report.selected) pair = report;
  }
  if (!pair) return;
  if (pair.currentRoundTripTime !== undefined) sum.rtt = pair.currentRoundTripTime * 1000;
  const local = byId.get(pair.localCandidateId);
  if (!local) return;
  if (local.candidateType === 'relay') sum.path = 'TURN/' + String(local.relayProtocol || 'udp').toUpperCase();
  else sum.path = String(local.protocol || '').toUpperCase() || undefined;
}

/** @param {Summary} sum @param {Summary} before */
function addRates(sum, before) {
  const seconds = (sum.at - before.at) / 1000;
  sum.kbps = Math.max(0, ((sum.bytes - before.bytes) * 8) / 1000 / seconds);
  const lost = Math.max(0, sum.lost - before.lost);
  const seen = Math.max(0, sum.packets - before.packets) + lost;
  sum.loss = seen > 0 ? (100 * lost) / seen : 0;
  if (sum.fps === undefined) sum.fps = Math.max(0, (sum.frames - before.frames) / seconds);
  const emitted = (sum.emitted || 0) - (before.emitted || 0);
  if (emitted > 0) sum.jitterBuffer = (1000 * ((sum.buffered || 0) - (before.buffered || 0))) / emitted;
}

/** Seconds that bytes may arrive without a picture before the stream is attached again. */
const STILL_FOR = 5;

/**
 * Notices a decoder that has stopped: bytes of video arrive, pictures do not (seen on phones after a call or a
 * locked screen). Feed it one summary a second.
 */
export class StallWatch {
  constructor() {
    /** @type {Summary | null} */
    this._last = null;
    this._seconds = 0;
    this._reattached = false;
  }

  /**
   * @param {Summary} sum
   * @returns {'' | 'reattach' | 'reconnect'} the first remedy, and the second when the first was in vain
   */
  sample(sum) {
    const last = this._last;
    this._last = sum;
    if (!last || sum.frames < last.frames || sum.videoBytes <= last.videoBytes) return '';
    if (sum.frames > last.frames) {
      this._seconds = 0;
      this._reattached = false;
      return '';
    }
    this._seconds += (sum.at - last.at) / 1000;
    if (this._seconds < STILL_FOR) return '';
    this._seconds = 0;
    if (this._reattached) {
      this._reattached = false;
      return 'reconnect';
    }
    this._reattached = true;
    return 'reattach';
  }
}
