package forward

import "time"

const (
	// WishBurst is how many keyframes one viewer may have asked of a caster in quick succession, WishEvery how long it
	// takes to earn one more. A viewer whose path cannot carry a keyframe wants the next one as soon as the last is
	// broken; the caster would spend its bits on keyframes and everybody else's picture would suffer.
	WishBurst = 3
	WishEvery = 10 * time.Second

	// A viewer's wish that comes within a round trip after a keyframe left has crossed it; wishLeast and wishMost
	// bound what is taken for that.
	wishLeast = 20 * time.Millisecond
	wishMost  = 500 * time.Millisecond
)

// KeyframeWishes bounds what one viewer's need of keyframes costs the caster and all others: WishBurst at once and then one
// every WishEvery. A wish stays open until a keyframe is sent to the viewer, and saying it again costs nothing, since
// the gate (Keyframe) makes one request of it. It is one value per viewer and video slot. The zero value is ready.
type KeyframeWishes struct {
	open   bool
	paid   int64 // until when what was asked is earned
	served int64 // when a keyframe was sent; 0: none yet
}

// Ask says whether the viewer's wish goes to the gate. roundTrip is 0 while it is not known, and for a need that the
// server itself has found.
func (w *KeyframeWishes) Ask(roundTrip time.Duration, now int64) bool {
	crossing := int64(0)
	if roundTrip > 0 {
		crossing = int64(min(max(roundTrip, wishLeast), wishMost))
	}
	switch {
	case w.open:
		return true
	case w.served != 0 && now-w.served < crossing:
		return false
	case w.paid-now > int64((WishBurst-1)*WishEvery):
		return false
	}
	w.paid = max(w.paid, now) + int64(WishEvery)
	w.open = true
	return true
}

// Served says that a keyframe is being sent to the viewer.
func (w *KeyframeWishes) Served(now int64) { w.open, w.served = false, now }

// Renew says that the viewer follows another log, by no fault of its own: it may ask at once.
func (w *KeyframeWishes) Renew(now int64) {
	w.open, w.served = false, 0
	w.paid = min(w.paid, now+int64((WishBurst-1)*WishEvery))
}
