package sfu

import (
	"context"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"
)

// lips is a far caster of a picture and sound with a clock of its own.
type lips struct {
	*far
	tracks [2]*webrtc.TrackLocalStaticRTP // picture, sound
	ssrcs  [2]uint32
	bases  [2]uint32 // RTP timestamps of the moment 0
	wire   *webrtc.DTLSTransport
	epoch  uint64 // NTP time of the moment 0
	begun  time.Time
	seq    [2]uint16
}

var lipClocks = [2]uint32{90000, 48000}

func publishLips(t *testing.T, e *Engine, id string, epoch uint64, bases [2]uint32) *lips {
	t.Helper()
	c := &lips{far: newFar(t), epoch: epoch, bases: bases, begun: time.Now()}
	for i, mime := range []string{webrtc.MimeTypeVP8, webrtc.MimeTypeOpus} {
		capability := webrtc.RTPCodecCapability{MimeType: mime, ClockRate: lipClocks[i]}
		if i == 1 {
			capability.Channels = 2
		}
		track, err := webrtc.NewTrackLocalStaticRTP(capability, "t", "s")
		if err != nil {
			t.Fatal(err)
		}
		tr, err := c.pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
		if err != nil {
			t.Fatal(err)
		}
		c.tracks[i], c.ssrcs[i] = track, uint32(tr.Sender().GetParameters().Encodings[0].SSRC)
		c.wire = tr.Sender().Transport()
	}
	offer, slots := c.offer("screen", "audio")
	answer, err := e.Publish(context.Background(), "c", id, offer, slots)
	if err != nil {
		t.Fatal(err)
	}
	c.answer(answer)
	return c
}

// moment is the time on the caster's clock.
func (c *lips) moment() time.Duration { return time.Since(c.begun) }

func (c *lips) timestamp(i int, at time.Duration) uint32 {
	return c.bases[i] + uint32(at.Nanoseconds()/1000*int64(lipClocks[i])/1_000_000)
}

// send sends a packet of what is captured now; the payload ends with the moment in 0.1 ms.
func (c *lips) send(i int, key bool) {
	c.t.Helper()
	at := c.moment()
	frame := byte(1)
	if key {
		frame = 0
	}
	tenths := uint32(at / (100 * time.Microsecond))
	err := c.tracks[i].WriteRTP(&rtp.Packet{
		Header: rtp.Header{Version: 2, SequenceNumber: c.seq[i], Timestamp: c.timestamp(i, at), Marker: true},
		Payload: []byte{
			0x10, frame, byte(tenths >> 24), byte(tenths >> 16), byte(tenths >> 8), byte(tenths),
		},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.seq[i]++
}

// report sends a sender report.
func (c *lips) report(i int) {
	c.t.Helper()
	at := c.moment()
	ntp := c.epoch + uint64(at/time.Second)<<32 + uint64(at%time.Second)<<32/uint64(time.Second)
	err := c.pc.WriteRTCP([]rtcp.Packet{&rtcp.SenderReport{SSRC: c.ssrcs[i], NTPTime: ntp, RTPTime: c.timestamp(i, at)}})
	if err != nil {
		c.t.Fatal(err)
	}
}

// ear is a far viewer that notes what it is told about time, by kind of track.
type ear struct {
	*far
	packets [2]chan *rtp.Packet
	reports [2]chan *rtcp.SenderReport
}

func listen(t *testing.T, e *Engine, id string) *ear {
	t.Helper()
	v := &ear{far: newFar(t)}
	for i, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio} {
		v.packets[i], v.reports[i] = make(chan *rtp.Packet, 1000), make(chan *rtcp.SenderReport, 1000)
		tr, err := v.pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				list, _, err := tr.Receiver().ReadRTCP()
				if err != nil {
					return
				}
				for _, p := range list {
					if sr, ok := p.(*rtcp.SenderReport); ok && sr.SSRC == uint32(tr.Receiver().Track().SSRC()) {
						v.reports[i] <- sr
					}
				}
			}
		}()
	}
	v.pc.OnTrack(func(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		i := 0
		if remote.Kind() == webrtc.RTPCodecTypeAudio {
			i = 1
		}
		for {
			p, _, err := remote.ReadRTP()
			if err != nil {
				return
			}
			if len(p.Payload) > 0 {
				v.packets[i] <- p
			}
		}
	})
	offer, slots := v.offer("screen", "audio")
	answer, err := e.Watch(context.Background(), "c", id, offer, slots)
	if err != nil {
		t.Fatal(err)
	}
	v.answer(answer)
	return v
}

// newest waits for one and returns the last of what came in c.
func newest[T any](t *testing.T, c chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(5 * time.Second):
		t.Fatal("nothing for 5 s")
	}
	for len(c) > 0 {
		v = <-c
	}
	return v
}

// shown is when a viewer shows what was captured at the caster's moment 0, on the viewer's clock, in seconds, by the
// newest packet and report of track i.
func (v *ear) shown(i int) float64 {
	v.t.Helper()
	p, sr := newest(v.t, v.packets[i]), newest(v.t, v.reports[i])
	b := p.Payload[2:]
	moment := float64(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8|uint32(b[3])) / 10_000
	ntp := float64(sr.NTPTime>>32) + float64(sr.NTPTime&0xffff_ffff)/(1<<32)
	return ntp + float64(int32(p.Timestamp-sr.RTPTime))/float64(lipClocks[i]) - moment
}

func TestLipsStayInSyncOverACastersRestart(t *testing.T) {
	e, seen := newEngine(t)
	first := publishLips(t, e, "caster", 2208988800<<32, [2]uint32{1<<32 - 90000, 77}) // in 1970, a second before the wrap
	v := listen(t, e, "v")
	seen.connected(t, "caster", "v")
	for n, c := range []*lips{first, nil} {
		if c == nil {
			c = publishLips(t, e, "again", 5, [2]uint32{1 << 30, 1<<32 - 1})
			seen.connected(t, "again")
		}
		eventually(t, "the caster's own end is up", func() bool { return c.wire.State() == webrtc.DTLSTransportStateConnected })
		// The picture is slower on its way than the sound by as much as an encoder takes.
		c.send(1, false)
		c.send(0, true)
		c.report(1) // the sound's report comes first, the picture's later
		for range 20 {
			time.Sleep(10 * time.Millisecond)
			c.send(1, false)
			c.send(0, false)
		}
		c.report(0)
		for range 110 { // more than a second: a report to the viewer is due
			time.Sleep(10 * time.Millisecond)
			c.send(1, false)
			c.send(0, false)
		}
		eventually(t, "a report to the viewer for each", func() bool { return len(v.reports[0]) > 0 && len(v.reports[1]) > 0 })
		if apart := v.shown(0) - v.shown(1); apart > 0.005 || apart < -0.005 {
			t.Errorf("caster %d: picture %.1f ms after the sound", n, apart*1000)
		}
	}
}

func TestReportsThatCannotBeTrue(t *testing.T) {
	e, seen := newEngine(t)
	c := publishLips(t, e, "caster", 1<<63, [2]uint32{0, 0})
	seen.connected(t, "caster")
	eventually(t, "the caster's own end is up", func() bool { return c.wire.State() == webrtc.DTLSTransportStateConnected })
	c.send(0, true)
	eventually(t, "live", func() bool { return seen.isLive("c") })
	e.mu.Lock()
	caster := e.byID["c"].caster
	e.mu.Unlock()
	eventually(t, "the layer has a packet", func() bool {
		l := caster.snapshot()
		return len(l) == 1 && l[0].newest.Load() != nil
	})
	l := caster.snapshot()[0]
	r := caster.reports
	now, newest := e.now(), uint32(l.newest.Load().TS)
	r.take(c.ssrcs[0], said{ntp: 0, rtp: newest}, now)
	r.take(c.ssrcs[0], said{ntp: 1 << 63, rtp: newest + 90000*3600}, now)
	if l.timing.Load().Reported {
		t.Error("a report that puts the newest packet an hour off is believed")
	}
	for ssrc := range uint32(100) {
		r.take(ssrc+1, said{ntp: 1<<63 + uint64(ssrc), rtp: 1}, now)
	}
	if n := len(r.said); n > maxReported {
		t.Errorf("reports of %d streams are kept", n)
	}
	r.take(c.ssrcs[0], said{ntp: 1 << 63, rtp: newest}, now)
	if !l.timing.Load().Reported {
		t.Error("a report that can be true is not believed")
	}
}

func FuzzSenderReports(f *testing.F) {
	f.Add([]byte{0x80, 200, 0, 6, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0x81, 200, 255, 255, 0})
	f.Fuzz(func(t *testing.T, p []byte) {
		senderReports(p, func(report []byte) {
			if len(report) < senderRTP {
				t.Fatalf("a report of %d bytes", len(report))
			}
		})
	})
}
