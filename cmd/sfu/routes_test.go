package main

import (
	"crypto/tls"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"rsc.io/qr"
)

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{
		socket: http.NotFoundHandler(), probe: http.NotFoundHandler(), whip: http.NotFoundHandler(), whep: http.NotFoundHandler(), mode: "local-ca", print: "AA:BB", ca: []byte("-----BEGIN CERTIFICATE-----\n"), profile: []byte("<plist>"),
		external: proxies(nil).external, httpsPort: "8443",
	}
	if err := s.load(); err != nil {
		t.Fatal(err)
	}
	s.ready.Store(true)
	return s
}

// ask sends a request as the host header says, from remote.
func ask(h http.Handler, method, host, path, remote string, secure bool, body string) *http.Response {
	r := httptest.NewRequest(method, "http://"+host+path, strings.NewReader(body))
	r.RemoteAddr = remote
	if secure {
		r.TLS = &tls.ConnectionState{}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestEveryRouteHasTheSecurityHeaders(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{"/", "/d", "/w", "/ca", "/doctor", "/ca.crt", "/ca.json", "/healthz", "/no-such-page"} {
		r := ask(s.secure(), "GET", "cast.example:8443", path, "203.0.113.1:1", true, "")
		csp := r.Header.Get("Content-Security-Policy")
		for _, want := range []string{
			"default-src 'none'", "script-src 'self'", "connect-src 'self' wss://cast.example:8443;",
			"frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'",
		} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy lacks %q: %s", path, want, csp)
			}
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
			"Strict-Transport-Security": "",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if r.Header.Get("Permissions-Policy") == "" {
			t.Errorf("%s: no Permissions-Policy", path)
		}
	}
	s.hsts = true
	if r := ask(s.secure(), "GET", "cast.example", "/", "203.0.113.1:1", true, ""); r.Header.Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS with a certificate that the world trusts")
	}
}

// What WHIP and WHEP send is redirected to HTTPS as it is, or not at all; a room's name is never taken for a careless
// path.
func TestDoorsAndRedirects(t *testing.T) {
	s := newSite(t)
	asked := ""
	s.whip = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = r.URL.EscapedPath() })
	for _, path := range []string{"/whip/%2e%2e", "/whip//x", "/whip/a%2Fb/../c"} {
		asked = ""
		if r := ask(s.secure(), "DELETE", "h", path, "203.0.113.1:1", true, ""); r.StatusCode != 200 || asked != path {
			t.Errorf("%s: %d, the door was asked %q", path, r.StatusCode, asked)
		}
	}
	for method, want := range map[string]int{"POST": 307, "OPTIONS": 307, "GET": 307, "PATCH": 403, "DELETE": 403} {
		r := ask(s.insecure(), method, "cast.example:8443", "/whip/hall", "203.0.113.1:1", false, "")
		if r.StatusCode != want || want == 307 && r.Header.Get("Location") != "https://cast.example:8443/whip/hall" {
			t.Errorf("%s: %d %v", method, r.StatusCode, r.Header)
		}
	}
}

func TestPagesAndTheirFiles(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{"/", "/d", "/w", "/ca", "/doctor"} {
		r := ask(s.secure(), "GET", "h", path, "203.0.113.1:1", true, "")
		body, _ := io.ReadAll(r.Body)
		if r.StatusCode != 200 || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") || !strings.Contains(string(body), "<html") {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.Header.Get("Content-Type"))
		}
	}
	scripts := 0
	for path := range s.assets {
		r := ask(s.secure(), "GET", "h", path, "203.0.113.1:1", true, "")
		if strings.HasSuffix(path, ".js") {
			scripts++
			if got := r.Header.Get("Content-Type"); got != "text/javascript; charset=utf-8" {
				t.Errorf("%s is %q", path, got)
			}
		}
		if r.StatusCode != 200 || r.Header.Get("Content-Type") == "" {
			t.Errorf("%s: %d %q", path, r.StatusCode, r.Header.Get("Content-Type"))
		}
		again := httptest.NewRequest("GET", "http://h"+path, nil)
		again.Header.Set("If-None-Match", r.Header.Get("ETag"))
		w := httptest.NewRecorder()
		s.secure().ServeHTTP(w, again)
		if w.Code != http.StatusNotModified || w.Body.Len() != 0 {
			t.Errorf("%s is sent again to a browser that has it: %d", path, w.Code)
		}
	}
	if scripts == 0 {
		t.Error("no scripts are served")
	}
}

func TestPlainHTTP(t *testing.T) {
	s := newSite(t)
	h := s.insecure()
	for _, c := range []struct {
		name, host, path, remote string
		status                   int
		location                 string
	}{
		{"localhost from here", "localhost:8443", "/", "127.0.0.1:1", 200, ""},
		{"loopback address from here", "127.0.0.1:8443", "/d", "127.0.0.1:1", 200, ""},
		{"IPv6 loopback from here", "[::1]:8443", "/w", "[::1]:1", 200, ""},
		{"another name that leads here", "evil.example:8443", "/", "127.0.0.1:1", 307, "https://evil.example:8443/"},
		{"localhost from elsewhere", "localhost:8443", "/", "203.0.113.1:1", 307, "https://localhost:8443/"},
		{"the LAN", "192.168.1.5:8443", "/w", "192.168.1.9:1", 307, "https://192.168.1.5:8443/w"},
		{"the LAN, IPv6", "[fd00::1]:8443", "/w?lang=zh", "[fd00::9]:1", 307, "https://[fd00::1]:8443/w?lang=zh"},
		{"the CA's page", "192.168.1.5:8443", "/ca", "192.168.1.9:1", 200, ""},
		{"the CA", "192.168.1.5:8443", "/ca.crt", "192.168.1.9:1", 200, ""},
		{"the CA for Apple's systems", "192.168.1.5:8443", "/ca.mobileconfig", "192.168.1.9:1", 200, ""},
		{"its fingerprint", "192.168.1.5:8443", "/ca.json", "192.168.1.9:1", 200, ""},
		{"the network test", "192.168.1.5:8443", "/doctor", "192.168.1.9:1", 200, ""},
		{"health", "192.168.1.5:8443", "/healthz", "192.168.1.9:1", 200, ""},
		{"the socket", "192.168.1.5:8443", "/ws", "192.168.1.9:1", 307, "https://192.168.1.5:8443/ws"},
		{"a host that writes its own policy", "a;script-src *", "/", "192.168.1.9:1", 400, ""},
	} {
		r := httptest.NewRequest("GET", c.path, nil)
		r.Host, r.RemoteAddr = c.host, c.remote
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || w.Header().Get("Location") != c.location {
			t.Errorf("%s: %d %q, want %d %q", c.name, w.Code, w.Header().Get("Location"), c.status, c.location)
		}
	}
	if r := ask(h, "POST", "192.168.1.5:8443", "/qr", "192.168.1.9:1", false, "http://192.168.1.5:8443/ca"); r.StatusCode != 200 {
		t.Errorf("the QR code of the CA's page: %d", r.StatusCode)
	}
	r := ask(h, "GET", "192.168.1.5:8443", "/ca.mobileconfig", "192.168.1.9:1", false, "")
	if body, _ := io.ReadAll(r.Body); r.Header.Get("Content-Type") != "application/x-apple-aspen-config" || string(body) != "<plist>" {
		t.Errorf("the profile is %q, %s", r.Header.Get("Content-Type"), body)
	}
	s.plain = true
	if r := ask(s.insecure(), "GET", "192.168.1.5", "/", "192.168.1.9:1", false, ""); r.StatusCode != 200 {
		t.Errorf("--tls off answers %d", r.StatusCode)
	}
}

func TestHealthWhileLeaving(t *testing.T) {
	s := newSite(t)
	s.ready.Store(false)
	if r := ask(s.secure(), "GET", "h", "/healthz", "203.0.113.1:1", true, ""); r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d", r.StatusCode)
	}
}

func TestQR(t *testing.T) {
	s := newSite(t)
	r := ask(s.secure(), "POST", "h", "/qr", "203.0.113.1:1", true, "https://192.168.1.5:8443/#c=123456")
	body, _ := io.ReadAll(r.Body)
	if r.StatusCode != 200 || r.Header.Get("Content-Type") != "image/svg+xml" || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", r.StatusCode, r.Header)
	}
	if err := xml.Unmarshal(body, new(any)); err != nil {
		t.Errorf("not XML: %v", err)
	}
	for name, text := range map[string]string{"nothing": "", "too much": strings.Repeat("x", 513)} {
		if r := ask(s.secure(), "POST", "h", "/qr", "203.0.113.1:1", true, text); r.StatusCode != 400 {
			t.Errorf("%s: %d", name, r.StatusCode)
		}
	}
	if r := ask(s.secure(), "GET", "h", "/qr", "203.0.113.1:1", true, ""); r.StatusCode == 200 {
		t.Error("a text in the URL is drawn")
	}
}

func TestSVGDrawsEveryModule(t *testing.T) {
	code, err := qr.Encode("https://192.168.1.5:8443/#c=123456", qr.M)
	if err != nil {
		t.Fatal(err)
	}
	black := 0
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				black++
			}
		}
	}
	drawn := 0
	for _, part := range strings.Split(svg(code), "h-")[1:] {
		var run int
		for _, c := range part {
			if c < '0' || c > '9' {
				break
			}
			run = run*10 + int(c-'0')
		}
		drawn += run
	}
	if drawn != black {
		t.Errorf("%d modules drawn, %d are black", drawn, black)
	}
}
