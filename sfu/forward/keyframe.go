package forward

import "time"

const (
	// KeyframeGap is the least time between two requests for a keyframe of one layer: a keyframe costs the caster
	// ten times an ordinary frame, and many viewers want the same one.
	KeyframeGap = 500 * time.Millisecond
	// KeyframeRetry is how long after an unanswered request the next one leaves: the request or the keyframe was lost.
	KeyframeRetry = time.Second
)

// KeyframePolicy is how dear keyframes of a layer are. A field that is 0 has its value of VideoKeyframes.
type KeyframePolicy struct {
	Gap    time.Duration // least time between two requests
	MaxGap time.Duration // to which a costly keyframe stretches it
	Retry  time.Duration // after a request without an answer, and after a keyframe that began and was not completed
	Budget int           // bytes per second that may go into keyframes, whatever the layer's rate
}

// VideoKeyframes is for cameras and moving pictures. ScreenKeyframes is for screens, where a keyframe is a whole sharp
// picture of many hundred kilobytes: it takes longer to arrive, and nothing but a new one replaces it, since a screen
// that stands still sends nothing more.
var (
	VideoKeyframes  = KeyframePolicy{Gap: KeyframeGap, MaxGap: 2 * time.Second, Retry: KeyframeRetry, Budget: 100_000}
	ScreenKeyframes = KeyframePolicy{
		Gap: time.Second, MaxGap: 5 * time.Second, Retry: 1500 * time.Millisecond, Budget: 150_000,
	}
)

// keyframeShare is which part of a layer's bytes keyframes may be, where that is more than the policy's budget: one in
// three.
const keyframeShare = 3

// Keyframe is the gate before a layer of a caster: many want a keyframe, one request leaves. It is idle, asked (a
// request is under way), or arriving (a keyframe began). A keyframe that began and is not completed in time is asked
// for again although nobody says so: on a screen that stands still no later packet would show the loss. The zero
// value is a layer that nobody has asked, with VideoKeyframes.
type Keyframe struct {
	policy  KeyframePolicy
	wanted  bool // somebody waits
	pending bool // a request or a keyframe is under way
	asked   time.Time
	begun   time.Time // of the keyframe that is arriving
	cost    int       // bytes of the newest keyframe
	rate    int       // of the layer, bytes per second
}

// NewKeyframe returns the gate of a layer under a policy.
func NewKeyframe(policy KeyframePolicy) Keyframe { return Keyframe{policy: policy} }

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
	if k.pending {
		since := k.asked
		if k.begun.After(since) {
			since = k.begun
		}
		if now.Sub(since) < orDefault(k.policy.Retry, KeyframeRetry) {
			return false
		}
	}
	if !k.asked.IsZero() && now.Sub(k.asked) < k.Gap() {
		return false
	}
	k.pending, k.asked, k.begun = true, now, time.Time{}
	return true
}

// Cut says that the caster's network was away until now: a request that left in that time never arrived, nor did what
// is missing of a keyframe. The next Want asks at once.
func (k *Keyframe) Cut() { k.pending, k.asked, k.begun = false, time.Time{}, time.Time{} }

// Away is how long a stream is silent before packets that are missing after it count as an outage: nobody waits for
// them to be sent again.
const Away = 500 * time.Millisecond

// Gap is the least time between two requests now: it grows with what the newest keyframe cost.
func (k *Keyframe) Gap() time.Duration {
	gap := orDefault(k.policy.Gap, KeyframeGap)
	budget := max(orDefault(k.policy.Budget, VideoKeyframes.Budget), k.rate/keyframeShare)
	earned := time.Duration(k.cost) * time.Second / time.Duration(budget)
	return max(gap, min(earned, orDefault(k.policy.MaxGap, VideoKeyframes.MaxGap)))
}

// SetRate says how many bytes per second the layer has.
func (k *Keyframe) SetRate(bytesPerSecond int) { k.rate = bytesPerSecond }

// Began says that the first packet of a keyframe came. The rest is waited for, and asked for again if it does not
// come.
func (k *Keyframe) Began(now time.Time) { k.wanted, k.pending, k.begun = true, true, now }

// Completed says that all of a keyframe, of so many bytes, has come: whoever waited has one.
func (k *Keyframe) Completed(bytes int) {
	k.cost = bytes
	k.Arrived()
}

// Arrived says that a keyframe came: whoever waited has one.
func (k *Keyframe) Arrived() { k.wanted, k.pending, k.begun = false, false, time.Time{} }

func orDefault[T comparable](v, standard T) T {
	var zero T
	if v == zero {
		return standard
	}
	return v
}
