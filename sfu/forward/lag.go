package forward

import (
	"time"

	"castcode/sfu/packet"
)

const (
	// MaxLag is how far a viewer's cursor may be behind the newest packet, in time of arrival, before it wants to be
	// elsewhere.
	MaxLag = time.Second
	// FarthestLag is how far behind it goes on to send while there is no newer keyframe: old pictures in slow motion are
	// more than a picture that stands, until they have nothing to do any more with what is being said.
	FarthestLag = 4 * time.Second
)

// Lag is what is to be done about a cursor.
type Lag uint8

// The kinds of lag.
const (
	InTime   Lag = iota
	LagJump      // go to the newest keyframe (Rewriter.Jump, Selector.Restart)
	LagWants     // nothing newer to go to: lower the layer, or want a keyframe and jump when it comes
	LagStops     // as LagWants, and go to the end of the log: nothing is sent before that keyframe
)

// CheckLag says whether a cursor, the number of the next packet to be sent, is too far behind, and where it goes. A
// cursor whose packet has left the ring always is. One in the middle of the keyframe with the timestamp sending (0:
// none) stays until that is whole: a path that takes longer than MaxLag for a keyframe would never get one otherwise.
// While a viewer starts by replay it is not asked.
func CheckLag(ring *packet.Ring, cursor, sending uint64) (to uint64, lag Lag) {
	newest := ring.Get(ring.Newest())
	if newest == nil || cursor > newest.Seq {
		return cursor, InTime
	}
	p := ring.Get(cursor)
	for seq := cursor + 1; p == nil && cursor >= ring.Oldest() && seq <= newest.Seq; seq++ {
		p = ring.Get(seq) // the cursor stands at a hole
	}
	behind := FarthestLag + 1
	if p != nil {
		behind = time.Duration(newest.Arrival - p.Arrival)
		if behind <= MaxLag || sending != 0 && p.TS == sending {
			return cursor, InTime
		}
	}
	if key, ok := ring.Keyframe(); ok && key >= cursor {
		if key == cursor {
			return cursor, InTime // it is there already
		}
		return key, LagJump
	}
	if behind > FarthestLag {
		return newest.Seq + 1, LagStops
	}
	return cursor, LagWants
}

// KeyframeAhead says whether a keyframe is still to be sent by a cursor, and where the cursor goes for it: to the newest
// keyframe, or nowhere when it is in the middle of the one with the timestamp sending (0: none).
func KeyframeAhead(ring *packet.Ring, cursor, sending uint64) (to uint64, ok bool) {
	if p := ring.Get(cursor); p != nil && sending != 0 && p.TS == sending {
		return cursor, true
	}
	key, ok := ring.Keyframe()
	return key, ok && key >= cursor
}
