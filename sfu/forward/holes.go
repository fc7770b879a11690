package forward

import "time"

// Holes tells what a viewer's path lost from what never got as far: a number that the log does not have is a gap for the
// viewer too, and in its reports it looks like loss. After an outage of the caster hundreds of packets are missing, and
// an estimate that took them for the path's would starve the keyframe that ends it. The zero value is ready.
type Holes struct {
	passed  uint32 // numbers that were missing and are in no report yet
	highest uint32 // of the newest report
	begun   bool

	expected, lost uint32 // packets, since Judge last said something
	since          int64
}

// Passed says that a number was left out because its packet has not come.
func (h *Holes) Passed() { h.passed++ }

// Filled says that one of them was sent after all.
func (h *Holes) Filled() { h.passed -= min(h.passed, 1) }

// PathLoss is the fraction lost, in 256ths, of a report block (RFC 3550 §6.4.1) without what was missing anyway. highest
// is the block's extended highest sequence number; of the first report nothing can be told, and it is 0. It is part of what Judge says next.
func (h *Holes) PathLoss(highest uint32, fraction uint8) uint8 {
	expected := highest - h.highest
	known := h.begun && expected < 1<<16
	h.highest, h.begun = highest, true
	if !known || expected == 0 {
		return 0
	}
	lost := (expected*uint32(fraction) + 255) / 256
	missing := min(lost, h.passed)
	h.passed -= missing
	h.expected, h.lost = h.expected+expected, h.lost+lost-missing
	return share(lost-missing, expected)
}

const (
	// A path is judged by so many packets at least, or by so many that it has lost. Chromium sends a report with each
	// NACK: right behind a loss and over a handful of packets, one of which is gone, which reads as a third.
	// At 5 % of random loss one judgement in some hundred then says 10 %.
	judgedBy     = 200
	judgedByLost = 20
	// judgedAfter is how long it is looked at, in nanoseconds, however much is sent: one of the usual reports, a second.
	judgedAfter = int64(900 * time.Millisecond)
)

// Judge is the fraction lost, in 256ths, over all that PathLoss was told of since Judge last said something. ok is false
// while that is too little to tell loss from chance. now is in nanoseconds.
func (h *Holes) Judge(now int64) (fraction uint8, ok bool) {
	if h.since == 0 {
		h.since = now
	}
	if now-h.since < judgedAfter || h.expected < judgedBy && h.lost < judgedByLost {
		return 0, false
	}
	fraction = share(h.lost, h.expected)
	h.Forget(now)
	return fraction, true
}

// Forget makes Judge begin anew, where what was told says nothing of the path.
func (h *Holes) Forget(now int64) { h.expected, h.lost, h.since = 0, 0, now }

// share is a part of a whole, which is not 0, in 256ths.
func share(part, whole uint32) uint8 { return uint8(min(part*256/whole, 255)) }
