package forward

import "math/bits"

// NackPair is one entry of a generic NACK (RFC 4585 §6.2.1): a lost number, and a bit for each of the 16 after it.
type NackPair struct {
	First, Mask uint16
}

// Append appends the up to 17 numbers that n asks for to dst, in order. It allocates nothing if dst has the capacity.
func (n NackPair) Append(dst []uint16) []uint16 {
	dst = append(dst, n.First)
	for mask := n.Mask; mask != 0; mask &= mask - 1 {
		dst = append(dst, n.First+1+uint16(bits.TrailingZeros16(mask)))
	}
	return dst
}

// AppendNackPairs appends the pairs that ask for the given numbers to dst. The numbers rise, modulo 2^16; a number that
// stands twice is asked once.
func AppendNackPairs(dst []NackPair, numbers []uint16) []NackPair {
	for i := 0; i < len(numbers); {
		pair := NackPair{First: numbers[i]}
		for i++; i < len(numbers); i++ {
			d := numbers[i] - pair.First
			if d > 16 {
				break
			}
			if d > 0 {
				pair.Mask |= 1 << (d - 1)
			}
		}
		dst = append(dst, pair)
	}
	return dst
}
