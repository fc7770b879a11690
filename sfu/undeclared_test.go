package sfu

import (
	"context"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"
)

// Offers that do not say which SSRC their streams have, with and without extensions that name the m-line, of one m-line
// and of two: everything from the first packet on reaches the viewers, and still does after an ICE restart.
func TestStreamsWithoutADeclaredSSRC(t *testing.T) {
	for _, sound := range []bool{false, true} {
		for _, extensions := range []bool{false, true} {
			t.Run(fmt.Sprint("sound ", sound, ", extensions ", extensions), func(t *testing.T) {
				withoutSSRC(t, sound, extensions)
			})
		}
	}
}

func withoutSSRC(t *testing.T, sound, extensions bool) {
	e, seen := newEngine(t)
	f := newFar(t)
	picture := publishOffer(t, f)
	slots := []string{"screen"}
	var voice *webrtc.TrackLocalStaticRTP
	if sound {
		var err error
		if voice, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "a", "s"); err != nil {
			t.Fatal(err)
		}
		if _, err := f.pc.AddTransceiverFromTrack(voice, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}); err != nil {
			t.Fatal(err)
		}
		slots = append(slots, "audio")
	}
	strip := func(offer string) string {
		offer = regexp.MustCompile(`a=ssrc[^\r]*\r\n`).ReplaceAllString(offer, "")
		if !extensions {
			offer = regexp.MustCompile(`a=extmap:[^\r]*\r\n`).ReplaceAllString(offer, "")
		}
		return offer
	}
	offer, names := f.offer(slots...)
	answer, err := e.Publish(context.Background(), "c", "caster", strip(offer), names)
	if err != nil {
		t.Fatal(err)
	}
	f.answer(answer)
	wire := f.pc.GetSenders()[0].Transport()
	eventually(t, "the caster is up", func() bool { return wire.State() == webrtc.DTLSTransportStateConnected })
	seen.connected(t, "caster")
	v := watch(t, e, "c", "v")
	seen.connected(t, "v")
	seq := uint16(65530)
	send := func(key bool) {
		frame := byte(1)
		if key {
			frame = 0
		}
		if sound {
			if err := voice.WriteRTP(&rtp.Packet{
				Header: rtp.Header{Version: 2, SequenceNumber: seq, Timestamp: uint32(seq) * 960}, Payload: []byte{1, 2, 3},
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := picture.WriteRTP(&rtp.Packet{
			Header: rtp.Header{Version: 2, SequenceNumber: seq, Timestamp: uint32(seq) * 3000, Marker: true}, Payload: []byte{0x10, frame, byte(seq >> 8), byte(seq)},
		}); err != nil {
			t.Fatal(err)
		}
		seq++
	}
	for i := range 20 {
		send(i == 0)
	}
	for want := uint16(65530); want != seq; want++ {
		if p := v.next(); p.Payload[2] != byte(want>>8) || p.Payload[3] != byte(want) {
			t.Fatalf("packet %d: % x", want, p.Payload)
		}
	}
	eventually(t, "all streams are there", func() bool { return len(e.Ingest("c")) == len(slots) })

	again := f.anew()
	if err := f.pc.SetLocalDescription(again); err != nil {
		t.Fatal(err)
	}
	if answer, err = e.Restart(context.Background(), "c", "caster", strip(again.SDP)); err != nil {
		t.Fatal(err)
	}
	f.answer(answer)
	eventually(t, "media goes on after the restart", func() bool {
		for len(v.packets) > 0 {
			<-v.packets
		}
		send(false)
		select {
		case <-v.packets:
			return true
		case <-time.After(50 * time.Millisecond):
			return false
		}
	})
	if got := e.Ingest("c"); len(got) != len(slots) {
		t.Errorf("after the restart: %+v", got)
	}
}
