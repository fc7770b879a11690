package forward

import (
	"testing"
	"time"
)

// starts are the sequence numbers that every test of this package begins at: around the wrap and around the middle.
var starts = []uint16{0, 1, 2, 100, 16383, 16384, 32766, 32767, 32768, 32769, 49152, 65000, 65533, 65534, 65535, 40000}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestRewriterKeepsOneSource(t *testing.T) {
	for _, start := range starts {
		r := NewRewriter(90000)
		for i := range 70000 {
			seq, ts := start+uint16(i), uint32(i)*3000
			outSeq, outTS, ok := r.Rewrite(seq, ts, epoch.Add(time.Duration(i)*time.Millisecond))
			if !ok || outSeq != seq || outTS != ts {
				t.Fatalf("start %d, packet %d: got %d %d %v, want %d %d true", start, i, outSeq, outTS, ok, seq, ts)
			}
		}
	}
}

func TestRewriterContinuesOverASwitch(t *testing.T) {
	for _, start := range starts {
		for _, next := range starts {
			r := NewRewriter(90000)
			for i := range uint16(10) {
				r.Rewrite(start+i, 1000+uint32(i)*3000, epoch)
			}
			r.Switch()
			seq, ts, ok := r.Rewrite(next, 77, epoch.Add(2*time.Second))
			if !ok || seq != start+10 || ts != 1000+9*3000+2*90000 {
				t.Fatalf("start %d, next source at %d: first packet becomes %d %d %v", start, next, seq, ts, ok)
			}
			seq, ts, ok = r.Rewrite(next+1, 77+3000, epoch.Add(2*time.Second))
			if !ok || seq != start+11 || ts != 1000+9*3000+2*90000+3000 {
				t.Fatalf("start %d, next source at %d: second packet becomes %d %d %v", start, next, seq, ts, ok)
			}
		}
	}
}

func TestRewriterNeverGivesANumberTwice(t *testing.T) {
	for _, start := range starts {
		r := NewRewriter(90000)
		for i := range uint16(10) {
			r.Rewrite(start+i, 0, epoch)
		}
		r.Switch()
		next := start + 5 // the new source's numbers overlap the old one's
		r.Rewrite(next, 0, epoch)
		if seq, _, ok := r.Rewrite(next-1, 0, epoch); ok {
			t.Errorf("start %d: a packet from before the switch is sent as %d", start, seq)
		}
		r.Rewrite(next+2, 0, epoch)
		if seq, _, ok := r.Rewrite(next+1, 0, epoch); !ok || seq != start+11 {
			t.Errorf("start %d: a late packet of the new source becomes %d %v, want %d", start, seq, ok, start+11)
		}
	}
}

func TestRewriterRefusesVeryLatePackets(t *testing.T) {
	for _, start := range starts {
		r := NewRewriter(90000)
		for i := range 50000 {
			r.Rewrite(start+uint16(i), 0, epoch)
		}
		newest := start + uint16(49999)
		if _, _, ok := r.Rewrite(newest-reorder, 0, epoch); !ok {
			t.Errorf("start %d: a packet %d behind is refused", start, reorder)
		}
		if _, _, ok := r.Rewrite(newest-reorder-1, 0, epoch); ok {
			t.Errorf("start %d: a packet %d behind is sent", start, reorder+1)
		}
	}
}

func TestRewriterSwitchBeforeTheFirstPacketChangesNothing(t *testing.T) {
	r := NewRewriter(48000)
	r.Switch()
	if seq, ts, ok := r.Rewrite(7, 8, epoch); !ok || seq != 7 || ts != 8 {
		t.Errorf("got %d %d %v, want 7 8 true", seq, ts, ok)
	}
}

func TestRewriterAllocatesNothing(t *testing.T) {
	r := NewRewriter(90000)
	seq := uint16(0)
	if n := testing.AllocsPerRun(1000, func() { seq++; r.Rewrite(seq, 1, epoch) }); n != 0 {
		t.Errorf("%v allocations a packet, want 0", n)
	}
}
