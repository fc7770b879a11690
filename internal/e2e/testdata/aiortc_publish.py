# An encoder that nobody here wrote: aiortc publishes by WHIP.
#
# told: {url, ca, token, codec, sound: "" | "bundled" | "unbundled"}; then a line, upon which it takes its leave
# tells: what the server answered; {state} of the connection; {deleted} with the status of its DELETE
import asyncio
import fractions
import sys

import av
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription, VideoStreamTrack
from aiortc.mediastreams import AudioStreamTrack
from av import VideoFrame

from aiortc_bundle import bundled
from door import Door, Refused, order, tell
from pattern import draw

WIDTH, HEIGHT, RATE = 640, 360, 15


class Pattern(VideoStreamTrack):
    count = 0
    begun = None

    async def recv(self):
        now = asyncio.get_running_loop().time()
        self.begun = self.begun or now
        await asyncio.sleep(max(0, self.begun + self.count / RATE - now))
        picture = VideoFrame(WIDTH, HEIGHT, "rgb24")
        picture.planes[0].update(draw(WIDTH, HEIGHT, self.count))
        picture.pts, picture.time_base = self.count * 90000 // RATE, fractions.Fraction(1, 90000)
        self.count += 1
        return picture


async def main():
    wanted = order()
    door = Door(wanted)
    connection = RTCPeerConnection()
    connection.on("connectionstatechange", lambda: tell(state=connection.connectionState))
    picture = connection.addTransceiver(Pattern(), direction="sendonly")
    codecs = RTCRtpSender.getCapabilities("video").codecs
    picture.setCodecPreferences([c for c in codecs if c.mimeType in (wanted["codec"], "video/rtx")])
    if wanted["sound"]:
        connection.addTransceiver(AudioStreamTrack(), direction="sendonly")
    await connection.setLocalDescription(await connection.createOffer())
    offer = connection.localDescription.sdp
    if wanted["sound"] == "bundled":
        offer = bundled(offer)
    loop = asyncio.get_running_loop()
    try:
        answer = await loop.run_in_executor(None, door.post, offer)
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await loop.run_in_executor(None, sys.stdin.readline)
        tell(deleted=await loop.run_in_executor(None, door.delete))
    except Refused:
        pass
    await connection.close()


av.logging.set_level(av.logging.ERROR)
asyncio.run(main())
