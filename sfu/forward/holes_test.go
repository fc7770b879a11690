package forward

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestHoles(t *testing.T) {
	for _, start := range []uint32{0, 1, 0x7fff, 0xfffe, 0xffff, 0x10000, 0xffffff00, 0xffffffff} {
		var h Holes
		at := start
		report := func(packets uint32, fraction, want uint8) {
			t.Helper()
			at += packets
			if got := h.PathLoss(at, fraction); got != want {
				t.Errorf("from %#x: %d of 256 lost in %d packets counts as %d, want %d", start, fraction, packets, got, want)
			}
		}
		report(0, 255, 0) // the first says nothing
		report(256, 64, 64)
		for range 700 {
			h.Passed()
		}
		h.Filled()
		report(256, 128, 0)   // 128 of them
		report(1024, 128, 0)  // 512
		report(256, 128, 69)  // the last 59
		report(256, 128, 128) // now it is the path
		report(0, 10, 0)
		report(1<<20, 255, 0) // a leap says nothing
		report(512, 26, 26)
	}
	var h Holes
	h.Filled() // what was never passed
	h.PathLoss(0, 0)
	if got := h.PathLoss(100, 255); got != 255 {
		t.Errorf("all lost counts as %d", got)
	}
}

// TestLossIsJudgedByEnoughPackets: reports that come with each NACK see a third or a half of their few packets lost. What
// is judged is what the path loses.
func TestLossIsJudgedByEnoughPackets(t *testing.T) {
	for _, c := range []struct {
		loss        float64
		least, most uint8
	}{{0, 0, 0}, {0.05, 3, 25}, {0.2, 33, 75}} {
		var h Holes
		luck := rand.New(rand.NewPCG(1, 2))
		highest, lost, judged, worst := uint32(1), uint32(0), 0, uint8(0)
		h.PathLoss(highest, 0)
		reported, now := highest, int64(time.Second)
		for range 20_000 { // packets, 250 a second, with a report behind each loss and one a second
			now += int64(4 * time.Millisecond)
			highest++
			gone := luck.Float64() < c.loss
			if gone {
				lost++
			}
			if (!gone && lost > 0) || highest-reported >= 250 {
				worst = max(worst, h.PathLoss(highest, share(lost, highest-reported)))
				reported, lost = highest, 0
				if fraction, ok := h.Judge(now); ok {
					if judged++; fraction < c.least || fraction > c.most {
						t.Errorf("%v: %d of 256 are judged to be lost", c.loss, fraction)
					}
				}
			}
		}
		if judged < 40 || c.loss > 0 && worst < 64 {
			t.Errorf("%v: judged %d times in 80 s; the worst report told of %d", c.loss, judged, worst)
		}
	}
	var h Holes
	h.PathLoss(0, 0)
	for i := range int64(40) {
		h.PathLoss(uint32(4*i+4), 64)
		if _, ok := h.Judge((i + 1) * int64(time.Second)); ok != (i%20 == 19) {
			t.Errorf("judged after %d packets of which %d were lost: %v", 4*i+4, i+1, ok)
		}
	}
	h.Forget(0)
	if _, ok := h.Judge(int64(time.Minute)); ok {
		t.Error("judged by what was to be forgotten")
	}
}
