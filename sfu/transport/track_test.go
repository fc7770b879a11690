package transport

import "testing"

// starts are the sequence numbers that every test about them begins at: around the wrap and around the middle.
var starts = []uint16{0, 1, 2, 100, 16383, 16384, 32766, 32767, 32768, 32769, 49152, 65000, 65533, 65534, 65535, 40000}

func TestStreamSealsEachNumberOnce(t *testing.T) {
	for _, start := range starts {
		var s stream
		take := func(seq uint16, again bool) Drop {
			index, ok := s.index(seq)
			if !ok {
				return DropLate
			}
			return s.take(index, again)
		}
		for i := range 70000 {
			seq := start + uint16(i)
			if got := take(seq, false); got != Kept {
				t.Fatalf("start %d, packet %d: %s", start, i, got)
			}
			if got := take(seq, false); got != DropReuse {
				t.Fatalf("start %d, packet %d a second time: %s", start, i, got)
			}
		}
		newest := start + uint16(69999%(1<<16))
		if got, want := s.newest, uint64(start)+69999; got != want {
			t.Errorf("start %d: index %d, want %d", start, got, want)
		}
		for _, c := range []struct {
			back  uint16
			again bool
			want  Drop
		}{
			{memory - 1, false, DropReuse},
			{memory - 1, true, Kept},
			{memory, false, DropLate},
			{memory, true, DropLate},
			{0, true, Kept},
			{0xFFFF, true, DropResend}, // one ahead: a repeat of what was never sent
		} {
			if got := take(newest-c.back, c.again); got != c.want {
				t.Errorf("start %d, %d back, again %v: %s, want %s", start, c.back, c.again, got, c.want)
			}
		}
	}
}

func TestStreamFillsHoles(t *testing.T) {
	for _, start := range starts {
		for _, gap := range []uint16{2, 63, 64, 65, memory - 1, memory, memory + 1, 20000} {
			var s stream
			first, _ := s.index(start)
			s.take(first, false)
			for range 5 { // the bits of earlier rounds must be gone
				from := s.newest
				ahead, _ := s.index(uint16(from) + gap)
				if got := s.take(ahead, false); got != Kept {
					t.Fatalf("start %d, gap %d: %s", start, gap, got)
				}
				for back := uint64(1); back < uint64(min(gap, memory)); back++ {
					index, ok := s.index(uint16(ahead - back))
					if !ok || index != ahead-back {
						t.Fatalf("start %d, gap %d, %d back: index %d %v, want %d", start, gap, back, index, ok, ahead-back)
					}
					if got := s.take(index, false); got != Kept {
						t.Fatalf("start %d, gap %d, %d back: %s", start, gap, back, got)
					}
					if got := s.take(index, false); got != DropReuse {
						t.Fatalf("start %d, gap %d, %d back, twice: %s", start, gap, back, got)
					}
				}
			}
		}
	}
}

func TestStreamRefusesNumbersBeforeTheFirstRollover(t *testing.T) {
	var s stream
	index, _ := s.index(2)
	s.take(index, false)
	if index, ok := s.index(0); !ok || index != 0 {
		t.Errorf("0 after 2: %d %v", index, ok)
	}
	if index, ok := s.index(65535); ok {
		t.Errorf("65535 after 2 has index %d", index)
	}
}
