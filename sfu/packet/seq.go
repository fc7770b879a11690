package packet

// First is the least that an Unwrapper begins with: far enough from 0 that a number may be taken from an extended
// one without going below it.
const First = 1 << 20

// Unwrapper extends the numbers of one stream, which wrap at 16 or 32 bits, to 64 bits. A number is taken for the
// one nearest to the newest before it, so numbers may come in any order within half the range. The zero value begins
// with the first number it is given. Use either Extend16 or Extend32 on a value, not both.
type Unwrapper struct {
	newest uint64 // 0: none yet
}

// Extend16 extends an RTP sequence number (RFC 3550 §5.1).
func (u *Unwrapper) Extend16(n uint16) uint64 {
	if u.newest == 0 {
		u.newest = First + uint64(n)
		return u.newest
	}
	return u.take(int64(int16(n - uint16(u.newest))))
}

// Extend32 extends an RTP timestamp.
func (u *Unwrapper) Extend32(n uint32) uint64 {
	if u.newest == 0 {
		u.newest = 1<<32 + uint64(n)
		return u.newest
	}
	return u.take(int64(int32(n - uint32(u.newest))))
}

// take moves by d from the newest number. Only forward steps move the newest, so no result is more than half the range
// below the first one.
func (u *Unwrapper) take(d int64) uint64 {
	n := u.newest + uint64(d)
	if d > 0 {
		u.newest = n
	}
	return n
}
