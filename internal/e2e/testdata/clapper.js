// A caster's source that can be seen and heard: the pattern as the picture, and a beep in each second. It takes the
// place of the browser's own capture of a screen. Put behind pattern.js, in one function.
//
// When a beep sounds is not agreed with anybody: it is heard at the caster's own track too (ears.js).
{
  const BEEP = 0.06; // seconds

  const beepEachSecond = (context) => {
    const buffer = context.createBuffer(1, context.sampleRate, context.sampleRate);
    const samples = buffer.getChannelData(0);
    for (let i = 0; i < BEEP * context.sampleRate; i++) samples[i] = 0.7 * Math.cos((2 * Math.PI * 1000 * i) / context.sampleRate);
    const source = new AudioBufferSourceNode(context, { buffer, loop: true });
    const sound = context.createMediaStreamDestination();
    source.connect(sound);
    source.start();
    return sound.stream.getAudioTracks()[0];
  };

  navigator.mediaDevices.getDisplayMedia = async () => {
    const context = new AudioContext();
    await context.resume();
    const canvas = document.createElement('canvas');
    drawPattern(canvas, 7, { width: 480, height: 320 }); // small: sound suffers first where processors are short
    const stream = canvas.captureStream(30);
    stream.addTrack(beepEachSecond(context));
    return stream;
  };
}
