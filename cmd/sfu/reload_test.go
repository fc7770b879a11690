package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// writePair makes a self-signed certificate with that serial number, and puts it and its key into dir.
func writePair(t *testing.T, dir string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{"localhost", "cast.example.org"}, NotAfter: time.Now().Add(90 * 24 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"key.pem": {Type: "PRIVATE KEY", Bytes: private}, "cert.pem": {Type: "CERTIFICATE", Bytes: cert},
	} {
		replace(t, filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600)
	}
}

// replace puts a new file in the place of another at once, as those who renew certificates do.
func replace(t *testing.T, path string, data []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path+".new", data, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path+".new", mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// blind trusts every certificate: these tests look at serial numbers.
var blind = &tls.Config{InsecureSkipVerify: true}

// serial is the number of the certificate that a new connection is shown.
func (s *started) serial() int64 {
	s.t.Helper()
	c, err := tls.Dial("tcp", "127.0.0.1:"+s.port, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"})
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // nothing was sent
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// TestCertificateFilesChangeUnderLiveConnections: a socket, a cast and a viewer go on while new connections get the new
// certificate; files that cannot be used change nothing and are told in the log.
func TestCertificateFilesChangeUnderLiveConnections(t *testing.T) {
	dir := t.TempDir()
	writePair(t, dir, 1)
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	s := start(t, "--open", "--tls", "files", "--tls-cert", cert, "--tls-key", key)
	transport := &http.Transport{TLSClientConfig: blind}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	guests := []*guest{newGuest(t, "https://127.0.0.1:"+s.port), newGuest(t, "https://127.0.0.1:"+s.port)}
	for _, g := range guests {
		g.client = client
	}
	guests[0].publish("/whip/hall")
	guests[1].play("/whep/hall")
	guests[1].sees()
	socket, _, err := (&websocket.Dialer{TLSClientConfig: blind}).Dial("wss://localhost:"+s.port+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close() //nolint:errcheck // nobody waits for its end
	pongs := make(chan string, 8)
	socket.SetPongHandler(func(text string) error { pongs <- text; return nil })
	go func() {
		for {
			if _, _, err := socket.ReadMessage(); err != nil {
				return
			}
		}
	}()
	if err := socket.WriteJSON(map[string]any{"type": "hello", "version": 1}); err != nil {
		t.Fatal(err)
	}
	goOn := func(step string) {
		t.Helper()
		if err := socket.WriteControl(websocket.PingMessage, []byte(step), time.Now().Add(time.Second)); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		select {
		case <-pongs:
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: the socket is silent", step)
		}
		guests[1].goesOn()
	}
	serves := func(step string, want int64, said string) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			got := s.serial()
			if got == want && strings.Contains(s.errors.String(), said) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: certificate %d, want %d, and %q in\n%s", step, got, want, said, s.errors)
			}
		}
		goOn(step)
	}
	serves("at first", 1, "")
	writePair(t, dir, 2)
	serves("another pair", 2, "read the changed certificate files")
	replace(t, cert, []byte("broken"), 0o644)
	serves("a broken certificate", 2, "cannot be used, the old ones stay")
	writePair(t, dir, 3)
	serves("mended", 3, "")
	bytes, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	writePair(t, dir, 4) // so that it can be told from the old one
	replace(t, key, bytes, 0o644)
	serves("a key that all can read", 3, "mode 0644")
	if strings.Contains(s.errors.String(), "PRIVATE") {
		t.Error("the log holds a key")
	}
	for _, mode := range []os.FileMode{0o640, 0o604} {
		writePair(t, dir, 5)
		if err := os.Chmod(key, mode); err != nil {
			t.Fatal(err)
		}
		if found := faults(t, environ(t), "--tls", "files", "--tls-cert", cert, "--tls-key", key); len(found) != 1 || !strings.Contains(found[0], fmt.Sprintf("mode %04o", mode)) {
			t.Errorf("mode %o at the start: %q", mode, found)
		}
	}
}
