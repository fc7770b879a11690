# GStreamer's webrtcbin as an encoder: publishes by WHIP, with trickle.
#
# told: {url, ca, token, codec, sound, bframes, bundle}; then a line, upon which it takes its leave
# tells: what the server answered; {state} of the connection; {trickled, deleted} with the statuses of its PATCHes and its DELETE
import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

from door import order  # noqa: E402
from gst_common import CAPS, Session  # noqa: E402
from pattern import draw  # noqa: E402

WIDTH, HEIGHT, RATE = 640, 360, 15

ENCODERS = {
    "video/VP8": "vp8enc deadline=1 cpu-used=8 target-bitrate=600000 keyframe-max-dist=60 ! rtpvp8pay pt=96",
    "video/H264": "x264enc speed-preset=ultrafast bitrate=600 key-int-max=30 %s ! video/x-h264,profile=%s ! "
                  "h264parse ! rtph264pay pt=102 aggregate-mode=zero-latency",
}


def main():
    wanted = order()
    encoder = ENCODERS[wanted["codec"]]
    if "%s" in encoder:
        encoder %= ("bframes=2 b-adapt=false", "main") if wanted.get("bframes") else ("tune=zerolatency",
                                                                                     "constrained-baseline")
    sound = wanted.get("sound") and (
        "audiotestsrc is-live=true wave=ticks ! audioconvert ! audioresample ! opusenc ! rtpopuspay pt=111 ! %s ! peer. "
        % CAPS["audio/opus"]) or ""
    pipeline = Gst.parse_launch(
        "webrtcbin name=peer bundle-policy=%s appsrc name=picture is-live=true format=time "
        "caps=video/x-raw,format=RGB,width=%d,height=%d,framerate=%d/1 ! queue leaky=2 ! videoconvert ! %s ! %s ! peer. %s"
        % (wanted.get("bundle", "max-bundle"), WIDTH, HEIGHT, RATE, encoder, CAPS[wanted["codec"]], sound))
    count = 0

    def feed(source, _):
        nonlocal count
        clock = pipeline.get_clock()
        due = count * Gst.SECOND // RATE
        now = clock and clock.get_time() - pipeline.get_base_time() or 0
        if clock and due > now:
            Gst.Clock.id_wait(clock.new_single_shot_id(due + pipeline.get_base_time()))
        picture = Gst.Buffer.new_wrapped(draw(WIDTH, HEIGHT, count))
        picture.pts, picture.duration = due, Gst.SECOND // RATE
        count += 1
        source.emit("push-buffer", picture)

    session = Session(wanted, pipeline)
    pipeline.get_by_name("picture").connect("need-data", feed)
    session.run()


main()
