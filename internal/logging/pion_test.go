package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/logging"
)

// pionUnderTest logs into lines under a clock that the test moves.
func pionUnderTest(level slog.Level) (p *Pion, out *bytes.Buffer, pass func(time.Duration)) {
	out = &bytes.Buffer{}
	p = NewPion(slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level})))
	clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p.now = func() time.Time { return clock }
	return p, out, func(d time.Duration) { clock = clock.Add(d) }
}

func texts(t *testing.T, out *bytes.Buffer) []string {
	t.Helper()
	var got []string
	for line := range bytes.Lines(out.Bytes()) {
		var e struct {
			Level, Scope, Text string
			Suppressed         int
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		s := e.Level + " " + e.Scope + " " + e.Text
		if e.Suppressed > 0 {
			s += fmt.Sprintf(" (%d)", e.Suppressed)
		}
		got = append(got, s)
	}
	return got
}

func TestPionLevels(t *testing.T) {
	p, out, _ := pionUnderTest(levelTrace)
	var factory logging.LoggerFactory = p
	log := factory.NewLogger("ice")
	log.Trace("a")
	log.Tracef("b")
	log.Debug("c")
	log.Debugf("d")
	log.Info("e")
	log.Infof("f")
	log.Warn("g")
	log.Warnf("h")
	log.Error("i")
	log.Errorf("j")
	want := []string{
		"DEBUG-4 ice a", "DEBUG-4 ice b", "DEBUG ice c", "DEBUG ice d", "DEBUG ice e", "DEBUG ice f",
		"DEBUG ice g", "DEBUG ice h", "WARN ice i", "WARN ice j",
	}
	if got := texts(t, out); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestPionTextCarriesNoSecret(t *testing.T) {
	const ufrag, pwd = "kQvSxWzYabcd", "pPqQrRsStTuUvVwWxXyYzZ"
	p, out, _ := pionUnderTest(levelTrace)
	log := p.NewLogger("ice")
	mismatch := fmt.Errorf("username mismatch expected(%x) actual(%x)", ufrag, pwd)
	addr := &net.UDPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 4000}
	log.Warnf("discard message from (%s), %v after %d tries in %v", addr, mismatch, 3, time.Second)
	log.Warnf("bad %q %x %d %+v %#v", ufrag, []byte(pwd), []byte(pwd), struct{ P string }{pwd}, errors.New(pwd))
	log.Errorf("missing %s %s %s", ufrag)
	log.Errorf("nil %v", nil)
	log.Error(mismatch.Error())
	log.Warn("Failed to parse: " + pwd)
	log.Info("a=ice-ufrag:" + ufrag)
	log.Debug("remote description\r\n" + pwd)
	text := strings.Join(texts(t, out), "\n")
	for _, bad := range []string{ufrag, pwd, fmt.Sprintf("%x", ufrag), fmt.Sprintf("%x", pwd), "112 80"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q is in\n%s", bad, text)
		}
	}
	for _, good := range []string{"discard message from (192.0.2.7:4000), … after 3 tries in 1s", "username mismatch expected…", "Failed to parse…"} {
		if !strings.Contains(text, good) {
			t.Errorf("%q is missing in\n%s", good, text)
		}
	}
}

func TestPionIsRateLimited(t *testing.T) {
	p, out, pass := pionUnderTest(slog.LevelInfo)
	log := p.NewLogger("srtp")
	for i := range 1000 {
		log.Errorf("failed to decrypt %d", i)
		log.Debugf("not even counted %d", i)
	}
	p.NewLogger("ice").Errorf("failed to decrypt %d", 1) // another scope has its own budget
	if got := texts(t, out); len(got) != pionBurst+1 {
		t.Fatalf("%d lines: %q", len(got), got)
	}
	if got := p.Suppressed(); got != 995 {
		t.Errorf("suppressed %d, want 995", got)
	}
	out.Reset()
	pass(pionWindow)
	log.Errorf("failed to decrypt %d", 2000)
	log.Errorf("failed to decrypt %d", 2001)
	want := []string{"WARN srtp failed to decrypt 2000 (995)", "WARN srtp failed to decrypt 2001"}
	if got := texts(t, out); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPionMemoryIsBounded(t *testing.T) {
	p, out, _ := pionUnderTest(slog.LevelInfo)
	log := p.NewLogger("x")
	for i := range 5000 {
		// Formats that differ, as a library could make them out of packets.
		log.Errorf(strings.Repeat("a", i+1))
	}
	if got := len(p.kinds); got > pionKinds+1 {
		t.Errorf("%d kinds are remembered", got)
	}
	if got := len(texts(t, out)); got != pionKinds+pionBurst {
		t.Errorf("%d lines, want %d", got, pionKinds+pionBurst)
	}
}

func TestPionFromManyGoroutines(t *testing.T) {
	p, out, _ := pionUnderTest(slog.LevelInfo)
	log := p.NewLogger("x")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				log.Error("same")
			}
		})
	}
	wg.Wait()
	if got := len(texts(t, out)); got != pionBurst || p.Suppressed() != 400-pionBurst {
		t.Errorf("%d lines, %d suppressed", got, p.Suppressed())
	}
}
