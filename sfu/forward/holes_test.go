package forward

import "testing"

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
