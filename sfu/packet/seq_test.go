package packet

import (
	"math/rand/v2"
	"testing"
)

// starts are the sequence numbers that every test of this package begins at: around the wrap and around the middle.
var starts = []uint16{0, 1, 2, 100, 16383, 16384, 32766, 32767, 32768, 32769, 49152, 65000, 65533, 65534, 65535, 40000}

func TestUnwrapperFollowsTheWrap(t *testing.T) {
	for _, start := range starts {
		var u Unwrapper
		first := u.Extend16(start)
		if first < First {
			t.Fatalf("start %d becomes %d, below First", start, first)
		}
		for i := range uint64(200_000) {
			if got := u.Extend16(start + uint16(i)); got != first+i {
				t.Fatalf("start %d, number %d: %d, want %d", start, i, got, first+i)
			}
		}
	}
}

func TestUnwrapperTakesNumbersInAnyOrder(t *testing.T) {
	for _, start := range starts {
		var u Unwrapper
		rng := rand.New(rand.NewPCG(1, uint64(start)))
		first := u.Extend16(start)
		newest := first
		for range 100_000 {
			d := rng.IntN(4000) - 2000
			n := newest + uint64(d)
			if n < first-2000 {
				continue
			}
			if got := u.Extend16(uint16(n)); got != n {
				t.Fatalf("start %d: %d becomes %d", start, n, got)
			}
			newest = max(newest, n)
		}
	}
}

func TestUnwrapperStaysAboveZero(t *testing.T) {
	var u Unwrapper
	n := uint16(0)
	for range 1 << 20 {
		n -= 32767
		if got := u.Extend16(n); got < First/2 {
			t.Fatalf("a stream that walks backwards reaches %d", got)
		}
	}
}

func TestUnwrapperExtendsTimestamps(t *testing.T) {
	for _, start := range []uint32{0, 1, 1 << 31, 1<<31 - 1, 1<<32 - 1, 1<<32 - 3000} {
		var u Unwrapper
		first := u.Extend32(start)
		for i := range uint64(10_000) {
			step := i * 1_000_003
			if got := u.Extend32(start + uint32(step)); got != first+step {
				t.Fatalf("start %d: step %d becomes %d", start, step, got-first)
			}
		}
		ago := uint64(9_999*1_000_003 - 90000)
		if got := u.Extend32(start + uint32(ago)); got != first+ago {
			t.Errorf("start %d: a timestamp of a second ago becomes %d", start, got-first)
		}
	}
}
