package loadtest

import (
	"math/rand/v2"
	"slices"
	"time"
)

// deed is what somebody does.
type deed uint8

const (
	join    deed = iota // viewer who joins
	rejoin              // viewer who leaves and comes back
	restart             // caster who begins anew
	mistype             // somebody types a wrong code
)

// step is a deed at a time.
type step struct {
	at   time.Duration // since the first join
	deed deed
	who  int // index of the viewer or of the room
}

// plan is who does what when, in order. Viewers have the indices 0 to everybody-1.
type plan struct {
	steps     []step
	everybody int           // viewers and displays
	settled   time.Duration // when the last of those who come in turn is let in
	end       time.Duration
}

// newPlan makes the plan of o. The same options make the same one.
func newPlan(o *Options) plan {
	random := rand.New(rand.NewPCG(o.Seed, 0))
	first := o.Displays + o.Viewers
	p := plan{everybody: first + o.Storm}
	for i := range first {
		if o.JoinRate > 0 {
			p.settled = time.Duration(float64(i) / o.JoinRate * float64(time.Second))
		}
		p.steps = append(p.steps, step{p.settled, join, i})
	}
	p.end = p.settled + o.Duration
	for i := range o.Storm {
		p.steps = append(p.steps, step{p.settled + o.Duration/2, join, first + i})
	}
	// Who comes back does so when it was there for a while, and is there for a while after it.
	p.repeat(o.Churn, p.settled+time.Second, p.end-time.Second, func(at time.Duration) step {
		return step{at, rejoin, o.Displays + random.IntN(max(first-o.Displays, 1))}
	})
	p.repeat(o.Wrong, 0, p.end, func(at time.Duration) step { return step{at, mistype, 0} })
	if o.Restart > 0 {
		for at := p.settled + o.Restart; at < p.end-time.Second; at += o.Restart {
			for room := range o.Rooms {
				p.steps = append(p.steps, step{at, restart, room})
			}
		}
	}
	slices.SortStableFunc(p.steps, func(a, b step) int { return int(a.at - b.at) })
	return p
}

// repeat adds rate steps a second.
func (p *plan) repeat(rate float64, from, to time.Duration, make func(time.Duration) step) {
	if rate <= 0 {
		return
	}
	every := time.Duration(float64(time.Second) / rate)
	for at := from; at < to; at += every {
		p.steps = append(p.steps, make(at))
	}
}

// room is where viewer i is.
func (o *Options) room(i int) int { return i % o.Rooms }

// slow says whether viewer i is one of those with a narrow path: they are spread evenly.
func (o *Options) slow(i int) bool {
	return o.Slow > 0 && int(float64(i+1)*float64(o.Slow)) > int(float64(i)*float64(o.Slow))
}
