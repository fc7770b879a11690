package forward

import "time"

const (
	// MaxTemporal is how many temporal layers are told apart; higher ones count as the highest of these.
	MaxTemporal = 4
	// AllTemporal is the temporal layer of a Choice that drops none.
	AllTemporal = 7

	// climbMargin is by how much, in percent of what a higher step costs, the target must exceed it: what was measured
	// a second ago is not what comes.
	climbMargin = 115
	// climbAfter is how long a higher step must have been affordable before it is taken.
	climbAfter = time.Second
)

// Rung is one layer of a slot as it was measured.
type Rung struct {
	Source   uint32
	Rates    [MaxTemporal]int // bit/s of the temporal layers up to each
	Temporal uint8            // highest temporal layer that it has, below MaxTemporal
	Silent   bool             // its caster has stopped sending it, while others of the slot go on
	Width    int              // of its pictures, in pixels, like Height; 0 where it is not known
	Height   int
}

// Rate is what all of the rung costs, in bit/s.
func (r *Rung) Rate() int { return r.Rates[MaxTemporal-1] }

// Choice is what a down track gets of its slot: a rung, and the temporal layers of it up to one.
type Choice struct {
	Rung     int
	Temporal uint8 // AllTemporal: all
}

// above says whether c is a higher step than o.
func (c Choice) above(o Choice) bool {
	return c.Rung > o.Rung || c.Rung == o.Rung && c.Temporal > o.Temporal
}

// Limit is the most that a down track may get of its slot. The zero value limits nothing.
type Limit struct {
	Source        uint32 // the highest rung; one that is not there limits nothing
	Temporal      uint8  // how many temporal layers; 0: all
	Width, Height int    // the largest picture, in pixels; 0: any
}

// fits says whether the pictures of r are small enough, as far as that is known.
func (l *Limit) fits(r *Rung) bool {
	return (l.Width == 0 || r.Width <= l.Width) && (l.Height == 0 || r.Height <= l.Height)
}

// Wish is a down track of a viewer before an allocation.
type Wish struct {
	Rungs   []Rung // from the lowest to the highest, at least one
	Present Choice // what it gets now; only with Begun
	Begun   bool
	Limit   Limit
}

// top is the highest rung within the limit; the first one if none is.
func (w *Wish) top() int {
	top := len(w.Rungs) - 1
	if w.Limit == (Limit{}) {
		return top
	}
	for i := range w.Rungs {
		if w.Rungs[i].Source == w.Limit.Source {
			top = i
		}
	}
	for top > 0 && !w.Limit.fits(&w.Rungs[top]) {
		top--
	}
	return top
}

// all is what stands for all temporal layers of r within the limit.
func (w *Wish) all(r *Rung) uint8 {
	if n := w.Limit.Temporal; n > 0 && n <= r.Temporal {
		return n - 1
	}
	return AllTemporal
}

// lowest is the first rung that is being sent, or simply the first when none is. Where nothing within the limit is sent
// it lies beyond: some picture is worth more than none.
func (w *Wish) lowest() int {
	for i := range w.Rungs {
		if !w.Rungs[i].Silent {
			return i
		}
	}
	return 0
}

// up is the step above c. The steps are the temporal layers of the lowest rung and then the other rungs whole: a
// smaller picture that moves well is worth more than a larger one that does not.
func (w *Wish) up(c Choice) (next Choice, ok bool) {
	r := &w.Rungs[c.Rung]
	if all := w.all(r); c.Temporal < all {
		if all == AllTemporal && c.Temporal+1 >= r.Temporal {
			return Choice{c.Rung, AllTemporal}, true
		}
		return Choice{c.Rung, c.Temporal + 1}, true
	}
	for i, top := c.Rung+1, w.top(); i <= top; i++ {
		if !w.Rungs[i].Silent {
			return Choice{i, w.all(&w.Rungs[i])}, true
		}
	}
	return c, false
}

// first is the lowest step, which everybody gets.
func (w *Wish) first() Choice {
	c := Choice{Rung: w.lowest()}
	if w.Rungs[c.Rung].Temporal == 0 {
		c.Temporal = AllTemporal
	}
	return c
}

// cost is the rate of c in bit/s, with the margin if it is a climb.
func (w *Wish) cost(c Choice) int {
	r := &w.Rungs[c.Rung]
	rate := r.Rates[min(c.Temporal, MaxTemporal-1)]
	if w.Begun && c.above(w.Present) {
		rate = rate * climbMargin / 100
	}
	return rate
}

// Allocate divides the target, in bit/s, among the down tracks of a viewer and appends one choice for each to dst.
// Everybody gets the lowest step, whatever it costs; then everybody who can climbs one step, the first in the list
// first, as long as the target allows, and so on. With a target of 0, which stands for an unknown one, everybody gets
// the highest. Nobody gets more than the limit of its wish. It is deterministic, and allocates nothing if dst has the capacity.
func Allocate(dst []Choice, target int, wishes []Wish) []Choice {
	begin, used := len(dst), 0
	for i := range wishes {
		c := wishes[i].first()
		used += wishes[i].cost(c)
		dst = append(dst, c)
	}
	out := dst[begin:]
	for climbed := true; climbed; {
		climbed = false
		for i := range wishes {
			w := &wishes[i]
			next, ok := w.up(out[i])
			if !ok {
				continue
			}
			more := w.cost(next) - w.cost(out[i])
			if target != 0 && used+more > target {
				continue
			}
			out[i], used, climbed = next, used+more, true
		}
	}
	return dst
}

// Climb is the patience of one down track: down at once, up one step at a time and only when the step has been
// affordable for a second. The zero value is ready.
type Climb struct {
	since int64 // when a step up became affordable; 0: none is
}

// Decide says what the down track gets when an allocation has given it wanted. w is its wish. One that has not begun
// gets what is wanted, and one whose present layer has fallen silent does not wait.
func (c *Climb) Decide(w *Wish, wanted Choice, now int64) Choice {
	switch {
	case !w.Begun || !wanted.above(w.Present) || w.Rungs[w.Present.Rung].Silent:
		c.since = 0
		return wanted
	case c.since == 0:
		c.since = now
	case now-c.since >= int64(climbAfter):
		c.since = now
		if next, ok := w.up(w.Present); ok && wanted.above(next) {
			return next
		}
		c.since = 0
		return wanted
	}
	return w.Present
}
