package transport

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/pion/dtls/v2"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"
)

// send seals one packet and sends it; it returns the size.
func (r *rig) send(s *Session, track *Track, h RTPHeader, ext Extensions, payload Payload) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	format, ok := track.Format(codecOf(track), "")
	if !ok {
		r.t.Fatal("no format")
	}
	p := r.Reserve(s.Route(), 1500)
	n := s.Seal(p, track, format, h, &ext, payload)
	r.Commit(n)
	return n
}

func codecOf(track *Track) string {
	if track.kind == "audio" {
		return codecOpus
	}
	return codecVP8
}

// vp8 is a payload that begins with a keyframe's descriptor, so that pion is content.
func vp8(n int) []byte { return append([]byte{0x10, 0}, bytes.Repeat([]byte{7}, n)...) }

// read takes the next packet that is not there to warm up.
func read(t *testing.T, track *webrtc.TrackRemote) *rtp.Packet {
	t.Helper()
	for {
		track.SetReadDeadline(time.Now().Add(10 * time.Second))
		p, _, err := track.ReadRTP()
		if err != nil {
			t.Fatal(err)
		}
		if p.Timestamp != warm {
			return p
		}
	}
}

func TestMediaReachesAPeerConnection(t *testing.T) {
	for _, c := range []struct {
		name string
		gcm  bool
		list []dtls.SRTPProtectionProfile
	}{
		{"GCM behind CM", true, []dtls.SRTPProtectionProfile{dtls.SRTP_AES128_CM_HMAC_SHA1_80, dtls.SRTP_AEAD_AES_128_GCM}},
		{"CM alone", false, []dtls.SRTPProtectionProfile{dtls.SRTP_AES128_CM_HMAC_SHA1_80}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.TransportFeedback = true })
			client := newClient(t, false, c.list...)
			s := r.join(client, names)
			if s.GCM() != c.gcm {
				t.Errorf("GCM %v, want %v", s.GCM(), c.gcm)
			}
			video, audio := s.Tracks()[0], s.Tracks()[1]
			if video.Name() != "screen" || audio.Name() != "audio" || !video.CanResend() || audio.CanResend() {
				t.Fatalf("tracks %q %q, resend %v %v", video.Name(), audio.Name(), video.CanResend(), audio.CanResend())
			}
			ext := Extensions{
				SendTime: 5e9, TransportSeq: 0x1234, PlayoutDelay: PlayoutDelay(0, 400*time.Millisecond), CaptureTime: 0x0102030405060708,
				Dependency: []byte{0x80, 1, 2}, HasLevel: true, AudioLevel: 0x85,
			}
			body := vp8(1000)
			track := r.flowing(client, s, video)
			r.send(s, video, RTPHeader{Seq: 65535, Timestamp: 9000, Marker: true}, ext, Payload{Body: body})
			if got := track.ID(); got != "screen" || track.SSRC() != webrtc.SSRC(video.SSRC()) {
				t.Errorf("track %q, SSRC %d", got, track.SSRC())
			}
			got := read(t, track)
			if got.SequenceNumber != 65535 || got.Timestamp != 9000 || !got.Marker || !bytes.Equal(got.Payload, body) {
				t.Errorf("got %v", got.Header)
			}
			for id, want := range map[uint8]string{
				video.ids.mid: "0", video.ids.sendTime: "\x14\x00\x00", video.ids.transportSeq: "\x12\x34",
				video.ids.playoutDelay: "\x00\x00\x28", video.ids.captureTime: "\x01\x02\x03\x04\x05\x06\x07\x08",
				video.ids.dependency: "\x80\x01\x02",
			} {
				if id == 0 || string(got.GetExtension(id)) != want {
					t.Errorf("extension %d: %q, want %q", id, got.GetExtension(id), want)
				}
			}
			// Over the rollover, in two parts, padded.
			r.send(s, video, RTPHeader{Seq: 0, Timestamp: 9000, Padding: 3}, ext, Payload{Head: body[:2], Body: body[2:500]})
			if got := read(t, track); got.SequenceNumber != 0 || !bytes.Equal(got.Payload, body[:500]) || got.PaddingSize != 3 {
				t.Errorf("got %v with %d bytes", got.Header, len(got.Payload))
			}
			// The same where the padding lies in the shared payload already.
			padded := append(slices.Clip(body[:500]), 0, 2)
			r.send(s, video, RTPHeader{Seq: 1, Timestamp: 9000}, ext, Payload{Body: padded, Padded: 2})
			if got := read(t, track); got.SequenceNumber != 1 || !bytes.Equal(got.Payload, body[:500]) || got.PaddingSize != 2 {
				t.Errorf("got %v with %d bytes", got.Header, len(got.Payload))
			}
			track = r.flowing(client, s, audio)
			r.send(s, audio, RTPHeader{Seq: 7, Timestamp: 960}, ext, Payload{Body: []byte{1, 2, 3}})
			got = read(t, track)
			if !bytes.Equal(got.Payload, []byte{1, 2, 3}) || string(got.GetExtension(audio.ids.audioLevel)) != "\x85" {
				t.Errorf("audio: %v", got)
			}
		})
	}
}

func TestResendsComeOnTheirOwnSSRC(t *testing.T) {
	r := newRig(t, nil)
	client := newClient(t, false)
	s := r.join(client, names)
	video := s.Tracks()[0]
	track := r.flowing(client, s, video)
	body := vp8(77)
	r.send(s, video, RTPHeader{Form: Resend, Seq: 9, Timestamp: 3, Marker: true}, Extensions{}, Payload{Head: body[:4], Body: body[4:]})
	// pion looks for resends when a packet of the track itself has come.
	var p *rtp.Packet
	for seq := uint16(11); ; seq++ {
		r.send(s, video, RTPHeader{Seq: seq}, Extensions{}, Payload{Body: vp8(1)})
		track.SetReadDeadline(time.Now().Add(10 * time.Second))
		var attributes interceptor.Attributes
		var err error
		if p, attributes, err = track.ReadRTP(); err != nil {
			t.Fatal(err)
		}
		if ssrc := attributes.Get(webrtc.AttributeRtxSsrc); ssrc != nil {
			if ssrc != video.resend.ssrc {
				t.Errorf("came on SSRC %v, want %d", ssrc, video.resend.ssrc)
			}
			break
		}
		if seq == 500 {
			t.Fatal("the resend does not come")
		}
	}
	if p.SequenceNumber != 9 || p.Timestamp != 3 || !p.Marker || !bytes.Equal(p.Payload, body) || p.SSRC != video.SSRC() {
		t.Errorf("unwrapped: %v, %d bytes", p.Header, len(p.Payload))
	}
	if n := r.send(s, video, RTPHeader{Form: Probe, Padding: 200}, Extensions{}, Payload{}); n < 200 {
		t.Errorf("a probe of %d bytes", n)
	}
	if n := r.send(s, s.Tracks()[1], RTPHeader{Form: Resend}, Extensions{}, Payload{}); n != 0 {
		t.Error("a resend where there is no RTX")
	}
	if packets, _ := video.Resent(); packets != 2 {
		t.Errorf("%d resent, want 2", packets)
	}
}

func TestFeedbackArrives(t *testing.T) {
	r := newRig(t, nil)
	client := newClient(t, false)
	s := r.join(client, names)
	video := s.Tracks()[0]
	ssrc := video.SSRC()
	client.feedback(t, &rtcp.TransportLayerNack{SenderSSRC: 1, MediaSSRC: ssrc, Nacks: []rtcp.NackPair{{PacketID: 7, LostPackets: 5}, {PacketID: 99}}})
	if e := r.wait(s, EventNack); e.Track != video || e.Pairs != 2 || e.Nack[0] != (NackPair{7, 5}) || e.Nack[1] != (NackPair{99, 0}) {
		t.Errorf("NACK: %+v", e)
	}
	client.feedback(t, &rtcp.PictureLossIndication{SenderSSRC: 2, MediaSSRC: ssrc})
	if e := r.wait(s, EventKeyframe); e.Track != video || e.Resend {
		t.Errorf("PLI: %+v", e)
	}
	client.feedback(t, &rtcp.FullIntraRequest{SenderSSRC: 1, FIR: []rtcp.FIREntry{{SSRC: video.resend.ssrc, SequenceNumber: 1}}})
	if e := r.wait(s, EventKeyframe); e.Track != video || !e.Resend {
		t.Errorf("FIR: %+v", e)
	}
	client.feedback(t, &rtcp.ReceiverEstimatedMaximumBitrate{SenderSSRC: 1, Bitrate: 2_500_000, SSRCs: []uint32{ssrc}})
	if e := r.wait(s, EventBitrate); e.Bitrate < 2_490_000 || e.Bitrate > 2_500_000 {
		t.Errorf("REMB: %+v", e)
	}
	client.feedback(t, &rtcp.TransportLayerCC{
		SenderSSRC: 1, MediaSSRC: ssrc, BaseSequenceNumber: 40, PacketStatusCount: 3, ReferenceTime: 2, FbPktCount: 9,
		PacketChunks: []rtcp.PacketStatusChunk{&rtcp.RunLengthChunk{PacketStatusSymbol: rtcp.TypeTCCPacketReceivedSmallDelta, RunLength: 3}},
		RecvDeltas:   []*rtcp.RecvDelta{{Type: 1, Delta: 250}, {Type: 1, Delta: 500}, {Type: 1, Delta: 0}},
		Header:       rtcp.Header{Padding: true, Count: rtcp.FormatTCC, Type: rtcp.TypeTransportSpecificFeedback, Length: 6},
	})
	if e := r.wait(s, EventFeedback); e.Feedback.First != 40 || e.Feedback.Count != 3 || e.Feedback.Number != 9 {
		t.Errorf("TWCC: %+v", e)
	}
	client.feedback(t, &rtcp.Goodbye{Sources: []uint32{1}})
	r.wait(s, EventBye)
}

func TestSenderReportsAndRoundTrip(t *testing.T) {
	r := newRig(t, nil)
	client := newClient(t, false)
	s := r.join(client, names)
	video, audio := s.Tracks()[0], s.Tracks()[1]
	r.send(s, video, RTPHeader{Seq: 1, Timestamp: 100}, Extensions{}, Payload{Body: vp8(98)})
	r.send(s, audio, RTPHeader{Seq: 1, Timestamp: 200}, Extensions{}, Payload{Body: make([]byte, 50)})
	reports := map[uint32]*rtcp.SenderReport{}
	for i, receiver := range client.GetReceivers() {
		r.do(func() { s.Report([]Mark{{video, 1000}, {audio, 2000}}, r.now(), r) })
		receiver.SetReadDeadline(time.Now().Add(10 * time.Second))
		packets, _, err := receiver.ReadRTCP()
		if err != nil {
			t.Fatalf("receiver %d: %v", i, err)
		}
		if n := len(packets); n != 3 {
			t.Fatalf("%d parts, want two reports and a description", n)
		}
		for _, p := range packets {
			if sr, ok := p.(*rtcp.SenderReport); ok {
				reports[sr.SSRC] = sr
			}
		}
		if d, ok := packets[2].(*rtcp.SourceDescription); !ok || d.Chunks[0].Items[0].Text != cname {
			t.Errorf("description: %v", packets[2])
		}
	}
	v, a := reports[video.SSRC()], reports[audio.SSRC()]
	if v == nil || a == nil {
		t.Fatalf("reports %v", reports)
	}
	if v.RTPTime != 1000 || v.PacketCount != 1 || v.OctetCount != 100 || a.RTPTime != 2000 || a.OctetCount != 50 {
		t.Errorf("reports: %v %v", v, a)
	}
	if v.NTPTime != a.NTPTime {
		t.Errorf("two NTP times: %x and %x", v.NTPTime, a.NTPTime)
	}
	wall := time.Unix(int64(v.NTPTime>>32)-secondsTo1970, 0)
	if d := time.Since(wall); d < -2*time.Second || d > 20*time.Second {
		t.Errorf("the report says %v, which is %v ago", wall, d)
	}
	client.feedback(t, &rtcp.ReceiverReport{SSRC: 1, Reports: []rtcp.ReceptionReport{{
		SSRC: video.SSRC(), FractionLost: 3, TotalLost: 4, LastSequenceNumber: 5, Jitter: 6, LastSenderReport: uint32(v.NTPTime >> 16), Delay: 1,
	}}})
	e := r.wait(s, EventReport)
	if e.Report.RoundTrip <= 0 || e.Report.RoundTrip > 10*time.Second {
		t.Errorf("round trip %v", e.Report.RoundTrip)
	}
	if e.Report.RoundTrip = 0; e.Track != video || e.Report != (ReceptionReport{3, 4, 5, 6, 0}) {
		t.Errorf("report %+v", e.Report)
	}
}

func TestClientWithoutRTXGetsTheSameBytesAgain(t *testing.T) {
	r := newRig(t, func(c *Config) { c.TransportFeedback = true })
	client := newClient(t, true)
	s := r.join(client, map[string]string{"0": "screen"})
	video := s.Tracks()[0]
	if video.CanResend() || video.CountsTransport() || video.ids.sendTime != 0 || video.ids.mid == 0 {
		t.Fatalf("agreed: %+v", video.ids)
	}
	seal := func(h RTPHeader, now int64) []byte {
		p := make([]byte, 1500)
		f, _ := video.Format("video/vp8", "")
		return p[:s.Seal(p, video, f, h, &Extensions{SendTime: now, TransportSeq: uint16(now)}, Payload{Body: vp8(50)})]
	}
	r.do(func() {
		first := seal(RTPHeader{Seq: 5, Timestamp: 6}, 1)
		again := seal(RTPHeader{Form: Repeat, Seq: 5, Timestamp: 6}, 2)
		if len(first) == 0 || !bytes.Equal(first, again) {
			t.Errorf("%d and %d bytes, not the same", len(first), len(again))
		}
		if p := seal(RTPHeader{Form: Repeat, Seq: 6}, 2); len(p) != 0 {
			t.Error("a repeat of what was never sent")
		}
		if p := seal(RTPHeader{Seq: 5}, 2); len(p) != 0 {
			t.Error("a number sealed twice")
		}
		if got := r.server.Count(DropReuse); got != 1 {
			t.Errorf("reuse counted %d times", got)
		}
	})
}

func TestALostLastFlightIsSentAgain(t *testing.T) {
	r := newRig(t, nil)
	lost := 0
	r.mutedOut = func(p []byte) bool { // the first datagram with a change of cipher is the last flight
		if lost == 0 && p[0] == 20 {
			lost++
			return true
		}
		return false
	}
	client := newClient(t, false)
	s := r.join(client, names)
	r.do(func() {
		if lost != 1 {
			t.Errorf("%d flights lost, want 1", lost)
		}
	})
	// Whoever cannot finish its handshake has no keys: media must arrive all the same.
	r.flowing(client, s, s.Tracks()[0])
}

func TestWrongFingerprint(t *testing.T) {
	r := newRig(t, nil)
	client := newClient(t, false)
	offer := client.offer(t, nil)
	at := bytes.Index([]byte(offer), []byte("a=fingerprint:sha-256 ")) + len("a=fingerprint:sha-256 ")
	changed := []byte(offer)
	if changed[at]++; changed[at] > '9' && changed[at] < 'A' || changed[at] > 'F' {
		changed[at] = '0'
	}
	s, answer := r.open(string(changed), names)
	client.answer(t, answer)
	if e := r.wait(s, EventClosed); e.Closed != ClosedHandshake {
		t.Errorf("closed: %s", e.Closed)
	}
	if n := users(r.server) + routes(r.server) + len(r.server.slots); n != 0 {
		t.Errorf("%d entries left", n)
	}
}

func TestGarbageAfterConnecting(t *testing.T) {
	r := newRig(t, nil)
	client := newClient(t, false)
	s := r.join(client, names)
	var route Route
	r.do(func() { route = s.Route() })
	feed := func(p []byte) (events []Event) {
		r.do(func() { events = s.HandleDatagram(nil, p, route, r.now(), r) })
		return events
	}
	sealed := make([]byte, 64)
	sealed[0], sealed[1] = 0x80, 201
	for reason, p := range map[Drop][]byte{
		DropSRTCP: sealed, DropRTP: {0x80, 96, 0, 1}, DropClass: {0x50}, DropSTUN: {0, 1, 0, 0},
	} {
		before := r.server.Count(reason)
		feed(p)
		if got := r.server.Count(reason) - before; got != 1 {
			t.Errorf("%s: counted %d", reason, got)
		}
	}
	p := make([]byte, 100)
	p[0] = 0x80
	var events []Event
	for i := 0; i < 2*maxRTP && len(events) == 0; i++ {
		binary.BigEndian.PutUint16(p[2:], uint16(i))
		events = feed(p)
	}
	if len(events) != 1 || events[0].Closed != ClosedMedia || !s.Closed() {
		t.Errorf("after %d packets of media: %v", maxRTP, events)
	}
}
