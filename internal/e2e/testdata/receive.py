# A viewer that nobody here wrote: aiortc, with its own ICE, DTLS and SRTP. It takes the picture of a cast, decodes
# it, and says what it saw. Offer and answer go over standard output and input, one JSON object per line; who starts
# it does the signaling.
#
# usage: receive.py FRAMES
import asyncio
import json
import sys

from aiortc import RTCPeerConnection, RTCSessionDescription


def contrast(frame):
    """The darkest and the brightest of some pixels of the picture's brightness."""
    plane = frame.planes[0]
    some = bytes(plane)[:: max(1, plane.buffer_size // 20000)]
    return min(some), max(some)


async def look(track, wanted):
    """Decodes so many frames; answers what they were like."""
    seen = {"frames": 0, "contrasting": 0, "sizes": [], "backwards": 0}
    before = None
    while seen["frames"] < wanted:
        frame = await track.recv()
        seen["frames"] += 1
        size = "%dx%d" % (frame.width, frame.height)
        if size not in seen["sizes"]:
            seen["sizes"].append(size)
        darkest, brightest = contrast(frame)
        if darkest < 60 and brightest > 180:
            seen["contrasting"] += 1
        if before is not None and frame.pts <= before:
            seen["backwards"] += 1
        before = frame.pts
    return seen


async def main():
    wanted = int(sys.argv[1])
    connection = RTCPeerConnection()
    # One m-line: with two, aiortc 1.4 offers each its own transport.
    receiver = connection.addTransceiver("video", direction="recvonly").receiver
    await connection.setLocalDescription(await connection.createOffer())
    print(json.dumps({"offer": connection.localDescription.sdp}), flush=True)
    answer = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await connection.setRemoteDescription(RTCSessionDescription(json.loads(answer)["answer"], "answer"))
    seen = await look(receiver.track, wanted)
    report = await connection.getStats()
    for stat in report.values():
        if stat.type == "inbound-rtp":
            seen["packets"], seen["lost"] = stat.packetsReceived, stat.packetsLost
    print(json.dumps(seen), flush=True)
    await connection.close()


asyncio.run(main())
