package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// withoutUDP takes the server's UDP addresses out of the answers that a page gets, until window.udpOpen is set.
const withoutUDP = `{
  const set = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function (description) {
    const sdp = window.udpOpen ? description.sdp : description.sdp.replace(/^a=candidate:\S+ \d+ udp .*\r\n/gm, '');
    return set.call(this, { type: description.type, sdp });
  };
}`

// waitPath waits until media takes a way.
func (w *window) waitPath(within time.Duration, kind, protocol string) time.Duration {
	w.t.Helper()
	begun := time.Now()
	eventually(w.t, within, w.name+": media over "+kind+" "+protocol, func() (bool, string) {
		p, err := try[path](w, pathOf)
		return err == nil && p.State == "connected" && p.Protocol == protocol && (p.Type == "relay") == (kind == "relay"), fmt.Sprintf("%+v %v", p, err)
	})
	return time.Since(begun)
}

// TestOverTCP casts and watches over plain TCP, in the browsers that there are, and the pages say so.
func TestOverTCP(t *testing.T) {
	st := onStage(t)
	fox := st.firefox(t)
	s := st.serve(t)
	st.pattern(t, 1)
	c := st.openCaster(t, s, "?ice=tcp")
	c.castAlone()
	code := s.keepSecret(c.roomCode())
	c.waitPath(joinTime, "direct", "tcp")
	for _, v := range []*viewer{
		st.joinLink(t, s, "Chromium", code, "?ice=tcp&lang=zh-CN"),
		{fox.open(t, "Firefox", s.url("/w?ice=tcp#c="+code), readerOf("#picture"))},
	} {
		v.settle()
		f := v.watch(4*time.Second, 4)
		t.Logf("%s: %v, %+v", v.name, f, v.path())
		if p := v.path(); p.Type == "relay" || p.Protocol != "tcp" {
			t.Errorf("%s: the path is %+v", v.name, p)
		}
		eval[bool](v.window, `document.dispatchEvent(new KeyboardEvent('keydown', { key: 'i' }))`)
		eventually(t, joinTime, v.name+": the path in the numbers", func() (bool, string) {
			text := eval[string](v.window, `document.querySelector('#stats').textContent`)
			return strings.Contains(text, "TCP – "), text
		})
	}
	eventually(t, joinTime, "caster: the path, and why", func() (bool, string) {
		text := eval[string](c.window, `document.querySelector('#numbers').textContent + '; ' + (document.querySelector('#slower').hidden ? '' : document.querySelector('#slower').textContent)`)
		return strings.HasSuffix(text, " · TCP; This network blocks UDP; using a slower path."), text
	})
}

// TestBackToUDP: pages that had to take TCP look whether UDP passes by now, and go back to it without a gap.
func TestBackToUDP(t *testing.T) {
	st := onStage(t)
	s := st.serve(t)
	st.pattern(t, 1)
	c := &caster{st.headed.open(t, "caster", s.url("/"), withScript(withoutUDP))}
	c.waitState(joinTime, "idle")
	c.castAlone()
	code := s.keepSecret(c.roomCode())
	v := &viewer{st.headless.open(t, "viewer", s.url("/w#c="+code), withReader("#picture"), withScript(withoutUDP))}
	v.settle()
	c.waitPath(joinTime, "direct", "tcp")
	v.waitPath(joinTime, "direct", "tcp")
	v.clear()
	for _, w := range []*window{c.window, v.window} {
		eval[bool](w, `(window.udpOpen = true)`)
	}
	for _, w := range []*window{c.window, v.window} {
		took := w.waitPath(30*time.Second, "direct", "udp")
		t.Logf("%s: over UDP %.1f s after that could be", w.name, took.Seconds())
	}
	if f := v.figures(); f.Blank > 0 || f.LongestGap > 1000 {
		t.Errorf("the picture stood still or went away: %v", f)
	} else {
		t.Logf("viewer, meanwhile: %v", f)
	}
	v.watch(2*time.Second, 4)
	if hidden := eval[bool](c.window, `document.querySelector('#slower').hidden`); !hidden {
		eventually(t, joinTime, "caster: no word of TCP", func() (bool, string) {
			return eval[bool](c.window, `document.querySelector('#slower').hidden`), ""
		})
	}
}
