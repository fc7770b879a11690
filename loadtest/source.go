package loadtest

import (
	"encoding/binary"
	"time"

	"github.com/pion/rtp"
)

// Shape of the synthetic stream: VP8 at 30 frames a second in packets of at most 1,150 bytes, a keyframe ten times
// the size of an ordinary frame.
const (
	frameRate   = 30
	packetBytes = 1150
	keyFactor   = 10
	clockRate   = 90000
	stampBytes  = 2 + 4 + 4 + 8 // descriptor and frame header, magic, frame, send time
	magic       = 0x63617374
)

// source makes the packets of one stream.
type source struct {
	bytes int // of an ordinary frame
	frame uint32
	seq   uint16
	start time.Time
}

func newSource(bitsPerSecond int, start time.Time) *source {
	return &source{bytes: max(bitsPerSecond/8/frameRate, stampBytes), start: start}
}

// next returns the packets of the next frame, stamped with now.
func (s *source) next(key bool, now time.Time) []*rtp.Packet {
	size := s.bytes
	if key {
		size *= keyFactor
	}
	ts := uint32(now.Sub(s.start).Seconds() * clockRate)
	var packets []*rtp.Packet
	for first := true; size > 0; first = false {
		n := max(min(size, packetBytes), stampBytes)
		size -= n
		p := &rtp.Packet{
			Header:  rtp.Header{Version: 2, SequenceNumber: s.seq, Timestamp: ts, Marker: size <= 0},
			Payload: make([]byte, n),
		}
		if first {
			p.Payload[0] = 0x10 // start of partition 0
		}
		if !key {
			p.Payload[1] = 1
		}
		binary.BigEndian.PutUint32(p.Payload[2:], magic)
		binary.BigEndian.PutUint32(p.Payload[6:], s.frame)
		binary.BigEndian.PutUint64(p.Payload[10:], uint64(now.UnixMicro()))
		packets = append(packets, p)
		s.seq++
	}
	s.frame++
	return packets
}

// stamp reads back what next wrote.
func stamp(payload []byte) (frame uint32, sent time.Time, ok bool) {
	if len(payload) < stampBytes || binary.BigEndian.Uint32(payload[2:]) != magic {
		return 0, time.Time{}, false
	}
	return binary.BigEndian.Uint32(payload[6:]), time.UnixMicro(int64(binary.BigEndian.Uint64(payload[10:]))), true
}
