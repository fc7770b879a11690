package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// hostFrom opens a room for an encoder from the start page.
func (w *window) hostFrom(button string) {
	w.t.Helper()
	w.click(button)
	w.waitState(joinTime, "encoder")
}

// text is what people read in an element; empty when it is not in sight.
func (w *window) text(css string) string {
	w.t.Helper()
	return eval[string](w, `(() => { const e = document.querySelector(`+quote(css)+`); return e && e.checkVisibility() ? e.innerText.trim() : ''; })()`)
}

// value is what stands in a field.
func (w *window) value(css string) string {
	w.t.Helper()
	return eval[string](w, `document.querySelector(`+quote(css)+`).value`)
}

// copies presses a button and answers what it has put on the clipboard.
func (w *window) copies(css string) string {
	w.t.Helper()
	eval[bool](w, `(navigator.clipboard.writeText = async (text) => { window.copied = text; }, window.copied = '', true)`)
	w.click(css)
	var got string
	eventually(w.t, stepTime, w.name+": copied by "+css, func() (bool, string) {
		got = eval[string](w, `window.copied`)
		return got != "", ""
	})
	return got
}

// hears lets the page hear a message of the server about its encoder.
func (w *window) hears(message string) {
	w.t.Helper()
	eval[bool](w, `window.castcode.session.dispatchEvent(new CustomEvent('encoder', { detail: `+message+` }))`)
}

// TestEncoderPanel opens a room for an encoder and looks at what the page offers and says.
func TestEncoderPanel(t *testing.T) {
	st := onStage(t)
	s := st.serve(t)
	w := st.headless.open(t, "host", s.url("/"))
	w.waitState(joinTime, "idle")
	w.hostFrom("#host-home")
	c := &caster{w}
	code := s.keepSecret(c.roomCode())

	whip, whep := s.url("/whip/"+code), s.url("/whep/"+code)
	if got := w.value("#whip-url"); got != whip {
		t.Errorf("the address of encoders is %q, want %q", got, whip)
	}
	if got := w.value("#whep-url"); got != whep {
		t.Errorf("the address of players is %q, want %q", got, whep)
	}
	if w.text("#preview-frame") != "" || w.text("#freeze") != "" {
		t.Error("the page shows a preview or a button of a cast that it does not send")
	}
	if got := w.text("#health-state"); got != "Waiting for the encoder" {
		t.Errorf("the page says %q", got)
	}

	token := w.lookAtToken()
	s.keepSecret(token)
	w.click("#tab-obs")
	for css, want := range map[string]string{"#copy-whip": whip, "#copy-whep": whep, "#copy-obs-url": whip} {
		if got := w.copies(css); got != want {
			t.Errorf("%s copies %q, want %q", css, got, want)
		}
	}
	for _, tool := range []string{"gstreamer", "ffmpeg"} {
		w.click("#tab-" + tool)
		line := w.copies("#copy-" + tool)
		if !strings.Contains(line, `"`+whip+`"`) || !strings.Contains(line, `"`+token+`"`) {
			t.Errorf("the line for %s lacks the address or the token: %s", tool, line)
		}
	}
	w.checkHealth()

	eval[bool](w, `(location.reload(), true)`)
	w.waitState(joinTime, "encoder")
	if again := c.roomCode(); again != code {
		t.Errorf("after a reload the room's code is %s, want %s", again, code)
	}
	w.click("#stop")
	w.waitState(joinTime, "ended")
}

// lookAtToken makes sure that the token is nowhere in the page until it is asked for, and answers it.
func (w *window) lookAtToken() string {
	w.t.Helper()
	token := w.copies("#copy-token")
	if len(token) < 20 {
		w.t.Fatalf("the token %q is too short for one", token)
	}
	everywhere := `document.documentElement.outerHTML + [...document.querySelectorAll('input')].map((i) => i.value).join()`
	if strings.Contains(eval[string](w, everywhere), token) {
		w.t.Error("the token stands in the page before anybody asked for it")
	}
	w.click("#show-token")
	if got := w.value("#whip-token"); got != token {
		w.t.Errorf("the token is shown as %q", got)
	}
	w.click("#tab-phone")
	eventually(w.t, stepTime, w.name+": QR codes of address and token", func() (bool, string) {
		n := eval[int](w, `['#whip-qr', '#token-qr'].filter((id) => document.querySelector(id).checkVisibility()).length`)
		return n == 2, fmt.Sprint(n)
	})
	w.click("#show-token")
	if strings.Contains(eval[string](w, everywhere), token) {
		w.t.Error("the token stands in the page after it was hidden")
	}
	if w.text("#token-qr") != "" || eval[bool](w, `document.querySelector('#token-qr').checkVisibility()`) {
		w.t.Error("the token's QR code is in sight after it was hidden")
	}
	return token
}

// checkHealth tells the page all that there is to tell of an encoder, and reads what it says.
func (w *window) checkHealth() {
	w.t.Helper()
	w.hears(`{ present: true, agent: 'OBS', since: 61000, warnings: ['no_keyframe', 'b_frames', 'no_audio', 'timestamps', 'codec', 'from_tomorrow'],
		streams: [{ slot: 'screen', rid: '', codec: 'H264', width: 1920, height: 1080, fps: 29.97, bitrate: 4210000, keyframe: 12400 }] }`)
	if got := w.text("#health-state"); got != "OBS is casting" {
		w.t.Errorf("the page says %q of an encoder", got)
	}
	if got := w.text("#health-time"); !strings.HasPrefix(got, "0:01:0") {
		w.t.Errorf("the encoder is there for %q", got)
	}
	facts := w.text("#health-streams")
	for _, want := range []string{"Picture", "H264", "1920 × 1080", "30 fps", "4.2 Mbit/s", "keyframe 12 s ago"} {
		if !strings.Contains(facts, want) {
			w.t.Errorf("what the encoder sends is told as %q, without %q", facts, want)
		}
	}
	warned := eval[string](w, `[...document.querySelectorAll('#health-warnings li')].map((i) => i.dataset.warning).join()`)
	if warned != "no_keyframe,b_frames,no_audio,timestamps,codec" {
		w.t.Errorf("the page warns of %s", warned)
	}
	w.hears(`{ present: false, agent: 'OBS', since: 0, streams: [], warnings: [], refused: { code: 'bad_offer', reason: 'two video tracks' } }`)
	if got := w.text("#health-state"); got != "OBS is gone" {
		w.t.Errorf("the page says %q of an encoder that left", got)
	}
	if got := w.text("#health-refused"); !strings.Contains(got, "refused") || !strings.Contains(got, "two video tracks") {
		w.t.Errorf("the page says %q of a refusal", got)
	}
	if got := w.text("#health-warnings"); got != "" {
		w.t.Errorf("the page still warns: %q", got)
	}
}

// TestHandOver lets an encoder take over from a cast of the screen, and the screen from the encoder.
func TestHandOver(t *testing.T) {
	st := onStage(t)
	s := st.serve(t)
	st.pattern(t, 2)
	c := st.openCaster(t, s, "")
	c.castAlone()
	code := c.roomCode()
	v := st.joinLink(t, s, "viewer", code, "")
	v.settle()

	if c.text("#encoder") != "" {
		t.Error("the panel is open before anybody asked for it")
	}
	c.click("#encoder-open")
	if got := c.text("#health-state"); got != "This page is casting" {
		t.Errorf("the panel says %q", got)
	}
	c.keys("\x1b")
	if c.text("#encoder") != "" || eval[string](c.window, `document.activeElement.id`) != "encoder-open" {
		t.Error("the panel does not close by the escape key, or loses the focus")
	}
	c.click("#encoder-open")
	c.click("#hand-over")
	c.waitState(joinTime, "encoder")
	if peer := eval[bool](c.window, `window.castcode.peer === null`); !peer {
		t.Error("the page has a connection after it has handed over")
	}
	c.waitMembers(0, 1)

	c.click("#change-source")
	c.waitState(joinTime, "live")
	v.settle()
	if again := c.roomCode(); again != code {
		t.Errorf("the room's code is %s, was %s", again, code)
	}
}
