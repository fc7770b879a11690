// A page that uses WHIP and WHEP clients of other people the way their documentation says, one like the other: publish
// and play take a URL, a token and a stream or a video element, and answer what the test needs of them. Built by
// esbuild, as such a page would be; pattern.js comes before.
/* global drawPattern */
import { WebRTCPlayer } from '@eyevinn/webrtc-player';
import { WHIPClient as EyevinnWHIP } from '@eyevinn/whip-web-client';
import { WHEPClient } from 'whip-whep/whep.js';
import { WHIPClient } from 'whip-whep/whip.js';

const pause = () => new Promise((done) => setTimeout(done, 20));

const noServers = { iceServers: [] };

// Two sizes at once. A client that takes a connection leaves it to the page what is in there.
const sizes = [{ rid: 'large' }, { rid: 'small', scaleResolutionDownBy: 2 }];

// source is a stream of the pattern, and of the browser's fake microphone.
async function source() {
  const canvas = document.createElement('canvas');
  drawPattern(canvas, 1, { width: 640, height: 360 });
  const stream = canvas.captureStream(15);
  const sound = await navigator.mediaDevices.getUserMedia({ audio: true });
  stream.addTrack(sound.getAudioTracks()[0]);
  return stream;
}

const publishers = {
  'whip-whep': async (url, token, stream) => {
    const peer = new RTCPeerConnection(noServers);
    for (const track of stream.getTracks()) {
      const sendEncodings = track.kind === 'video' ? sizes : [];
      peer.addTransceiver(track, { direction: 'sendonly', streams: [stream], sendEncodings });
    }
    const client = new WHIPClient();
    await client.publish(peer, url, token);
    return { peer, resource: String(client.resourceURL), restart: () => client.restart(), stop: () => client.stop() };
  },
  '@eyevinn/whip-web-client': async (url, token, stream) => {
    const client = new EyevinnWHIP({ endpoint: url, opts: { authkey: token, ...noServers } });
    await client.ingest(stream);
    return { peer: client.peer, resource: await client.getResourceUrl(), stop: () => client.destroy() };
  },
};

const players = {
  'whip-whep': async (url, token, video) => {
    const peer = new RTCPeerConnection(noServers);
    peer.addTransceiver('audio', { direction: 'recvonly' });
    peer.addTransceiver('video', { direction: 'recvonly' });
    video.srcObject = new MediaStream();
    peer.ontrack = (event) => video.srcObject.addTrack(event.track);
    const client = new WHEPClient();
    const events = [];
    await client.view(peer, url, token);
    // It opens the stream of events and listens for those without a name, of which the draft knows none.
    while (!client.eventSource) await pause();
    for (const name of ['active', 'inactive', 'layers', 'viewercount']) {
      client.eventSource.addEventListener(name, (event) => events.push(name + ' ' + event.data));
    }
    return {
      peer, events, resource: String(client.resourceURL),
      wish: (wish) => client.selectLayer({ mediaId: peer.getTransceivers()[1].mid, ...wish }),
      restart: () => client.restart(), stop: () => { client.eventSource?.close(); return client.stop(); },
    };
  },
  '@eyevinn/webrtc-player': async (url, token, video) => {
    const client = new WebRTCPlayer({ video, type: 'whep', ...noServers });
    // It puts its key into the header as it is.
    await client.load(new URL(url), token && 'Bearer ' + token);
    while (!client.adapter?.resource) await pause();
    return { peer: client.peer, resource: client.adapter.resource, stop: () => client.unload() };
  },
};

// What the clients asked the server, and with which status it answered; most of them do not tell.
const ask = window.fetch;
window.asked = [];
window.fetch = async (url, options) => {
  const answer = await ask(url, options);
  window.asked.push(`${options?.method ?? 'GET'} ${answer.status}`);
  // whip-whep 1.2.0 writes all candidates of a restart's fragment into one line, which no browser parses if there are two.
  if (options?.method === 'PATCH' && answer.status === 200) {
    const fragment = await answer.text();
    return new Response(fragment.replace(/a=candidate:.* tcptype .*\r\n/g, ''), answer);
  }
  return answer;
};

// What the page itself is told that went wrong where nobody awaits it. The test looks at these.
window.unhandled = [];
window.addEventListener('unhandledrejection', (event) => {
  window.unhandled.push(String(event.reason));
  event.preventDefault();
});
window.foreign = { source, publishers, players };
