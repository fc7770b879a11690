// What it takes to cast from an encoder: its addresses, ready command lines, and what the server says of it. No DOM.

/** Stands where the token would, until it is asked for. */
export const MASK = '••••••••';

/**
 * Milliseconds without word of an encoder that was there, after which it counts as gone. The server speaks every two
 * seconds while one is; that it left can be missed by a socket that was away at that moment.
 */
const SILENT_FOR = 7000;

/** @typedef {{slot: string, rid?: string, codec?: string, width?: number, height?: number, fps?: number, bitrate?: number, keyframe?: number}} Stream */
/** @typedef {{code: string, reason?: string}} Refusal */
/**
 * @typedef {Object} Health
 * @property {'waiting' | 'present' | 'gone'} state
 * @property {string} agent
 * @property {number} since when the encoder came or went, as Date.now() says it; 0 when that is not known
 * @property {Stream[]} streams
 * @property {string[]} warnings
 * @property {Refusal | null} refused the last attempt, when it was refused
 */

/** @param {string} origin @param {string} code of a room @returns {string} where encoders send to */
export function whipUrl(origin, code) {
  return origin + '/whip/' + code;
}

/** @param {string} origin @param {string} code of a room @returns {string} where players play from */
export function whepUrl(origin, code) {
  return origin + '/whep/' + code;
}

/** @param {string} host as in location.hostname @returns {boolean} whether the name means this computer to everybody */
export function isLoopback(host) {
  return /^(localhost|.*\.localhost|127(\.\d+){3}|\[?::1\]?)$/.test(host);
}

/*
 * One line each, in double quotes: the shells of Linux, macOS and Windows read those alike, and neither an address nor a
 * token holds anything that they replace.
 */

/**
 * A test picture with ticks. The sink encodes; VP8 is what every browser plays.
 * @param {string} url @param {string} token none when empty
 */
export function gstreamerLine(url, token) {
  const sink = ['gst-launch-1.0 whipclientsink name=whip video-caps=video/x-vp8', 'signaller::whip-endpoint="' + url + '"'];
  if (token) sink.push('signaller::auth-token="' + token + '"');
  return sink.join(' ') + ' videotestsrc is-live=true ! video/x-raw,width=1280,height=720,framerate=30/1 ! videoconvert ! queue ! whip.' +
    ' audiotestsrc is-live=true wave=ticks ! audioconvert ! audioresample ! queue ! whip.';
}

/**
 * A file. The muxer takes H.264 without B-frames and Opus in stereo at 48 kHz, and hears no wish for a keyframe, hence
 * one every 60 frames.
 * @param {string} url @param {string} token none when empty
 */
export function ffmpegLine(url, token) {
  const output = ['-f whip'];
  if (token) output.push('-authorization "' + token + '"');
  return 'ffmpeg -re -i input.mp4 -c:v libx264 -profile:v baseline -bf 0 -pix_fmt yuv420p -tune zerolatency -g 60 -b:v 2500k' +
    ' -c:a libopus -ar 48000 -ac 2 -b:a 128k ' + output.join(' ') + ' "' + url + '"';
}

/** @param {string | undefined} codec like `video/H264` @returns {string} like `H264` */
export function codecName(codec) {
  const name = (codec || '').replace(/^.*\//, '');
  return name.toLowerCase() === 'opus' ? 'Opus' : name;
}

/** @param {number} milliseconds @returns {string} seconds, with a decimal while they are few */
export function seconds(milliseconds) {
  const s = Math.max(0, milliseconds) / 1000;
  return s < 10 ? s.toFixed(1) : String(Math.round(s));
}

/** Remembers what the server says of a room's encoder. */
export class EncoderWatch {
  constructor() {
    /** @type {Message | null} */
    this._message = null;
    this._heardAt = 0;
    this._seen = false;
  }

  /** Another room. */
  reset() {
    this._message = null;
    this._heardAt = 0;
    this._seen = false;
  }

  /**
   * @param {Message} message `encoder`
   * @param {number} now as Date.now() says it
   * @returns {boolean} whether it tells of a refusal that the message before did not
   */
  hear(message, now) {
    const before = this._message && this._message.refused;
    this._message = message;
    this._heardAt = now;
    // The name stays when the encoder goes, and tells a page that came later.
    if (message.present || message.agent) this._seen = true;
    const refused = message.refused;
    return Boolean(refused && !(before && before.code === refused.code && before.reason === refused.reason));
  }

  /** What the last encoder was refused for is no more: nothing stands in its way. */
  forgive() {
    if (this._message) this._message = Object.assign({}, this._message, { refused: undefined });
  }

  /** @param {number} now as Date.now() says it @returns {Health} */
  health(now) {
    /** @type {Message} */
    const said = this._message || { type: 'encoder' };
    const refused = said.refused || null;
    const since = this._seen && said.since !== undefined ? this._heardAt - said.since : 0;
    if (!said.present) return { state: this._seen ? 'gone' : 'waiting', agent: said.agent || '', since, streams: [], warnings: [], refused };
    if (now - this._heardAt > SILENT_FOR) return { state: 'gone', agent: said.agent || '', since: 0, streams: [], warnings: [], refused };
    // An unsupported codec has been refused, and that is said once.
    const warnings = (said.warnings || []).filter((/** @type {string} */ name) => name !== 'codec' || !refused);
    return { state: 'present', agent: said.agent || '', since, streams: said.streams || [], warnings, refused };
  }
}
