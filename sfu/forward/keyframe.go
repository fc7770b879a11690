package forward

import "time"

const (
	// KeyframeGap is the least time between two requests for a keyframe of one layer: a keyframe costs the caster
	// ten times an ordinary frame, and many viewers want the same one.
	KeyframeGap = 500 * time.Millisecond
	// KeyframeRetry is how long after an unanswered request the next one leaves: the request or the keyframe was lost.
	KeyframeRetry = time.Second
)

// Keyframe is the gate before a layer of a caster: many want a keyframe, one request leaves. The zero value is a
// layer that nobody has asked.
type Keyframe struct {
	wanted  bool // somebody waits
	pending bool // a request is under way
	asked   time.Time
}

// Want says that a viewer needs a keyframe. It returns true when a request must leave now; otherwise one is under
// way already or Due will tell when its time has come.
func (k *Keyframe) Want(now time.Time) bool {
	k.wanted = true
	return k.Due(now)
}

// Due says whether a request must leave now for those who still wait. Call it every 100 ms or so while the layer
// lives.
func (k *Keyframe) Due(now time.Time) bool {
	if !k.wanted {
		return false
	}
	gap := KeyframeGap
	if k.pending {
		gap = KeyframeRetry
	}
	if !k.asked.IsZero() && now.Sub(k.asked) < gap {
		return false
	}
	k.pending, k.asked = true, now
	return true
}

// Arrived says that a keyframe came: whoever waited has one.
func (k *Keyframe) Arrived() { k.wanted, k.pending = false, false }
