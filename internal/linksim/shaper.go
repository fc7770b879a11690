package linksim

import (
	"math/rand/v2"
	"time"
)

// Conditions is what a link does to the packets of one direction. The zero value passes everything at once.
type Conditions struct {
	Delay  time.Duration // of every packet
	Jitter time.Duration // up to so much more, evenly spread; it does not change the order
	// Loss is which part of the packets is lost, 0 to 1. Burst is the mean length of a run of losses; up to 1 each
	// packet has its own luck.
	Loss  float64
	Burst float64
	// Reorder is which part of the packets is held back by ReorderBy, so that later ones overtake them.
	Reorder   float64
	ReorderBy time.Duration
	Duplicate float64 // which part of the packets comes twice
	Rate      int     // bits per second of IP packets; 0: no limit
	Queue     int     // bytes that may wait for Rate; 0: 64 KiB
	Down      bool    // nothing passes
}

const defaultQueue = 64 << 10

// Counts is what became of the packets of one direction. A packet that came twice is in Passed once.
type Counts struct {
	Passed, Lost, Overflowed, Duplicated, Reordered uint64
}

// Shaper decides about the packets of one direction. It knows no clock and takes no lock: times are nanoseconds of the
// caller's. Links have one for each direction; a test may use one without a link, around a socket.
type Shaper struct {
	c      Conditions
	rng    *rand.Rand
	losing bool  // within a burst
	free   int64 // when the link has sent all that waits for Rate
	last   int64 // when the newest packet arrives that kept its place
	counts Counts
}

// NewShaper returns a Shaper whose luck is seed's.
func NewShaper(c Conditions, seed uint64) *Shaper {
	return &Shaper{c: c, rng: rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15))}
}

// Set changes what happens to packets from now on.
func (s *Shaper) Set(c Conditions) {
	s.c = c
	s.free = 0 // what waited for the old rate is on its way already
}

// Counts says what became of the packets so far.
func (s *Shaper) Counts() Counts { return s.counts }

// Plan appends to at when a packet of size bytes arrives at the other end: not at all, once or twice.
func (s *Shaper) Plan(at []int64, size int, now int64) []int64 {
	if s.c.Down || s.lose() {
		s.counts.Lost++
		return at
	}
	ready, ok := s.queue(size, now)
	if !ok {
		s.counts.Overflowed++
		return at
	}
	s.counts.Passed++
	due := ready + int64(s.c.Delay)
	if s.c.Jitter > 0 {
		due += s.rng.Int64N(int64(s.c.Jitter) + 1)
	}
	due = max(due, s.last)
	if s.chance(s.c.Reorder) {
		s.counts.Reordered++
		due += int64(s.c.ReorderBy)
	} else {
		s.last = due
	}
	at = append(at, due)
	if s.chance(s.c.Duplicate) {
		s.counts.Duplicated++
		at = append(at, due)
	}
	return at
}

// lose follows Gilbert's model: a good state in which all passes and a bad one in which nothing does.
func (s *Shaper) lose() bool {
	if s.c.Burst <= 1 {
		s.losing = false
		return s.chance(s.c.Loss)
	}
	switch {
	case s.c.Loss >= 1:
		s.losing = true
	case s.losing:
		s.losing = !s.chance(1 / s.c.Burst)
	default:
		s.losing = s.chance(s.c.Loss / (s.c.Burst * (1 - s.c.Loss)))
	}
	return s.losing
}

// queue returns when the link has sent the packet; ok is false when it has no room for it.
func (s *Shaper) queue(size int, now int64) (ready int64, ok bool) {
	if s.c.Rate <= 0 {
		return now, true
	}
	start := max(s.free, now)
	room := s.c.Queue
	if room == 0 {
		room = defaultQueue
	}
	if waiting := (start - now) * int64(s.c.Rate) / 8 / int64(time.Second); waiting+int64(size) > int64(room) {
		return 0, false
	}
	s.free = start + int64(size)*8*int64(time.Second)/int64(s.c.Rate)
	return s.free, true
}

func (s *Shaper) chance(p float64) bool { return p > 0 && s.rng.Float64() < p }
