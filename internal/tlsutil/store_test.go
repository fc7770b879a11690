package tlsutil

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// logger collects what is logged.
func logger() (*slog.Logger, *bytes.Buffer) {
	var out bytes.Buffer
	return slog.New(slog.NewTextHandler(&out, nil)), &out
}

func openStore(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := OpenStore(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStoreKeepsItsSecrets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b") // made with its parents
	first := openStore(t, dir)
	if len(first.Key()) != 32 || bytes.Equal(first.Key(), make([]byte, 32)) {
		t.Errorf("key %x", first.Key())
	}
	if got := len(first.TURNSecret()); got != 64 {
		t.Errorf("TURN secret of %d characters, want 64", got)
	}
	second := openStore(t, dir)
	if !bytes.Equal(first.Key(), second.Key()) || !bytes.Equal(first.TURNSecret(), second.TURNSecret()) {
		t.Error("another start has other secrets")
	}
	other := openStore(t, t.TempDir())
	if bytes.Equal(first.Key(), other.Key()) || bytes.Equal(first.TURNSecret(), other.TURNSecret()) {
		t.Error("two directories have the same secrets")
	}
	if bytes.Contains(first.TURNSecret(), first.Key()) || strings.EqualFold(string(first.TURNSecret()), string(first.Key())) {
		t.Error("the TURN secret tells the key")
	}
	first.Key()[0]++
	if bytes.Equal(first.Key(), nil) || !bytes.Equal(first.Key(), second.Key()) {
		t.Error("the caller can change the key")
	}
}

func TestStoreModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := openStore(t, dir)
	if _, err := Open(Config{Mode: LocalCA, Store: s, Log: s.log, Machine: machine("hall", "192.168.1.5")}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{
		"": 0o700, "secrets": 0o700, "secrets/server.key": 0o600, "secrets/turn.secret": 0o600,
		"secrets/ca.pem": 0o600, "secrets/leaf.pem": 0o600, "secrets/lock": 0o600, "ca.crt": 0o644,
	} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := st.Mode().Perm(); got != want {
			t.Errorf("%s has mode %04o, want %04o", name, got, want)
		}
	}
}

func TestStoreRefusesSharedSecrets(t *testing.T) {
	for _, name := range []string{"server.key", "turn.secret", "ca.pem"} {
		for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o644} {
			dir := t.TempDir()
			s := openStore(t, dir)
			cfg := Config{Mode: LocalCA, Store: s, Log: s.log, Machine: machine("hall", "192.168.1.5")}
			if _, err := Open(cfg); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "secrets", name)
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			_, err := OpenStore(dir, s.log)
			if err == nil {
				_, err = Open(cfg)
			}
			if !errors.Is(err, ErrShared) || !strings.Contains(err.Error(), "chmod 600 "+path) {
				t.Errorf("%s with mode %04o: %v", name, mode, err)
			}
		}
	}
}

func TestStoreTightensItsDirectory(t *testing.T) {
	dir := t.TempDir()
	secrets := filepath.Join(dir, "secrets")
	if err := os.Mkdir(secrets, 0o755); err != nil {
		t.Fatal(err)
	}
	openStore(t, dir)
	if st, err := os.Stat(secrets); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

func TestStoreSurvivesAHalfWrittenStart(t *testing.T) {
	for _, c := range []struct{ name, file, content, warns string }{
		{"empty key", "server.key", "", "damaged"},
		{"cut key", "server.key", "00112233", "damaged"},
		{"key of garbage", "server.key", "\x00\xff\n", "damaged"},
		{"empty TURN secret", "turn.secret", "", "damaged"},
		{"empty CA", "ca.pem", "", "damaged"},
		{"cut CA", "ca.pem", "-----BEGIN PRIVATE KEY-----\nMIGH", "damaged"},
		{"empty leaf", "leaf.pem", "", ""},
		{"temporary file", ".castcode-123.tmp", "half", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "secrets", c.file)
			if err := os.Mkdir(filepath.Join(dir, "secrets"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			log, out := logger()
			s, err := OpenStore(dir, log)
			if err != nil {
				t.Fatal(err)
			}
			src, err := Open(Config{Mode: LocalCA, Store: s, Log: log, Machine: machine("hall", "192.168.1.5")})
			if err != nil {
				t.Fatal(err)
			}
			mustServe(t, src, "hall", "192.168.1.5")
			if len(s.Key()) != 32 || len(s.TURNSecret()) != 64 {
				t.Error("secrets are missing")
			}
			if strings.Contains(out.String(), "damaged") != (c.warns != "") {
				t.Errorf("log: %s", out)
			}
			if _, err := os.Stat(path + ".damaged"); (err == nil) != (c.warns != "") {
				t.Errorf("put aside: %v", err)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "secrets", tempPattern)); len(left) != 0 {
				t.Errorf("left over: %v", left)
			}
			again := openStore(t, dir)
			if !bytes.Equal(again.Key(), s.Key()) {
				t.Error("what was made anew is not kept")
			}
		})
	}
}

func TestStoreSaysWhatIsWrongWithADirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := OpenStore(file, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
}

// TestTwoServersOneDirectory opens the same new directory many times at once, as two servers would: all must
// agree on one key and one CA.
func TestTwoServersOneDirectory(t *testing.T) {
	dir := t.TempDir()
	const n = 8
	keys, prints := make([]string, n), make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			s, err := OpenStore(dir, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Error(err)
				return
			}
			src, err := Open(Config{Mode: LocalCA, Store: s, Log: s.log, Machine: machine("hall", "192.168.1.5")})
			if err != nil {
				t.Error(err)
				return
			}
			keys[i], prints[i] = string(s.Key()), src.CA().Fingerprint()
			mustServe(t, src, "hall")
		})
	}
	wg.Wait()
	for i := range n {
		if keys[i] != keys[0] || prints[i] != prints[0] {
			t.Errorf("server %d has other secrets than server 0", i)
		}
	}
}

func TestWriteAtomicKeepsTheOldFileOnError(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.MkdirAll(filepath.Join(path, "inside"), 0o700); err != nil {
		t.Fatal(err)
	}
	// A directory that is not empty cannot be replaced by a rename: the last step fails.
	if err := writeAtomic(path, []byte("new"), 0o600); err == nil {
		t.Fatal("no error")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, tempPattern)); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	if _, err := os.Stat(filepath.Join(path, "inside")); err != nil {
		t.Error(err)
	}
}

func TestReadPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("12345678"), 0o400); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadPrivate(path, 8); err != nil || string(got) != "12345678" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := ReadPrivate(path, 7); err == nil {
		t.Error("a file over the limit was read")
	}
	if _, err := ReadPrivate(filepath.Dir(path), 8); err == nil {
		t.Error("a directory was read")
	}
	if _, err := ReadPrivate(path+"x", 8); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
}
