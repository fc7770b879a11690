package sfu

import (
	"fmt"
	"testing"
	"time"

	"github.com/pion/webrtc/v3"

	"castcode/internal/linksim"
)

// crowdSize and crowdRate are what one machine of two cores carries while it plays caster and viewers too.
func crowdSize(n int) int {
	if raced {
		return max(n/5, 1)
	}
	return n
}

const crowdRate = 1_000_000

// TestLossIsRepairedWithoutAKeyframe: 2 % of what comes to the viewers is lost, or ten packets in a row every now and
// then, and every frame is shown all the same. Odd viewers know no RTX.
func TestLossIsRepairedWithoutAKeyframe(t *testing.T) {
	for _, c := range []struct {
		name string
		loss linksim.Conditions
		hole int // packets, four times
	}{
		{"each by itself", linksim.Conditions{Loss: 0.02}, 0},
		{"ten in a row", linksim.Conditions{}, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, seen := newEngine(t)
			caster := openStudio(t, e, seen, "c", "caster", 1, newWire(t, nil, loopback, 1), crowdRate)
			var crowd []*spectator
			for i := range crowdSize(50) {
				codecs := (func(*webrtc.MediaEngine) error)(nil)
				if i%2 == 1 {
					codecs = withoutRTX
				}
				crowd = append(crowd, sit(t, e, "c", fmt.Sprint("viewer-", i), newWire(t, nil, loopback, uint64(100+i)), codecs))
			}
			for _, v := range crowd {
				seen.connected(t, v.id)
			}
			shows(t, crowd, 10)

			asked, since := e.Snapshot().Asked, time.Since(epochOfMarks)
			from := caster.frames.Load() + 1 // the one after it may be on its way
			for _, v := range crowd {
				v.wire.set(c.loss, linksim.Conditions{})
			}
			for range 4 {
				for _, v := range crowd {
					v.wire.lose(c.hole)
				}
				shows(t, crowd, 45)
			}
			to := caster.frames.Load()
			for _, v := range crowd {
				v.wire.mend()
			}
			shows(t, crowd, 30)

			lost, came := uint64(0), uint64(0)
			for _, v := range crowd {
				n := v.wire.counts()
				lost, came = lost+n.Lost, came+n.Passed
				frames := map[uint32]bool{}
				for _, s := range v.seen(since) {
					frames[s.frame] = true
				}
				for f := from + 1; f <= to; f++ {
					if !frames[f] {
						t.Errorf("%s never showed frame %d of %d to %d", v.id, f, from+1, to)
						break
					}
				}
			}
			w := sum(crowd, since, time.Since(epochOfMarks))
			begged := names(crowd, func(v *spectator) bool { v.mu.Lock(); defer v.mu.Unlock(); return v.begs > 0 })
			lost += uint64(4 * c.hole * len(crowd))
			t.Logf("%d viewers, frames %d to %d: %d of %d datagrams lost; %v; asked %d", len(crowd), from+1, to, lost, lost+came,
				w, e.Snapshot().Asked-asked)
			if lost == 0 {
				t.Error("nothing was lost")
			}
			if n := e.Snapshot().Asked - asked; n != 0 || begged != "" {
				t.Errorf("%d keyframes were asked of the caster; viewers that wanted one: %q", n, begged)
			}
		})
	}
}

// TestWhatComesLateFromTheCasterIsPassedOn: packets that the caster's network held back or lost, which the caster sends
// again, reach the viewers that had passed their place.
func TestWhatComesLateFromTheCasterIsPassedOn(t *testing.T) {
	for _, c := range []struct {
		name string
		out  linksim.Conditions
	}{
		{"overtaken", linksim.Conditions{Reorder: 0.05, ReorderBy: 45 * time.Millisecond}},
		{"sent again", linksim.Conditions{Loss: 0.02}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, seen := newEngine(t)
			caster := openStudio(t, e, seen, "c", "caster", 1, newWire(t, nil, loopback, 1), crowdRate)
			crowd := seat(t, e, seen, "c", 3)
			shows(t, crowd, 10)
			asked, since := e.Snapshot().Asked, time.Since(epochOfMarks)
			from := caster.frames.Load() + 1 // the one after it may be on its way
			caster.wire.set(linksim.Conditions{}, c.out)
			shows(t, crowd, 120)
			to := caster.frames.Load()
			caster.wire.mend()
			shows(t, crowd, 30)
			for _, v := range crowd {
				frames := map[uint32]bool{}
				for _, s := range v.seen(since) {
					frames[s.frame] = true
				}
				for f := from + 1; f <= to; f++ {
					if !frames[f] {
						t.Errorf("%s never showed frame %d", v.id, f)
					}
				}
				v.mu.Lock()
				behind := v.behind
				v.mu.Unlock()
				if behind == 0 {
					t.Errorf("%s got nothing late", v.id)
				}
				t.Logf("%s: %d packets came after later ones", v.id, behind)
			}
			t.Logf("%v", sum(crowd, since, time.Since(epochOfMarks)))
			if n := e.Snapshot().Asked - asked; n != 0 {
				t.Errorf("%d keyframes were asked of the caster", n)
			}
		})
	}
}
