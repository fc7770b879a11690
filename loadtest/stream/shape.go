package stream

import (
	"math"
	"math/rand/v2"
)

const (
	keyFactor = 7    // a keyframe is that much larger than the mean of a moving picture
	spread    = 0.25 // of the logarithm of sizes
	repay     = 0.15 // of its size a picture gives up at most, to pay for a keyframe before it

	// Of a screen most pictures are nearly empty; once in a while everything changes.
	screenIdle   = 0.12 // of the mean
	screenKey    = 12.0
	screenChange = 8.0
	changeEvery  = 45 // pictures, on average
	changeLong   = 3  // pictures
)

// shape decides how large pictures are: about mean bytes each in the long run, spread like a real encoder's.
type shape struct {
	mean   float64
	screen bool
	random *rand.Rand
	debt   float64 // bytes above the mean that are not paid back
	change int     // pictures that a change goes on for
}

// next is the size of the next picture in bytes.
func (s *shape) next(key bool) int {
	want := s.mean
	switch {
	case key && s.screen:
		want *= screenKey
	case key:
		want *= keyFactor
	case s.screen:
		want = s.screenNext()
	}
	want *= math.Exp(spread*s.random.NormFloat64() - spread*spread/2)
	if !key && s.debt > 0 {
		want *= 1 - repay
	}
	s.debt = max(s.debt+want-s.mean, 0)
	return max(int(want), minPicture)
}

func (s *shape) screenNext() float64 {
	if s.change == 0 && s.random.IntN(changeEvery) == 0 {
		s.change = changeLong
	}
	if s.change > 0 {
		s.change--
		return s.mean * screenChange
	}
	return s.mean * screenIdle
}

// minPicture has room for headers and a stamp.
const minPicture = 128
