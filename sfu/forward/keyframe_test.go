package forward

import (
	"testing"
	"time"
)

func TestManyWantOneAsks(t *testing.T) {
	var k Keyframe
	asked := 0
	for i := range 500 {
		if k.Want(epoch.Add(time.Duration(i) * time.Microsecond)) {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("500 viewers at once ask %d times, want 1", asked)
	}
}

func TestAskedAgainOnlyWhileWanted(t *testing.T) {
	var k Keyframe
	k.Want(epoch)
	if k.Due(epoch.Add(KeyframeRetry - 1)) {
		t.Error("asked again before the retry time")
	}
	if !k.Due(epoch.Add(KeyframeRetry)) {
		t.Error("an unanswered request is not repeated")
	}
	k.Arrived()
	if k.Due(epoch.Add(time.Minute)) {
		t.Error("asked although the keyframe came")
	}
}

func TestGapAfterAKeyframe(t *testing.T) {
	var k Keyframe
	k.Want(epoch)
	k.Arrived()
	if k.Want(epoch.Add(100 * time.Millisecond)) {
		t.Error("asked again 100 ms after the last request")
	}
	if k.Due(epoch.Add(KeyframeGap - 1)) {
		t.Error("asked before the gap is over")
	}
	if !k.Due(epoch.Add(KeyframeGap)) {
		t.Error("the want of a latecomer was forgotten")
	}
}

func TestFirstWantAsksAtOnce(t *testing.T) {
	var k Keyframe
	if k.Due(epoch) {
		t.Error("asked although nobody wants one")
	}
	if !k.Want(epoch) {
		t.Error("the first viewer must not wait")
	}
}

// A keyframe that began and was not completed is asked for again, although nobody asks: on a screen that stands still
// nothing would show the loss.
func TestALostKeyframeOfAStillScreenHeals(t *testing.T) {
	k := NewKeyframe(ScreenKeyframes)
	k.Began(epoch)
	asked := []time.Duration{}
	for d := time.Duration(0); d < 5*time.Second; d += 100 * time.Millisecond {
		if k.Due(epoch.Add(d)) {
			asked = append(asked, d)
		}
	}
	retry := ScreenKeyframes.Retry
	if len(asked) != 3 || asked[0] != retry || asked[1] != 2*retry || asked[2] != 3*retry {
		t.Errorf("asked after %v, want every %v", asked, retry)
	}
	k.Began(epoch.Add(5 * time.Second))
	if k.Due(epoch.Add(5*time.Second + retry - 1)) {
		t.Error("asked while a keyframe is arriving")
	}
	k.Completed(1000)
	if k.Due(epoch.Add(time.Minute)) {
		t.Error("asked although the keyframe is complete")
	}
}

func TestCostlyKeyframesAreRare(t *testing.T) {
	for _, c := range []struct {
		policy KeyframePolicy
		bytes  int
		rate   int
		want   time.Duration
	}{
		{KeyframePolicy{}, 0, 0, KeyframeGap},
		{KeyframePolicy{}, 30_000, 0, KeyframeGap},
		{VideoKeyframes, 100_000, 0, time.Second},
		{VideoKeyframes, 900_000, 0, VideoKeyframes.MaxGap},
		{VideoKeyframes, 900_000, 2_700_000, time.Second}, // a rich layer may spend more
		{ScreenKeyframes, 1_000, 0, ScreenKeyframes.Gap},
		{ScreenKeyframes, 300_000, 0, 2 * time.Second},
		{ScreenKeyframes, 3_000_000, 0, ScreenKeyframes.MaxGap},
	} {
		k := NewKeyframe(c.policy)
		k.SetRate(c.rate)
		if !k.Want(epoch) {
			t.Error("the first viewer must not wait")
		}
		k.Completed(c.bytes)
		if k.Want(epoch.Add(c.want - 1)) {
			t.Errorf("%d bytes at %d: asked again before %v", c.bytes, c.rate, c.want)
		}
		if !k.Due(epoch.Add(c.want)) {
			t.Errorf("%d bytes at %d: not asked after %v", c.bytes, c.rate, c.want)
		}
	}
}

// However many viewers ask and however often, keyframes stay within their budget.
func TestKeyframeBudget(t *testing.T) {
	k := NewKeyframe(ScreenKeyframes)
	const size = 600_000
	sent := 0
	for d := time.Duration(0); d < time.Minute; d += 10 * time.Millisecond {
		if k.Want(epoch.Add(d)) {
			k.Began(epoch.Add(d))
			k.Completed(size)
			sent += size
		}
	}
	if most := 60*ScreenKeyframes.Budget + 2*size; sent > most || sent < most/2 {
		t.Errorf("%d bytes of keyframes in a minute, want at most %d", sent, most)
	}
}

func TestAskedAtOnceAfterTheCastersNetworkWasAway(t *testing.T) {
	k := NewKeyframe(ScreenKeyframes)
	k.Want(epoch)
	at := epoch.Add(200 * time.Millisecond)
	if k.Want(at) {
		t.Fatal("asked twice within the gap")
	}
	k.Cut()
	if !k.Want(at) {
		t.Error("a request that was lost with the network holds the next one back")
	}
	if k.Want(at.Add(ScreenKeyframes.Gap - 1)) {
		t.Error("asked again within the gap")
	}
}
