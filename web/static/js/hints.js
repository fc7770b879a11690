// What a mode means for the encoder. Pure; no DOM.

/** @typedef {'auto' | 'text' | 'video'} Mode */

/**
 * @typedef {object} Hints
 * @property {string} contentHint of the video track
 * @property {RTCDegradationPreference} degradation what gives way when the network is narrow
 * @property {number} bitrate most, in bit/s
 * @property {number} frames per second asked of the capture, at most
 * @property {number} width of the capture, at most; the browser scales a larger screen down
 * @property {number} height
 */

/** @type {Object<string, Hints>} */
const HINTS = {
  text: { contentHint: 'detail', degradation: 'maintain-resolution', bitrate: 5000000, frames: 15, width: 3840, height: 2160 },
  video: { contentHint: 'motion', degradation: 'maintain-framerate', bitrate: 8000000, frames: 30, width: 1920, height: 1080 },
};

/**
 * @param {Mode} mode
 * @param {boolean} moving what MotionWatch says; matters to `auto` only
 * @returns {Hints}
 */
export function hintsOf(mode, moving) {
  if (mode === 'text' || mode === 'video') return HINTS[mode];
  // Auto captures as for video in both halves: otherwise it could not see that motion has begun.
  const { frames, width, height } = HINTS.video;
  return Object.assign({}, moving ? HINTS.video : HINTS.text, { frames, width, height });
}

/** What is sent of a camera beside the whole picture: viewers with a narrow network get one of these (simulcast). */
const SMALLER = [
  { rid: 'l', scaleResolutionDownBy: 4, maxBitrate: 200000 },
  { rid: 'm', scaleResolutionDownBy: 2, maxBitrate: 800000 },
];
/** The rid of the whole picture. */
const WHOLE = 'h';

/**
 * The ways to ask the browser for what is to be sent, the best first: some throw at what they do not know. A camera as
 * video goes out in three sizes. Everything else keeps one, because smaller ones cost a text its sharpness; there the
 * server can thin the pictures out for a narrow network when they come in two temporal layers.
 * @param {Mode} mode
 * @param {boolean} moving
 * @param {boolean} camera
 * @returns {RTCRtpEncodingParameters[][]}
 */
export function encodingsOf(mode, moving, camera) {
  const whole = { maxBitrate: hintsOf(mode, moving).bitrate };
  const ways = [[Object.assign({ scalabilityMode: 'L1T2' }, whole)], [whole]];
  if (camera && mode === 'video') {
    ways.unshift(SMALLER.map((layer) => Object.assign({}, layer)).concat([Object.assign({ rid: WHOLE, scaleResolutionDownBy: 1 }, whole)]));
  }
  return ways;
}

/**
 * Fits the encodings of a sender to what it shows now: a screen in the place of a camera goes out in one size.
 * @param {RTCRtpEncodingParameters[]} encodings
 * @param {Hints} hints
 * @param {boolean} camera
 */
export function fitEncodings(encodings, hints, camera) {
  for (const encoding of encodings) {
    if (encoding.rid === undefined || encoding.rid === WHOLE || encodings.length === 1) encoding.maxBitrate = hints.bitrate;
    else encoding.active = camera;
  }
}

/** Frames per second from which a picture counts as moving, and below which it has come to rest. */
const MOVING = 15;
const RESTING = 8;
/** Samples (one a second) before the hint follows: quick into motion, slow out of it. */
const SAMPLES_TO_MOVE = 3;
const SAMPLES_TO_REST = 8;

/** Decides from the frame rate of the capture whether the picture moves. One sample a second. */
export class MotionWatch {
  constructor() {
    this.moving = false;
    this._streak = 0;
  }

  /**
   * @param {number} framesPerSecond of the capture
   * @returns {boolean} true when `moving` has changed
   */
  sample(framesPerSecond) {
    const against = this.moving ? framesPerSecond < RESTING : framesPerSecond >= MOVING;
    this._streak = against ? this._streak + 1 : 0;
    if (this._streak < (this.moving ? SAMPLES_TO_REST : SAMPLES_TO_MOVE)) return false;
    this.moving = !this.moving;
    this._streak = 0;
    return true;
  }
}
