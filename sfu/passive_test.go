package sfu

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// A caster that waits for the server to begin the DTLS handshake: its media arrives, an ICE restart keeps the ends, and
// nobody else can answer in its place.
func TestCasterThatIsTheDTLSServer(t *testing.T) {
	e, seen := newEngine(t)
	f := newFar(t)
	s := &sender{far: f, track: publishOffer(t, f)}
	offer, slots := f.offer("screen")
	answer, err := e.Publish(context.Background(), "c", "caster", passive(offer), slots)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(answer, "a=setup:active") || strings.Contains(answer, "a=setup:passive") {
		t.Fatalf("answered\n%s", answer)
	}
	imposters(t, e)
	f.answer(answer)
	s.wire = f.pc.GetSenders()[0].Transport()
	seen.connected(t, "caster")
	if n := e.socket.Counts(); n.Dropped["unknown_source"] == 0 || n.DTLS == 0 {
		t.Errorf("strangers' handshakes passed: %+v", n)
	}
	v := watch(t, e, "c", "v")
	seen.connected(t, "v")
	seq := uint16(65530)
	arrives := func(what string) {
		t.Helper()
		for i := range 20 {
			s.send(seq, uint32(seq)*3000, i == 0)
			if p := v.next(); p.Payload[2] != byte(seq>>8) || p.Payload[3] != byte(seq) {
				t.Fatalf("%s: packet %d is % x", what, seq, p.Payload)
			}
			seq++
		}
	}
	arrives("at first")

	for _, setup := range []string{"active", "actpass"} { // a library offers any end again
		again := f.anew()
		answer, err := e.Restart(context.Background(), "c", "caster", strings.ReplaceAll(again.SDP, "a=setup:actpass", "a=setup:"+setup))
		if setup == "active" {
			var coded interface{ Code() string }
			if !errors.As(err, &coded) || coded.Code() != "bad_offer" {
				t.Fatalf("turned around: %v", err)
			}
			continue
		}
		if err != nil || !strings.Contains(answer, "a=setup:active") {
			t.Fatalf("%v, answered\n%s", err, answer)
		}
		if err := f.pc.SetLocalDescription(again); err != nil {
			t.Fatal(err)
		}
		f.answer(answer)
	}
	eventually(t, "media goes on after the restart", func() bool {
		s.send(seq, uint32(seq)*3000, false)
		seq++
		select {
		case <-v.packets:
			return true
		case <-time.After(50 * time.Millisecond):
			return false
		}
	})

	// In the next restart it says passive again.
	last := f.anew()
	if answer, err := e.Restart(context.Background(), "c", "caster", passive(last.SDP)); err != nil || !strings.Contains(answer, "a=setup:active") {
		t.Errorf("%v, answered\n%s", err, answer)
	}
}

func passive(offer string) string {
	return strings.ReplaceAll(offer, "a=setup:actpass", "a=setup:passive")
}

// imposters sends what a DTLS server says first, and an alert, from addresses that no check came from.
func imposters(t *testing.T, e *Engine) {
	t.Helper()
	for range 10 {
		c, err := net.Dial("udp", e.socket.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{
			"\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x02\x00\x00\x00", "\x15\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x02\x28",
		} {
			if _, err := c.Write([]byte(p)); err != nil {
				t.Fatal(err)
			}
		}
		_ = c.Close()
	}
}
