package forward

import (
	"time"

	"castcode/sfu/packet"
)

const (
	// RepairTimes is how often a number is sent again at most. What is sent again is lost like anything else: of 2 %
	// random loss, twice leaves one hole in 125,000 packets, which is one keyframe asked every half second for 1,000
	// viewers of 260 packets/s; four times leaves one in 20 minutes. RepairShare bounds the bytes.
	RepairTimes = 4
	// RepairShare is which part of the bytes sent to a viewer may be sent again: one in five.
	RepairShare = 5
	// RepairAge is how old a packet may be to be sent again: the ring's span, and longer than a viewer waits.
	RepairAge = packet.Span

	repairSlots   = 512
	repairStart   = 24 << 10  // bytes that may be sent again before any were earned
	repairSavings = 128 << 10 // bytes that may be saved up; half a second of 10 Mbit/s at that share
	// repairRoundTrip stands for the round trip while it is not known, repairLeast for one that is shorter than the
	// time a viewer takes to notice.
	repairRoundTrip = 60 * time.Millisecond
	repairLeast     = 5 * time.Millisecond
)

// Repair decides whether a packet that a viewer asks for again is sent again: each number at most once within a round
// trip, at most twice, and no more than a fifth of what the viewer gets. Its memory is allocated at the first NACK, 12
// KiB; most viewers never send one. The zero value is ready.
type Repair struct {
	credit  int64 // bytes, times RepairShare
	begun   bool
	entries *[repairSlots]repaired
}

type repaired struct {
	seq   uint64
	at    int64
	times uint8
}

// Answer is what becomes of a request to send a number again.
type Answer uint8

// The answers. Resend is the only one after which the packet is sent.
const (
	Resend    Answer = iota
	TooSoon          // it was sent again less than a round trip ago
	TooOften         // it was sent again RepairTimes times
	TooOld           // nobody waits for it any more, or too many newer ones were asked for since
	OverShare        // too much of what this viewer gets is resends
)

// String names the answer as a counter's label does.
func (a Answer) String() string {
	return [...]string{"resend", "too_soon", "too_often", "too_old", "over_share"}[a]
}

// Media says that size bytes of media, not resends, were sent. It earns credit for resends.
func (r *Repair) Media(size int) {
	if !r.begun {
		r.begun, r.credit = true, repairStart*RepairShare
	}
	r.credit = min(r.credit+int64(size), repairSavings*RepairShare)
}

// Ask answers a request for the extended outgoing number seq, whose packet has size bytes and is age old.
// roundTrip is the viewer's, 0 while it is not known. After Resend the packet counts as sent.
func (r *Repair) Ask(seq uint64, size int, age, roundTrip time.Duration, now int64) Answer {
	if age > RepairAge {
		return TooOld
	}
	if r.entries == nil {
		r.entries = new([repairSlots]repaired)
	}
	if roundTrip == 0 {
		roundTrip = repairRoundTrip
	}
	e := &r.entries[seq%repairSlots]
	switch {
	case e.seq > seq:
		return TooOld // its place was needed for a newer one, so nobody knows how often it was sent
	case e.seq < seq:
		*e = repaired{seq: seq}
	case e.times >= RepairTimes:
		return TooOften
	case e.times > 0 && now-e.at < int64(max(roundTrip, repairLeast)):
		return TooSoon
	}
	cost := int64(size) * RepairShare
	if r.credit < cost {
		return OverShare
	}
	r.credit -= cost
	e.at = now
	e.times++
	return Resend
}
