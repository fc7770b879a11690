package sfu

import (
	"context"
	"fmt"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"
)

func h264Codec(profile string) webrtc.RTPCodecCapability {
	return webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeH264, ClockRate: 90000,
		SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=" + profile,
	}
}

func h264Track(t *testing.T, profile string) *webrtc.TrackLocalStaticRTP {
	t.Helper()
	track, err := webrtc.NewTrackLocalStaticRTP(h264Codec(profile), "v", "s")
	if err != nil {
		t.Fatal(err)
	}
	return track
}

// takes makes profiles of H.264 all that a transceiver offers, in that order.
func takes(t *testing.T, tr *webrtc.RTPTransceiver, profiles ...string) {
	t.Helper()
	var codecs []webrtc.RTPCodecParameters
	for i, p := range profiles {
		codecs = append(codecs, webrtc.RTPCodecParameters{RTPCodecCapability: h264Codec(p), PayloadType: webrtc.PayloadType(100 + i)})
	}
	if err := tr.SetCodecPreferences(codecs); err != nil {
		t.Fatal(err)
	}
}

// Viewers that offer no H.264 but constrained baseline, or not the profile that is cast, get the cast all the same, on the
// nearest that they offered, and what the caster's encoder turns to later too; whether they were there before it or not.
func TestProfilesThatAViewerDidNotOffer(t *testing.T) {
	for _, first := range []string{"4d001f", "64001f"} {
		t.Run(first, func(t *testing.T) { withoutProfile(t, first) })
	}
}

func withoutProfile(t *testing.T, first string) {
	e, seen := newEngine(t)
	other := map[string]string{"4d001f": "64001f", "64001f": "4d001f"}[first]
	viewer := func(id string, profiles ...string) *receiver {
		return watchWith(t, e, "c", id, func(tr *webrtc.RTPTransceiver) { takes(t, tr, profiles...) })
	}
	all := []*receiver{viewer("early", "42e01f")}

	f := newFar(t)
	tracks := map[string]*webrtc.TrackLocalStaticRTP{first: h264Track(t, first), other: h264Track(t, other)}
	tr, err := f.pc.AddTransceiverFromTrack(tracks[first], webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		t.Fatal(err)
	}
	takes(t, tr, first, other)
	offer, slots := f.offer("screen")
	answer, err := e.Publish(context.Background(), "c", "caster", offer, slots)
	if err != nil {
		t.Fatal(err)
	}
	f.answer(answer)
	seen.connected(t, "caster", "early")
	wire := tr.Sender().Transport()
	eventually(t, "the caster's own end is up", func() bool { return wire.State() == webrtc.DTLSTransportStateConnected })
	seq := uint16(65533)
	send := func(profile string, payload ...byte) {
		t.Helper()
		p := &rtp.Packet{
			Header: rtp.Header{Version: 2, SequenceNumber: seq, Timestamp: uint32(seq) * 3000, Marker: true}, Payload: payload,
		}
		if err := tracks[profile].WriteRTP(p); err != nil {
			t.Fatal(err)
		}
		seq++
	}
	key := []byte{0x78, 0, 4, 0x67, 0x4d, 0, 0x1f, 0, 3, 0x68, 0xce, 0x3c, 0, 3, 0x65, 0x80, 1}
	send(first, key...)
	eventually(t, "the cast is live", func() bool { return len(e.Ingest("c")) == 1 })
	all = append(all, viewer("late", "42e01f"), viewer("both", "42e01f", "4d001f"))
	seen.connected(t, "late", "both")
	expect := func(what string, types ...uint8) {
		t.Helper()
		for i, v := range all {
			if p := v.next(); p.Payload[len(p.Payload)-1] != key[len(key)-1] || p.PayloadType != types[i] {
				t.Fatalf("%s, viewer %d: payload type %d, % x; want %d, % x", what, i, p.PayloadType, p.Payload, types[i], key)
			}
		}
	}
	expect(first, 100, 100, 101)
	for i, profile := range []string{other, first} {
		if err := tr.Sender().ReplaceTrack(tracks[profile]); err != nil {
			t.Fatal(err)
		}
		key[len(key)-1]++
		send(profile, key...)
		expect(fmt.Sprint("change ", i, " to ", profile), 100, 100, 101)
	}
	for _, id := range []string{"early", "late", "both"} {
		if state := seen.peer(id); state != "connected" {
			t.Errorf("%s is %s", id, state)
		}
	}
}
