package sfu

import (
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"
	"go.uber.org/goleak"
)

// TestViewerOverTCP: all that a viewer needs goes over one connection, and the answer says where that may be made.
func TestViewerOverTCP(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	e, seen := newStreamEngine(t, nil, loopback)
	openStudio(t, e, seen, "c", "caster", 1, newWire(t, nil, loopback, 1), crowdRate)
	v := sit(t, e, "c", "v", newFramedWire(t, nil, loopback), nil)
	seen.connected(t, "v")
	shows(t, []*spectator{v}, 60)
	if n := e.Snapshot(); n.Streams.Streams != 1 || n.Streams.Waiting != 0 || n.Streams.Sent < 60 {
		t.Errorf("streams %+v", n.Streams)
	}
	answer := v.pc.CurrentRemoteDescription().SDP
	if udp, tcp := strings.Index(answer, " udp 2130706431 "), strings.Index(answer, " typ host tcptype passive"); udp < 0 || tcp < udp {
		t.Errorf("candidates of the answer: %s", answer)
	}
}

// TestCasterOverTCP: the library hears of a peer with an address that is nobody's, and the peer of its own.
func TestCasterOverTCP(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	e, seen := newStreamEngine(t, nil, loopback)
	caster := openStudio(t, e, seen, "c", "caster", 1, newFramedWire(t, nil, loopback), crowdRate)
	v := sit(t, e, "c", "v", newWire(t, nil, loopback, 2), nil)
	seen.connected(t, "v")
	shows(t, []*spectator{v}, 60)
	if n := e.Snapshot(); n.Streams.Streams != 1 || n.Streams.Received < 60 {
		t.Errorf("streams %+v", n.Streams)
	}
	if answer := caster.pc.CurrentRemoteDescription().SDP; strings.Count(answer, " typ host tcptype passive") != 1 {
		t.Errorf("candidates of the answer: %s", answer)
	}
	e.Leave("caster")
	eventually(t, "the caster left", func() bool { return e.Snapshot().Live == 0 })
}

// TestNothingIsSentAgainOnAStream: what a viewer over TCP asks for again is on its way, or was thrown away by itself.
func TestNothingIsSentAgainOnAStream(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	e, seen := newStreamEngine(t, nil, loopback)
	openStudio(t, e, seen, "c", "caster", 1, newWire(t, nil, loopback, 1), crowdRate)
	w := newFramedWire(t, nil, loopback)
	v := sit(t, e, "c", "v", w, nil)
	seen.connected(t, "v")
	shows(t, []*spectator{v}, 30)
	w.lose(3)
	eventually(t, "a wish that is not granted", func() bool { return e.Snapshot().Drops[DropStreamed.String()] >= 3 })
	shows(t, []*spectator{v}, 30) // a keyframe mends it
}

// TestANarrowStreamGetsALowerLayer: a viewer that reads more slowly than the highest layer comes gets the next one, and
// another over TCP beside it stays where it is.
func TestANarrowStreamGetsALowerLayer(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	e, seen := newStreamEngine(t, nil, loopback)
	publishSimulcast(t, e, "caster")
	seen.connected(t, "caster")
	watch := func(id string, rate int) *receiver {
		w := newFramedWire(t, nil, loopback)
		w.conn.(*framed).rate = rate
		r := &receiver{far: newFarOn(t, w, nil), packets: make(chan *rtp.Packet, 10000)}
		if _, err := r.pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			t.Fatal(err)
		}
		r.pc.OnTrack(func(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
			for {
				p, _, err := remote.ReadRTP()
				if err != nil {
					return
				}
				if len(p.Payload) > 11 {
					r.packets <- p
				}
			}
		})
		offer, slots := r.offer("screen")
		answer, err := e.Watch(t.Context(), "c", id, offer, slots)
		if err != nil {
			t.Fatal(err)
		}
		r.answer(answer)
		seen.connected(t, id)
		return r
	}
	narrow, wide := watch("narrow", 150_000), watch("wide", 0)
	width := func(p *rtp.Packet) int { return int(p.Payload[10]) | int(p.Payload[11])<<8 }
	// run sees n pictures in a row that are as wanted.
	run := func(r *receiver, what string, n int, wanted func(width int) bool) {
		t.Helper()
		seen := map[int]int{}
		for got, deadline := 0, time.Now().Add(30*time.Second); got < n; {
			w := width(r.next())
			seen[w]++
			if got++; !wanted(w) {
				got = 0
			}
			if time.Now().After(deadline) {
				t.Fatalf("no %d pictures in a row %s; of each width %v; streams %+v", n, what, seen, e.Snapshot().Streams)
			}
		}
		t.Logf("pictures until %d in a row were %s, of each width: %v", n, what, seen)
	}
	run(wide, "of the highest layer", 30, func(w int) bool { return w == 1280 })
	run(narrow, "of the highest layer", 10, func(w int) bool { return w == 1280 }) // a path has shown no limit at first
	run(narrow, "of a lower layer", 60, func(w int) bool { return w < 1280 })
	for len(wide.packets) > 0 {
		if got := width(<-wide.packets); got != 1280 {
			t.Fatalf("the other viewer has width %d", got)
		}
	}
}
