package forward

import "time"

// FirstTail is the shortest of them: nothing is due before.
const FirstTail = 60 * time.Millisecond

// tailAfter is how long after the last packet of a stream that has gone silent its viewer is shown where it ended.
var tailAfter = [...]time.Duration{FirstTail, 250 * time.Millisecond, time.Second}

// Tail heals a loss at the end of what was sent. A viewer notices a lost packet by the next one, and on a screen that
// stands still there is none: the rest of a keyframe would be missing until something moves. So a little after the
// last packet a blank one follows (Rewriter.Blank: padding under the next number, since browsers do not look for
// gaps before an RTX packet), and two more in case that is lost too. The zero value is a stream that sent nothing.
type Tail struct {
	at     int64
	probes uint8 // sent since
	live   bool
}

// Sent says that media left at now. Blank packets are not media.
func (t *Tail) Sent(now int64) { t.at, t.probes, t.live = now, 0, true }

// Acknowledged says that the viewer has reported the newest number that was sent, with nothing lost before it.
func (t *Tail) Acknowledged() { t.live = false }

// Wake returns when the next blank packet is due; ok is false when none is.
func (t *Tail) Wake() (at int64, ok bool) {
	if !t.live || int(t.probes) >= len(tailAfter) {
		return 0, false
	}
	return t.at + int64(tailAfter[t.probes]), true
}

// Due says whether a blank packet leaves now. After true it counts as sent.
func (t *Tail) Due(now int64) bool {
	at, ok := t.Wake()
	if !ok || now < at {
		return false
	}
	t.probes++
	return true
}
