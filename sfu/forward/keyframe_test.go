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
