package logging

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestFormOfTheLog(t *testing.T) {
	for _, c := range []struct {
		name     string
		terminal bool
		want     string
	}{
		{"terminal", true, "level=INFO msg=ready addr=:8443"},
		{"collector", false, `"level":"INFO","msg":"ready","addr":":8443"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			log, err := Open(Options{Level: slog.LevelInfo, Stderr: &out, Terminal: c.terminal})
			if err != nil {
				t.Fatal(err)
			}
			log.Debug("below")
			log.Info("ready", "addr", ":8443")
			if !strings.Contains(out.String(), c.want) || strings.Contains(out.String(), "below") {
				t.Errorf("got %q", out.String())
			}
			if err := log.Reopen(); err != nil {
				t.Error(err)
			}
			if err := log.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestReopenFollowsTheName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sfu.log")
	var stderr bytes.Buffer
	log, err := Open(Options{File: path, Stderr: &stderr, Terminal: true})
	if err != nil {
		t.Fatal(err)
	}
	log.Info("first")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	log.Info("second")
	if err := log.Reopen(); err != nil {
		t.Fatal(err)
	}
	log.Info("third")
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	log.Info("fourth")
	for name, want := range map[string][]string{path + ".1": {"first", "second"}, path: {"third"}} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(string(data)) {
			var entry struct{ Msg string }
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				t.Fatal(err)
			}
			got = append(got, entry.Msg)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", filepath.Base(name), got, want)
		}
	}
	if stderr.Len() != 0 {
		t.Errorf("stderr got %q", stderr.String())
	}
}

func TestReopenKeepsTheOldFileOnError(t *testing.T) {
	dir := t.TempDir()
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	log, err := Open(Options{File: filepath.Join(sub, "sfu.log")})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // the test is over
	moved := filepath.Join(dir, "moved")
	if err := os.Rename(sub, moved); err != nil {
		t.Fatal(err)
	}
	if err := log.Reopen(); err == nil {
		t.Error("reopen in a directory that is gone succeeded")
	}
	log.Info("still here")
	data, err := os.ReadFile(filepath.Join(moved, "sfu.log"))
	if err != nil || !strings.Contains(string(data), "still here") {
		t.Errorf("got %q, %v", data, err)
	}
	if _, err := Open(Options{File: filepath.Join(sub, "sfu.log")}); err == nil {
		t.Error("open in a directory that is gone succeeded")
	}
}

// TestReopenWhileWriting is for the race detector, and counts that no line is lost.
func TestReopenWhileWriting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sfu.log")
	log, err := Open(Options{File: path})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				log.Info("line")
			}
		})
	}
	for range 20 {
		if err := log.Reopen(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := bytes.Count(data, []byte("\n")); got != 400 {
		t.Errorf("%d lines, want 400", got)
	}
}

func TestSecretNeverPrints(t *testing.T) {
	const raw = "hunter2hunter2"
	type holder struct {
		Password Secret
		Nested   struct{ List []Secret }
	}
	h := holder{Password: raw}
	h.Nested.List = []Secret{raw}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%e", "%20s", "%T %v"} {
		args := []any{Secret(raw)}
		if strings.HasPrefix(verb, "%T") {
			args = append(args, Secret(raw))
		}
		fmt.Fprintf(&out, verb, args...)
		args[0] = h
		fmt.Fprintf(&out, verb, args...)
	}
	fmt.Fprintln(&out, Secret(raw), fmt.Errorf("wrapped %w %s", os.ErrExist, Secret(raw)))
	for _, encode := range []func(any) ([]byte, error){json.Marshal, xml.Marshal} {
		data, err := encode(h)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(data)
	}
	var buf bytes.Buffer
	for _, terminal := range []bool{true, false} {
		log, err := Open(Options{Stderr: &buf, Terminal: terminal})
		if err != nil {
			t.Fatal(err)
		}
		log.Info("m", "a", Secret(raw), "b", h, "c", &h, slog.Group("g", "d", Secret(raw)))
	}
	text := out.String() + buf.String()
	for _, form := range []string{raw, fmt.Sprintf("%x", raw), fmt.Sprintf("%X", raw), "104 117"} {
		if strings.Contains(text, form) {
			t.Errorf("%q is in %s", form, text)
		}
	}
	if !strings.Contains(text, redacted) {
		t.Error("nothing was printed at all")
	}
	if Secret(raw).Reveal() != raw {
		t.Error("Reveal does not reveal")
	}
}

func TestFilterHidesSecretAttributes(t *testing.T) {
	var out bytes.Buffer
	log, err := Open(Options{Stderr: &out})
	if err != nil {
		t.Fatal(err)
	}
	log.Info("m", "token", "SECRET", "Password", "SECRET", "sdp", "SECRET", slog.Group("turn", "credential", "SECRET"),
		"code", "123 456", "other", "kept")
	log.Info("m", "code", "code_unknown")
	text := out.String()
	for _, bad := range []string{"SECRET", "123 456"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q is in %s", bad, text)
		}
	}
	for _, good := range []string{"kept", "code_unknown"} {
		if !strings.Contains(text, good) {
			t.Errorf("%q is missing in %s", good, text)
		}
	}
}
