package main

import (
	"fmt"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

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
	return opensRoom(s.t, c)
}

// opensRoom opens a room over a socket.
func opensRoom(t *testing.T, c *websocket.Conn) (code, publish, watch string) {
	t.Helper()
	for _, m := range []map[string]any{{"type": "hello", "version": 1}, {"type": "create"}} {
		if err := c.WriteJSON(m); err != nil {
			t.Fatal(err)
		}
	}
	for {
		var m struct {
			Type            string
			Room            struct{ Code string }
			Encoder, Player struct{ Token string }
		}
		if err := c.ReadJSON(&m); err != nil {
			t.Fatal(err)
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
		"two pictures": {"/whip/" + code, "application/sdp", sdpOf("sendonly", "VP8/90000", "actpass") + secondLine("video"), token, 422},
		"application":  {"/whip/" + code, "application/sdp", sdpOf("sendonly", "VP8/90000", "actpass") + secondLine("application"), token, 422},
		"no bundle, unequal ufrags": {
			"/whip/" + code, "application/sdp",
			strings.Replace(sdpOf("sendonly", "VP8/90000", "actpass"), "a=group:BUNDLE 0\r\n", "", 1) + secondLine("audio"), token, 422,
		},
		"no codec": {"/whip/" + code, "application/sdp", sdpOf("sendonly", "H261/90000", "actpass"), token, 422},
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
	encoder.patch("encoder")
	player.goesOn()
	player.patch("player")
	player.goesOn()
	for name, g := range map[string]*guest{"encoder": encoder, "player": player} {
		for _, want := range []int{200, 404} {
			if answer, _ := g.request("DELETE", g.at, "", ""); answer.StatusCode != want {
				t.Errorf("%s: DELETE: %d, want %d", name, answer.StatusCode, want)
			}
		}
	}
}

// sdpOf is an offer of one picture.
func sdpOf(direction, codec, setup string) string {
	return strings.ReplaceAll("v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nt=0 0\na=group:BUNDLE 0\nm=video 9 UDP/TLS/RTP/SAVPF 96\nc=IN IP4 0.0.0.0\n"+
		"a=mid:0\na=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\na=rtcp-mux\na=setup:"+setup+"\na="+direction+
		"\na=fingerprint:sha-256 "+strings.TrimSuffix(strings.Repeat("AB:", 32), ":")+"\na=rtpmap:96 "+codec+"\na=msid:s t\na=ssrc:1 cname:c\n", "\n", "\r\n")
}

// secondLine is one more m-line for it, with ICE credentials of its own and not in the bundle.
func secondLine(kind string) string {
	one := sdpOf("sendonly", "opus/48000/2", "actpass")
	one = one[strings.Index(one, "m=video"):]
	return strings.NewReplacer("m=video", "m="+kind, "a=mid:0", "a=mid:1", "ufrag:abcd", "ufrag:efgh", "ssrc:1", "ssrc:2").Replace(one)
}

// A thousand that offer and are never heard of again. The engine gives up connections that do not come up within 20 s;
// nothing else has to be waited for, except that a room without an encoder stays open for a minute.
func TestGuestsThatAreNeverHeardOf(t *testing.T) {
	s := start(t, "--open", "--tls", "off", "--capacity", "0")
	g := newGuest(t, "http://127.0.0.1:"+s.port)
	g.publish("/whip/hall")
	player := newGuest(t, g.base)
	player.play("/whep/hall")
	player.sees()
	counts := player.listen("viewercount")
	if got := <-counts; got != `{"viewercount":1}` {
		t.Fatalf("the stream begins with %s", got)
	}
	before := runtime.NumGoroutine()
	for i := range 1000 {
		url, direction := "/whep/hall", "recvonly"
		if i%20 == 0 { // no more than 64 casters may be on their way up
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
		for _, want := range []string{"castcode_sessions 2\n", "castcode_encoders 1\n", "castcode_players 1\n", "castcode_media_viewers 1\n", "castcode_casts 1\n"} {
			if !strings.Contains(text, "\n"+want) {
				left += want
			}
		}
		if n := runtime.NumGoroutine(); n > before+10 {
			left += fmt.Sprintf("%d goroutines, %d before", n, before)
		}
		if left == "" {
			break
		}
	}
	if left != "" {
		t.Fatalf("not come true: %s", left)
	}
	// The stream is older than what the server gives an ordinary request.
	last := ""
	for timeout := time.After(10 * time.Second); last != `{"viewercount":1}`; {
		select {
		case last = <-counts:
		case <-timeout:
			t.Fatalf("the last count of viewers is %s", last)
		}
	}
}
