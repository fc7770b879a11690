package forward

import "time"

const (
	// timeJump is by how much timestamps may be off against the time of arrival before that counts as a jump.
	timeJump = int64(2 * time.Second)
	// timeStall is how long timestamps may lag behind: packets that a network has held back catch up by then.
	timeStall = int64(5 * time.Second)
)

// TimeStep is how a packet's timestamp follows on those before.
type TimeStep uint8

// How timestamps go on. Onward is what they should do; a timestamp that goes back by less than two seconds belongs to a
// picture that is shown before one that was sent earlier (B-frames); a jump lets a viewer stand still or skip.
const (
	TimeOnward TimeStep = iota
	TimeBack
	TimeJump
)

// Timeline watches the timestamps of one stream. It belongs to the stream's read loop.
type Timeline struct {
	clock int64 // ticks a second

	begun  bool
	seq    uint64 // newest number
	ts     uint64 // of it
	first  uint64 // timestamp that stands for 0
	offset int64  // media time less the time of arrival, in nanoseconds, of the packets that waited least
	behind int64  // since when timestamps lag by a jump, in the time of arrival; 0: they do not
}

// NewTimeline is for a stream with a clock of so many ticks a second.
func NewTimeline(clock uint32) Timeline { return Timeline{clock: int64(clock)} }

// Packet takes the next packet in the order of arrival: its extended number and timestamp, and when it came in
// nanoseconds of the engine's clock. Packets that came late say nothing.
func (t *Timeline) Packet(seq, ts uint64, arrival int64) TimeStep {
	if !t.begun {
		*t = Timeline{clock: t.clock, begun: true, seq: seq, ts: ts, first: ts, offset: -arrival}
		return TimeOnward
	}
	if seq <= t.seq {
		return TimeOnward
	}
	before := t.ts
	t.seq, t.ts = seq, ts
	if ts == before {
		return TimeOnward
	}
	ahead := t.media(ts) - arrival - t.offset
	switch {
	case ahead > timeJump:
		return t.jumped(ahead)
	case ahead > 0: // those before had waited longer
		t.offset += ahead
		t.behind = 0
	case ahead >= -timeJump: // its clock may be slower than ours
		t.offset += ahead / 256
		t.behind = 0
	case t.behind == 0:
		t.behind = arrival
	case arrival-t.behind > timeStall:
		return t.jumped(ahead)
	}
	if back := int64(before - ts); back > 0 && back <= t.clock*timeJump/int64(time.Second) {
		return TimeBack
	}
	return TimeOnward
}

func (t *Timeline) jumped(ahead int64) TimeStep {
	t.offset += ahead
	t.behind = 0
	return TimeJump
}

// media is ts in nanoseconds since the stream's first packet.
func (t *Timeline) media(ts uint64) int64 {
	d := int64(ts - t.first)
	return d/t.clock*int64(time.Second) + d%t.clock*int64(time.Second)/t.clock
}
