package transport

import (
	"bytes"
	"context"
	"encoding/hex"
	"testing"

	"github.com/pion/rtcp"
	"github.com/pion/stun"

	"castcode/internal/bytecase"
)

func FuzzOffer(f *testing.F) {
	f.Add(offered)
	f.Add("v=0\r\na=group:BUNDLE\r\nm=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=bundle-only\r\na=mid:0")
	f.Add("v=0\nm=video 9 UDP/TLS/RTP/SAVPF 1\na=rtpmap:1 VP8\na=fmtp:1\na=rtcp-fb:*\na=extmap:1")
	server := newTestServer(f, nil)
	f.Fuzz(func(t *testing.T, offer string) {
		o, err := ParseOffer(offer)
		if err != nil {
			return
		}
		ssrcs := map[string]uint32{}
		for _, m := range o.Media {
			ssrcs[m.Mid] = 1
		}
		told := o.Unified(offer, ssrcs)
		unified, err := ParseOffer(told)
		if err != nil || len(unified.Media) != len(o.Media) || len(unified.Undeclared()) > 0 {
			t.Errorf("the unified offer: %v\n%s", err, told)
		}
		names := map[string]string{}
		for _, m := range o.Media {
			if m.Receives {
				names[m.Mid] = "screen"
			}
		}
		s, answer, err := server.Open(context.Background(), o, names, 0, nil, nil)
		if err != nil {
			return
		}
		defer s.Close()
		if bytes.Count([]byte(answer), []byte("\r\nm=")) != len(o.Media) {
			t.Errorf("%d m-lines, answer\n%s", len(o.Media), answer)
		}
		for _, track := range s.Tracks() {
			p := make([]byte, maxExtensions)
			track.ids.write(p, &Extensions{PlayoutDelay: 1 << 24, CaptureTime: 1, HasLevel: true, Dependency: p[:255]}, track.mid)
		}
	})
}

func FuzzCheck(f *testing.F) {
	good := request(f, "abcd:peer", "0123456789012345678901", priority(1), useCandidate, raw{stun.AttrICEControlling, make([]byte, 8)})
	f.Add(good)
	f.Add(good[:20])
	for _, s := range []string{
		"0016000c2112a442000102030405060708090a0b001300040000000000120000", "010100042112a442000102030405060708090a0b00200000",
		"000100042112a442000102030405060708090a0b0006ffff",
	} {
		b, _ := hex.DecodeString(s)
		f.Add(b)
	}
	for _, c := range bytecase.All() {
		f.Add(c.Bytes)
	}
	sign := newSigner("0123456789012345678901")
	f.Fuzz(func(t *testing.T, p []byte) {
		c, ok := parseCheck(p)
		if !ok {
			return
		}
		sign.verify(p, c)
		for _, from := range []Route{route(1)} {
			answer := make([]byte, maxAnswer)
			if n := sign.answer(answer, p, from.Addr()); n > len(p) {
				t.Errorf("%d bytes for %d", n, len(p))
			}
		}
	})
}

func FuzzHello(f *testing.F) {
	f.Add(helloFragment(0))
	f.Add(helloFragment(0)[:25])
	for _, c := range bytecase.All() {
		f.Add(c.Bytes)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if isHello(p) && (len(p) < recordHeader+handshakeHeader || p[0] != 22 || p[recordHeader] != 1) {
			t.Errorf("%x begins no handshake", p)
		}
	})
}

// rtcpSeeds are compound packets that name the tracks' SSRCs 1 and 2.
func rtcpSeeds(t testing.TB) [][]byte {
	var out [][]byte
	for _, packets := range [][]rtcp.Packet{
		{&rtcp.ReceiverReport{SSRC: 9, Reports: []rtcp.ReceptionReport{{SSRC: 1, LastSenderReport: 5}, {SSRC: 3}}}, &rtcp.PictureLossIndication{MediaSSRC: 1}},
		{&rtcp.SenderReport{SSRC: 9, Reports: []rtcp.ReceptionReport{{SSRC: 2}}}, &rtcp.SourceDescription{}, &rtcp.Goodbye{Sources: []uint32{9}}},
		{&rtcp.TransportLayerNack{MediaSSRC: 2, Nacks: make([]rtcp.NackPair, 9)}},
		{&rtcp.FullIntraRequest{FIR: []rtcp.FIREntry{{SSRC: 1}, {SSRC: 2}}}},
		{&rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: 1e20, SSRCs: []uint32{1}}},
		{&rtcp.ExtendedReport{Reports: []rtcp.ReportBlock{&rtcp.ReceiverReferenceTimeReportBlock{NTPTimestamp: 1}}}},
	} {
		b, err := rtcp.Marshal(packets)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return append(out, twccSeed, bytes.Repeat([]byte{0x80, 204, 0, 0}, 20), []byte{0xA0, 201, 0, 1, 0, 0, 0, 0})
}

var twccSeed = []byte{
	0x8F, 205, 0, 6, 0, 0, 0, 9, 0, 0, 0, 1, 0, 5, 0, 7, 0, 0, 1, 1, 0x20, 3, 0xD2, 0x40, 1, 2, 3, 0,
}

func walker(t testing.TB) *Session {
	s := newTestSession(t, newTestServer(t, nil))
	s.tracks[0].main.ssrc, s.tracks[0].resend.ssrc, s.tracks[1].main.ssrc = 1, 2, 4
	return s
}

func FuzzRTCP(f *testing.F) {
	for _, p := range rtcpSeeds(f) {
		f.Add(p)
	}
	s := walker(f)
	var events []Event
	f.Fuzz(func(t *testing.T, p []byte) {
		events = s.walk(events[:0], p, 1<<40)
		if len(events) > maxEvents {
			t.Errorf("%d events", len(events))
		}
		for _, e := range events {
			if e.Kind == EventFeedback {
				readAll(t, &e.Feedback)
			}
		}
	})
}

func readAll(t *testing.T, f *Feedback) {
	n := 0
	for a := f.Arrivals(); a.Next(); n++ {
		if a.Seq != f.First+uint16(n) {
			t.Errorf("packet %d has number %d", n, a.Seq)
		}
	}
	if n != f.Count || n > maxStatuses {
		t.Errorf("%d packets of %d", n, f.Count)
	}
}

func FuzzFeedback(f *testing.F) {
	f.Add(twccSeed[12:])
	f.Add([]byte{0, 0, 0xFF, 0xFF, 0, 0, 0, 0, 0x1F, 0xFF})
	f.Fuzz(func(t *testing.T, p []byte) {
		if feedback, ok := parseFeedback(p); ok {
			readAll(t, &feedback)
		}
	})
}

func FuzzOpenReports(f *testing.F) {
	for _, p := range rtcpSeeds(f) {
		sealed := make([]byte, 1500)
		k := testKeying(true)
		n := newCrypt(true, &k.remoteKey, &k.remoteSalt, labelsOfRTCP).sealRTCP(sealed, copy(sealed, p), 1)
		f.Add(sealed[:n])
	}
	var opens []*crypt
	for _, profile := range bothProfiles {
		k := testKeying(profile.gcm)
		opens = append(opens, newCrypt(k.gcm, &k.remoteKey, &k.remoteSalt, labelsOfRTCP))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		for _, open := range opens {
			open.openRTCP(bytes.Clone(p))
		}
	})
}

// FuzzDatagram gives a session anything at all, from a checked address.
func FuzzDatagram(f *testing.F) {
	f.Add(helloFragment(0)[:60])
	f.Add([]byte{0x80, 201, 0, 1})
	f.Add([]byte{})
	for _, c := range bytecase.All() {
		f.Add(c.Bytes)
	}
	server := newTestServer(f, nil)
	f.Fuzz(func(t *testing.T, p []byte) {
		s := newTestSession(t, server)
		s.testCheck(t, s.ice.current.local, "peer", route(1), 0, useCandidate)
		lookup(server, p, route(1))
		s.HandleDatagram(nil, p, route(1), 1, &wireless{})
		s.Tick(nil, 2)
		s.Close()
	})
}
