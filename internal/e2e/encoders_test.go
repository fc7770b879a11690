package e2e

import (
	"encoding/json"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestForeignEncodersAndPlayers has aiortc and GStreamer's webrtcbin publish by WHIP and play by WHEP, each against the
// other and itself, over a server that is open to all.
func TestForeignEncodersAndPlayers(t *testing.T) {
	st := onStage(t)
	needAiortc(t)
	needGStreamer(t)
	s := st.serve(t, "--open")
	t.Run("rooms", func(t *testing.T) { // which are closed before the server is
		for _, c := range []struct {
			room, encoder, sound string
			codec                string
			bframes              bool
			players              []string
			early                bool // the players are there before the encoder
		}{
			{"aiortc VP8", "aiortc", "own", "video/VP8", false, []string{"aiortc", "gst"}, false},
			{"aiortc H.264 讲座", "aiortc", "", "video/H264", false, []string{"aiortc", "gst"}, true},
			{"gst VP8", "gst", "bundled", "video/VP8", false, []string{"aiortc", "gst"}, false},
			{"gst H.264", "gst", "bundled", "video/H264", false, []string{"aiortc", "gst"}, false},
			// aiortc takes the baseline profile only, which has no B-frames.
			{"gst H.264 with B-frames", "gst", "bundled", "video/H264", true, []string{"gst"}, false},
		} {
			t.Run(c.room, func(t *testing.T) {
				t.Parallel()
				publish := func() (*stranger, entered) {
					e := st.start(t, "encoder "+c.encoder, c.encoder+"_publish.py", order{
						URL: s.doorOf("whip", c.room), Codec: c.codec, Sound: c.sound, BFrames: c.bframes,
					})
					at := e.enters()
					e.connects()
					return e, at
				}
				var encoder *stranger
				var there entered
				if !c.early {
					encoder, there = publish()
				}
				var players []*stranger
				for _, p := range c.players {
					sound := c.sound
					if p == "aiortc" && sound != "" {
						sound = "bundled"
					}
					players = append(players, st.start(t, "player "+p, p+"_play.py", order{
						URL: s.doorOf("whep", c.room), Codec: c.codec, Sound: sound, Frames: 45,
					}))
				}
				if c.early {
					for _, p := range players {
						p.waits()
					}
					encoder, there = publish()
				}
				for _, p := range players {
					p.plays(s, c.sound != "")
				}
				encoder.leave(s, there)
			})
		}
	})
}

// doorOf is the URL of a room at a door, whip or whep.
func (s *server) doorOf(door, room string) string {
	return s.url("/" + door + "/" + url.PathEscape(room))
}

// waits asserts that a player is told to come back, since nobody casts yet.
func (d *stranger) waits() {
	d.t.Helper()
	type told struct {
		Waiting float64 `json:"waiting"` // seconds
	}
	if got := tells[told](d, "waiting").Waiting; got != 2 {
		d.t.Errorf("%s is told to wait for %v s, want 2", d.name, got)
	}
}

// plays asserts that a player gets, decodes and hears what is published, and takes its leave.
func (d *stranger) plays(s *server, sound bool) {
	d.t.Helper()
	at := d.enters()
	saw := tells[played](d, "frames")
	d.t.Logf("%s: %+v", d.name, saw)
	if saw.Read < saw.Frames || saw.Backwards > 0 {
		d.t.Errorf("%s: frames are spoilt or not in order: %+v", d.name, saw)
	}
	if saw.Median > 2000 || saw.Median < 0 {
		d.t.Errorf("%s: the picture is %d ms old", d.name, saw.Median)
	}
	if sound != (saw.Heard > 0) {
		d.t.Errorf("%s heard %d pieces of sound, sound is sent: %v", d.name, saw.Heard, sound)
	}
	d.leave(s, at)
}

// TestForeignOffersThatAreRefused has offers that cannot be served refused with a reason that a person can act upon.
func TestForeignOffersThatAreRefused(t *testing.T) {
	st := onStage(t)
	needGStreamer(t)
	// Two servers cannot share a data directory.
	copied := filepath.Join(st.dir, "second")
	if out, err := exec.Command("cp", "-a", st.data, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	open, closed := st.serve(t, "--open"), st.serve(t, "--data", copied)
	t.Run("cases", func(t *testing.T) {
		for _, c := range []struct {
			name   string
			at     string
			what   order
			status int
			says   string
		}{
			{"not bundled", open.doorOf("whip", "talk"), order{Codec: "video/VP8", Sound: "bundled", Bundle: "none"}, 422, "bundle"},
			{"no token", closed.doorOf("whip", "talk"), order{Codec: "video/VP8"}, 401, "token"},
			{"wrong token", closed.doorOf("whip", "123456789"), order{Codec: "video/VP8", Token: "abc"}, 401, "token"},
		} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.what.URL = c.at
				d := st.start(t, c.name, "gst_publish.py", c.what)
				got := tells[entered](d, "status")
				var problem struct{ Title, Detail, Code string }
				if err := json.Unmarshal([]byte(got.Body), &problem); err != nil || got.Type != "application/problem+json" {
					t.Errorf("the refusal is %+v (%v), want a problem in JSON", got, err)
				}
				t.Logf("%d %+v", got.Status, problem)
				if got.Status != c.status || problem.Code == "" || !strings.Contains(problem.Detail, c.says) {
					t.Errorf("refused with %d %+v, want %d and something about %q", got.Status, problem, c.status, c.says)
				}
				d.ends()
			})
		}
	})
}
