package e2e

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// reload is the reload button.
var reload = chromedp.Reload()

// TestCasterReloadKeepsThePicture reloads the caster's page: display and viewer hold the last picture until the
// caster shares again, and then go on in the same document.
func TestCasterReloadKeepsThePicture(t *testing.T) {
	st := onStage(t)
	s := st.serve(t)
	st.pattern(t, 1)
	d := st.openDisplay(t, s, "Hall", "")
	c := st.openCaster(t, s, "")
	c.castTo(d.code())
	code := c.roomCode()
	v := st.joinLink(t, s, "viewer", code, "")
	audience := []*window{d.window, v.window}
	for _, w := range audience {
		w.settle()
		eval[bool](w, `(window.mark = true)`)
	}

	c.do(reload)
	c.waitState(joinTime, "choosing")
	shared := time.Now()
	c.share()
	for _, w := range audience {
		f := w.waitFrame(joinTime, shared)
		w.waitState(joinTime, "live")
		t.Logf("%s: gap of %.0f ms, new picture at most %d ms after the share button; %v", w.name, f.LongestGap, f.Now-shared.UnixMilli(), f)
		if f.Blank > 0 || f.Dark > 0 {
			t.Errorf("%s: the picture went away: %v", w.name, f)
		}
		if !eval[bool](w, `window.mark === true`) {
			t.Errorf("%s: the page was reloaded", w.name)
		}
	}
	for _, w := range audience {
		w.watch(3*time.Second, 4)
	}
	if now := c.roomCode(); now != code {
		t.Error("the room has another code than before")
	}
	c.waitMembers(1, 1)
}

// TestDroppedSocketGoesUnnoticed cuts every TCP connection between the pages and the server for three seconds.
// Media goes on, and nobody is asked for anything.
func TestDroppedSocketGoesUnnoticed(t *testing.T) {
	st := onStage(t)
	s := st.serve(t)
	p := s.before(t)
	st.pattern(t, 1)
	d := st.openDisplay(t, p, "Hall", "")
	c := st.openCaster(t, p, "")
	c.castTo(d.code())
	code := c.roomCode()
	v := st.joinLink(t, p, "viewer", code, "")
	everybody := []*window{d.window, c.window, v.window}
	for _, w := range everybody {
		if w != c.window {
			w.settle()
		}
		w.excuse("WebSocket connection to", "net::ERR_")
		eval[bool](w, `(window.castcode.peer.mark = true)`)
	}

	cut := p.cut()
	if cut < len(everybody) {
		t.Fatalf("%d connections were cut, want one of each page at least", cut)
	}
	t.Logf("viewer, while %d connections are down: %v", cut, v.watch(3*time.Second, 4))
	p.mend()
	for _, w := range everybody {
		w.waitState(joinTime, "live")
		if !eval[bool](w, `window.castcode.peer?.mark === true && window.castcode.peer.connectionState === 'connected'`) {
			t.Errorf("%s: the media connection is not the one from before", w.name)
		}
	}
	t.Logf("display: %v", d.watch(2*time.Second, 4))

	// The room's state reaches the pages again.
	late := st.joinLink(t, p, "latecomer", code, "")
	late.waitState(joinTime, "live")
	c.waitMembers(1, 2)
	if now := c.roomCode(); now != code {
		t.Error("the room has another code than before")
	}
}

// TestServerRestartDuringACast ends the server in the middle of a cast, politely, and starts it again under the
// same address: everybody comes back under the same code, and nobody touches anything.
func TestServerRestartDuringACast(t *testing.T) {
	st := onStage(t)
	s := st.serve(t)
	st.pattern(t, 1)
	d := st.openDisplay(t, s, "Hall", "")
	c := st.openCaster(t, s, "")
	c.castTo(d.code())
	code := c.roomCode()
	v := st.joinLink(t, s, "viewer", code, "")
	everybody := []*window{d.window, c.window, v.window}
	for _, w := range everybody {
		if w != c.window {
			w.settle()
		}
		w.excuse("WebSocket connection to", "net::ERR_")
		eval[bool](w, `(window.mark = true)`)
	}

	asked := time.Now()
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	t.Logf("SIGTERM to exit: %d ms", time.Since(asked).Milliseconds())
	s.restart()
	back := time.Now()
	for _, w := range []*window{v.window, d.window} {
		t.Run(w.name, func(t *testing.T) {
			var f figures
			eventually(t, joinTime, "the picture is back", func() (bool, string) {
				f = w.figures()
				return f.LastStamp > back.UnixMilli() && w.state() == "live", f.String() + "; " + w.describe()
			})
			t.Logf("live again at most %d ms after the server was ready; %v", f.Now-back.UnixMilli(), f)
			if f.Blank > 0 {
				t.Errorf("the picture went away: %v", f)
			}
			waitFullSize(t, c, w)
		})
	}
	t.Logf("caster: %+v", c.sending())
	for _, w := range everybody {
		if !eval[bool](w, `window.mark === true`) {
			t.Errorf("%s: the page was reloaded", w.name)
		}
	}
	if now := c.roomCode(); now != code {
		t.Error("the room has another code than before")
	}
}
