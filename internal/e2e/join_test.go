package e2e

import (
	"fmt"
	"testing"
	"time"
)

// TestLateViewerAndFullRoom lets people into a room of two, one after the other, long after the cast began.
func TestLateViewerAndFullRoom(t *testing.T) {
	st := onStage(t)
	s := st.serve(t, "--capacity", "2")
	st.pattern(t, 1)
	c := st.openCaster(t, s, "")
	c.castAlone()
	code := c.roomCode()
	for i := range 2 {
		v := st.joinLink(t, s, fmt.Sprintf("viewer %d", i+1), code, "")
		f := v.waitFrame(joinTime, time.Now())
		took := float64(f.First) - eval[float64](v.window, `performance.timeOrigin`)
		t.Logf("%s: first frame %.0f ms after it began to load the page", v.name, took)
		if took > 6000 {
			t.Errorf("%s: the first frame took %.0f ms", v.name, took)
		}
	}
	third := st.headless.open(t, "viewer 3", s.url("/w#c="+code))
	third.waitState(joinTime, "code")
	if text := third.waitError(joinTime, "#code-error", "room_full"); text == "room_full" {
		t.Error("people see the error's key instead of a text")
	}
}

// TestWrongCodeIsExplained types codes that nobody has: each is answered with the tries that are left, and the
// next right one is still taken.
func TestWrongCodeIsExplained(t *testing.T) {
	st := onStage(t)
	s := st.serve(t)
	d := st.openDisplay(t, s, "Hall", "&lang=zh-CN")
	right := d.code()
	for _, lang := range []string{"en", "zh-CN"} {
		w := st.headless.open(t, "guest "+lang, s.url("/?lang="+lang))
		w.waitState(joinTime, "idle")
		before := -1
		for try := range 2 {
			w.typeCode("#code", wrong(right, try))
			typed, text, left := time.Now(), "", before
			eventually(t, joinTime, "another number of tries", func() (bool, string) {
				text = w.waitError(joinTime, "#code-error", "code_unknown")
				left = firstNumber(text)
				return left != before, text
			})
			t.Logf("%s: answered after %d ms: %s", lang, time.Since(typed).Milliseconds(), text)
			if left < 0 || left > 10 {
				t.Errorf("%q does not say how many tries are left", text)
			}
			if try > 0 && left >= before {
				t.Errorf("%d tries left after %d", left, before)
			}
			before = left
		}
		if got := eval[string](w, `document.documentElement.lang`); got != lang {
			t.Errorf("the page is in %s, want %s", got, lang)
		}
		w.typeCode("#code", right)
		w.waitState(joinTime, "choosing")
		w.close()
	}
}

// wrong is a code that differs from the right one.
func wrong(right string, try int) string {
	b := []byte(right)
	b[0] = '0' + (b[0]-'0'+byte(try)+1)%10
	return string(b)
}

// TestViewerThroughRelay forces the media of a viewer through TURN and looks at the path it took.
func TestViewerThroughRelay(t *testing.T) {
	st := onStage(t)
	s := st.serve(t)
	st.pattern(t, 1)
	c := st.openCaster(t, s, "")
	c.castAlone()
	code := c.roomCode()
	for _, way := range []struct {
		query string
		relay []string
	}{
		{"relay-udp", []string{"udp"}},
		{"relay-tcp", []string{"tcp", "tls"}},
		{"relay-tls", []string{"tls"}},
	} {
		t.Run(way.query, func(t *testing.T) {
			v := st.joinLink(t, s, "viewer "+way.query, code, "?ice="+way.query)
			v.settle()
			p := v.path()
			if p.Type != "relay" || (p.Relay != way.relay[0] && p.Relay != way.relay[len(way.relay)-1]) {
				t.Errorf("the path is %+v, want a relay over %v", p, way.relay)
			}
			t.Logf("%s: %+v, %v", way.query, p, v.watch(5*time.Second, 4))
		})
	}
}

// TestServerOnLoopback casts on a server that is bound to 127.0.0.1 and has no TLS, as one behind a proxy or under
// test is: browsers send to it from the address of an interface.
func TestServerOnLoopback(t *testing.T) {
	st := onStage(t)
	s := st.serveLoopback(t)
	st.pattern(t, 1)
	d := st.openDisplay(t, s, "Hall", "")
	c := st.openCaster(t, s, "")
	c.castTo(d.code())
	d.settle()
	first := eval[bool](c.window, `(window.connection = window.castcode.peer) !== null`)
	f := d.watch(8*time.Second, 4)
	t.Logf("display: %v, path %+v; caster %+v", f, d.path(), c.sending())
	if f.Freezes > 0 || f.Blank > 0 {
		t.Errorf("the picture stood still or went away: %v", f)
	}
	if !first || !eval[bool](c.window, `window.connection === window.castcode.peer`) {
		t.Error("the caster's connection was lost")
	}
}
