package forward

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestNackPairsNameNumbers(t *testing.T) {
	for _, start := range starts {
		got := NackPair{First: start, Mask: 0x8001}.Append(nil)
		if want := []uint16{start, start + 1, start + 16}; !slices.Equal(got, want) {
			t.Errorf("start %d: %v, want %v", start, got, want)
		}
		pairs := AppendNackPairs(nil, []uint16{start, start, start + 16, start + 17, start + 100})
		want := []NackPair{{start, 0x8000}, {start + 17, 0}, {start + 100, 0}}
		if !slices.Equal(pairs, want) {
			t.Errorf("start %d: %v, want %v", start, pairs, want)
		}
	}
}

// Numbers survive the way into pairs and back.
func FuzzNackPairs(f *testing.F) {
	f.Add(uint16(65530), []byte{1, 2, 0, 17, 200})
	f.Fuzz(func(t *testing.T, at uint16, steps []byte) {
		steps = steps[:min(len(steps), 200)]
		var numbers, back []uint16
		for _, step := range steps {
			at += uint16(step)
			numbers = append(numbers, at)
		}
		for _, pair := range AppendNackPairs(nil, numbers) {
			back = pair.Append(back)
		}
		if want := slices.Compact(numbers); !slices.Equal(back, want) {
			t.Fatalf("%v becomes %v", want, back)
		}
	})
}

func TestRepairOncePerRoundTripAndFourTimesAtMost(t *testing.T) {
	for _, start := range starts {
		var r Repair
		r.Media(1200)
		seq := 1<<16 + uint64(start)
		for _, step := range []struct {
			at   int64
			want Answer
		}{{0, Resend}, {0, TooSoon}, {79 * ms, TooSoon}, {80 * ms, Resend}, {81 * ms, TooSoon}, {160 * ms, Resend}, {240 * ms, Resend}, {320 * ms, TooOften}, {900 * ms, TooOften}} {
			if got := r.Ask(seq, 1000, 100*time.Millisecond, 80*time.Millisecond, step.at); got != step.want {
				t.Errorf("start %d, after %d ms: %v, want %v", start, step.at/ms, got, step.want)
			}
		}
		if got := r.Ask(seq+1, 1000, RepairAge+1, 80*time.Millisecond, 0); got != TooOld {
			t.Errorf("start %d: an old packet: %v", start, got)
		}
		if got := r.Ask(seq+repairSlots, 1000, 0, 0, 0); got != Resend {
			t.Errorf("start %d: a number in the same place: %v", start, got)
		}
		if got := r.Ask(seq, 1000, 0, 0, 900*ms); got != TooOld {
			t.Errorf("start %d: a number whose count is lost: %v", start, got)
		}
	}
}

// A viewer that asks for everything all the time gets a fifth more and no number thrice.
func TestRepairShare(t *testing.T) {
	var r Repair
	rng := rand.New(rand.NewPCG(3, 3))
	media, resent := 0, 0
	times := map[uint64]int{}
	for i := range 50_000 {
		seq, now := uint64(1<<16+i), int64(i)*4*ms
		media += 1200
		r.Media(1200)
		for range 5 {
			n := seq - uint64(rng.IntN(300))
			if r.Ask(n, 1200, time.Second, 20*time.Millisecond, now) == Resend {
				times[n]++
				resent += 1200
			}
		}
	}
	if resent > media/RepairShare+repairStart || resent < media/RepairShare*9/10 {
		t.Errorf("%d bytes sent again of %d", resent, media)
	}
	for n, times := range times {
		if times > RepairTimes {
			t.Fatalf("number %d was sent again %d times", n, times)
		}
	}
}

func TestRepairWithoutLossHoldsNoMemory(t *testing.T) {
	var r Repair
	r.Media(1200)
	if r.entries != nil {
		t.Error("memory for a viewer that never asked")
	}
	r.Ask(1<<16, 100, 0, 0, 0)
	seq := uint64(1 << 16)
	if n := testing.AllocsPerRun(1000, func() { seq++; r.Media(1200); r.Ask(seq, 100, 0, 0, 0) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestTailShowsTheEnd(t *testing.T) {
	var tail Tail
	if tail.Due(1 << 60) {
		t.Error("a stream that sent nothing has an end")
	}
	tail.Sent(0)
	var due []int64
	for now := int64(0); now < 5000*ms; now += ms {
		if tail.Due(now) {
			due = append(due, now/ms)
		}
	}
	if !slices.Equal(due, []int64{60, 250, 1000}) {
		t.Errorf("blank packets after %v ms", due)
	}
	tail.Sent(6000 * ms)
	tail.Acknowledged()
	if _, ok := tail.Wake(); ok {
		t.Error("still to be shown although the viewer has it all")
	}
}
