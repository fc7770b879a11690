package sfu

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v3"
)

// restart has the far end restart ICE: it closes its sockets, opens others and offers new credentials.
func (f *far) restart(e *Engine, cast, id string) (ufrags [2]string, err error) {
	f.t.Helper()
	offer := f.anew()
	ufrags[0] = ufragOf(f.pc.CurrentRemoteDescription().SDP)
	if err := f.pc.SetLocalDescription(offer); err != nil {
		f.t.Fatal(err)
	}
	answer, err := e.Restart(context.Background(), cast, id, offer.SDP)
	if err != nil {
		return ufrags, err
	}
	ufrags[1] = ufragOf(answer)
	f.answer(answer)
	return ufrags, nil
}

func ufragOf(sdp string) string {
	_, rest, _ := strings.Cut(sdp, "a=ice-ufrag:")
	ufrag, _, _ := strings.Cut(rest, "\r\n")
	return ufrag
}

// selectedPort is the far end's own port in the pair that carries its media, 0 without one.
func (f *far) selectedPort(wire *webrtc.DTLSTransport) uint16 {
	pair, err := wire.ICETransport().GetSelectedCandidatePair()
	if err != nil || pair == nil {
		return 0
	}
	return pair.Local.Port
}

// TestViewersRestart: a viewer's socket is replaced by another while media goes on. It gets the same stream, with
// numbers that go on, from the address that it has now, and costs the caster no keyframe.
func TestViewersRestart(t *testing.T) {
	e, seen := newEngine(t)
	caster := publish(t, e, "c", "caster")
	v := watch(t, e, "c", "v")
	seen.connected(t, "caster", "v")
	caster.send(1, 0, true)
	first := v.next()
	asked := e.Snapshot().Asked
	wire := v.rtpRecv.Transport()
	eventually(t, "a pair", func() bool { return v.selectedPort(wire) != 0 })
	before := v.selectedPort(wire)

	quit, sent := make(chan struct{}), make(chan uint16, 1)
	go func() { // a frame every 10 ms all the while
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for seq := uint16(2); ; seq++ {
			select {
			case <-quit:
				sent <- seq
				return
			case <-tick.C:
				caster.send(seq, uint32(seq)*900, false)
			}
		}
	}()
	ufrags, err := v.restart(e, "c", "v")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "another address", func() bool { p := v.selectedPort(wire); return p != 0 && p != before })
	for len(v.packets) > 0 {
		<-v.packets
	}
	last := v.next()
	for range 20 {
		p := v.next()
		if p.SSRC != first.SSRC || p.SequenceNumber != last.SequenceNumber+1 {
			t.Fatalf("got %d of %x after %d of %x", p.SequenceNumber, p.SSRC, last.SequenceNumber, first.SSRC)
		}
		last = p
	}
	close(quit)
	<-sent
	if ufrags[0] == ufrags[1] || ufrags[1] == "" {
		t.Errorf("user fragments %q", ufrags)
	}
	if now := e.Snapshot(); now.Asked != asked || now.Viewers != 1 {
		t.Errorf("%d keyframes asked for, %d viewers", now.Asked-asked, now.Viewers)
	}
}

// TestCastersRestart: the same for a caster. Its viewers notice nothing, and its stream stays the same one.
func TestCastersRestart(t *testing.T) {
	e, seen := newEngine(t)
	from := publish(t, e, "c", "caster")
	v := watch(t, e, "c", "v")
	seen.connected(t, "caster", "v")
	from.send(1, 0, true)
	first := v.next()
	before := from.selectedPort(from.wire)
	ufrags, err := from.restart(e, "c", "caster")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "another address", func() bool { p := from.selectedPort(from.wire); return p != 0 && p != before })
	if ufrags[0] == ufrags[1] || ufrags[1] == "" {
		t.Errorf("user fragments %q", ufrags)
	}
	// What is sent before the server has seen a check from the new address is lost.
	for seq := uint16(2); len(v.packets) == 0; seq++ {
		if seq == 1000 {
			t.Fatal("nothing arrives after the restart")
		}
		from.send(seq, uint32(seq)*900, false)
		time.Sleep(10 * time.Millisecond)
	}
	if p := v.next(); p.SSRC != first.SSRC || p.SequenceNumber <= first.SequenceNumber {
		t.Errorf("got %d of %x after %d of %x", p.SequenceNumber, p.SSRC, first.SequenceNumber, first.SSRC)
	}
	e.mu.Lock()
	c, _ := e.peers["caster"].(*caster)
	e.mu.Unlock()
	if c == nil || len(c.snapshot()) != 1 {
		t.Error("the stream is another one")
	}
}

func TestRestartRefusals(t *testing.T) {
	e, seen := newEngine(t)
	caster := publish(t, e, "c", "caster")
	v := watch(t, e, "c", "v")
	seen.connected(t, "caster", "v")
	code := func(cast, id, offer string) string {
		_, err := e.Restart(context.Background(), cast, id, offer)
		var coded interface{ Code() string }
		if !errors.As(err, &coded) {
			return "none"
		}
		return coded.Code()
	}
	for id, f := range map[string]*far{"caster": caster.far, "v": v.far} {
		same := f.pc.LocalDescription().SDP
		other := strings.ReplaceAll(same, "a=ice-ufrag:", "a=ice-ufrag:new")
		stranger := newFar(t)
		if id == "caster" {
			publishOffer(t, stranger)
		} else if _, err := stranger.pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo,
			webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			t.Fatal(err)
		}
		strange, _ := stranger.offer("screen")
		for _, c := range []struct{ name, cast, id, offer, code string }{
			{"nobody", "c", "nobody", other, "bad_state"},
			{"another cast", "d", id, other, "bad_state"},
			{"not SDP", "c", id, "hello", "bad_sdp"},
			{"the same credentials", "c", id, same, "bad_offer"},
			{"another certificate", "c", id, strange, "bad_offer"},
			{"DTLS turned around", "c", id, strings.ReplaceAll(other, "a=setup:actpass", "a=setup:passive"), "bad_offer"},
			{"another m-line", "c", id, strings.ReplaceAll(strings.ReplaceAll(other, "a=mid:0", "a=mid:7"), "BUNDLE 0", "BUNDLE 7"), "bad_offer"},
		} {
			if got := code(c.cast, c.id, c.offer); got != c.code {
				t.Errorf("%s, %s: %s, want %s", id, c.name, got, c.code)
			}
		}
	}
	for id, f := range map[string]*far{"caster": caster.far, "v": v.far} {
		for i, want := range []string{"", "", "rate_limited"} {
			_, err := f.restart(e, "c", id)
			var coded interface{ Code() string }
			if want == "" && err != nil || want != "" && (!errors.As(err, &coded) || coded.Code() != want) {
				t.Errorf("%s, restart %d: %v", id, i+1, err)
			}
		}
	}
	e.Leave("v")
	if got := code("c", "v", v.pc.LocalDescription().SDP); got != "bad_state" {
		t.Errorf("after Leave: %s", got)
	}
	e.Close()
	if got := code("c", "caster", caster.pc.LocalDescription().SDP); got != "draining" {
		t.Errorf("after Close: %s", got)
	}
}
