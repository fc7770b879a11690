package e2e

import (
	"fmt"
	"testing"
	"time"
)

// TestCastToDisplayAndViewers is the product in one afternoon: a display shows a code, somebody types it and
// casts, two people type the room's code, a second display joins, everybody sees the picture.
func TestCastToDisplayAndViewers(t *testing.T) {
	st := onStage(t)
	s := st.serve(t)
	st.pattern(t, 1)
	first := st.openDisplay(t, s, "Hall 1", "")
	displayCode := s.keepSecret(first.code())

	c := st.openCaster(t, s, "")
	c.typeCode("#code", displayCode)
	typed := time.Now()
	c.waitState(joinTime, "choosing")
	shared := time.Now()
	c.share()
	f := first.waitFrame(joinTime, shared)
	first.waitState(joinTime, "live")
	t.Logf("first frame on the display: %d ms after the last digit, %d ms after the share button",
		f.First-typed.UnixMilli(), f.First-shared.UnixMilli())
	if took := f.First - shared.UnixMilli(); took > 5000 {
		t.Errorf("the first frame took %d ms", took)
	}

	roomCode := s.keepSecret(c.roomCode())
	one := st.joinTyped(t, s, "viewer 1", roomCode)
	two := st.joinTyped(t, s, "viewer 2", roomCode)
	second := st.openDisplay(t, s, "Hall 2", "")
	c.typeCode("#add-code", s.keepSecret(second.code()))
	second.waitState(joinTime, "live")
	c.waitMembers(2, 2)

	everybody := []*window{first.window, second.window, one.window, two.window}
	for _, w := range everybody {
		w.settle()
	}
	t.Logf("viewer 1 over 10 s: %v", one.watch(10*time.Second, 4))
	t.Logf("viewer 2 over 10 s: %v", two.watch(10*time.Second, 4))
	t.Logf("caster: %+v", c.sending())
	for _, w := range everybody {
		f := w.figures()
		t.Logf("%s, all the while: %v, path %+v", w.name, f, w.path())
		if f.IDs["1"] != f.Read {
			t.Errorf("%s read frames of another window: %v", w.name, f.IDs)
		}
		if f.Blank > 0 || f.Dark > 0 {
			t.Errorf("%s: the picture went away: %v", w.name, f)
		}
	}
	for _, w := range append(everybody, c.window) {
		for _, token := range eval[[]string](w, `[...Object.values(sessionStorage), ...Object.values(localStorage)].filter((v) => v.length > 40)`) {
			s.keepSecret(token)
		}
	}

	t.Run("the code is spent", func(t *testing.T) {
		late := st.headless.open(t, "latecomer", s.url("/"))
		late.waitState(joinTime, "idle")
		late.typeCode("#code", displayCode)
		late.waitError(joinTime, "#code-error", "code_unknown")
	})
}

// TestVideoModeHasTheSizeOfTheSource casts as video. A new connection begins with a low estimate of the bandwidth;
// the picture may be small for that moment, and must not stay so when there is bandwidth.
func TestVideoModeHasTheSizeOfTheSource(t *testing.T) {
	st := onStage(t)
	s := st.serve(t)
	st.pattern(t, 1)
	c := st.openCaster(t, s, "")
	c.click("#start")
	c.waitState(joinTime, "choosing")
	c.click("label:has(#mode-video)")
	if !eval[bool](c.window, `document.querySelector('#mode-video').checked`) {
		t.Fatal("video mode cannot be chosen")
	}
	c.share()
	v := st.joinLink(t, s, "viewer", c.roomCode(), "")
	v.settle()
	waitFullSize(t, c, v.window)
}

// waitFullSize waits until the window shows as many pixels as the captured window has. The caster's own preview
// does not tell: Chromium captures small what is sent small.
func waitFullSize(t *testing.T, c *caster, w *window) {
	t.Helper()
	eventually(t, joinTime, w.name+": the picture is as large as the captured window", func() (bool, string) {
		f := w.figures()
		return f.Width >= patternWidth, fmt.Sprintf("%d wide, source %d; caster %+v", f.Width, patternWidth, c.sending())
	})
}

// TestStopBringsTheDisplayANewCode ends a cast on purpose.
func TestStopBringsTheDisplayANewCode(t *testing.T) {
	st := onStage(t)
	s := st.serve(t)
	st.pattern(t, 1)
	d := st.openDisplay(t, s, "Hall", "")
	old := d.code()
	c := st.openCaster(t, s, "")
	c.castTo(old)
	d.waitFrame(joinTime, time.Now())
	v := st.joinLink(t, s, "viewer", c.roomCode(), "")
	v.waitFrame(joinTime, time.Now())

	c.click("#stop")
	c.waitState(joinTime, "ended", "idle")
	v.waitState(joinTime, "ended")
	d.waitState(joinTime, "code")
	if now := d.code(); now == old {
		t.Error("the display shows the spent code again")
	}
	c.do(reload)
	c.waitState(joinTime, "idle") // the room is over, so nothing is offered to be taken up again
}

// TestFreezeAndChangeSource holds the picture, lets it go, and changes to another window, all under one
// connection.
func TestFreezeAndChangeSource(t *testing.T) {
	st := onStage(t)
	s := st.serve(t)
	st.pattern(t, 1)
	c := st.openCaster(t, s, "")
	c.castAlone()
	code := c.roomCode()
	v := st.joinLink(t, s, "viewer", code, "")
	v.settle()

	c.click("#freeze")
	c.waitState(joinTime, "frozen")
	v.waitState(joinTime, "frozen")
	held := standsStill(t, v)
	late := st.joinLink(t, s, "viewer who comes while frozen", code, "")
	eventually(t, joinTime, "the newcomer sees the held picture", func() (bool, string) {
		f := late.figures()
		return f.LastStamp == held, f.String() + "; " + late.describe()
	})
	late.close()

	c.click("#freeze")
	c.waitState(joinTime, "live")
	v.waitState(joinTime, "live")
	v.waitFrame(joinTime, time.Now())

	st.pattern(t, 2)
	eval[bool](v.window, `(window.castcode.peer.mark = true)`)
	v.clear()
	c.click("#change-source")
	eventually(t, joinTime, "the other window on the viewer", func() (bool, string) {
		f := v.figures()
		return f.IDs["2"] > 10, f.String()
	})
	f := v.figures()
	t.Logf("change of source: %v", f)
	if f.Blank > 0 || f.Dark > 0 {
		t.Errorf("the picture went away: %v", f)
	}
	if !eval[bool](v.window, `window.castcode.peer.mark === true`) {
		t.Error("the viewer has another connection than before")
	}
	if now := c.roomCode(); now != code {
		t.Error("the room has another code than before")
	}
}

// standsStill waits until the viewer has shown one and the same frame for two seconds, and answers its stamp.
func standsStill(t *testing.T, v *viewer) int64 {
	t.Helper()
	stamp, since := int64(0), time.Now()
	eventually(t, joinTime, "the picture stands still", func() (bool, string) {
		f := v.figures()
		if f.LastStamp != stamp {
			stamp, since = f.LastStamp, time.Now()
		}
		return stamp != 0 && time.Since(since) > 2*time.Second, f.String()
	})
	if f := v.figures(); f.Blank > 0 {
		t.Errorf("the picture went away: %v", f)
	}
	return stamp
}
