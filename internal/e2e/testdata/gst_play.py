# GStreamer's webrtcbin as a player: plays by WHEP, with trickle, and decodes.
#
# told: {url, ca, token, codec, frames, sound}; then a line, upon which it takes its leave
# tells: what the server answered; {state} of the connection; what it saw, and how many buffers of sound it heard;
# {trickled, deleted} with the statuses of its PATCHes and its DELETE
import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstVideo", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import Gst, GstVideo, GstWebRTC  # noqa: E402

from door import order, tell  # noqa: E402
from gst_common import CAPS, Session  # noqa: E402
from pattern import Reader  # noqa: E402

DECODERS = {"VP8": "rtpvp8depay ! vp8dec", "H264": "rtph264depay ! h264parse ! openh264dec"}


def main():
    wanted = order()
    pipeline = Gst.Pipeline()
    peer = Gst.ElementFactory.make("webrtcbin", "peer")
    peer.props.bundle_policy = GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE
    pipeline.add(peer)
    session = Session(wanted, pipeline)
    reader, heard = Reader(), 0

    def look(sink):
        sample = sink.emit("pull-sample")
        shape = GstVideo.VideoInfo.new_from_caps(sample.get_caps())
        plane = sample.get_buffer().extract_dup(0, shape.stride[0] * shape.height)
        if reader.frames < wanted["frames"]:
            reader.look(plane, shape.stride[0], shape.width, shape.height)
            if reader.frames == wanted["frames"]:
                tell(heard=heard, **reader.figures())
        return Gst.FlowReturn.OK

    def listen(sink):
        nonlocal heard
        sink.emit("pull-sample")
        heard += 1
        return Gst.FlowReturn.OK

    def arrived(_, pad):
        if pad.direction != Gst.PadDirection.SRC:
            return
        name = pad.get_current_caps().get_structure(0)["encoding-name"]
        picture = name in DECODERS
        way = DECODERS[name] + " ! videoconvert ! video/x-raw,format=I420" if picture else "rtpopusdepay ! opusdec"
        part = Gst.parse_bin_from_description(way + " ! appsink name=end emit-signals=true sync=false", True)
        part.get_by_name("end").connect("new-sample", look if picture else listen)
        pipeline.add(part)
        part.sync_state_with_parent()
        pad.link(part.get_static_pad("sink"))

    session.peer.connect("pad-added", arrived)
    for codec in [wanted["codec"]] + (["audio/opus"] if wanted.get("sound") else []):
        way = session.peer.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY,
                                Gst.Caps.from_string(CAPS[codec]))
        way.props.do_nack = True
    session.run()


main()
