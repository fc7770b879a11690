package sfu

import (
	"bytes"
	"context"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"
)

// A caster that sends its parameter sets once, at its beginning: whoever joins later gets them before the keyframe.
func TestJoinerGetsParameterSetsThatWereSentOnce(t *testing.T) {
	e, seen := newEngine(t)
	f := newFar(t)
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeH264, ClockRate: 90000,
		SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
	}, "v", "s")
	if err != nil {
		t.Fatal(err)
	}
	tr, err := f.pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		t.Fatal(err)
	}
	offer, slots := f.offer("screen")
	answer, err := e.Publish(context.Background(), "c", "caster", offer, slots)
	if err != nil {
		t.Fatal(err)
	}
	f.answer(answer)
	seen.connected(t, "caster")
	wire := tr.Sender().Transport()
	eventually(t, "the caster's own end is up", func() bool { return wire.State() == webrtc.DTLSTransportStateConnected })
	seq := uint16(65533)
	send := func(ts uint32, marker bool, payload ...byte) {
		t.Helper()
		err := track.WriteRTP(&rtp.Packet{
			Header: rtp.Header{Version: 2, SequenceNumber: seq, Timestamp: ts, Marker: marker}, Payload: payload,
		})
		if err != nil {
			t.Fatal(err)
		}
		seq++
	}
	send(0, false, 0x67, 0x42, 0xe0, 0x1f)
	send(0, false, 0x68, 0xce, 0x3c)
	send(0, true, 0x65, 0x80, 1)
	send(3000, true, 0x41, 0x80, 2)
	send(6000, false, 0x7c, 0x85, 0x80, 3) // another keyframe, in two fragments and without sets
	send(6000, true, 0x7c, 0x45, 4)
	send(9000, true, 0x41, 0x80, 5)
	eventually(t, "all has come", func() bool { return e.Snapshot().Packets == 7 })
	v := watch(t, e, "c", "v")
	var last *rtp.Packet
	for i, want := range [][]byte{
		{0x78, 0, 4, 0x67, 0x42, 0xe0, 0x1f, 0, 3, 0x68, 0xce, 0x3c}, {0x7c, 0x85, 0x80, 3}, {0x7c, 0x45, 4}, {0x41, 0x80, 5},
	} {
		p := v.next()
		if !bytes.Equal(p.Payload, want) || last != nil && p.SequenceNumber != last.SequenceNumber+1 {
			t.Fatalf("packet %d: number %d, % x, want % x", i, p.SequenceNumber, p.Payload, want)
		}
		last = p
	}
}
