'use strict';
// A picture that says when it was drawn: a grid of black and white cells in a magenta frame carries the clock,
// a frame counter and a checksum. Below it a bar moves, so that an encoder has something to do.
//
// The cells lie row by row, most significant bit first: 44 bits milliseconds since 1970, 16 bits frame counter,
// 4 bits of the pattern's own number (which window is it), 16 bits checksum (CRC-16/CCITT over the 8 bytes before).

const PATTERN = { columns: 16, rows: 5, stampBits: 44, countBits: 16, idBits: 4 };

function crc16(bytes) {
  let crc = 0xffff;
  for (const b of bytes) {
    crc ^= b << 8;
    for (let i = 0; i < 8; i++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}

function patternBits(stamp, count, id) {
  const word = (BigInt(stamp) << 20n) | (BigInt(count & 0xffff) << 4n) | BigInt(id & 0xf);
  const bytes = [];
  for (let i = 7n; i >= 0n; i--) bytes.push(Number((word >> (8n * i)) & 0xffn));
  const crc = crc16(bytes);
  bytes.push(crc >> 8, crc & 0xff);
  return bytes.flatMap((b) => [7, 6, 5, 4, 3, 2, 1, 0].map((i) => (b >> i) & 1));
}

// drawPattern draws for ever, once per animation frame at most, at most 30 times a second: two frames of a 60 Hz
// screen show the same picture to a 30 Hz capture anyway, and a software renderer is glad of the rest. Without a size
// it fills the window.
function drawPattern(canvas, id, size) {
  const g = canvas.getContext('2d', { alpha: false });
  let count = 0;
  let last = 0;
  const draw = (now) => {
    requestAnimationFrame(draw);
    if (now - last < 30) return;
    last = now;
    const w = (canvas.width = size ? size.width : window.innerWidth);
    const h = (canvas.height = size ? size.height : window.innerHeight);
    g.fillStyle = '#223';
    g.fillRect(0, 0, w, h);
    const cell = Math.floor(Math.min((w * 0.9) / (PATTERN.columns + 2), (h * 0.7) / (PATTERN.rows + 2)));
    const left = Math.floor((w - cell * (PATTERN.columns + 2)) / 2);
    const top = Math.floor(h * 0.05);
    g.fillStyle = '#f0f';
    g.fillRect(left, top, cell * (PATTERN.columns + 2), cell * (PATTERN.rows + 2));
    const bits = patternBits(Date.now(), count, id);
    for (let i = 0; i < bits.length; i++) {
      g.fillStyle = bits[i] ? '#fff' : '#000';
      g.fillRect(left + cell * (1 + (i % PATTERN.columns)), top + cell * (1 + Math.floor(i / PATTERN.columns)), cell, cell);
    }
    g.fillStyle = `hsl(${60 + (count % 120)} 80% 50%)`;
    const bar = Math.floor(w / 8);
    g.fillRect((count * 7) % (w + bar) - bar, h * 0.82, bar, h * 0.12);
    count++;
  };
  requestAnimationFrame(draw);
}
