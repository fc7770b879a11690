package transport

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v2"
)

// sealing is a session that has keys without a handshake.
func sealing(t testing.TB, gcm, feedback bool) *Session {
	t.Helper()
	s := newTestSession(t, newTestServer(t, func(c *Config) { c.TransportFeedback = feedback }))
	k := testKeying(gcm)
	s.sealMedia = newCrypt(gcm, &k.localKey, &k.localSalt, 0)
	s.sealReports = newCrypt(gcm, &k.localKey, &k.localSalt, labelsOfRTCP)
	s.openReports = newCrypt(gcm, &k.remoteKey, &k.remoteSalt, labelsOfRTCP)
	s.state = connected
	<-s.server.slots
	s.ice.selected = route(1)
	return s
}

func TestSealRefuses(t *testing.T) {
	s := sealing(t, true, false)
	v, a := s.Tracks()[0], s.Tracks()[1]
	vp8, _ := v.Format(codecVP8, "")
	h264, _ := v.Format(codecH264, "")
	opus, _ := a.Format(codecOpus, "")
	for _, c := range []struct {
		name   string
		track  *Track
		format *Format
		h      RTPHeader
		room   int
		want   Drop
	}{
		{"first", v, vp8, RTPHeader{Seq: 1}, 1500, Kept},
		{"twice", v, vp8, RTPHeader{Seq: 1}, 1500, DropReuse},
		{"a repeat with changing extensions", v, vp8, RTPHeader{Form: Repeat, Seq: 1}, 1500, DropResend},
		{"a resend in a format without RTX", v, h264, RTPHeader{Form: Resend, Seq: 1}, 1500, DropResend},
		{"a resend on audio", a, opus, RTPHeader{Form: Resend, Seq: 1}, 1500, DropResend},
		{"no room", v, vp8, RTPHeader{Seq: 2}, 1000, DropOversize},
		{"hardly any room", v, vp8, RTPHeader{Seq: 2}, 100, DropOversize},
		{"the same with room", v, vp8, RTPHeader{Seq: 2}, 1500, Kept},
		{"ahead", v, vp8, RTPHeader{Seq: 5000}, 1500, Kept},
		{"late", v, vp8, RTPHeader{Seq: 5000 - memory}, 1500, DropLate},
	} {
		before := s.server.Count(c.want)
		n := s.Seal(make([]byte, c.room), c.track, c.format, c.h, &Extensions{}, Payload{Body: make([]byte, 1000)})
		if (n > 0) != (c.want == Kept) || c.want != Kept && s.server.Count(c.want) != before+1 {
			t.Errorf("%s: %d bytes, %s counted %d", c.name, n, c.want, s.server.Count(c.want)-before)
		}
	}
	s.Close()
	if n := s.Seal(make([]byte, 1500), v, vp8, RTPHeader{Seq: 9}, &Extensions{}, Payload{}); n != 0 || s.server.Count(DropEarly) != 1 {
		t.Error("sealed after the end")
	}
}

// What Seal writes is what another library reads, for both forms of header extensions.
func TestExtensionsInBothForms(t *testing.T) {
	for _, mixed := range []bool{true, false} {
		for _, size := range []int{0, 3, 16, 17, 255} {
			s := sealing(t, true, true)
			v := s.Tracks()[0]
			v.ids.mixed, v.ids.captureTime, v.ids.playoutDelay = mixed, 9, 10
			f, _ := v.Format(codecVP8, "")
			ext := &Extensions{
				SendTime: 63_500_000_000, TransportSeq: 0xABCD, PlayoutDelay: PlayoutDelay(10*time.Millisecond, time.Hour), CaptureTime: 0x1122334455667788,
				Dependency: bytes.Repeat([]byte{0xDD}, size),
			}
			p := make([]byte, 1500)
			n := s.Seal(p, v, f, RTPHeader{Seq: 1, Timestamp: 2, Marker: true}, ext, Payload{Body: []byte("body")})
			k := testKeying(true)
			other, err := srtp.CreateContext(k.localKey[:], k.localSalt[:gcmSaltSize], srtp.ProtectionProfileAeadAes128Gcm)
			if err != nil {
				t.Fatal(err)
			}
			var got rtp.Packet
			plain, err := other.DecryptRTP(nil, p[:n], nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := got.Unmarshal(plain); err != nil {
				t.Fatal(err)
			}
			if want := uint16(0xBEDE); (got.ExtensionProfile == want) != (mixed && size <= 16) {
				t.Errorf("mixed %v, descriptor of %d: profile %x", mixed, size, got.ExtensionProfile)
			}
			for id, want := range map[uint8][]byte{
				v.ids.mid: []byte("v"), v.ids.sendTime: {0xFE, 0, 0}, v.ids.transportSeq: {0xAB, 0xCD}, 10: {0, 0x1F, 0xFF},
				9: {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88}, v.ids.dependency: ext.Dependency,
			} {
				if !bytes.Equal(got.GetExtension(id), want) {
					t.Errorf("mixed %v, descriptor of %d, extension %d: %x, want %x", mixed, size, id, got.GetExtension(id), want)
				}
			}
			if string(got.Payload) != "body" || !got.Marker || got.PayloadType != 96 {
				t.Errorf("packet %v", got)
			}
		}
	}
}

func TestSealAllocatesNothing(t *testing.T) {
	for _, profile := range bothProfiles {
		s := sealing(t, profile.gcm, true)
		v := s.Tracks()[0]
		f, _ := v.Format(codecVP8, "")
		p, body, head := make([]byte, 1800), make([]byte, 1150), make([]byte, 6)
		var seq uint16
		ext := &Extensions{Dependency: head}
		marks := []Mark{{v, 5}, {s.Tracks()[1], 6}}
		out := &wireless{room: make([]byte, 2000)}
		for name, run := range map[string]func(){
			"straight": func() { s.Seal(p, v, f, RTPHeader{Seq: seq}, ext, Payload{Body: body}) },
			"patched":  func() { s.Seal(p, v, f, RTPHeader{Seq: seq, Padding: 4}, ext, Payload{Head: head, Body: body}) },
			"resend":   func() { s.Seal(p, v, f, RTPHeader{Form: Resend, Seq: seq}, ext, Payload{Body: body}) },
			"probe":    func() { s.Seal(p, v, f, RTPHeader{Form: Probe, Padding: 200}, ext, Payload{}) },
			"report":   func() { s.Report(marks, int64(seq), discard{out}) },
		} {
			if n := testing.AllocsPerRun(500, func() { seq++; run() }); n != 0 {
				t.Errorf("%s, %s: %v allocations", profile.name, name, n)
			}
		}
		for reason := range Drop(Drops) {
			if n := s.server.Count(reason); n != 0 {
				t.Errorf("%s: dropped %d for %s", profile.name, n, reason)
			}
		}
	}
}

// discard is a batch that sends nowhere and keeps nothing.
type discard struct{ w *wireless }

func (d discard) Reserve(_ Route, n int) []byte { return d.w.room[:n] }
func (d discard) Commit(int)                    {}

func TestFeedbackAllocatesNothing(t *testing.T) {
	for _, profile := range bothProfiles {
		s := sealing(t, profile.gcm, true)
		s.tracks[0].main.ssrc, s.tracks[0].resend.ssrc, s.tracks[1].main.ssrc = 1, 2, 4
		check := request(t, s.ice.current.local.Ufrag+":peer", s.ice.current.local.Password, priority(1), useCandidate)
		out := discard{&wireless{room: make([]byte, 200)}}
		s.HandleDatagram(nil, check, route(1), 1, out)
		s.HandleDatagram(nil, check, route(1), 1, out)
		k := testKeying(profile.gcm)
		client := newCrypt(profile.gcm, &k.remoteKey, &k.remoteSalt, labelsOfRTCP)
		p, index, seeds := make([]byte, 1500), uint32(0), rtcpSeeds(t)
		events := make([]Event, 0, 64)
		n := testing.AllocsPerRun(500, func() {
			seed := seeds[int(index)%6]
			n := client.sealRTCP(p, copy(p, seed), index)
			index++
			if server := lookup(s.server, p[:n], route(1)); server != s {
				t.Fatal("the feedback is nobody's")
			}
			events = s.HandleDatagram(events[:0], p[:n], route(1), 2, out)
			events = s.HandleDatagram(events, check, route(1), 2, out)
			events = s.Tick(events, 3)
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", profile.name, n)
		}
		if n := s.server.Count(DropSRTCP) + s.server.Count(DropReplay) + s.server.Count(DropSigned); n != 0 {
			t.Errorf("%s: %d dropped", profile.name, n)
		}
	}
}

// benchmarkBody is about what a browser puts into a packet of 2.5 Mbit/s.
const benchmarkBody = 1150

// BenchmarkSeal compares Seal with nothing but the AEAD of the standard library over as many bytes, taking turns, so
// that the ratio holds whatever else the machine does.
func BenchmarkSeal(b *testing.B) {
	for _, profile := range bothProfiles {
		b.Run(profile.name, func(b *testing.B) {
			s := sealing(b, profile.gcm, true)
			v := s.Tracks()[0]
			f, _ := v.Format(codecVP8, "")
			p, body := make([]byte, 1800), make([]byte, benchmarkBody)
			ext := &Extensions{}
			block, err := aes.NewCipher(make([]byte, 16))
			if err != nil {
				b.Fatal(err)
			}
			bare, err := cipher.NewGCM(block)
			if err != nil {
				b.Fatal(err)
			}
			nonce := make([]byte, 12)
			var seq uint16
			var ours, theirs time.Duration
			b.ReportAllocs()
			b.SetBytes(benchmarkBody)
			const round = 1000
			for i := 0; i < b.N; i += round {
				start := time.Now()
				for range round {
					seq++
					if s.Seal(p, v, f, RTPHeader{Seq: seq}, ext, Payload{Body: body}) == 0 {
						b.Fatal("refused")
					}
				}
				ours += time.Since(start)
				start = time.Now()
				for j := range round {
					binary.BigEndian.PutUint32(nonce, uint32(j))
					bare.Seal(p[28:28], nonce, body, p[:28])
				}
				theirs += time.Since(start)
			}
			n := float64((b.N + round - 1) / round * round)
			b.ReportMetric(float64(ours.Nanoseconds())/n, "ns/packet")
			b.ReportMetric(float64(theirs.Nanoseconds())/n, "ns/bare")
			b.ReportMetric(float64(ours)/float64(theirs), "x-bare-GCM")
		})
	}
}

func BenchmarkFeedback(b *testing.B) {
	s := sealing(b, true, true)
	s.tracks[0].main.ssrc = 1
	seed := rtcpSeeds(b)[0]
	k := testKeying(true)
	client := newCrypt(true, &k.remoteKey, &k.remoteSalt, labelsOfRTCP)
	s.ice.remotes = append(s.ice.remotes, remote{route(1), 0})
	p := make([]byte, 1500)
	var events []Event
	b.ReportAllocs()
	for i := range b.N {
		n := client.sealRTCP(p, copy(p, seed), uint32(i))
		events = s.HandleDatagram(events[:0], p[:n], route(1), 2, nil)
	}
}

func BenchmarkCheck(b *testing.B) {
	s := newTestSession(b, newTestServer(b, nil))
	p := request(b, s.ice.current.local.Ufrag+":peer", s.ice.current.local.Password, priority(1), useCandidate)
	out := discard{&wireless{room: make([]byte, 200)}}
	b.ReportAllocs()
	for range b.N {
		if lookup(s.server, p, route(1)) == nil {
			b.Fatal("nobody's")
		}
		s.HandleDatagram(nil, p, route(1), 2, out)
	}
}
