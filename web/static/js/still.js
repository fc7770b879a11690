// Still: a video track that holds one picture. It sends two frames a second, so that the encoder can make a
// keyframe for a viewer who comes late.

const FRAME_EVERY = 500;

/** Milliseconds between two copies of LastFrame. */
const COPY_EVERY = 1000;

/**
 * LastFrame: a copy of what a video has shown of late. When a captured source ends, the browser paints black before
 * anybody can ask for the last picture (Chromium 156), so it is kept beforehand.
 */
export class LastFrame {
  /** @param {HTMLVideoElement} video */
  constructor(video) {
    this._video = video;
    this._canvas = document.createElement('canvas');
    this._timer = setInterval(() => this.copy(), COPY_EVERY);
  }

  /** Copies now, if the source still runs. */
  copy() {
    const video = this._video;
    const stream = video.srcObject;
    const runs = stream instanceof MediaStream && stream.getVideoTracks().some((track) => track.readyState === 'live');
    if (!runs || video.readyState < 2 || !video.videoWidth) return;
    const canvas = this._canvas;
    if (canvas.width !== video.videoWidth) canvas.width = video.videoWidth;
    if (canvas.height !== video.videoHeight) canvas.height = video.videoHeight;
    const context = canvas.getContext('2d');
    if (context) context.drawImage(video, 0, 0);
  }

  /** The copy; another one may be drawn over it at any time. */
  get picture() {
    return this._canvas;
  }

  stop() {
    clearInterval(this._timer);
  }
}

export class Still {
  /**
   * @param {HTMLCanvasElement} picture to hold
   */
  constructor(picture) {
    this._canvas = document.createElement('canvas');
    this._kept = document.createElement('canvas');
    for (const canvas of [this._canvas, this._kept]) {
      canvas.width = picture.width;
      canvas.height = picture.height;
    }
    const kept = this._kept.getContext('2d');
    if (kept) kept.drawImage(picture, 0, 0);
    /** @type {WritableStreamDefaultWriter<VideoFrame> | null} */
    this._writer = null;
    this._busy = false;
    /** @type {MediaStreamTrack} */
    this.track = this._makeTrack();
    this._draw();
    this._timer = setInterval(() => this._draw(), FRAME_EVERY);
  }

  /** Ends the track. */
  stop() {
    clearInterval(this._timer);
    if (this._writer) this._writer.close().catch(() => undefined);
    this.track.stop();
  }

  /** @private @returns {MediaStreamTrack} */
  _makeTrack() {
    // A canvas need not give frames while its page is in the background, and freezing is mostly done to prepare something in
    // another window; a generated track does not care (Chromium 156).
    if (window.MediaStreamTrackGenerator && typeof VideoFrame === 'function') {
      const track = new window.MediaStreamTrackGenerator({ kind: 'video' });
      this._writer = track.writable.getWriter();
      return track;
    }
    return this._canvas.captureStream(1000 / FRAME_EVERY).getVideoTracks()[0];
  }

  /** @private */
  _draw() {
    if (this._writer) {
      if (this._busy) return;
      this._busy = true;
      const frame = new VideoFrame(this._kept, { timestamp: Math.round(performance.now() * 1000) });
      this._writer.write(frame).then(
        () => (this._busy = false),
        () => frame.close(),
      );
      return;
    }
    const context = this._canvas.getContext('2d');
    if (context) context.drawImage(this._kept, 0, 0);
  }
}
