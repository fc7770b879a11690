# A player that nobody here wrote: aiortc plays by WHEP and decodes.
#
# told: {url, ca, token, frames, sound: "" | "bundled" | "unbundled"}; then a line, upon which it takes its leave
# tells: what the server answered; what it saw and how many frames of sound it heard; {deleted} with the status of
# its DELETE
import asyncio
import sys

import av
from aiortc import RTCPeerConnection, RTCSessionDescription

from aiortc_bundle import bundled
from door import Door, Refused, order, tell
from pattern import Reader


async def look(track, frames):
    reader = Reader()
    while reader.frames < frames:
        frame = await track.recv()
        plane = frame.planes[0]
        reader.look(memoryview(plane), plane.line_size, frame.width, frame.height)
    return reader.figures()


async def hear(track):
    """Counts frames of sound until it is cancelled."""
    heard = 0
    try:
        while True:
            await track.recv()
            heard += 1
    except asyncio.CancelledError:
        return heard


async def main():
    wanted = order()
    door = Door(wanted)
    connection = RTCPeerConnection()
    picture = connection.addTransceiver("video", direction="recvonly").receiver
    sound = wanted["sound"] and connection.addTransceiver("audio", direction="recvonly").receiver
    await connection.setLocalDescription(await connection.createOffer())
    offer = connection.localDescription.sdp
    if wanted["sound"] == "bundled":
        offer = bundled(offer)
    loop = asyncio.get_running_loop()
    try:
        answer = await loop.run_in_executor(None, door.post, offer)
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        ears = sound and asyncio.create_task(hear(sound.track))
        seen = await look(picture.track, wanted["frames"])
        if ears:
            ears.cancel()
            seen["heard"] = await ears
        tell(**seen)
        await loop.run_in_executor(None, sys.stdin.readline)
        tell(deleted=await loop.run_in_executor(None, door.delete))
    except Refused:
        pass
    await connection.close()


av.logging.set_level(av.logging.ERROR)
asyncio.run(main())
