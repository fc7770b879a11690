package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
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
}

func newGuest(t *testing.T, base string) *guest {
	t.Helper()
	m := &webrtc.MediaEngine{}
	if err := m.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	s := webrtc.SettingEngine{}
	s.SetIncludeLoopbackCandidate(true)
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithSettingEngine(s)).NewPeerConnection(webrtc.Configuration{})
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
	answer, err := http.DefaultClient.Do(r)
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
		if _, _, err := track.ReadRTP(); err == nil {
			g.got <- track.Kind().String()
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

// The doors of a closed network: plain HTTP on loopback, names for rooms, no tokens.
func TestEncoderAndPlayer(t *testing.T) {
	s := start(t, "--open", "--tls", "off")
	base := "http://127.0.0.1:" + s.port
	encoder := newGuest(t, base)
	encoder.publish("/whip/Hall%20%C3%84")
	player := newGuest(t, base)
	player.play("/whep/hall%20%C3%A4")
	player.sees()
	if answer, _ := player.request("DELETE", player.at, "", ""); answer.StatusCode != http.StatusOK {
		t.Fatalf("DELETE: %d", answer.StatusCode)
	}
	if answer, _ := player.request("DELETE", player.at, "", ""); answer.StatusCode != http.StatusNotFound {
		t.Fatalf("DELETE again: %d", answer.StatusCode)
	}
	if answer, _ := encoder.request("DELETE", encoder.at, "", ""); answer.StatusCode != http.StatusOK {
		t.Fatalf("DELETE of the encoder: %d", answer.StatusCode)
	}
}

// room opens a room over the socket, as a page does, and gives its code and tokens.
func (s *started) room() (code, publish, watch string) {
	s.t.Helper()
	at := "ws://localhost:" + s.port + "/ws"
	c, _, err := websocket.DefaultDialer.Dial(at, http.Header{"Origin": {"http://localhost:" + s.port}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	for _, m := range []map[string]any{{"type": "hello", "version": 1}, {"type": "create"}} {
		if err := c.WriteJSON(m); err != nil {
			s.t.Fatal(err)
		}
	}
	for {
		var m struct {
			Type            string
			Room            struct{ Code string }
			Encoder, Player struct{ Token string }
		}
		if err := c.ReadJSON(&m); err != nil {
			s.t.Fatal(err)
		}
		if m.Type == "created" {
			return m.Room.Code, m.Encoder.Token, m.Player.Token
		}
	}
}

// What an encoder and a player meet on a server with the usual settings, where media is real: tokens, what cannot be
// used, trickle and restart.
func TestGuestsWithTokens(t *testing.T) {
	s := start(t)
	base := "http://localhost:" + s.port // to this machine plain HTTP is as good as HTTPS
	code, publish, watch := s.room()
	token := []string{"Authorization", "Bearer " + publish}
	encoder := newGuest(t, base)
	for name, c := range map[string]struct {
		url, kind, body string
		headers         []string
		status          int
	}{
		"no token":     {"/whip/" + code, "application/sdp", "v=0", nil, 401},
		"wrong type":   {"/whip/" + code, "text/plain", "v=0", token, 415},
		"65 KiB":       {"/whip/" + code, "application/sdp", strings.Repeat("x", 65<<10), token, 413},
		"no SDP":       {"/whip/" + code, "application/sdp", "hello", token, 400},
		"half an SDP":  {"/whip/" + code, "application/sdp", "v=0\r\nm=video\r\n", token, 400},
		"no m-line":    {"/whip/" + code, "application/sdp", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", token, 422},
		"unknown code": {"/whep/000000000", "application/sdp", sdpOf("recvonly", "VP8/90000", "actpass"), nil, 404},
		"waiting":      {"/whep/" + code, "application/sdp", sdpOf("recvonly", "VP8/90000", "actpass"), nil, 409},
		"recvonly":     {"/whip/" + code, "application/sdp", sdpOf("recvonly", "VP8/90000", "actpass"), token, 422},
		"no codec":     {"/whip/" + code, "application/sdp", sdpOf("sendonly", "H261/90000", "actpass"), token, 422},
	} {
		answer, body := encoder.request("POST", c.url, c.kind, c.body, c.headers...)
		if answer.StatusCode != c.status || answer.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s, want %d", name, answer.StatusCode, body, c.status)
		}
	}
	for _, setup := range []string{"actpass", "active"} {
		answer, body := encoder.request("POST", "/whip/"+code, "application/sdp", sdpOf("sendonly", "VP8/90000", setup), token...)
		if answer.StatusCode != 201 || !strings.Contains(body, "a=setup:passive") || !strings.Contains(body, "a=ice-lite") {
			t.Errorf("setup:%s: %d %s", setup, answer.StatusCode, body)
		}
	}
	encoder.publish("/whip/"+code, token...)
	if links := encoder.head.Values("Link"); len(links) < 2 || !strings.Contains(links[0], `credential-type="password"`) {
		t.Errorf("links %q", links)
	}
	player := newGuest(t, base)
	player.play("/whep/"+code, "Authorization", "Bearer "+watch)
	player.sees()
	for name, g := range map[string]*guest{"encoder": encoder, "player": player} {
		g.patch(name)
	}
}

// sdpOf is an offer of one picture.
func sdpOf(direction, codec, setup string) string {
	return strings.ReplaceAll("v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nt=0 0\na=group:BUNDLE 0\nm=video 9 UDP/TLS/RTP/SAVPF 96\nc=IN IP4 0.0.0.0\n"+
		"a=mid:0\na=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\na=rtcp-mux\na=setup:"+setup+"\na="+direction+
		"\na=fingerprint:sha-256 "+strings.TrimSuffix(strings.Repeat("AB:", 32), ":")+"\na=rtpmap:96 "+codec+"\na=msid:s t\na=ssrc:1 cname:c\n", "\n", "\r\n")
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
	anew := "a=ice-ufrag:anew\r\na=ice-pwd:0123456789012345678901\r\n"
	answer, body := g.request("PATCH", g.at, kind, anew, "If-Match", "*")
	if answer.StatusCode != 200 || answer.Header.Get("ETag") == etag || !strings.Contains(body, "a=ice-ufrag:") ||
		!strings.Contains(body, "a=ice-lite") || !strings.Contains(body, "typ host") || !strings.Contains(body, "a=mid:") {
		g.t.Errorf("%s: restart: %d %v %s", name, answer.StatusCode, answer.Header, body)
	}
	if answer, _ := g.request("PATCH", g.at, kind, candidate, "If-Match", etag); answer.StatusCode != 412 {
		g.t.Errorf("%s: stale: %d", name, answer.StatusCode)
	}
	if answer, _ := g.request("DELETE", g.at, "", ""); answer.StatusCode != 200 {
		g.t.Errorf("%s: DELETE: %d", name, answer.StatusCode)
	}
}

// A thousand that offer and are never heard of again. The engine gives up connections that do not come up within 20 s;
// nothing else has to be waited for, except that a room without an encoder stays open for a minute.
func TestGuestsThatAreNeverHeardOf(t *testing.T) {
	s := start(t, "--open", "--tls", "off", "--capacity", "0")
	g := newGuest(t, "http://127.0.0.1:"+s.port)
	g.publish("/whip/hall")
	g.sustained("/whep/hall")
	before := runtime.NumGoroutine()
	for i := range 1000 {
		url, direction := "/whep/hall", "recvonly"
		if i%10 == 0 {
			url, direction = fmt.Sprintf("/whip/room%d", i), "sendonly"
		}
		if answer, body := g.request("POST", url, "application/sdp", sdpOf(direction, "VP8/90000", "actpass")); answer.StatusCode != 201 {
			t.Fatalf("%d: %d %s", i, answer.StatusCode, body)
		}
	}
	metrics := regexp.MustCompile(`http://127\.0\.0\.1:\d+/metrics`).FindString(s.out.String())
	left := ""
	for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		http.DefaultClient.CloseIdleConnections()
		_, text := (&guest{t: t}).request("GET", metrics, "", "")
		left = ""
		for _, want := range []string{"castcode_sessions 1\n", "castcode_encoders 1\n", "castcode_players 0\n", "castcode_media_viewers 0\n", "castcode_casts 1\n"} {
			if !strings.Contains(text, "\n"+want) {
				left += want
			}
		}
		if n := runtime.NumGoroutine(); n > before+10 {
			left += fmt.Sprintf("%d goroutines, %d before", n, before)
		}
		if left == "" {
			return
		}
	}
	t.Fatalf("not come true: %s", left)
}

// sustained waits until the room is live: a player is let in, and leaves.
func (g *guest) sustained(url string) {
	g.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		answer, body := g.request("POST", url, "application/sdp", sdpOf("recvonly", "VP8/90000", "actpass"))
		if answer.StatusCode == 201 {
			g.request("DELETE", answer.Header.Get("Location"), "", "")
			return
		}
		if answer.StatusCode != 409 || time.Now().After(deadline) {
			g.t.Fatalf("%d %s", answer.StatusCode, body)
		}
	}
}
