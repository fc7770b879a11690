package sfu

import (
	"context"
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"
)

const (
	frameTime   = time.Second / 30
	packetBytes = 1100
	keyFactor   = 10         // by which a keyframe is larger than another frame
	markBytes   = 2 + 16 + 2 // VP8's bytes; frame, place in it, length of it, time; session
)

var loopback = netip.MustParseAddr("127.0.0.1")

// mark is what a studio writes into each packet.
type mark struct {
	frame        uint32 // counts over all frames of a studio, from 1
	place, parts uint16 // this packet is part place of parts
	sent         time.Duration
	session      uint16 // the studio
	key          bool
}

var epochOfMarks = time.Now()

func (m *mark) write(p []byte) {
	p[0], p[1] = 0, 1
	if m.place == 0 {
		p[0] = 0x10 // RFC 7741 §4.2: start of partition 0
	}
	if m.key {
		p[1] = 0
	}
	binary.BigEndian.PutUint32(p[2:], m.frame)
	binary.BigEndian.PutUint16(p[6:], m.place)
	binary.BigEndian.PutUint16(p[8:], m.parts)
	binary.BigEndian.PutUint64(p[10:], uint64(m.sent))
	binary.BigEndian.PutUint16(p[18:], m.session)
}

func readMark(p []byte) (m mark, ok bool) {
	if len(p) < markBytes {
		return m, false
	}
	return mark{
		frame: binary.BigEndian.Uint32(p[2:]), place: binary.BigEndian.Uint16(p[6:]), parts: binary.BigEndian.Uint16(p[8:]),
		sent: time.Duration(binary.BigEndian.Uint64(p[10:])), session: binary.BigEndian.Uint16(p[18:]), key: p[1]&1 == 0,
	}, true
}

// studio is a caster like a browser's: 30 frames a second, a keyframe when one is asked for, lost packets again.
type studio struct {
	*far
	wire    *wire
	track   *webrtc.TrackLocalStaticRTP
	session uint16
	bytes   int // of an ordinary frame
	asked   atomic.Int64
	wantKey atomic.Bool
	frames  atomic.Uint32 // sent

	quit chan struct{}
	wg   sync.WaitGroup
	once sync.Once
}

// openStudio connects a caster that sends bitsPerSecond from now on, beginning with a keyframe.
func openStudio(t *testing.T, e *Engine, seen *events, cast, id string, session uint16, w *wire, bitsPerSecond int) *studio {
	t.Helper()
	s := &studio{
		far: newFarOn(t, w, nil), wire: w, session: session, bytes: bitsPerSecond / 8 / 30, quit: make(chan struct{}),
	}
	var err error
	s.track, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "v", "s")
	if err != nil {
		t.Fatal(err)
	}
	tr, err := s.pc.AddTransceiverFromTrack(s.track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		t.Fatal(err)
	}
	offer, slots := s.offer("screen")
	answer, err := e.Publish(context.Background(), cast, id, offer, slots)
	if err != nil {
		t.Fatal(err)
	}
	s.answer(answer)
	seen.connected(t, id)
	up := tr.Sender().Transport()
	eventually(t, "the caster's own end is up", func() bool { return up.State() == webrtc.DTLSTransportStateConnected })
	s.wg.Go(func() { s.listen(tr.Sender()) })
	s.wg.Go(s.run)
	t.Cleanup(s.close)
	return s
}

// pause stops the frames; the connection stays.
func (s *studio) pause() { s.once.Do(func() { close(s.quit) }) }

func (s *studio) close() {
	s.pause()
	_ = s.pc.Close()
	s.wg.Wait()
}

func (s *studio) listen(from *webrtc.RTPSender) {
	for {
		packets, _, err := from.ReadRTCP()
		if err != nil {
			return
		}
		for _, p := range packets {
			if _, ok := p.(*rtcp.PictureLossIndication); ok {
				s.asked.Add(1)
				s.wantKey.Store(true)
			}
		}
	}
}

func (s *studio) run() {
	tick := time.NewTicker(frameTime)
	defer tick.Stop()
	begun := time.Now()
	seq := uint16(60000 + s.session*1000) // near the wrap
	s.wantKey.Store(true)
	for {
		seq = s.frame(seq, uint32(time.Since(begun)*90/time.Millisecond)+uint32(s.session)<<20)
		select {
		case <-s.quit:
			return
		case <-tick.C:
		}
	}
}

// frame sends one frame and returns the number after it.
func (s *studio) frame(seq uint16, ts uint32) uint16 {
	m := mark{frame: s.frames.Load() + 1, session: s.session, key: s.wantKey.Swap(false), sent: time.Since(epochOfMarks)}
	size := max(s.bytes, markBytes)
	if m.key {
		size *= keyFactor
	}
	m.parts = uint16((size + packetBytes - 1) / packetBytes)
	for m.place = 0; m.place < m.parts; m.place++ {
		p := &rtp.Packet{
			Header:  rtp.Header{Version: 2, SequenceNumber: seq, Timestamp: ts, Marker: m.place == m.parts-1},
			Payload: make([]byte, max(min(size, packetBytes), markBytes)),
		}
		m.write(p.Payload)
		if err := s.track.WriteRTP(p); err != nil {
			return seq // the connection is closed
		}
		size -= packetBytes
		seq++
	}
	s.frames.Add(1)
	return seq
}
