// The little that must be changed in session descriptions. Pure; no DOM.

/**
 * Asks for stereo in every Opus line (RFC 7587 section 6.1: stereo says what this side likes to receive,
 * sprop-stereo what it is likely to send). Browsers default to mono, which ruins films and music.
 * @param {string} sdp
 * @param {number} [bitrate] maxaveragebitrate in bit/s
 * @returns {string}
 */
export function stereo(sdp, bitrate) {
  const wanted = ['stereo=1', 'sprop-stereo=1'];
  if (bitrate) wanted.push('maxaveragebitrate=' + bitrate);
  const types = [];
  const find = /^a=rtpmap:(\d+) opus\/48000/gim;
  for (let match = find.exec(sdp); match; match = find.exec(sdp)) types.push(match[1]);
  for (const type of types) {
    const line = new RegExp('^a=fmtp:' + type + ' (.*)$', 'm').exec(sdp);
    if (line) {
      const kept = line[1].trim().split(';').filter((part) => !wanted.some((want) => part.trim().split('=')[0] === want.split('=')[0]));
      sdp = sdp.replace(line[0], 'a=fmtp:' + type + ' ' + kept.concat(wanted).join(';') + (/\r$/.test(line[0]) ? '\r' : ''));
    } else {
      sdp = sdp.replace(new RegExp('^(a=rtpmap:' + type + ' [^\\r\\n]*)(\\r?\\n)', 'm'), '$1$2a=fmtp:' + type + ' ' + wanted.join(';') + '$2');
    }
  }
  return sdp;
}

/**
 * Leaves the server's addresses over TCP as the only ones.
 * @param {string} answer
 * @returns {string}
 */
export function onlyTCP(answer) {
  return answer.replace(/^a=candidate:\S+ \d+ udp [^\r\n]*\r?\n/gim, '');
}

/**
 * Tells Chromium's encoders what to begin with; other browsers ignore the parameter.
 * @param {string} answer
 * @param {number} kbps
 * @returns {string}
 */
export function startBitrate(answer, kbps) {
  const want = 'x-google-start-bitrate=' + kbps;
  return answer.replace(/^a=rtpmap:(\d+) (VP8|VP9|H264|H265|AV1)\/90000(\r?\n)/gim, (line, type, _codec, end) => {
    const format = new RegExp('^a=fmtp:' + type + ' ', 'm').test(answer);
    return format ? line : line + 'a=fmtp:' + type + ' ' + want + end;
  }).replace(/^a=fmtp:(\d+) ([^\r\n]*)/gm, (line, type, parameters) => {
    const video = new RegExp('^a=rtpmap:' + type + ' (VP8|VP9|H264|H265|AV1)/90000', 'im').test(answer);
    return video && parameters.indexOf(want) < 0 ? line + ';' + want : line;
  });
}
