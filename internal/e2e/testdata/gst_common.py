# What both GStreamer scripts need: webrtcbin, its promises, and trickle of its candidates to a door.
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

from door import Door, Refused, tell  # noqa: E402

Gst.init(None)

CAPS = {
    "video/VP8": "application/x-rtp,media=video,encoding-name=VP8,clock-rate=90000,payload=96",
    "video/H264": "application/x-rtp,media=video,encoding-name=H264,clock-rate=90000,payload=102,"
                  "packetization-mode=(string)1",
    "audio/opus": "application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload=111,"
                  "encoding-params=(string)2",
}


class Session:
    """A webrtcbin in a pipeline, and the door that it goes through. Requests are made in a thread of their own, one
    after the other, as an encoder would."""

    def __init__(self, wanted, pipeline):
        self.door, self.pipeline, self.loop = Door(wanted), pipeline, GLib.MainLoop()
        self.peer = pipeline.get_by_name("peer")
        self.trickled, self.candidates, self.credentials = {}, [], ""
        self.lock, self.failed = threading.Lock(), False
        self.peer.connect("on-negotiation-needed", self.negotiate)
        self.peer.connect("on-ice-candidate", self.candidate)
        self.peer.connect("notify::connection-state", self.state)
        bus = pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.error)

    def error(self, _, message):
        tell(error="%s; %s" % message.parse_error())
        self.end()

    def end(self):
        self.failed = True
        GLib.idle_add(self.loop.quit)

    def state(self, *_):
        tell(state=self.peer.props.connection_state.value_nick)

    def negotiate(self, _):
        self.peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self.offered))

    def offered(self, promise):
        reply = promise.get_reply()  # owns what the offer points to
        offer = reply.get_value("offer")
        self.peer.emit("set-local-description", offer, Gst.Promise.new())
        text = offer.sdp.as_text()
        keep = [line for line in text.splitlines() if line.startswith(("a=ice-ufrag:", "a=ice-pwd:"))][:2]
        self.credentials = "".join(line + "\r\n" for line in keep)
        threading.Thread(target=self.exchange, args=(text,), daemon=True).start()

    def exchange(self, offer):
        try:
            answer = self.door.post(offer)
        except Refused:
            self.end()
            return
        _, parsed = GstSdp.SDPMessage.new_from_text(answer)
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, parsed)
        self.peer.emit("set-remote-description", description, Gst.Promise.new())
        with self.lock:
            late, self.candidates = self.candidates, None
        for one in late:
            self.trickle(one)

    def candidate(self, _, line, text):
        with self.lock:
            if self.candidates is not None:
                self.candidates.append((line, text))
                return
        threading.Thread(target=self.trickle, args=((line, text),), daemon=True).start()

    def trickle(self, one):
        status = self.door.trickle("%sm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:video%d\r\na=%s\r\n"
                                   % (self.credentials, one[0], one[1]))
        with self.lock:
            self.trickled[status] = self.trickled.get(status, 0) + 1

    def run(self):
        """Runs until the test sends a line; then says goodbye to the server."""
        def goodbye():
            sys.stdin.readline()
            GLib.idle_add(self.loop.quit)

        threading.Thread(target=goodbye, daemon=True).start()
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        if not self.failed and self.door.resource:  # a refusal is told before it has failed
            with self.lock:
                trickled = self.trickled
            tell(trickled=trickled, deleted=self.door.delete())
        self.pipeline.set_state(Gst.State.NULL)
