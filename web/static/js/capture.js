// Getting a picture and sound from the computer, and the words for what can go wrong on the way.

import { hintsOf } from './hints.js';

/**
 * What stands against casting the screen from this page. Pure.
 * @param {{secure: boolean, devices: any, phone: boolean}} env
 * @returns {'' | 'insecure_context' | 'unsupported' | 'mobile_no_capture'}
 */
export function obstacle(env) {
  if (!env.secure || !env.devices) return 'insecure_context';
  if (typeof env.devices.getDisplayMedia === 'function') return '';
  return env.phone ? 'mobile_no_capture' : 'unsupported';
}

/** @returns {boolean} a phone or a tablet, as far as one can tell */
export function isPhone() {
  const agent = navigator.userAgent;
  // iPads call themselves Macs, but no Mac has a touch screen.
  return /Android|iPhone|iPad|iPod|Mobile/.test(agent) || (/Macintosh/.test(agent) && navigator.maxTouchPoints > 1);
}

/** Milliseconds: nobody closes the picker this fast, so it was the system that said no. */
const AT_ONCE = 300;

/**
 * The key of the text for a failed capture. Pure.
 * @param {any} err what getDisplayMedia or getUserMedia rejected with
 * @param {{mac: boolean, elapsed: number}} how elapsed: milliseconds since the call
 * @returns {string}
 */
export function captureError(err, how) {
  switch (err && err.name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return how.mac && how.elapsed < AT_ONCE ? 'capture_denied_os' : 'capture_cancelled';
    case 'InvalidStateError':
      return 'no_gesture';
    case 'NotFoundError':
      return 'no_source';
    case 'OverconstrainedError':
      return 'settings_too_high';
    default:
      return 'capture_failed';
  }
}

/** A capture that failed; `code` is the key of its text. */
export class CaptureError extends Error {
  /** @param {string} code */
  constructor(code) {
    super(code);
    this.name = 'CaptureError';
    this.code = code;
  }
}

/**
 * @param {MediaStreamConstraints} constraints
 * @param {string} code of the CaptureError, whatever the reason
 * @returns {Promise<MediaStream>}
 */
async function captureDevice(constraints, code) {
  try {
    return await navigator.mediaDevices.getUserMedia(constraints);
  } catch (err) {
    throw new CaptureError(code);
  }
}

/**
 * @param {any} options of getDisplayMedia
 * @returns {Promise<MediaStream>}
 */
async function captureDisplay(options) {
  const began = Date.now();
  try {
    return await navigator.mediaDevices.getDisplayMedia(options);
  } catch (err) {
    throw new CaptureError(captureError(err, { mac: /Mac/.test(navigator.platform || ''), elapsed: Date.now() - began }));
  }
}

/** Sound made for listening, not for talking: the three aids of telephony spoil it. */
const CONTENT_SOUND = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 2 };

/**
 * Opens the browser's own picker. Call it from the press of a button. Rejects with a CaptureError.
 * @param {{mode: import('./hints.js').Mode, sound: boolean}} wish
 * @returns {Promise<MediaStream>}
 */
export function captureScreen(wish) {
  const hints = hintsOf(wish.mode, false);
  /** @type {any} not all of these are in the standard types */
  const options = {
    video: { frameRate: { ideal: hints.frames, max: hints.frames }, width: { max: hints.width }, height: { max: hints.height } },
    audio: wish.sound ? CONTENT_SOUND : false,
    systemAudio: wish.sound ? 'include' : 'exclude',
    windowAudio: wish.sound ? 'system' : 'exclude',
    surfaceSwitching: 'include',
    selfBrowserSurface: 'exclude',
    monitorTypeSurfaces: 'include',
  };
  if (window.CaptureController) {
    const controller = new window.CaptureController();
    try {
      // Stay on this page: the code and the list of displays are here.
      controller.setFocusBehavior('no-focus-change');
      options.controller = controller;
    } catch (err) {
      // Older Chromium takes it only after the choice; then the captured tab comes to the front, no harm.
    }
  }
  return captureDisplay(options);
}

/**
 * The camera at the back of a phone, or the only one. Rejects with a CaptureError.
 * @returns {Promise<MediaStream>}
 */
export function captureCamera() {
  const video = { facingMode: 'environment', width: { ideal: 1920 }, height: { ideal: 1080 }, frameRate: { ideal: 30 } };
  return captureDevice({ video }, 'no_camera');
}

/**
 * The microphone, with all aids for talking. Rejects with a CaptureError.
 * @returns {Promise<MediaStream>}
 */
export function captureMicrophone() {
  const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  return captureDevice({ audio }, 'no_microphone');
}
