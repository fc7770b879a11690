package forward

import (
	"time"

	"castcode/sfu/packet"
)

// StartLimits says how long a run since the last keyframe may be to be replayed to a newcomer.
type StartLimits struct {
	Age    time.Duration // since the keyframe came
	Bytes  int
	Frames int // the viewer's decoder has to run through them all
}

// DefaultStart is the StartLimits of a viewer of whom nothing is known. A run of 4 s and 0.75 MB was live in Chromium
// after 190 ms, one of 10 s after 640 ms (measured 2026).
var DefaultStart = StartLimits{Age: 8 * time.Second, Bytes: 1 << 20, Frames: 300}

// settle is how old a hole must be before it counts as a loss: the caster may have been asked for it just now.
const settle = 100 * time.Millisecond

// answered is for how long after a replay a request for a keyframe is taken for one that crossed it.
const answered = 300 * time.Millisecond

// Plan is a replay: the packets of the ring from From on, with their own timestamps.
type Plan struct {
	From    uint64
	Bytes   int
	Packets int
	Age     time.Duration // of the keyframe
}

// NoReplay says why there is no replay.
type NoReplay uint8

// The reasons.
const (
	Replayable NoReplay = iota
	NoKeyframe          // none came, or it has left the ring
	RunOld
	RunBig
	RunLong   // too many frames
	RunBroken // a packet is missing
)

// String names the reason as a counter's label does.
func (n NoReplay) String() string {
	return [...]string{"replayable", "no_keyframe", "run_old", "run_big", "run_long", "run_broken"}[n]
}

// PlanReplay looks whether the ring holds a run since its newest keyframe that is complete and within the limits. It
// looks at each packet of the run once.
func PlanReplay(ring *packet.Ring, limits StartLimits, now int64) (plan Plan, why NoReplay) {
	from, ok := ring.Keyframe()
	if !ok {
		return plan, NoKeyframe
	}
	first := ring.Get(from)
	if first == nil {
		return plan, NoKeyframe
	}
	plan.From, plan.Age = from, time.Duration(now-first.Arrival)
	if plan.Age > limits.Age {
		return plan, RunOld
	}
	frames, ts, broken := 0, uint64(0), false
	for seq := from; seq <= ring.Newest(); seq++ {
		p := ring.Get(seq)
		if p == nil {
			broken = true
			continue
		}
		if broken && now-p.Arrival > int64(settle) {
			return plan, RunBroken
		}
		broken = false
		plan.Packets++
		plan.Bytes += len(p.Payload)
		if p.TS != ts {
			ts = p.TS
			frames++
		}
		switch {
		case plan.Bytes > limits.Bytes:
			return plan, RunBig
		case frames > limits.Frames:
			return plan, RunLong
		}
	}
	return plan, Replayable
}

// StartAction is what a viewer's start asks for.
type StartAction uint8

// The actions.
const (
	StartWait   StartAction = iota // not yet, or nothing to do any more
	StartReplay                    // move the cursor to Plan.From, and tell the pacer
	StartAsk                       // want a keyframe at the gate, and start with it
)

// Start brings one viewer to its first picture of a layer: by replay if that is possible, so that the join costs the
// caster nothing, else through the gate. It is one value per viewer and video slot.
type Start struct {
	limits    StartLimits
	notBefore int64
	decided   bool
	replayed  int64 // 0: there was no replay
}

// NewStart returns the start of a viewer to which nothing is sent before notBefore. Firefox loses what comes right at
// the end of its handshake; give it 100 ms.
func NewStart(limits StartLimits, notBefore int64) Start {
	return Start{limits: limits, notBefore: notBefore}
}

// Step says what to do now. It gives StartReplay or StartAsk once.
func (s *Start) Step(ring *packet.Ring, now int64) (StartAction, Plan) {
	if s.decided || now < s.notBefore {
		return StartWait, Plan{}
	}
	s.decided = true
	plan, why := PlanReplay(ring, s.limits, now)
	if why != Replayable {
		return StartAsk, plan
	}
	s.replayed = now
	return StartReplay, plan
}

// Asked says that the viewer itself asked for a keyframe, and returns whether that goes to the gate. It does not
// before the start was decided, which sends one anyway, and right after a replay, which was the answer.
func (s *Start) Asked(now int64) bool {
	return s.decided && (s.replayed == 0 || now-s.replayed >= int64(answered))
}
