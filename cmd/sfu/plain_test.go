package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

func TestDisplaysOverPlainHTTP(t *testing.T) {
	s := newSite(t)
	s.displays = func() []string { return []string{"localhost", "hall.local"} }
	s.socket = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	h := s.insecure()
	for _, c := range []struct {
		name, host, path, local, remote string
		status                          int
	}{
		{"a display", "192.168.1.5:8443", "/d", "192.168.1.5:8443", "192.168.1.9:1", 200},
		{"a viewer", "192.168.1.5:8443", "/w?lang=zh", "192.168.1.5:8443", "192.168.1.9:1", 200},
		{"the socket", "192.168.1.5:8443", "/ws", "192.168.1.5:8443", "192.168.1.9:1", 418},
		{"by name", "Hall.local:8443", "/d", "192.168.1.5:8443", "192.168.1.9:1", 200},
		{"IPv6", "[fd00::5]:8443", "/d", "[fd00::5]:8443", "[fd00::9]:1", 200},
		{"IPv6 link-local", "[fe80::5]:8443", "/d", "[fe80::5%eth0]:8443", "[fe80::9%eth0]:1", 200},
		{"the caster's page", "192.168.1.5:8443", "/", "192.168.1.5:8443", "192.168.1.9:1", 307},
		{"WHIP", "192.168.1.5:8443", "/whip/hall", "192.168.1.5:8443", "192.168.1.9:1", 307},
		{"no page", "192.168.1.5:8443", "/d/", "192.168.1.5:8443", "192.168.1.9:1", 307},
		{"from outside", "192.168.1.5:8443", "/d", "192.168.1.5:8443", "203.0.113.9:1", 307},
		{"at a public address", "203.0.113.5:8443", "/d", "203.0.113.5:8443", "192.168.1.9:1", 307},
		{"a foreign name that leads here", "evil.example:8443", "/d", "192.168.1.5:8443", "192.168.1.9:1", 307},
		{"the socket, from a foreign name", "evil.example:8443", "/ws", "192.168.1.5:8443", "192.168.1.9:1", 307},
		{"an unknown end", "192.168.1.5:8443", "/d", "", "192.168.1.9:1", 307},
	} {
		r := httptest.NewRequest("GET", c.path, nil)
		r.Host, r.RemoteAddr = c.host, c.remote
		if c.local != "" {
			local, err := net.ResolveTCPAddr("tcp", c.local)
			if err != nil {
				t.Fatal(err)
			}
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s: %d, want %d", c.name, w.Code, c.status)
		}
		if csp := w.Header().Get("Content-Security-Policy"); c.status == 200 && !strings.Contains(csp, "connect-src 'self' ws://"+c.host+";") {
			t.Errorf("%s: policy %s", c.name, csp)
		}
	}
}

// TestPlainSocketsAreForPlainDisplays: a page over plain HTTP opens a socket with the switch only, and only if the page is
// ours.
func TestPlainSocketsAreForPlainDisplays(t *testing.T) {
	for _, on := range []bool{false, true} {
		flags := []string{"--host", "hall.lan"} // a name that is not for this machine alone, as localhost is
		want := map[string]int{"http://hall.lan:": 307, "https://hall.lan:": 307, "http://evil.example:": 307}
		if on {
			flags = append(flags, "--http-displays")
			want = map[string]int{"http://hall.lan:": 101, "https://hall.lan:": 403, "http://evil.example:": 403}
		}
		s := start(t, flags...)
		dialer := &websocket.Dialer{NetDial: func(network, _ string) (net.Conn, error) { return net.Dial(network, "127.0.0.1:"+s.port) }}
		for origin, status := range want {
			c, answer, err := dialer.Dial("ws://hall.lan:"+s.port+"/ws", http.Header{"Origin": {origin + s.port}})
			if err == nil {
				_ = c.Close() // it was opened, which is all that counts
			}
			if answer == nil {
				t.Fatal(err)
			}
			if answer.StatusCode != status {
				t.Errorf("--http-displays %v, page of %s: %d, want %d", on, origin, answer.StatusCode, status)
			}
		}
		text := s.out.String()
		if strings.Contains(text, "http://hall.lan:"+s.port+"/d") != on || strings.Contains(text, "travel in clear") != on {
			t.Errorf("--http-displays %v: the start says\n%s", on, text)
		}
	}
}

func TestHTTPDisplaysIsForPrivateNetworks(t *testing.T) {
	for want, flags := range map[string][]string{
		"--tls acme is for public servers": {"--tls", "acme", "--host", "cast.example.org"},
		"no use with --tls off":            {"--tls", "off"},
		"--public-ip 203.0.113.7":          {"--public-ip", "10.0.0.1,203.0.113.7"},
	} {
		found := faults(t, environ(t), append(flags, "--http-displays")...)
		if len(found) != 1 || !strings.Contains(found[0], want) {
			t.Errorf("%v: %q, want %q", flags, found, want)
		}
	}
	if c := load(t, environ(t), "--http-displays", "--public-ip", "10.0.0.1"); !c.HTTPDisplays || len(c.Warnings) != 1 {
		t.Errorf("refused in a private network: %+v", c)
	}
}
