package stream

import "math/bits"

// writer puts bits together, the highest first.
type writer struct {
	bytes []byte
	free  int // bits of the last byte that are not written
}

// put writes the n lowest bits of v.
func (w *writer) put(v uint32, n int) {
	for ; n > 0; n-- {
		if w.free == 0 {
			w.bytes = append(w.bytes, 0)
			w.free = 8
		}
		w.free--
		w.bytes[len(w.bytes)-1] |= byte(v>>(n-1)&1) << w.free
	}
}

// golomb writes v as H.264 section 9.1 has ue(v).
func (w *writer) golomb(v uint32) {
	n := bits.Len32(v + 1)
	w.put(0, n-1)
	w.put(v+1, n)
}

// stop ends a bitstream with a set bit and zeros up to the byte.
func (w *writer) stop() []byte {
	w.put(1, 1)
	w.free = 0
	return w.bytes
}

// leb128 appends v as AV1 section 4.10.5 has it.
func leb128(b []byte, v int) []byte {
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}
