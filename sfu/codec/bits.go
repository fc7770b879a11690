package codec

// bits reads big-endian bit fields. After reading over the end it returns zeros and short is true.
type bits struct {
	p     []byte
	at    int // in bits
	short bool
}

// read returns the next n ≤ 32 bits.
func (b *bits) read(n int) (v uint32) {
	if b.at+n > 8*len(b.p) {
		b.short = true
		b.at = 8 * len(b.p)
		return 0
	}
	for ; n > 0; n-- {
		v = v<<1 | uint32(b.p[b.at>>3]>>(7-b.at&7)&1)
		b.at++
	}
	return v
}

func (b *bits) flag() bool { return b.read(1) == 1 }

// below reads a number less than n in the non-symmetric code of AV1 §4.10.7: some values take a bit less.
func (b *bits) below(n uint32) uint32 {
	width := 0
	for x := n; x != 0; x >>= 1 {
		width++
	}
	if width == 0 {
		return 0
	}
	longer := uint32(1)<<width - n
	v := b.read(width - 1)
	if v < longer {
		return v
	}
	return v<<1 - longer + b.read(1)
}

// golomb reads an unsigned number in Exp-Golomb code (H.264 §9.1) of at most 32 bits.
func (b *bits) golomb() uint32 {
	zeros := 0
	for !b.flag() {
		if zeros++; zeros > 31 || b.short {
			b.short = true
			return 0
		}
	}
	return uint32(uint64(1)<<zeros - 1 + uint64(b.read(zeros)))
}
