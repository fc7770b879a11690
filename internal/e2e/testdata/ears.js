// Hears the beeps of clapper.js in the sound of a viewer's page, as it leaves the browser's jitter buffer. It is
// evaluated by the test after the picture is there, and leaves window.ears.
(() => {
  'use strict';
  const BUFFER = 4096; // samples that are looked at, more than there are between two looks
  const LOUD = 0.15;

  class Ears {
    constructor(track) {
      this.context = new AudioContext();
      this.context.resume();
      this.source = this.context.createMediaStreamSource(new MediaStream([track]));
      this.analyser = new AnalyserNode(this.context, { fftSize: BUFFER });
      // Nothing is pulled through a graph that leads nowhere.
      this.source.connect(this.analyser).connect(new GainNode(this.context, { gain: 0 })).connect(this.context.destination);
      this.samples = new Float32Array(BUFFER);
      this.ahead = []; // wall clock minus the context's clock, milliseconds
      this.peak = 0;
      this.clear();
      setInterval(() => this.listen(), 15);
    }

    // clear forgets what was heard; not how the two clocks stand to each other.
    clear() {
      this.onsets = []; // of beeps, milliseconds of the context's clock
    }

    listen() {
      const now = Date.now();
      const end = this.context.currentTime * 1000;
      this.analyser.getFloatTimeDomainData(this.samples);
      this.ahead.push(now - end);
      if (this.ahead.length > 301) this.ahead.shift();
      const ms = 1000 / this.context.sampleRate;
      const first = this.samples.findIndex((s) => Math.abs(s) > LOUD);
      for (const s of this.samples) this.peak = Math.max(this.peak, Math.abs(s));
      if (first * ms < 10) return; // silence, or a beep whose beginning is not in the buffer
      const onset = end - (BUFFER - first) * ms;
      const last = this.onsets[this.onsets.length - 1];
      if (!(onset - last < 500)) this.onsets.push(onset);
    }

    // figures: when each beep began, in milliseconds since 1970. The context's clock moves in blocks of a few
    // milliseconds, so where it stands against the wall clock is the median of many looks.
    figures() {
      const ahead = [...this.ahead].sort((a, b) => a - b)[this.ahead.length >> 1];
      return { state: this.context.state, peak: this.peak, beeps: this.onsets.map((at) => at + ahead) };
    }
  }

  window.listenTo = (track) => (window.ears = new Ears(track));
})();
