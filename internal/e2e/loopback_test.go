package e2e

import (
	"strings"
	"testing"
	"time"
)

// TestHarnessReadsACapturedWindow proves the instruments without the product: a window is captured and sent from
// one peer connection to another inside one page, and the reader reads it there. Its figures are the floor under
// those of all other tests.
func TestHarnessReadsACapturedWindow(t *testing.T) {
	need(t, "chromium", "Xvfb")
	sc, err := openScreen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sc.close(); err != nil {
			t.Error(err)
		}
	})
	b, err := startBrowser(t.TempDir(), sc, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	})
	x, err := dialX11(sc.name)
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	st := &stage{x11: x, headed: b, patterns: servePatterns()}
	t.Cleanup(st.patterns.Close)

	st.pattern(t, 5)
	w := b.open(t, "loopback", st.patterns.URL+"/loopback.html", withReader("#picture"))
	w.click("#share")
	w.waitState(10*time.Second, "live")
	if got := eval[string](w, `document.body.dataset.surface`); got != "window" {
		t.Errorf("captured a %s, want the window", got)
	}
	w.waitFrame(10*time.Second, time.Now())
	t.Logf("loopback: %v", w.watch(5*time.Second, 5))

	t.Run("a picture that goes away is noticed", func(t *testing.T) {
		for _, gone := range []struct{ why, how, back string }{
			{"hidden", `v.style.visibility = 'hidden'`, `v.style.visibility = ''`},
			{"black", `window.kept = v.srcObject; const c = document.createElement('canvas');
				c.getContext('2d').fillRect(0, 0, 300, 150); v.srcObject = c.captureStream(10)`, `v.srcObject = window.kept`},
			{"no frame held", `v.srcObject = null`, `v.srcObject = window.kept`},
			{"removed", `v.remove()`, `document.body.append(v); v.play()`},
		} {
			w.clear()
			eval[bool](w, `((v) => { window.taken = v; `+gone.how+`; return true; })(document.querySelector('#picture'))`)
			eventually(t, 5*time.Second, "noticed: "+gone.why, func() (bool, string) {
				f := w.figures()
				return f.Blanks[gone.why+" in state live"] > 0, f.String()
			})
			eval[bool](w, `((v) => { `+gone.back+`; return true; })(window.taken)`)
			w.waitFrame(10*time.Second, time.Now())
		}
	})
	t.Run("faults of a page are noticed", func(t *testing.T) {
		w := b.open(t, "faulty", st.patterns.URL+"/faulty.html")
		w.excuse("said by the page")
		want := []string{"said by the page", "caught by nobody", "handled by nobody", "Content Security Policy"}
		eventually(t, 5*time.Second, "all faults", func() (bool, string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			all := strings.Join(w.faults, "\n")
			for _, text := range want {
				if !strings.Contains(all, text) {
					return false, all
				}
			}
			return true, all
		})
		w.mu.Lock()
		defer w.mu.Unlock()
		left := 0
		for _, f := range w.faults {
			if !w.isExcused(f) {
				left++
			}
		}
		if left != len(w.faults)-1 || left < 3 {
			t.Errorf("%d faults are left of %q, want all but the excused one", left, w.faults)
		}
		w.faults = nil // they were made on purpose
	})
}
