package main

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	pionturn "github.com/pion/turn/v2"
	"go.uber.org/goleak"

	"castcode/turn"
)

// relay asks the TURN server at the other end of conn for a relay, and whether it may send to each of peers.
func (s *started) relay(conn net.PacketConn, server string, peers ...string) []error {
	s.t.Helper()
	secret, err := os.ReadFile(filepath.Join(s.data, "secrets", "turn.secret"))
	if err != nil {
		s.t.Fatal(err)
	}
	user, password := turn.Credentials([]byte(strings.TrimSpace(string(secret))), "p_test", time.Now(), time.Minute)
	client, err := pionturn.NewClient(&pionturn.ClientConfig{
		STUNServerAddr: server, TURNServerAddr: server, Conn: conn, Username: user, Password: password, Realm: "castcode",
	})
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	if err := client.Listen(); err != nil {
		s.t.Fatal(err)
	}
	relay, err := client.Allocate()
	if err != nil {
		s.t.Errorf("%s: %v", server, err)
		return make([]error, len(peers))
	}
	defer relay.Close() //nolint:errcheck // the connection ends with the test
	var got []error
	for _, peer := range peers {
		got = append(got, client.CreatePermission(net.UDPAddrFromAddrPort(netip.MustParseAddrPort(peer))))
	}
	return got
}

// over opens a way to a TURN server.
func (s *started) over(transport, server string) net.PacketConn {
	s.t.Helper()
	var conn net.Conn
	var err error
	switch transport {
	case "udp":
		packet, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { _ = packet.Close() })
		return packet
	case "tls":
		config := s.client().Transport.(*http.Transport).TLSClientConfig.Clone()
		config.NextProtos = []string{"stun.turn"}
		conn, err = tls.Dial("tcp", server, config)
	case "tls without ALPN":
		conn, err = tls.Dial("tcp", server, s.client().Transport.(*http.Transport).TLSClientConfig)
	default:
		conn, err = net.Dial("tcp", server)
	}
	if err != nil {
		s.t.Fatalf("%s over %s: %v", server, transport, err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	return pionturn.NewSTUNConn(conn)
}

// TestTURNOnEveryPort asks for a relay on the one port and on the extra ones, in each way that they offer.
func TestTURNOnEveryPort(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	s := start(t, "--turn-addr", "127.0.0.1:0", "--turn-tls-addr", "127.0.0.1:0")
	found := regexp.MustCompile(`TURN: built in, on the same port, UDP, TCP and TLS; on (\d+), UDP and TCP; on (\d+), TLS\.`).FindStringSubmatch(s.out.String())
	if found == nil {
		t.Fatalf("the banner says\n%s", s.out)
	}
	one, plain, secure := "127.0.0.1:"+s.port, "127.0.0.1:"+found[1], "127.0.0.1:"+found[2]
	for _, way := range []struct{ server, transport string }{
		{one, "udp"}, {one, "tcp"}, {one, "tls"}, {one, "tls without ALPN"}, {plain, "udp"}, {plain, "tcp"}, {secure, "tls"},
	} {
		others := []string{
			"192.0.2.1:" + s.port, "169.254.169.254:80", "127.0.0.2:" + s.port, "0.0.0.0:" + s.port, "10.0.0.1:" + s.port,
			"8.8.8.8:53", "[::1]:" + s.port, "[::ffff:10.0.0.1]:" + s.port, "[64:ff9b::7f00:1]:" + s.port,
		}
		refusals := s.relay(s.over(way.transport, way.server), way.server, append([]string{one}, others...)...)
		if refusals[0] != nil {
			t.Errorf("%s over %s: our media: %v", way.server, way.transport, refusals[0])
		}
		for i, other := range others {
			if refusals[i+1] == nil {
				t.Errorf("%s over %s: %s is let through", way.server, way.transport, other)
			}
		}
	}
	for _, other := range []string{"http://" + plain + "/", "https://" + plain + "/", "https://" + secure + "/"} {
		if answer, err := s.client().Get(other); err == nil {
			answer.Body.Close()
			t.Errorf("%s serves pages: %d", other, answer.StatusCode)
		}
	}
	if status, _ := s.get("https://" + one + "/"); status != 200 {
		t.Errorf("the page: %d", status)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit status %d: %s", code, s.errors)
	}
}

func TestPlainHTTPOnAPortOfItsOwn(t *testing.T) {
	s := start(t, "--http-addr", "127.0.0.1:0")
	trust := regexp.MustCompile(`To trust it, once on each laptop: (http://localhost:(\d+)/ca)\n`).FindStringSubmatch(s.out.String())
	if trust == nil || trust[2] == s.port {
		t.Fatalf("the banner says\n%s", s.out)
	}
	if status, _ := s.get(trust[1]); status != 200 {
		t.Errorf("/ca: %d", status)
	}
	client := s.client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://localhost:"+trust[2]+"/w", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "cast.example.org"
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if want := "https://cast.example.org:" + s.port + "/w"; answer.StatusCode != 307 || answer.Header.Get("Location") != want {
		t.Errorf("%d %q, want a way to %q", answer.StatusCode, answer.Header.Get("Location"), want)
	}
	// TLS and TURN have nothing there.
	conn, err := net.Dial("tcp", "127.0.0.1:"+trust[2])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the test is over
	if _, err := conn.Write([]byte{0, 3, 0, 0}); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("TURN on the port of plain HTTP: %d bytes, %v", n, err)
	}
}
