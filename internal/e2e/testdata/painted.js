// A caster's source that needs no screen: the pattern, and beside it a strip of small squares that change colour in each
// frame, which cost an encoder more bits than the pattern does. It takes the place of the browser's own capture of a
// screen and of its camera. Put behind pattern.js, in one function that says how many squares (0: none).
const paint = (squares) => {
  const size = { width: 960, height: 640 };
  const picture = async () => {
    const canvas = document.createElement('canvas');
    drawPattern(canvas, 7, size);
    const g = canvas.getContext('2d');
    let last = 0;
    const strew = (now) => {
      requestAnimationFrame(strew); // behind the pattern's own, which clears the canvas at the same pace
      if (now - last < 30) return;
      last = now;
      for (let i = 0; i < squares; i++) {
        g.fillStyle = `rgb(${Math.random() * 256} ${128 + Math.random() * 128} ${Math.random() * 256})`; // not the frame's
        g.fillRect(24 * (i % 40), 480 + 20 * Math.floor(i / 40), 24, 20);
      }
    };
    requestAnimationFrame(strew);
    return canvas.captureStream(30);
  };
  if (!navigator.mediaDevices) return; // as in the empty page that a window begins with
  navigator.mediaDevices.getDisplayMedia = picture;
  navigator.mediaDevices.getUserMedia = picture;
};
