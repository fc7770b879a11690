package linksim

import (
	"slices"
	"testing"
	"time"
)

const ms = int64(time.Millisecond)

// through sends n packets of 1,000 bytes, one every step, and returns when each arrived; 0 for those that did not.
func through(s *Shaper, n int, step int64) (arrivals [][]int64) {
	for i := range n {
		arrivals = append(arrivals, s.Plan(nil, 1000, 1+int64(i)*step))
	}
	return arrivals
}

func TestNothingHappensToPacketsOfAnUnimpairedLink(t *testing.T) {
	for i, at := range through(NewShaper(Conditions{}, 1), 1000, ms) {
		if len(at) != 1 || at[0] != 1+int64(i)*ms {
			t.Fatalf("packet %d arrives at %v", i, at)
		}
	}
}

func TestDelayAndJitterKeepTheOrder(t *testing.T) {
	s := NewShaper(Conditions{Delay: 20 * time.Millisecond, Jitter: 10 * time.Millisecond}, 2)
	last, least, most := int64(0), int64(1<<62), int64(0)
	for i, at := range through(s, 5000, ms) {
		if len(at) != 1 || at[0] < last {
			t.Fatalf("packet %d arrives at %v, the one before at %d", i, at, last)
		}
		last = at[0]
		took := at[0] - 1 - int64(i)*ms
		least, most = min(least, took), max(most, took)
	}
	if least < 20*ms || least > 22*ms || most > 30*ms || most < 29*ms {
		t.Errorf("packets take %v to %v, want 20 to 30 ms", time.Duration(least), time.Duration(most))
	}
}

func TestLossIsRandomOrInBursts(t *testing.T) {
	for _, c := range []struct {
		burst, want float64 // mean run of losses
	}{{0, 1.02}, {1, 1.02}, {10, 10}} {
		s := NewShaper(Conditions{Loss: 0.02, Burst: c.burst}, 3)
		lost, runs, in := 0, 0, false
		const n = 300_000
		for _, at := range through(s, n, ms) {
			gone := len(at) == 0
			if gone {
				lost++
				if !in {
					runs++
				}
			}
			in = gone
		}
		share, mean := float64(lost)/n, float64(lost)/float64(runs)
		if share < 0.017 || share > 0.023 || mean < 0.9*c.want || mean > 1.1*c.want {
			t.Errorf("burst %v: lost %.4f in runs of %.2f, want 0.02 in runs of %v", c.burst, share, mean, c.want)
		}
		if s.counts.Lost != uint64(lost) || s.counts.Passed != uint64(n-lost) {
			t.Errorf("counts say %+v, lost were %d", s.counts, lost)
		}
	}
}

func TestAllAndNothingIsLost(t *testing.T) {
	for _, c := range []Conditions{{Loss: 1}, {Loss: 1, Burst: 5}, {Down: true}} {
		for i, at := range through(NewShaper(c, 4), 1000, ms) {
			if len(at) != 0 {
				t.Fatalf("%+v: packet %d passed", c, i)
			}
		}
	}
}

func TestReorderedPacketsAreOvertaken(t *testing.T) {
	s := NewShaper(Conditions{Delay: 5 * time.Millisecond, Reorder: 0.1, ReorderBy: 3500 * time.Microsecond}, 5)
	overtaken := 0
	arrivals := through(s, 10_000, ms)
	for i := range len(arrivals) - 3 {
		if arrivals[i][0] > arrivals[i+3][0] {
			overtaken++
		}
	}
	if overtaken < 700 || overtaken > 1000 { // not those whose overtakers were held back too
		t.Errorf("%d of 10,000 packets were overtaken by the third after them, want about 900", overtaken)
	}
}

func TestDuplicates(t *testing.T) {
	twice := 0
	for _, at := range through(NewShaper(Conditions{Duplicate: 0.05}, 6), 10_000, ms) {
		twice += len(at) - 1
	}
	if twice < 420 || twice > 580 {
		t.Errorf("%d of 10,000 packets came twice, want about 500", twice)
	}
}

func TestRateAndQueue(t *testing.T) {
	// 1,000 bytes a millisecond are 8 Mbit/s; the link carries half, and 10 packets may wait.
	s := NewShaper(Conditions{Rate: 4_000_000, Queue: 10_000}, 7)
	passed, last := 0, int64(0)
	for i, at := range through(s, 10_000, ms) {
		if len(at) == 0 {
			continue
		}
		passed++
		last = at[0]
		if waited := at[0] - 1 - int64(i)*ms; waited > 20*ms {
			t.Fatalf("packet %d waits %v, the queue is worth 20 ms", i, time.Duration(waited))
		}
	}
	if rate := float64(passed) * 8000 / time.Duration(last).Seconds(); rate < 3.9e6 || rate > 4.1e6 {
		t.Errorf("the link carries %.0f bit/s, want 4,000,000", rate)
	}
	if got := s.counts.Overflowed; got != uint64(10_000-passed) {
		t.Errorf("%d overflowed, %d did not pass", got, 10_000-passed)
	}
}

func TestTheSeedDecides(t *testing.T) {
	c := Conditions{Loss: 0.3, Jitter: time.Millisecond, Duplicate: 0.1}
	a, b, other := through(NewShaper(c, 8), 100, ms), through(NewShaper(c, 8), 100, ms), through(NewShaper(c, 9), 100, ms)
	same := func(x, y [][]int64) bool { return slices.EqualFunc(x, y, slices.Equal[[]int64]) }
	if !same(a, b) {
		t.Error("the same seed gives other losses")
	}
	if same(a, other) {
		t.Error("another seed gives the same losses")
	}
}
