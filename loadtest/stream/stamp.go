package stream

import (
	"bytes"
	"encoding/binary"
	"time"
)

// Stamp is what a synthetic picture or sound says about itself.
type Stamp struct {
	Number  uint32    // of the picture; all layers of one picture have the same
	Sent    time.Time // when its first packet was due
	Source  uint32    // who sent it: a room's number, and in the lowest byte how often its caster began anew
	Layer   uint8     // 0 is the smallest
	Key     bool      // a keyframe
	Packets uint16    // of how many packets it is
}

const (
	mark       = "ccast\x7f" // before every stamp
	stampRaw   = 4 + 8 + 4 + 1 + 1 + 2
	stampBytes = len(mark) + 2*stampRaw // each half byte is one byte, so that no codec's start code can come about
	// stampWithin is how far into a payload a stamp may begin: behind descriptors and frame headers.
	stampWithin = 160
)

// append appends the stamp to b.
func (s *Stamp) append(b []byte) []byte {
	var raw [stampRaw]byte
	binary.BigEndian.PutUint32(raw[:], s.Number)
	binary.BigEndian.PutUint64(raw[4:], uint64(s.Sent.UnixNano()))
	binary.BigEndian.PutUint32(raw[12:], s.Source)
	raw[16] = s.Layer
	if s.Key {
		raw[17] = 1
	}
	binary.BigEndian.PutUint16(raw[18:], s.Packets)
	b = append(b, mark...)
	for _, x := range raw {
		b = append(b, 0x50|x>>4, 0x50|x&0x0f)
	}
	return b
}

// Room is the number of the room that a source belongs to.
func Room(source uint32) uint32 { return source >> 8 }

// ReadStamp finds the stamp in a payload.
func ReadStamp(payload []byte) (s Stamp, ok bool) {
	at := findStamp(payload)
	if at < 0 {
		return s, false
	}
	var raw [stampRaw]byte
	for i := range raw {
		high, low := payload[at+2*i], payload[at+2*i+1]
		if high&0xf0 != 0x50 || low&0xf0 != 0x50 {
			return s, false
		}
		raw[i] = high<<4 | low&0x0f
	}
	return Stamp{
		Number: binary.BigEndian.Uint32(raw[:]), Sent: time.Unix(0, int64(binary.BigEndian.Uint64(raw[4:]))),
		Source: binary.BigEndian.Uint32(raw[12:]), Layer: raw[16], Key: raw[17] == 1,
		Packets: binary.BigEndian.Uint16(raw[18:]),
	}, true
}

// findStamp is where the half bytes begin, or -1.
func findStamp(payload []byte) int {
	head := payload[:min(len(payload), stampWithin+len(mark))]
	at := bytes.Index(head, []byte(mark))
	if at < 0 || at+stampBytes > len(payload) {
		return -1
	}
	return at + len(mark)
}

// complete writes into the packets of one picture of how many they are.
func complete(payloads [][]byte) {
	for _, p := range payloads {
		if at := findStamp(p); at >= 0 {
			n := len(payloads)
			for i, half := range []int{n >> 12, n >> 8, n >> 4, n} {
				p[at+2*(stampRaw-2)+i] = 0x50 | byte(half&0x0f)
			}
			return
		}
	}
}
