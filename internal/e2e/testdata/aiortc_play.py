# A player that nobody here wrote: aiortc plays by WHEP and decodes.
#
# told: {url, ca, token, frames, sound: "" | "bundled" | "unbundled", relay: start of the URL of a TURN server to use};
# then a line, upon which it takes its leave
# tells: what the server answered; what it saw, how many frames of sound it heard, the type of its ICE candidate and how
# many milliseconds it was from asking to the first frame; {deleted} with the status of its DELETE
import asyncio
import re
import sys
import time

import av
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription

from aiortc_bundle import bundled
from door import Door, Refused, order, tell
from pattern import Reader


async def look(track, frames, began):
    reader = Reader()
    first = None
    while reader.frames < frames:
        frame = await track.recv()
        first = first or time.monotonic()
        plane = frame.planes[0]
        reader.look(memoryview(plane), plane.line_size, frame.width, frame.height)
    return {**reader.figures(), "first": round(1000 * (first - began))}


def relays(door, wanted):
    """The TURN servers that the server lends to those who ask before they offer, as far as they are wanted."""
    _, headers, _ = door.ask("OPTIONS", door.url)
    link = re.compile(r'<([^>]+)>; rel="ice-server"; username="([^"]*)"; credential="([^"]*)"')
    found = [link.match(line) for line in headers.get_all("Link") or []]
    return [RTCIceServer(*m.groups()) for m in found if m and m.group(1).startswith(wanted)]


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
    loop = asyncio.get_running_loop()
    began = time.monotonic()
    servers = wanted.get("relay") and await loop.run_in_executor(None, relays, door, wanted["relay"])
    connection = RTCPeerConnection(RTCConfiguration(servers) if servers else None)
    picture = connection.addTransceiver("video", direction="recvonly").receiver
    sound = wanted["sound"] and connection.addTransceiver("audio", direction="recvonly").receiver
    await connection.setLocalDescription(await connection.createOffer())
    offer = connection.localDescription.sdp
    if wanted["sound"] == "bundled":
        offer = bundled(offer)
    try:
        answer = await loop.run_in_executor(None, door.post, offer)
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        ears = sound and asyncio.create_task(hear(sound.track))
        seen = await look(picture.track, wanted["frames"], began)
        pair = picture.transport.transport._connection._nominated.get(1)  # there is no public way to ask
        seen["candidate"] = pair.local_candidate.type if pair else ""
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
