package tlsutil

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestOffHasNoTLS(t *testing.T) {
	src, err := Open(Config{Mode: Off})
	if err != nil {
		t.Fatal(err)
	}
	if src.TLS() != nil || src.CA() != nil {
		t.Error("off mode has a certificate")
	}
	if _, err := Open(Config{Mode: "of"}); err == nil {
		t.Error("an unknown mode was opened")
	}
}

// TestACME asks nothing of a network: the certificate lies in the cache, and names off the list are refused
// before anybody is asked.
func TestACME(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	if _, err := Open(Config{Mode: ACME, Store: s, Log: s.log, Names: []string{"192.0.2.1"}}); err == nil {
		t.Error("opened without a name")
	}
	src, err := Open(Config{Mode: ACME, Store: s, Log: s.log, Names: []string{"cast.example.org"}, Email: "a@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(dir, "secrets", "acme")
	if err := os.Mkdir(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	cert, key := pair(t, "cast.example.org")
	write(t, filepath.Join(cache, "cast.example.org"), append(key, cert...), 0o600)
	hello := &tls.ClientHelloInfo{
		ServerName:       "cast.example.org",
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
		SupportedCurves:  []tls.CurveID{tls.CurveP256},
		CipherSuites:     []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	}
	got, err := src.TLS().GetCertificate(hello)
	if err != nil || got.Leaf.DNSNames[0] != "cast.example.org" {
		t.Errorf("cached certificate: %v", err)
	}
	hello.ServerName = "other.example.org"
	if _, err := src.TLS().GetCertificate(hello); err == nil {
		t.Error("a name off the list was served")
	}
	if !slices.Contains(src.TLS().NextProtos, "acme-tls/1") {
		t.Errorf("ALPN %v", src.TLS().NextProtos)
	}

	for path, want := range map[string]int{"/ca": http.StatusTeapot, "/.well-known/acme-challenge/x": http.StatusNotFound} {
		rec := httptest.NewRecorder()
		req := httptest.NewRequest(http.MethodGet, "http://cast.example.org"+path, nil)
		src.Challenge(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTeapot)
		})).ServeHTTP(rec, req)
		if rec.Code != want {
			t.Errorf("%s: %d, want %d", path, rec.Code, want)
		}
	}
}

func TestTURNClientsOverTLSAreNotRefused(t *testing.T) {
	src, _ := newWorld("hall", "192.168.1.5").open(t, t.TempDir())
	for _, c := range []struct {
		offers []string
		want   string
	}{
		{nil, ""},
		{[]string{"http/1.1"}, "http/1.1"},
		{[]string{"h2", "http/1.1"}, "http/1.1"}, // browsers
		{[]string{"stun.turn"}, "stun.turn"},
		{[]string{"http/1.1", "stun.turn", "stun.nat-discovery"}, "stun.turn"}, // coturn
	} {
		got, err := negotiate(src.TLS(), &tls.Config{NextProtos: c.offers, ServerName: "hall", RootCAs: poolOf(src)})
		if err != nil || got != c.want {
			t.Errorf("ALPN %v: %q, %v; want %q", c.offers, got, err, c.want)
		}
	}
}
