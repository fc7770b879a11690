package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/webrtc/v3"
	"github.com/pion/webrtc/v3/pkg/media"
)

// guest is an encoder or player of pion's, over WHIP or WHEP.
type guest struct {
	t    *testing.T
	base string // of the server
	pc   *webrtc.PeerConnection
	at   string      // its resource
	head http.Header // of the answer to its offer
	got  chan string // kinds of tracks that have brought a packet

	answer func(sdp string) string // what to make of an answer; nil: it stays
	client *http.Client            // nil: the default one

	packets atomic.Uint64 // that have arrived
}

func newGuest(t *testing.T, base string) *guest {
	t.Helper()
	return newGuestWith(t, base, webrtc.Configuration{})
}

func newGuestWith(t *testing.T, base string, config webrtc.Configuration) *guest {
	t.Helper()
	return newGuestBy(t, base, config, func(*webrtc.SettingEngine) {})
}

func newGuestBy(t *testing.T, base string, config webrtc.Configuration, change func(*webrtc.SettingEngine)) *guest {
	t.Helper()
	m := &webrtc.MediaEngine{}
	if err := m.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	s := webrtc.SettingEngine{}
	s.SetIncludeLoopbackCandidate(true)
	change(&s)
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithSettingEngine(s)).NewPeerConnection(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	return &guest{t: t, base: base, pc: pc, got: make(chan string, 16)}
}

// request sends one and gives the answer and its body.
func (g *guest) request(method, url, kind, body string, headers ...string) (*http.Response, string) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, g.base+url, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	client := g.client
	if client == nil {
		client = http.DefaultClient
	}
	answer, err := client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return answer, string(text)
}

// offer makes the connection's offer, with all candidates.
func (g *guest) offer() string {
	g.t.Helper()
	offer, err := g.pc.CreateOffer(nil)
	if err != nil {
		g.t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(g.pc)
	if err := g.pc.SetLocalDescription(offer); err != nil {
		g.t.Fatal(err)
	}
	<-gathered
	return g.pc.LocalDescription().SDP
}

// post hands the offer in, again while nobody casts, and takes the answer.
func (g *guest) post(url string, headers ...string) {
	g.t.Helper()
	offer := g.offer()
	answer, sdp := g.request("POST", url, "application/sdp", offer, headers...)
	for deadline := time.Now().Add(15 * time.Second); answer.StatusCode == http.StatusConflict; time.Sleep(20 * time.Millisecond) {
		if answer.Header.Get("Retry-After") != "2" || time.Now().After(deadline) {
			g.t.Fatalf("nobody casts: %v %s", answer.Header, sdp)
		}
		answer, sdp = g.request("POST", url, "application/sdp", offer, headers...)
	}
	if answer.StatusCode != http.StatusCreated {
		g.t.Fatalf("%s: %d %s", url, answer.StatusCode, sdp)
	}
	g.at, g.head = answer.Header.Get("Location"), answer.Header
	if g.answer != nil {
		sdp = g.answer(sdp)
	}
	if err := g.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: sdp}); err != nil {
		g.t.Fatalf("%v in %s", err, sdp)
	}
}

// publish casts a picture and a sound until the test ends.
func (g *guest) publish(url string, headers ...string) {
	g.t.Helper()
	picture, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "video", "cast")
	if err != nil {
		g.t.Fatal(err)
	}
	sound, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "audio", "cast")
	if err != nil {
		g.t.Fatal(err)
	}
	for _, track := range []webrtc.TrackLocal{picture, sound} {
		if _, err := g.pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}); err != nil {
			g.t.Fatal(err)
		}
	}
	g.post(url, headers...)
	done, ended := make(chan struct{}), make(chan struct{})
	g.t.Cleanup(func() { close(done); <-ended })
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		// A keyframe of VP8 as far as its header: 320 by 240.
		frame := append([]byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0}, make([]byte, 600)...)
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				_ = picture.WriteSample(media.Sample{Data: frame, Duration: 20 * time.Millisecond}) // fails once closed
				_ = sound.WriteSample(media.Sample{Data: []byte{0xfc, 0xff, 0xfe}, Duration: 20 * time.Millisecond})
			}
		}
	}()
}

// play watches, and gives the kinds of tracks that bring packets to got.
func (g *guest) play(url string, headers ...string) {
	g.t.Helper()
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio} {
		if _, err := g.pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			g.t.Fatal(err)
		}
	}
	g.pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for first := true; ; first = false {
			if _, _, err := track.ReadRTP(); err != nil {
				return
			}
			g.packets.Add(1)
			if first {
				g.got <- track.Kind().String()
			}
		}
	})
	g.post(url, headers...)
}

// sees waits for a picture and a sound.
func (g *guest) sees() {
	g.t.Helper()
	seen := map[string]bool{}
	for timeout := time.After(15 * time.Second); len(seen) < 2; {
		select {
		case kind := <-g.got:
			seen[kind] = true
		case <-timeout:
			g.t.Fatalf("only %v arrived", seen)
		}
	}
}

// patch trickles, and restarts ICE.
func (g *guest) patch(name string) {
	g.t.Helper()
	const kind = "application/trickle-ice-sdpfrag"
	etag := g.head.Get("ETag")
	candidate := "a=candidate:1 1 udp 1 169.254.169.254 80 typ host\r\na=end-of-candidates\r\n"
	if answer, body := g.request("PATCH", g.at, kind, candidate, "If-Match", etag); answer.StatusCode != 204 || body != "" || answer.Header.Get("ETag") != "" {
		g.t.Errorf("%s: trickle: %d %v %s", name, answer.StatusCode, answer.Header, body)
	}
	g.restart(name)
	if answer, _ := g.request("PATCH", g.at, kind, candidate, "If-Match", etag); answer.StatusCode != 412 {
		g.t.Errorf("%s: stale: %d", name, answer.StatusCode)
	}
}

// restart gives the connection a new path, as a client does whose network has changed.
func (g *guest) restart(name string) {
	g.t.Helper()
	connected := make(chan struct{}, 16)
	g.pc.OnICEConnectionStateChange(func(s webrtc.ICEConnectionState) {
		if s == webrtc.ICEConnectionStateConnected {
			connected <- struct{}{}
		}
	})
	sdp := g.pc.RemoteDescription().SDP
	offer, err := g.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
	if err != nil {
		g.t.Fatal(err)
	}
	if err := g.pc.SetLocalDescription(offer); err != nil {
		g.t.Fatal(err)
	}
	fragment := ""
	for _, attribute := range []string{"ice-ufrag", "ice-pwd"} {
		fragment += "a=" + attribute + ":" + valueOf(offer.SDP, attribute) + "\r\n"
	}
	answer, body := g.request("PATCH", g.at, "application/trickle-ice-sdpfrag", fragment, "If-Match", "*")
	if answer.StatusCode != 200 || answer.Header.Get("ETag") == g.head.Get("ETag") || !strings.Contains(body, "a=ice-lite\r\n") ||
		!strings.Contains(body, " typ host") || !strings.Contains(body, "a=mid:") {
		g.t.Fatalf("%s: restart: %d %v %s", name, answer.StatusCode, answer.Header, body)
	}
	for _, attribute := range []string{"ice-ufrag", "ice-pwd"} {
		if valueOf(sdp, attribute) == valueOf(body, attribute) {
			g.t.Errorf("%s: the server keeps its %s", name, attribute)
		}
		sdp = strings.ReplaceAll(sdp, "a="+attribute+":"+valueOf(sdp, attribute), "a="+attribute+":"+valueOf(body, attribute))
	}
	if err := g.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: sdp}); err != nil {
		g.t.Fatal(err)
	}
	select {
	case <-connected:
	case <-time.After(15 * time.Second):
		g.t.Fatalf("%s: not connected under the new credentials", name)
	}
}

// valueOf is the first value of an attribute.
func valueOf(sdp, attribute string) string {
	_, rest, _ := strings.Cut(sdp, "a="+attribute+":")
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

// listen opens an event stream and gives the data of what comes until the test ends.
func (g *guest) listen(event string) <-chan string {
	g.t.Helper()
	answer, body := g.request("POST", g.at+"/events", "application/json", `["`+event+`"]`)
	if answer.StatusCode != 201 {
		g.t.Fatalf("events: %d %s", answer.StatusCode, body)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, "GET", g.base+answer.Header.Get("Location"), nil)
	if err != nil {
		g.t.Fatal(err)
	}
	stream, err := http.DefaultClient.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	data, done := make(chan string, 1024), make(chan struct{})
	g.t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		defer stream.Body.Close() //nolint:errcheck // it was read
		for lines := bufio.NewScanner(stream.Body); lines.Scan(); {
			if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				data <- text
			}
		}
	}()
	return data
}

// goesOn waits for half a second's worth of new packets.
func (g *guest) goesOn() {
	g.t.Helper()
	before := g.packets.Load()
	for deadline := time.Now().Add(15 * time.Second); g.packets.Load() < before+50; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			g.t.Fatalf("%d packets came", g.packets.Load()-before)
		}
	}
}
