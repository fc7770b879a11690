package e2e

import (
	"testing"
	"time"
)

// TestForeignEncoderInARoom is casting from an encoder as people do it: they open a room on the start page, take address
// and token from there to GStreamer or aiortc, look at the picture on a watch page, and are told what is wrong with what
// they send.
func TestForeignEncoderInARoom(t *testing.T) {
	st := onStage(t)
	needAiortc(t)
	needGStreamer(t)
	s := st.serve(t)
	c := &caster{st.headless.open(t, "host", s.url("/"))}
	c.waitState(joinTime, "idle")
	c.hostFrom("#host-home")
	code := s.keepSecret(c.roomCode())
	url, token := c.value("#whip-url"), s.keepSecret(c.copies("#copy-token"))
	v := st.joinLink(t, s, "viewer", code, "")
	v.waitState(joinTime, "waiting")

	for _, e := range []struct {
		name, file string
		what       order
		warned     string // what the page warns of
	}{
		{"aiortc without sound", "aiortc_publish.py", order{Codec: "video/VP8"}, "no_audio"},
		{"GStreamer with B-frames", "gst_publish.py", order{Codec: "video/H264", Sound: "bundled", BFrames: true}, "b_frames"},
		{"GStreamer as it should be", "gst_publish.py", order{Codec: "video/VP8", Sound: "bundled"}, ""},
	} {
		e.what.URL, e.what.Token = url, token
		d := st.start(t, e.name, e.file, e.what)
		at := d.enters()
		d.connects()
		c.waitText("#health-state", "is casting")
		v.waitFrame(joinTime, time.Now())
		v.settle()
		if !e.what.BFrames { // of which browsers show few, as the page says
			t.Logf("%s: %v", e.name, v.watch(2*time.Second, 8))
		}
		eventually(t, joinTime, e.name+": the page warns of "+e.warned, func() (bool, string) {
			warned := eval[string](c.window, `[...document.querySelectorAll('#health-warnings li')].map((i) => i.dataset.warning).join()`)
			return warned == e.warned, warned + "; " + c.text("#health-streams")
		})
		t.Logf("the page says: %s; %q; %q", c.text("#health-state"), c.text("#health-streams"), c.text("#health-warnings"))
		d.leave(s, at)
		c.waitText("#health-state", "is gone")
	}
	c.waitMembers(0, 1)
}
