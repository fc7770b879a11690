package signal

import (
	"slices"
	"strings"
	"testing"
)

func restartOffer(sdp string) message { return message{"type": "restart", "offer": sdp} }

// TestICERestart: whoever has media gets a new path for it, and nobody else hears of it.
func TestICERestart(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	caster.granted("published", offer("publish", "screen"))
	viewer := st.viewer(roomCode(created))
	tv, code := st.display("Hall 1")
	caster.granted("added", message{"type": "add", "code": code})
	tv.until("bound")
	cast := text(inner(created, "room")["id"])
	for _, c := range []*client{caster, viewer, tv} {
		if got := c.granted("restarted", restartOffer("path")); got["answer"] != "answer to path" {
			t.Fatalf("restarted %v", got)
		}
		if got := st.media.calls("restart"); !slices.Contains(got, "restart "+cast+" "+c.peer) {
			t.Fatalf("media plane was told %q", got)
		}
	}
	if got := st.media.calls("leave"); len(got) > 0 {
		t.Errorf("media plane was told %q", got)
	}
}

// TestICERestartIsRefused: the code tells the page whether to try again, and the place in the room stays.
func TestICERestartIsRefused(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	viewer := st.viewer(roomCode(created))
	for _, c := range []struct {
		offer, code string
		wait        any
	}{
		{"refuse bad_state", CodeBadState, nil},
		{"refuse bad_offer", CodeBadOffer, nil},
		{"refuse rate_limited", CodeRateLimited, 60.0},
		{"refuse server_busy", CodeServerBusy, 5.0},
		{"refuse room_full", CodeInternal, nil}, // not the media plane's to say
		{"fail", CodeInternal, nil},
		{"panic", CodeInternal, nil},
	} {
		for _, who := range []*client{caster, viewer} {
			if got := who.refused(c.code, restartOffer(c.offer)); got["wait"] != c.wait {
				t.Errorf("%s: %v", c.offer, got)
			}
		}
	}
	viewer.refused(CodeBadMessage, message{"type": "restart"})
	viewer.refused(CodeBadMessage, restartOffer(strings.Repeat("x", maxOffer+1)))
	viewer.granted("restarted", restartOffer("path"))
	caster.granted("restarted", restartOffer("path"))
}

// TestICERestartLosesItsSeat: whoever is removed while its restart is under way is told so, and nothing is undone that
// somebody else has done by then.
func TestICERestartLosesItsSeat(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	viewer := st.viewer(roomCode(created))
	viewer.send(message{"type": "restart", "offer": "gate", "id": 77})
	<-st.media.arrived
	caster.granted("ok", message{"type": "remove", "peer": viewer.peer})
	close(st.media.gate)
	got := viewer.until("error")
	if got["code"] != CodeBadState || got["re"] != 77.0 {
		t.Fatalf("got %v", got)
	}
	if got := st.media.calls("leave"); !slices.Equal(got, []string{"leave " + viewer.peer}) {
		t.Errorf("media plane was told %q", got)
	}
}
