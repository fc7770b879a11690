package sfu

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"

	"castcode/sfu/forward"
)

func TestEveryViewerGetsTheCastersPackets(t *testing.T) {
	e, seen := newEngine(t)
	caster := publish(t, e, "c", "caster")
	seen.connected(t, "caster")
	var viewers []*receiver
	for i := range 3 {
		viewers = append(viewers, watch(t, e, "c", fmt.Sprint("v", i)))
	}
	seen.connected(t, "v0", "v1", "v2")
	for i := range uint16(20) {
		caster.send(65530+i, uint32(i)*3000, i == 0)
	}
	for n, v := range viewers {
		var first *rtp.Packet
		var last uint16
		for i := range uint16(20) {
			p := v.next()
			if i == 0 {
				first = p
				last = p.SequenceNumber - 1
			}
			seq, step := 65530+i, p.SequenceNumber-last // more than 1 where the stream seemed to have gone silent
			last = p.SequenceNumber
			if step < 1 || step > 4 || p.Timestamp != first.Timestamp+uint32(i)*3000 || p.SSRC != first.SSRC || !p.Marker ||
				p.Payload[2] != byte(seq>>8) || p.Payload[3] != byte(seq) {
				t.Fatalf("viewer %d, packet %d: got %v % x", n, i, p.Header, p.Payload)
			}
		}
	}
	eventually(t, "the cast is live with VP8", func() bool {
		seen.mu.Lock()
		defer seen.mu.Unlock()
		return seen.live["c"] && seen.slots["c"]["screen"] == "video/VP8"
	})
	if s := e.Snapshot(); s.Viewers != 3 || s.Live != 1 || s.Packets != 20 {
		t.Errorf("snapshot says %+v", s)
	}
}

func TestManyKeyframeWishesAreOneRequest(t *testing.T) {
	e, seen := newEngine(t)
	caster := publish(t, e, "c", "caster")
	seen.connected(t, "caster")
	caster.send(1, 0, true)
	eventually(t, "live", func() bool { return seen.isLive("c") })
	var viewers []*receiver
	for i := range 4 {
		viewers = append(viewers, watch(t, e, "c", fmt.Sprint("v", i)))
	}
	seen.connected(t, "v0", "v1", "v2", "v3")
	caster.send(2, 3000, true)
	var ssrcs []uint32
	for _, v := range viewers {
		ssrcs = append(ssrcs, v.next().SSRC)
	}
	// From here on no keyframe comes: the gate may ask once at once and then once a second.
	before, begun := e.Snapshot().Asked, time.Now()
	wishes := 0
	eventually(t, "wishes are answered by a request, and it is repeated", func() bool {
		for i, v := range viewers { // every viewer insists
			if err := v.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: ssrcs[i]}}); err != nil {
				t.Fatal(err)
			}
			wishes++
		}
		return e.Snapshot().Asked >= before+2
	})
	if asked, most := e.Snapshot().Asked-before, uint64(time.Since(begun)/forward.KeyframeGap)+2; asked > most || wishes < 40 {
		t.Errorf("%d wishes made %d requests in %v", wishes, asked, time.Since(begun))
	}
}

func TestViewerThatWaitsForTheCaster(t *testing.T) {
	e, seen := newEngine(t)
	v := watch(t, e, "c", "v")
	seen.connected(t, "v")
	caster := publish(t, e, "c", "caster")
	seen.connected(t, "caster")
	caster.send(7, 0, true)
	if p := v.next(); p.Payload[3] != 7 {
		t.Errorf("got % x", p.Payload)
	}
}

func TestCastersReloadContinuesTheStream(t *testing.T) {
	e, seen := newEngine(t)
	first := publish(t, e, "c", "caster")
	v := watch(t, e, "c", "v")
	seen.connected(t, "caster", "v")
	for i := range uint16(5) {
		first.send(100+i, uint32(i)*3000, i == 0)
	}
	var ssrc, ts uint32
	var seq uint16
	for range 5 {
		p := v.next()
		ssrc, ts, seq = p.SSRC, p.Timestamp, p.SequenceNumber
	}
	second := publish(t, e, "c", "caster-again")
	seen.connected(t, "caster-again")
	for i := range uint16(5) {
		second.send(60000+i, 5+uint32(i)*3000, i == 0)
	}
	for i := range uint16(5) {
		p := v.next()
		// Up to three numbers may have gone to packets that show where the silent stream ended.
		step := p.SequenceNumber - seq
		if p.SSRC != ssrc || step < 1 || step > 4 || int32(p.Timestamp-ts) <= 0 {
			t.Fatalf("packet %d after the reload: %v, want SSRC %d, the number after %d, later than %d", i, p.Header, ssrc, seq, ts)
		}
		ts, seq = p.Timestamp, p.SequenceNumber
	}
	if e.Snapshot().Viewers != 1 {
		t.Error("the viewer's connection did not stay")
	}
}

func TestViewersNackIsAnsweredWithTheSamePacket(t *testing.T) {
	e, seen := newEngine(t)
	caster := publish(t, e, "c", "caster")
	v := watch(t, e, "c", "v")
	seen.connected(t, "caster", "v")
	for i := range uint16(3) {
		caster.send(i, uint32(i)*3000, i == 0)
	}
	v.next()
	want := v.next()
	v.next()
	if err := v.pc.WriteRTCP([]rtcp.Packet{&rtcp.TransportLayerNack{
		MediaSSRC: want.SSRC, Nacks: rtcp.NackPairsFromSequenceNumbers([]uint16{want.SequenceNumber}),
	}}); err != nil {
		t.Fatal(err)
	}
	got := v.next()
	a, _ := want.Marshal()
	b, _ := got.Marshal()
	if string(a) != string(b) {
		t.Errorf("resent % x, was % x", b, a)
	}
}

func TestCasterIsAskedForLostPackets(t *testing.T) {
	e, seen := newEngine(t)
	caster := publish(t, e, "c", "caster")
	seen.connected(t, "caster")
	for _, seq := range []uint16{1, 2, 3, 5, 6} {
		caster.send(seq, 0, seq == 1)
	}
	deadline := time.After(5 * time.Second)
	for {
		select {
		case p := <-caster.rtcp:
			n, ok := p.(*rtcp.TransportLayerNack)
			if !ok {
				continue
			}
			if lost := n.Nacks[0].PacketList(); len(lost) != 1 || lost[0] != 4 {
				t.Errorf("asked for %v, want 4", lost)
			}
			return
		case <-deadline:
			t.Fatal("nobody asked for packet 4")
		}
	}
}

// A caster that sends a lost packet again under its own number may be hundreds of packets late with it: after a keyframe
// of a large screen, or over a long way.
func TestCastersLateResendIsTaken(t *testing.T) {
	const last = 400
	e, seen := newEngine(t)
	caster := publish(t, e, "c", "caster")
	v := watch(t, e, "c", "v")
	seen.connected(t, "caster", "v")
	var first uint16
	for seq := uint16(1); seq <= last; seq++ {
		if seq == 4 {
			continue
		}
		caster.send(seq, 0, seq == 1)
		if p := v.next(); seq == 1 {
			first = p.SequenceNumber
		}
	}
	caster.send(4, 0, false)
	if p := v.next(); p.SequenceNumber != first+3 {
		t.Errorf("packet 4 came as %d, want %d", p.SequenceNumber, first+3)
	}
}

func TestLeaveAndEnd(t *testing.T) {
	e, seen := newEngine(t)
	caster := publish(t, e, "c", "caster")
	watch(t, e, "c", "v0")
	watch(t, e, "c", "v1")
	seen.connected(t, "caster", "v0", "v1")
	caster.send(1, 0, true)
	eventually(t, "live", func() bool { return seen.isLive("c") })
	e.Leave("v0")
	e.Leave("nobody")
	if n := e.Snapshot().Viewers; n != 1 {
		t.Errorf("%d viewers after one of two left", n)
	}
	e.Leave("caster")
	eventually(t, "not live after the caster left", func() bool { return !seen.isLive("c") })
	if s := e.Snapshot(); s.Casts != 1 || s.Viewers != 1 {
		t.Errorf("the viewer did not stay: %+v", s)
	}
	e.End("c")
	if s := e.Snapshot(); s.Casts != 0 || s.Viewers != 0 {
		t.Errorf("the cast did not end: %+v", s)
	}
}

func TestPeerThatNeverConnectsIsForgotten(t *testing.T) {
	e, seen := newEngine(t)
	e.patience = 50 * time.Millisecond
	f := newFar(t)
	track := publishOffer(t, f)
	offer, slots := f.offer("screen")
	_ = track
	if _, err := e.Publish(context.Background(), "c", "p", offer, slots); err != nil {
		t.Fatal(err)
	}
	eventually(t, "failed", func() bool { return seen.peer("p") == "failed" })
	eventually(t, "forgotten", func() bool { return e.Snapshot().Casts == 0 })
}

func TestRefusals(t *testing.T) {
	e, _ := newEngine(t)
	f := newFar(t)
	publishOffer(t, f)
	offer, slots := f.offer("screen")
	for _, c := range []struct {
		name, offer string
		slots       map[string]string
		watch       bool
		code        string
	}{
		{"not SDP", "hello", nil, false, "bad_sdp"},
		{"no slot", offer, nil, false, "bad_offer"},
		{"slot of another kind", offer, map[string]string{"0": "audio"}, false, "bad_offer"},
		{"unknown slot", offer, map[string]string{"0": "whiteboard"}, false, "bad_offer"},
		{"a caster's offer to watch", offer, slots, true, "bad_offer"},
		{"no ICE", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=sendonly\r\na=rtpmap:96 VP8/90000\r\n", map[string]string{"0": "screen"}, false, "bad_offer"},
	} {
		do := e.Publish
		if c.watch {
			do = e.Watch
		}
		_, err := do(context.Background(), "c", "p", c.offer, c.slots)
		var refused interface{ Code() string }
		if !errors.As(err, &refused) || refused.Code() != c.code {
			t.Errorf("%s: got %v, want %s", c.name, err, c.code)
		}
	}
	if s := e.Snapshot(); s.Casts != 0 {
		t.Errorf("refused offers leave %d casts", s.Casts)
	}
	e.Close()
	if _, err := e.Publish(context.Background(), "c", "p", offer, slots); !errors.Is(err, errClosed) {
		t.Errorf("a closed engine answers %v", err)
	}
}

func TestCloseWhilePeersJoin(t *testing.T) {
	e, _ := newEngine(t)
	begun := make(chan struct{}, 4)
	done := make(chan error, 4)
	for i := range 4 {
		f := newFar(t)
		if _, err := f.pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			t.Fatal(err)
		}
		offer, slots := f.offer("screen")
		go func() {
			begun <- struct{}{}
			for {
				if _, err := e.Watch(context.Background(), "c", fmt.Sprint("v", i), offer, slots); err != nil {
					done <- err
					return
				}
			}
		}()
	}
	for range 4 {
		<-begun
	}
	e.Close()
	for range 4 {
		select {
		case err := <-done:
			if !errors.Is(err, errClosed) && !errors.Is(err, errEnded) {
				t.Errorf("a peer that joins a closed engine is told %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("a join hangs after Close")
		}
	}
}
