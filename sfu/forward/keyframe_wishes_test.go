package forward

import (
	"testing"
	"time"
)

// A viewer whose keyframes never arrive whole wants one after the other, and gets them seldom.
func TestOneViewersWishesAreBounded(t *testing.T) {
	var w KeyframeWishes
	const lasts = 10 * time.Minute
	passed := 0
	for now := int64(1); now < int64(lasts); now += int64(300 * time.Millisecond) {
		if w.Ask(50*time.Millisecond, now) {
			passed++
			w.Served(now + 100*ms)
		}
	}
	if most := WishBurst + int(lasts/WishEvery); passed > most || passed < most-2 {
		t.Errorf("%d keyframes for one viewer in %v, want about %d", passed, lasts, most)
	}
}

func TestAWishMayBeRepeatedUntilItIsServed(t *testing.T) {
	var w KeyframeWishes
	for i := range 100 {
		if !w.Ask(50*time.Millisecond, 1+int64(i)*300*ms) {
			t.Fatalf("wish %d is refused although nothing was sent", i)
		}
	}
	w.Served(40_000 * ms)
	for i := range WishBurst {
		if !w.Ask(0, 40_001*ms+int64(i)*ms) {
			t.Errorf("wish %d of a viewer that was content for long is refused", i)
		}
		w.Served(40_001*ms + int64(i)*ms)
	}
	if w.Ask(0, 40_010*ms) {
		t.Error("one more than the burst passes")
	}
}

func TestAWishThatCrossedTheKeyframeIsAnswered(t *testing.T) {
	for _, c := range []struct {
		roundTrip time.Duration
		after     int64
		want      bool
	}{
		{80 * time.Millisecond, 79 * ms, false},
		{80 * time.Millisecond, 80 * ms, true},
		{time.Millisecond, 19 * ms, false}, // a viewer takes a moment to look at what came
		{10 * time.Second, 500 * ms, true}, // nobody has such a round trip
		{0, 0, true},                       // the server itself has found that one is missing
	} {
		var w KeyframeWishes
		w.Served(1000 * ms)
		if got := w.Ask(c.roundTrip, 1000*ms+c.after); got != c.want {
			t.Errorf("%v after a keyframe, round trip %v: %v", time.Duration(c.after), c.roundTrip, got)
		}
	}
}

func TestANewLogGivesOneWish(t *testing.T) {
	var w KeyframeWishes
	for range 2 * WishBurst {
		w.Ask(0, 1)
		w.Served(1)
	}
	if w.Ask(0, 2) {
		t.Fatal("the wishes do not run out")
	}
	w.Renew(3)
	if !w.Ask(0, 3) {
		t.Error("a viewer that follows another log may not ask")
	}
	w.Served(4)
	if w.Ask(0, 5) {
		t.Error("another log gives more than one wish")
	}
}

func TestWishesAllocateNothing(t *testing.T) {
	var w KeyframeWishes
	now := int64(1)
	if n := testing.AllocsPerRun(100, func() { now += ms; w.Ask(0, now); w.Served(now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
