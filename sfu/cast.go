package sfu

// Slot is a stable place of a cast. Viewers connect to slots, casters fill them.
type Slot uint8

// The slots of a cast. Screen is the main picture, whatever it shows.
const (
	Screen Slot = iota
	Camera
	Audio
	slotCount
)

var slotNames = [slotCount]string{"screen", "camera", "audio"}

func (s Slot) String() string { return slotNames[s] }

// kind is the kind of m-line that can carry s.
func (s Slot) kind() string {
	if s == Audio {
		return "audio"
	}
	return "video"
}

// clock is the RTP clock of s in ticks per second: RFC 3551 §4.1 for video, RFC 7587 §4.1 for Opus.
func (s Slot) clock() uint32 {
	if s == Audio {
		return 48000
	}
	return 90000
}

func slotOf(name string) (Slot, bool) {
	for i, n := range slotNames {
		if n == name {
			return Slot(i), true
		}
	}
	return 0, false
}

// cast is one live presentation. Its tracks exist as long as it does, whether or not somebody casts.
type cast struct {
	// fixed
	id     string
	tracks [slotCount]*track

	// guarded by Engine.mu
	held    int // answers being made
	caster  *caster
	viewers map[string]*viewer
}

func newCast(id string, drops *Drops, shards []*shard) *cast {
	c := &cast{id: id, viewers: map[string]*viewer{}}
	for s := range slotCount {
		c.tracks[s] = newTrack(s, drops, shards)
	}
	return c
}

// state is what the signal plane is told: the slots that have a source and what it is encoded with.
func (c *cast) state() (live bool, slots map[string]string) {
	slots = map[string]string{}
	for _, t := range c.tracks {
		if codec := t.codec(); codec != nil {
			slots[t.slot.String()] = codec.MimeType
		}
	}
	return len(slots) > 0, slots
}
