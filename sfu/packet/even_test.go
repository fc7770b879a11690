package packet

import (
	"bytes"
	"math"
	"testing"

	"castcode/sfu/codec"
)

// Packets of a frame that differ by a few bytes get one size; the last one may stay smaller, and so does what is much
// smaller or belongs to another frame.
func TestEven(t *testing.T) {
	for _, start := range []uint16{1, 1000, 0x7fff, 0x8000, math.MaxUint16 - 6, math.MaxUint16 - 1, math.MaxUint16} {
		ring, parser := NewRing(64), NewParser(1, codec.VP8)
		var all []*Packet
		for i, size := range []int{700 /* of the frame before */, 1000, 1001, 994, 990, 1001, 600} {
			body := bytes.Repeat([]byte{0x55}, size)
			body[0], body[1] = 0x10, 1
			p, _, ok := parser.Parse(&Incoming{
				Seq: start + uint16(i), TS: uint32(3000 * min(i, 1)), Marker: i == 0 || i == 6, Payload: body,
			})
			if !ok || ring.Put(p) != Appended {
				t.Fatalf("packet %d was not taken", i)
			}
			if p.Marker {
				ring.Even(p)
			}
			all = append(all, p)
		}
		for i, want := range []int{700, 1001, 1001, 1001, 990, 1001, 600} {
			p := all[i]
			payload, n := p.Padded()
			if len(payload) != want || int(n) != want-len(p.Payload) {
				t.Errorf("start %d: packet %d has %d bytes, %d of them padding; want %d", start, i, len(payload), n, want)
			}
			if n > 0 && payload[len(payload)-1] != n {
				t.Errorf("start %d: packet %d ends with %d, has %d bytes of padding", start, i, payload[len(payload)-1], n)
			}
			if !bytes.Equal(payload[:len(p.Payload)], p.Payload) || len(p.Payload) > 2 && p.Payload[2] != 0x55 {
				t.Errorf("start %d: the payload of packet %d was changed", start, i)
			}
		}
	}
}
