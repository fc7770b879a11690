package forward

import (
	"math/rand/v2"
	"testing"
	"time"
)

// ntpAt is the NTP time d after a caster's clock began at base.
func ntpAt(base uint64, d int64) uint64 {
	s, rest := d/int64(time.Second), d%int64(time.Second)
	return base + uint64(s)<<32 + uint64(rest)<<32/uint64(time.Second)
}

// bases are what casters' clocks may say: now, 1970, nothing sensible, the end of the first era.
var bases = []uint64{0xee00_0000 << 32, 2208988800 << 32, 1, 1<<64 - 1<<33}

func TestCasterClockKeepsSoundAndPictureTogether(t *testing.T) {
	for _, base := range bases {
		for _, ppm := range []int64{0, 200, -200} {
			rng := rand.New(rand.NewPCG(base, uint64(ppm)))
			var c CasterClock
			last := int64(0)
			for s := range int64(600) {
				caster := s * int64(time.Second)             // what the caster's clock counted
				truth := caster - caster*ppm/1_000_000 + 5e9 // when that was
				jitter := int64(rng.ExpFloat64() * 20e6)     // of the way
				c.Report(ntpAt(base, caster), truth+10*ms+jitter)
				// A sound and a picture of one moment, whatever the offset, fall on one moment.
				if a, b := c.At(ntpAt(base, caster)), c.At(ntpAt(base, caster+33*ms)); b-a-33*ms > 1000 || a-b+33*ms > 1000 {
					t.Fatalf("base %x: 33 ms become %d ns", base, b-a)
				}
				at := c.At(ntpAt(base, caster))
				if s > 120 && (at < truth || at > truth+40*ms) {
					t.Fatalf("base %x, %d ppm, second %d: %v from the truth", base, ppm, s, time.Duration(at-truth))
				}
				if s > 0 && (at-last-int64(time.Second) > ms || last+int64(time.Second)-at > ms) {
					t.Fatalf("base %x, %d ppm, second %d: a second becomes %v", base, ppm, s, time.Duration(at-last))
				}
				last = at
			}
		}
	}
}

func TestCasterClockFollowsAClockThatWasSet(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour, 300 * time.Millisecond} {
		var c CasterClock
		for s := range int64(60) {
			caster := s * int64(time.Second)
			if s >= 10 {
				caster += int64(step)
			}
			c.Report(ntpAt(bases[0], caster), s*int64(time.Second)+10*ms)
			if at := c.At(ntpAt(bases[0], caster)); s > 35 && at-s*int64(time.Second) > 20*ms {
				t.Fatalf("set by %v: second %d is at %v", step, s, time.Duration(at))
			}
		}
	}
}

func TestTimingAcrossTheWrap(t *testing.T) {
	for _, clock := range []uint32{90000, 48000} {
		for _, start := range starts {
			first := uint32(start)<<16 | uint32(start)
			m := Timing{RTP: first, At: 7e9, Clock: clock, Reported: true}
			for _, seconds := range []int64{-3600, -1, 0, 1, 60, 3600} {
				ts := first + uint32(seconds*int64(clock))
				if got := m.Captured(ts); got != 7e9+seconds*1e9 {
					t.Errorf("clock %d, from %d, %d s on: %d", clock, first, seconds, got)
				}
			}
		}
	}
}

func TestTimingByArrivalTakesTheQuickestPacket(t *testing.T) {
	m := Timing{RTP: 1 << 31, At: 1000 * ms, Clock: 90000}
	if m.Quicker(1<<31+3000, 1034*ms) || m.Quicker(1<<31+3000, 1033*ms) {
		t.Error("a packet that was no quicker moves the timing")
	}
	if !m.Quicker(1<<31+3000, 1020*ms) {
		t.Error("a packet that was 13 ms quicker does not move the timing")
	}
	m.Reported = true
	if m.Quicker(1<<31+3000, 0) {
		t.Error("an arrival overrules a report")
	}
}
