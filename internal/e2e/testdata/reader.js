// Reads the pattern of pattern.js back from a video element, frame by frame. This file is evaluated in the page
// by the test, from outside the page's own code. It leaves window.reader.
(() => {
  'use strict';
  const COLUMNS = 16, ROWS = 5, WIDTH = 320;

  function crc16(bytes) {
    let crc = 0xffff;
    for (const b of bytes) {
      crc ^= b << 8;
      for (let i = 0; i < 8; i++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
    }
    return crc;
  }

  // frameOf finds the magenta frame: the box around all rows and columns in which enough pixels are magenta.
  function frameOf(px, w, h) {
    const xs = new Uint32Array(w), ys = new Uint32Array(h);
    for (let y = 0, i = 0; y < h; y++) {
      for (let x = 0; x < w; x++, i += 4) {
        if (px[i] > 150 && px[i + 1] < 110 && px[i + 2] > 150) { xs[x]++; ys[y]++; }
      }
    }
    const enough = 4;
    let x0 = 0, x1 = w - 1, y0 = 0, y1 = h - 1;
    while (x0 < w && xs[x0] < enough) x0++;
    while (x1 > x0 && xs[x1] < enough) x1--;
    while (y0 < h && ys[y0] < enough) y0++;
    while (y1 > y0 && ys[y1] < enough) y1--;
    const width = x1 - x0 + 1, height = y1 - y0 + 1;
    return width < 36 || height < 14 ? null : { x: x0, y: y0, width, height };
  }

  // decode answers {stamp, count, id}, or why it could not.
  function decode(image) {
    const { data: px, width: w, height: h } = image;
    const frame = frameOf(px, w, h);
    if (!frame) return { fault: 'no frame' };
    const cw = frame.width / (COLUMNS + 2), ch = frame.height / (ROWS + 2);
    const bytes = [];
    for (let i = 0; i < COLUMNS * ROWS; i++) {
      const x = Math.floor(frame.x + cw * (1.5 + (i % COLUMNS)));
      const y = Math.floor(frame.y + ch * (1.5 + Math.floor(i / COLUMNS)));
      let sum = 0;
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -1; dx <= 1; dx++) {
          const p = 4 * ((y + dy) * w + x + dx);
          sum += px[p] + px[p + 1] + px[p + 2];
        }
      }
      bytes[i >> 3] = ((bytes[i >> 3] || 0) << 1) | (sum > 9 * 3 * 127 ? 1 : 0);
    }
    if (crc16(bytes.slice(0, 8)) !== ((bytes[8] << 8) | bytes[9])) return { fault: 'checksum' };
    const word = bytes.slice(0, 8).reduce((n, b) => (n << 8n) | BigInt(b), 0n);
    return { stamp: Number(word >> 20n), count: Number((word >> 4n) & 0xffffn), id: Number(word & 0xfn) };
  }

  function brightness(px) {
    let sum = 0;
    for (let i = 0; i < px.length; i += 4 * 37) sum += px[i] + px[i + 1] + px[i + 2];
    return sum / (3 * Math.ceil(px.length / (4 * 37)));
  }

  class Reader {
    constructor(selector) {
      this.selector = selector;
      this.video = null;
      this.canvas = document.createElement('canvas');
      this.g = this.canvas.getContext('2d', { alpha: false, willReadFrequently: true });
      this.clear();
      this.attach();
      // A page may bring its video element late, or put another one in its place.
      new MutationObserver(() => this.attach()).observe(document, {
        subtree: true, childList: true, attributes: true, attributeFilter: ['id', 'class'],
      });
      setInterval(() => this.guard(), 100);
    }

    attach() {
      const video = document.querySelector(this.selector);
      if (!video || video === this.video) return;
      this.video = video;
      const each = () => {
        if (this.video !== video) return;
        video.requestVideoFrameCallback(each);
        this.look();
      };
      video.requestVideoFrameCallback(each);
      if (video.readyState >= 2) this.look(); // it has a frame already, and nobody knows when the next one comes
    }

    // guard looks at the element itself, ten times a second, from the first picture on: a picture that goes away
    // (no frame held, hidden, nothing but black) brings no frame callback, so nobody else would notice.
    guard() {
      if (!this.everRead) return;
      this.looks++;
      let why = this.blankNow();
      if (!why) return;
      why += ' in state ' + document.body.dataset.state;
      this.blank++;
      this.blanks[why] = (this.blanks[why] || 0) + 1;
    }

    blankNow() {
      const v = this.video;
      if (!v.isConnected) return 'removed';
      if (v.readyState < 2 || !v.videoWidth) return 'no frame held';
      const box = v.getBoundingClientRect();
      if (box.width < 2 || box.height < 2 || !v.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return 'hidden';
      if (Number(getComputedStyle(v).opacity) < 0.5) return 'faded';
      return this.looks % 5 === 0 && this.grab().bright < 4 ? 'black' : ''; // a look that costs
    }

    // clear forgets all that was read; figures count from here.
    clear() {
      this.since = Date.now();
      this.ages = []; this.gaps = []; this.ids = {}; this.faults = {};
      this.frames = 0; this.read = 0; this.dark = 0;
      this.first = 0; this.firstStamp = 0; this.last = 0; this.lastStamp = 0; this.lastCount = -1;
      this.looks = 0; this.blank = 0; this.blanks = {};
    }

    // grab decodes what the element shows now.
    grab() {
      const { videoWidth: vw, videoHeight: vh } = this.video;
      if (!vw) return { fault: 'empty' };
      const w = Math.min(WIDTH, vw), h = Math.round((w * vh) / vw);
      if (this.canvas.width !== w || this.canvas.height !== h) { this.canvas.width = w; this.canvas.height = h; }
      this.g.drawImage(this.video, 0, 0, w, h);
      const image = this.g.getImageData(0, 0, w, h);
      const got = decode(image);
      got.bright = brightness(image.data);
      return got;
    }

    look() {
      const now = Date.now();
      this.frames++;
      const got = this.grab();
      if (got.bright !== undefined && got.bright < 4) this.dark++;
      if (got.fault) { this.faults[got.fault] = (this.faults[got.fault] || 0) + 1; return; }
      if (this.last) this.gaps.push(now - this.last);
      this.last = now;
      if (!this.first) { this.first = now; this.firstStamp = got.stamp; }
      this.read++;
      this.everRead = true;
      this.ids[got.id] = (this.ids[got.id] || 0) + 1;
      this.lastStamp = got.stamp; this.lastCount = got.count;
      this.ages.push(now - got.stamp);
      if (this.ages.length > 4000) this.ages.splice(0, 1000);
      if (this.gaps.length > 4000) this.gaps.splice(0, 1000);
    }

    // figures is what the test takes home; all times in milliseconds.
    figures() {
      const sorted = [...this.ages].sort((a, b) => a - b);
      const at = (q) => (sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] : 0);
      return {
        now: Date.now(), since: this.since, frames: this.frames, read: this.read, dark: this.dark,
        faults: this.faults, ids: this.ids,
        first: this.first, firstStamp: this.firstStamp, last: this.last, lastStamp: this.lastStamp,
        lastCount: this.lastCount,
        median: at(0.5), p95: at(0.95), max: at(1),
        freezes: this.gaps.filter((g) => g > 500).length, longestGap: Math.max(0, ...this.gaps),
        looks: this.looks, blank: this.blank, blanks: this.blanks,
        width: this.video ? this.video.videoWidth : 0, height: this.video ? this.video.videoHeight : 0,
      };
    }
  }

  window.readPattern = (selector) => (window.reader = new Reader(selector));
})();
