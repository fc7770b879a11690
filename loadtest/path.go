package loadtest

import (
	"math/rand/v2"
	"time"
)

// path is the last part of the way to a viewer: it loses media before they are decrypted. It is owned by one goroutine.
type path struct {
	random *rand.Rand
	begin  float64 // chance that a loss begins with a packet
	end    float64 // chance that it ends with one
	losing bool

	rate  float64 // bytes per second that a narrow path carries; 0: it is wide
	room  float64 // bytes that fit in now
	depth float64
	at    time.Time
}

// depthOf is how much a narrow path holds, as time at its rate. It passes on at once what it holds: what is told here is
// what is lost on narrow paths, not how long it takes.
const depthOf = time.Second

// newPath makes the path of viewer i.
func (o *Options) newPath(i int) *path {
	p := &path{random: rand.New(rand.NewPCG(o.Seed, uint64(i)+1)), end: 1 / max(o.LossBurst, 1)}
	if o.Loss > 0 {
		// Gilbert's model: the share of losing packets is begin / (begin + end).
		p.begin = p.end * float64(o.Loss) / (1 - float64(o.Loss))
	}
	if o.slow(i) {
		p.rate = float64(o.SlowRate) / 8
		p.depth = p.rate * depthOf.Seconds()
		p.room = p.depth
	}
	return p
}

// loses decides about a datagram of that size that comes now.
func (p *path) loses(size int, now time.Time) bool {
	if p.losing {
		p.losing = p.random.Float64() >= p.end
	} else {
		p.losing = p.random.Float64() < p.begin
	}
	if p.losing {
		return true
	}
	if p.rate == 0 {
		return false
	}
	if !p.at.IsZero() {
		p.room = min(p.room+now.Sub(p.at).Seconds()*p.rate, p.depth)
	}
	p.at = now
	if p.room < float64(size) {
		return true
	}
	p.room -= float64(size)
	return false
}
