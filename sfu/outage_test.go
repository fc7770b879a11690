package sfu

import (
	"slices"
	"testing"
	"time"
)

// networkGone is for how long a network is gone. It ends between two requests that the gate repeats every 1.5 s.
const networkGone = 3200 * time.Millisecond

// back waits until a crowd shows frames of a session sent after since, and returns how long the slowest took from
// since on.
func back(t *testing.T, crowd []*spectator, session uint16, since time.Duration) (slowest time.Duration) {
	t.Helper()
	for _, v := range crowd {
		eventually(t, v.id+" shows frames again", func() bool {
			for _, s := range v.seen(since) {
				if s.session == session && s.sent >= since {
					slowest = max(slowest, s.at-since)
					return true
				}
			}
			return false
		})
	}
	return slowest
}

// onOneStream checks that a viewer has seen one SSRC only.
func onOneStream(t *testing.T, crowd []*spectator) {
	t.Helper()
	for _, v := range crowd {
		v.mu.Lock()
		if len(v.ssrc) != 1 {
			t.Errorf("%s saw %d streams, want one for good", v.id, len(v.ssrc))
		}
		v.mu.Unlock()
	}
}

func pass(t *testing.T, d time.Duration, while func()) {
	t.Helper()
	until := time.Now().Add(d)
	eventually(t, "time passes", func() bool { while(); return time.Now().After(until) })
}

func TestCastersNetworkGoneAndBack(t *testing.T) {
	e, seen := newEngine(t)
	// What is missing afterwards is more than the server asks a caster for, so that only a keyframe helps.
	caster := openStudio(t, e, seen, "c", "caster", 1, newWire(t, nil, loopback, 1), 2*crowdRate)
	crowd := seat(t, e, seen, "c", 4)
	shows(t, crowd, 30)
	caster.wire.cut()
	asked := caster.asked.Load()
	pass(t, networkGone, func() {
		crowd[0].beg() // some wish for a keyframe the while, and the requests are lost
		for _, v := range crowd {
			v.mu.Lock()
			v.mute = true // and nobody wishes afterwards: browsers take their time
			v.mu.Unlock()
		}
	})
	caster.wire.mend()
	since := time.Since(epochOfMarks)
	took := back(t, crowd, 1, since)
	t.Logf("the picture is back %v after the network; %d keyframes came through to the caster", took, caster.asked.Load()-asked)
	if took > time.Second {
		t.Errorf("the picture took %v, want 1 s at most", took)
	}
	onOneStream(t, crowd)
	shows(t, crowd, 60)
	if n := caster.asked.Load() - asked; n > 2 {
		t.Errorf("%d keyframes were asked of the caster", n)
	}
}

func TestCasterProcessRestarted(t *testing.T) {
	e, seen := newEngine(t)
	first := openStudio(t, e, seen, "c", "caster", 1, newWire(t, nil, loopback, 1), crowdRate)
	crowd := seat(t, e, seen, "c", 4)
	shows(t, crowd, 30)
	first.wire.cut() // it was killed, and says nothing
	first.pause()
	for _, v := range crowd {
		v.mu.Lock()
		v.steps, v.jumps = nil, nil
		v.mu.Unlock()
	}
	pass(t, networkGone/3, func() {})
	since := time.Since(epochOfMarks)
	second := openStudio(t, e, seen, "c", "caster-again", 2, newWire(t, nil, loopback, 2), crowdRate)
	up := time.Since(epochOfMarks)
	took := back(t, crowd, 2, since) + since - up
	t.Logf("the picture is back %v after the caster's connection", took)
	if took > time.Second {
		t.Errorf("the picture took %v, want 1 s at most", took)
	}
	shows(t, crowd, 60)
	onOneStream(t, crowd)
	for _, v := range crowd {
		v.mu.Lock()
		for i, step := range v.steps {
			// Up to three numbers may have gone to packets that show where the silent stream ended.
			if step < 1 || step > 4 {
				t.Errorf("%s: number %d after the one before", v.id, step)
			}
			if jump := v.jumps[i]; jump < 0 || jump > 5*90000 {
				t.Errorf("%s: timestamp %d after the one before", v.id, jump)
			}
		}
		v.mu.Unlock()
	}
	if n := second.asked.Load(); n > 1 {
		t.Errorf("%d keyframes were asked of the caster that had just begun with one", n)
	}
}

func TestViewersNetworkGoneAndBack(t *testing.T) {
	e, seen := newEngine(t)
	caster := openStudio(t, e, seen, "c", "caster", 1, newWire(t, nil, loopback, 1), crowdRate)
	crowd := seat(t, e, seen, "c", 4)
	shows(t, crowd, 30)
	asked := caster.asked.Load()
	crowd[0].wire.cut()
	pass(t, networkGone, func() {})
	crowd[0].wire.mend()
	since := time.Since(epochOfMarks)
	took := back(t, crowd[:1], 1, since)
	shows(t, crowd, 60)
	n := caster.asked.Load() - asked
	t.Logf("the picture is back %v after the network; %d keyframes asked", took, n)
	if took > 2*time.Second {
		t.Errorf("the picture took %v", took)
	}
	if n > 2 {
		t.Errorf("%d keyframes were asked of the caster", n)
	}
	onOneStream(t, crowd)
}

// TestViewersAddressChanges: the client goes on with what it has, and its next check comes from elsewhere.
func TestViewersAddressChanges(t *testing.T) {
	e, seen := newEngine(t)
	openStudio(t, e, seen, "c", "caster", 1, newWire(t, nil, loopback, 1), crowdRate)
	crowd := seat(t, e, seen, "c", 2)
	shows(t, crowd, 30)
	crowd[0].wire.move(t)
	since := time.Since(epochOfMarks)
	took := back(t, crowd[:1], 1, since)
	t.Logf("the picture is back %v after the address changed", took)
	if took > 5*time.Second {
		t.Errorf("the picture took %v", took)
	}
	shows(t, crowd, 60)
	onOneStream(t, crowd)
}

func TestManyJoinAtOnceFromTheLog(t *testing.T) {
	e, seen := newEngine(t)
	caster := openStudio(t, e, seen, "c", "caster", 1, newWire(t, nil, loopback, 1), crowdRate/2)
	shows(t, seat(t, e, seen, "c", 1), 10)
	asked := caster.asked.Load()
	n := crowdSize(200)
	crowd := make([]*spectator, n)
	wires := make([]*wire, n)
	for i := range crowd {
		wires[i] = newWire(t, nil, loopback, uint64(i))
	}
	for i := range crowd {
		crowd[i] = sit(t, e, "c", "new-"+string(rune('A'+i/10))+string(rune('0'+i%10)), wires[i], nil)
	}
	var starts []time.Duration
	for _, v := range crowd {
		eventually(t, v.id+" shows a picture", func() bool { return len(v.seen(0)) > 0 })
		v.mu.Lock()
		starts = append(starts, v.shows[0].at-v.up)
		v.mu.Unlock()
	}
	slices.Sort(starts)
	t.Logf("%d viewers: first picture p50 %v p90 %v max %v after their connection was up; %d keyframes asked", n,
		starts[n/2], starts[n*9/10], starts[n-1], caster.asked.Load()-asked)
	if caster.asked.Load()-asked > 1 {
		t.Errorf("%d keyframes were asked of the caster", caster.asked.Load()-asked)
	}
	if starts[n/2] > 300*time.Millisecond || starts[n*9/10] > time.Second {
		t.Errorf("half of them waited %v, a tenth %v", starts[n/2], starts[n*9/10])
	}
}
