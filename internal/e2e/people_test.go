package e2e

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// The people of a test: a display on the wall, a caster with a laptop, viewers. Each is a window and knows nothing
// but what a person sees; the ids are the contract with the pages.

// site is where a page comes from: a server, or a proxy before it.
type site interface{ url(path string) string }

// joinTime bounds what takes a second or two on an idle machine: accepting a code, connecting, the first frame.
const joinTime = 20 * time.Second

type display struct{ *window }

// openDisplay opens /d and waits for its code.
func (st *stage) openDisplay(t *testing.T, at site, name, query string) *display {
	t.Helper()
	d := &display{st.headless.open(t, "display "+name, at.url("/d?name="+url.QueryEscape(name)+query), withReader("#picture"))}
	d.waitState(joinTime, "code")
	return d
}

// code is the six digits (eight in attack mode) that the display shows.
func (d *display) code() string {
	d.t.Helper()
	return d.digits("#code", 6)
}

// digits waits for the element to carry a code of n digits, and checks that people see the same digits.
func (w *window) digits(css string, n int) string {
	w.t.Helper()
	var code string
	eventually(w.t, joinTime, w.name+": digits in "+css, func() (bool, string) {
		both, err := try[[2]string](w, `(() => { const e = document.querySelector(`+quote(css)+`); return [e?.dataset.code ?? '', e?.innerText ?? '']; })()`)
		if err != nil {
			return false, err.Error()
		}
		code = both[0]
		shown := regexp.MustCompile(`\D`).ReplaceAllString(both[1], "")
		return len(code) == n && strings.Contains(shown, code), fmt.Sprintf("code %q, shown as %q", both[0], both[1])
	})
	return code
}

// typeCode types a code into the boxes as people do: into the first box, digit after digit, without pressing
// anything at the end. What stands in the boxes from an earlier try is taken away with the backspace key first.
func (w *window) typeCode(css, code string) {
	w.t.Helper()
	w.do(chromedp.WaitVisible(chromedp.CSS(css + " input")))
	if eval[bool](w, `[...document.querySelectorAll(`+quote(css+" input")+`)].some((i) => i.value)`) {
		w.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			boxes, err := chromedp.Nodes(chromedp.CSSAll(css+" input"))(ctx, target)
			if err != nil {
				return err
			}
			_, err = chromedp.MouseClickNode(boxes[len(boxes)-1])(ctx, target)
			return err
		}))
		for range len(code) + 3 {
			w.keys("\b")
		}
	}
	w.do(chromedp.Click(chromedp.CSS(css + " input")))
	for _, digit := range code {
		w.do(chromedp.KeyEvent(string(digit)), chromedp.Sleep(80*time.Millisecond)) // a quick typist
	}
}

// waitError waits for a stable error code at the element and answers the text that people read.
func (w *window) waitError(within time.Duration, css, code string) string {
	w.t.Helper()
	var text string
	eventually(w.t, within, w.name+": error "+code+" in "+css, func() (bool, string) {
		both, err := try[[2]string](w, `(() => { const e = document.querySelector(`+quote(css)+`); return [e?.dataset.code ?? '', e?.innerText ?? '']; })()`)
		if err != nil {
			return false, err.Error()
		}
		text = strings.TrimSpace(both[1])
		return both[0] == code && text != "", fmt.Sprintf("code %q, text %q; %s", both[0], both[1], w.describe())
	})
	return text
}

// firstNumber is the first number in a text for people.
func firstNumber(text string) int {
	n, err := strconv.Atoi(regexp.MustCompile(`\d+`).FindString(text))
	if err != nil {
		return -1
	}
	return n
}

type caster struct{ *window }

// openCaster opens the start page in the browser that can capture the pattern window.
func (st *stage) openCaster(t *testing.T, at site, query string) *caster {
	t.Helper()
	c := &caster{st.headed.open(t, "caster", at.url("/"+query))}
	c.waitState(joinTime, "idle")
	return c
}

// castTo types the code of a display and shares the pattern.
func (c *caster) castTo(code string) {
	c.t.Helper()
	c.typeCode("#code", code)
	c.waitState(joinTime, "choosing")
	c.share()
}

// castAlone starts a cast without a display.
func (c *caster) castAlone() {
	c.t.Helper()
	c.click("#start")
	c.waitState(joinTime, "choosing")
	c.share()
}

// share presses the button that captures, and waits until the cast is live.
func (c *caster) share() {
	c.t.Helper()
	c.click("#share")
	c.waitState(joinTime, "live")
}

// roomCode is the nine digits that viewers type.
func (c *caster) roomCode() string {
	c.t.Helper()
	return c.digits("#room-code", 9)
}

// waitMembers waits until the caster sees so many displays and viewers in its list.
func (c *caster) waitMembers(displays, viewers int) {
	c.t.Helper()
	eventually(c.t, joinTime, fmt.Sprintf("caster: %d displays and %d viewers in the list", displays, viewers), func() (bool, string) {
		n, err := try[[2]int](c.window, `['display', 'viewer'].map((r) => document.querySelectorAll('#members [data-peer][data-role="' + r + '"]').length)`)
		return err == nil && n == [2]int{displays, viewers}, fmt.Sprint(n, err)
	})
}

type viewer struct{ *window }

// joinTyped opens the start page and types the room's code there, which leads to /w.
func (st *stage) joinTyped(t *testing.T, at site, name, code string) *viewer {
	t.Helper()
	v := &viewer{st.headless.open(t, name, at.url("/"), withReader("#picture"))}
	v.waitState(joinTime, "idle")
	v.typeCode("#code", code)
	eventually(t, joinTime, name+": the watch page", func() (bool, string) {
		path, err := try[string](v.window, `location.pathname`)
		return err == nil && path == "/w", path
	})
	v.waitState(joinTime, "live")
	return v
}

// joinLink opens the room's link, as from a QR code.
func (st *stage) joinLink(t *testing.T, at site, name, code, query string) *viewer {
	t.Helper()
	return &viewer{st.headless.open(t, name, at.url("/w"+query+"#c="+code), withReader("#picture"))}
}

// path is what the selected candidate pair of the page's peer connection says about the way of the media.
type path struct {
	State    string `json:"state"`    // of the connection
	Type     string `json:"type"`     // of the local candidate: host, prflx, relay
	Relay    string `json:"relay"`    // how the page reaches the relay: udp, tcp, tls
	Protocol string `json:"protocol"` // udp or tcp
	TCP      string `json:"tcp"`      // which side of a TCP connection the local candidate is: active
	Remote   string `json:"remote"`   // address of the server
	Decoded  int    `json:"decoded"`  // frames, since this connection exists
}

const pathOf = `(async () => {
  const peer = window.castcode?.peer;
  if (!peer) return { state: 'none' };
  const stats = [...(await peer.getStats()).values()];
  const chosen = stats.find((s) => s.type === 'transport')?.selectedCandidatePairId;
  const pair = stats.find((s) => s.id === chosen) ?? stats.find((s) => s.type === 'candidate-pair' && s.selected);
  const local = stats.find((s) => s.id === pair?.localCandidateId);
  const remote = stats.find((s) => s.id === pair?.remoteCandidateId);
  const video = stats.find((s) => s.type === 'inbound-rtp' && s.kind === 'video');
  return { state: peer.connectionState, type: local?.candidateType ?? '', relay: local?.relayProtocol ?? '',
    protocol: local?.protocol ?? '', tcp: local?.tcpType ?? '', remote: remote?.address ?? '',
    decoded: video?.framesDecoded ?? 0 };
})()`

func (w *window) path() path {
	w.t.Helper()
	return eval[path](w, pathOf)
}

// sending is what a caster's connection says about the picture that leaves it.
type sending struct {
	State     string  `json:"state"`
	Width     int     `json:"width"`
	Height    int     `json:"height"`
	FPS       float64 `json:"fps"`
	Limited   string  `json:"limited"`   // by bandwidth, cpu, or none
	Target    float64 `json:"target"`    // bit/s that the encoder is given
	Available float64 `json:"available"` // bit/s that the congestion control believes in
	Path      string  `json:"path"`
}

const sendingOf = `(async () => {
  const peer = window.castcode?.peer;
  if (!peer) return { state: 'none' };
  const stats = [...(await peer.getStats()).values()];
  const chosen = stats.find((s) => s.type === 'transport')?.selectedCandidatePairId;
  const pair = stats.find((s) => s.id === chosen);
  const video = stats.find((s) => s.type === 'outbound-rtp' && s.kind === 'video');
  return { state: peer.connectionState, width: video?.frameWidth ?? 0, height: video?.frameHeight ?? 0,
    fps: video?.framesPerSecond ?? 0, limited: video?.qualityLimitationReason ?? '', target: video?.targetBitrate ?? 0,
    available: pair?.availableOutgoingBitrate ?? 0,
    path: [pair?.localCandidateId, pair?.remoteCandidateId].map((id) => { const c = stats.find((s) => s.id === id); return c?.candidateType + ' ' + c?.protocol + ' ' + c?.address; }).join(' > ') };
})()`

func (c *caster) sending() sending {
	c.t.Helper()
	return eval[sending](c.window, sendingOf)
}
