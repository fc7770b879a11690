package forward

import (
	"slices"
	"testing"

	"castcode/sfu/packet"
)

func TestLag(t *testing.T) {
	for _, start := range starts {
		ring, all := filled(start, 60)
		first, last := all[0].Seq, all[len(all)-1].Seq
		for _, c := range []struct {
			name    string
			cursor  uint64
			sending uint64
			to      uint64
			want    Lag
		}{
			{"live", last + 1, 0, last + 1, InTime},
			{"near", last - 30, 0, last - 30, InTime},
			{"far, and nothing newer to go to", first + 3, all[0].TS, first + 3, LagWants},
			{"gone, and the keyframe is newer", first - 10, 0, first, LagJump},
			{"in the middle of the keyframe", first + 1, all[0].TS, first + 1, InTime},
			{"the same, but it was not begun here", first + 1, 0, first + 1, LagWants},
			{"just at the keyframe", first, 0, first, InTime},
		} {
			if to, got := CheckLag(ring, c.cursor, c.sending); got != c.want || to != c.to {
				t.Errorf("start %d, %s: %v to %d, want %v to %d", start, c.name, got, to-first, c.want, c.to-first)
			}
		}
		holes, _ := filled(start, 60, 150, 151, 152)
		if _, got := CheckLag(holes, first+150, 0); got != InTime {
			t.Errorf("start %d: at a hole: %v", start, got)
		}
	}
	if _, got := CheckLag(packet.NewRing(16), 5, 0); got != InTime {
		t.Errorf("an empty ring: %v", got)
	}
}

// keyframes makes a ring of so many frames of three packets with a keyframe at some of them.
func keyframes(start uint16, frames int, at ...int) (*packet.Ring, []*packet.Packet) {
	ring := packet.NewRing(packet.VideoSlots)
	s := newStream(1, start)
	var all []*packet.Packet
	for i := range frames {
		all = append(all, s.frame(0, slices.Contains(at, i), false, 3)...)
	}
	for _, p := range all {
		ring.Put(p)
	}
	return ring, all
}

func TestLagEnds(t *testing.T) {
	for _, start := range starts {
		ring, all := keyframes(start, 150, 0) // 5 s
		first, last := all[0].Seq, all[len(all)-1].Seq
		if to, got := CheckLag(ring, first+60, 0); got != LagStops || to != last+1 {
			t.Errorf("start %d: %v to %d after 4.3 s, want %v to %d", start, got, to-first, LagStops, last+1-first)
		}
		if to, got := CheckLag(ring, first+120, 0); got != LagWants || to != first+120 {
			t.Errorf("start %d: %v to %d after 3.6 s, want %v", start, got, to-first, LagWants)
		}
		if _, got := CheckLag(ring, first+1, all[0].TS); got != InTime {
			t.Errorf("start %d: %v in the middle of a keyframe of 5 s, want %v", start, got, InTime)
		}
		newer, all := keyframes(start, 60, 0, 50)
		first = all[0].Seq
		if to, got := CheckLag(newer, first+3, all[0].TS); got != LagJump || to != all[150].Seq {
			t.Errorf("start %d: %v to %d after the keyframe, want %v to 150", start, got, to-first, LagJump)
		}
	}
}

func TestKeyframeAhead(t *testing.T) {
	for _, start := range starts {
		ring, all := keyframes(start, 60, 20, 40)
		one, two := all[60], all[120]
		for _, c := range []struct {
			name    string
			cursor  uint64
			sending uint64
			to      uint64
			ok      bool
		}{
			{"behind the older one", one.Seq - 9, 0, two.Seq, true},
			{"in the middle of the older one", one.Seq + 1, one.TS, one.Seq + 1, true},
			{"after the older one", one.Seq + 3, one.TS, two.Seq, true},
			{"at the newer one", two.Seq, one.TS, two.Seq, true},
			{"in the middle of the newer one", two.Seq + 2, two.TS, two.Seq + 2, true},
			{"after the newer one", two.Seq + 3, two.TS, two.Seq, false},
		} {
			if to, ok := KeyframeAhead(ring, c.cursor, c.sending); ok != c.ok || ok && to != c.to {
				t.Errorf("start %d, %s: %d %v, want %d %v", start, c.name, to-one.Seq, ok, c.to-one.Seq, c.ok)
			}
		}
	}
	if _, ok := KeyframeAhead(packet.NewRing(16), 5, 0); ok {
		t.Error("there is one in an empty ring")
	}
}
