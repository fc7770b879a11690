package tlsutil

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pair makes a self-signed certificate for name and its key, as PEM.
func pair(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := newSerial()
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(80 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
}

func write(t *testing.T, path string, data []byte, mode os.FileMode) {
	t.Helper()
	if err := writeAtomic(path, data, mode); err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreReloaded(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	cert, key := pair(t, "one.example")
	write(t, certFile, cert, 0o644)
	write(t, keyFile, key, 0o600)
	w := newWorld("hall")
	log, out := logger()
	src, err := Open(Config{Mode: Files, Cert: certFile, Key: keyFile, Log: log, now: w.now})
	if err != nil {
		t.Fatal(err)
	}
	serving := func() string {
		t.Helper()
		c, err := src.TLS().GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf.Subject.CommonName
	}
	expect := func(step, want string, warnings int) {
		t.Helper()
		if got := serving(); got != want {
			t.Errorf("%s: serves %s, want %s", step, got, want)
		}
		if got := strings.Count(out.String(), "level=WARN"); got != warnings {
			t.Errorf("%s: %d warnings, want %d: %s", step, got, warnings, out)
		}
	}
	expect("start", "one.example", 0)

	newCert, newKey := pair(t, "two.example")
	write(t, certFile, newCert, 0o644)
	expect("certificate changed, not yet looked", "one.example", 0)
	w.pass(filesRecheck)
	expect("key is still missing", "one.example", 1)
	w.pass(filesRecheck)
	expect("the same again is not logged again", "one.example", 1)
	write(t, keyFile, newKey, 0o600)
	w.pass(filesRecheck)
	expect("both changed", "two.example", 1)

	write(t, certFile, []byte("garbage"), 0o644)
	w.pass(filesRecheck)
	expect("broken certificate", "two.example", 2)
	if err := os.Remove(certFile); err != nil {
		t.Fatal(err)
	}
	w.pass(filesRecheck)
	expect("no certificate", "two.example", 3)
	write(t, certFile, cert, 0o644)
	write(t, keyFile, key, 0o644)
	w.pass(filesRecheck)
	expect("key that others can read", "two.example", 4)
	if err := os.Chmod(keyFile, 0o600); err != nil {
		t.Fatal(err)
	}
	w.pass(filesRecheck)
	expect("repaired", "one.example", 4)
	if strings.Contains(out.String(), "PRIVATE") {
		t.Error("the log holds a key")
	}
}

func TestFilesAtStart(t *testing.T) {
	dir := t.TempDir()
	certA, keyA := pair(t, "a.example")
	_, keyB := pair(t, "b.example")
	file := func(name string, data []byte, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		write(t, path, data, mode)
		return path
	}
	good, goodKey := file("a.pem", certA, 0o644), file("a.key", keyA, 0o600)
	for _, c := range []struct {
		name, cert, key string
		want            error
		text            string
	}{
		{"shared key", good, file("shared.key", keyA, 0o640), ErrShared, "mode 0640"},
		{"absent certificate", filepath.Join(dir, "none"), goodKey, os.ErrNotExist, "none"},
		{"absent key", good, filepath.Join(dir, "none"), os.ErrNotExist, "none"},
		{"other key", good, file("b.key", keyB, 0o600), nil, "does not match"},
		{"swapped", goodKey, file("a2.key", certA, 0o600), nil, ""},
		{"huge", file("huge.pem", make([]byte, maxPEM+1), 0o644), goodKey, nil, "longer than"},
	} {
		_, err := Open(Config{Mode: Files, Cert: c.cert, Key: c.key})
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	src, err := Open(Config{Mode: Files, Cert: good, Key: goodKey})
	if err != nil {
		t.Fatal(err)
	}
	if src.CA() != nil || src.TLS().MinVersion != tls.VersionTLS12 || src.Mode() != Files {
		t.Errorf("CA %v, TLS %x", src.CA(), src.TLS().MinVersion)
	}
}
