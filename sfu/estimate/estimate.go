// Package estimate guesses what the path to one viewer carries, from what the viewer reports anyway: loss and round
// trip of its receiver reports, and the estimate that browsers send unasked (REMB). Feedback about each packet would
// say more and costs several times as much upkeep, so it is not asked for. Everything is pure: the time is passed in.
package estimate

import "time"

// Estimator guesses what a path carries. One goroutine at a time uses it; times are nanoseconds of the engine's clock.
type Estimator interface {
	// Sent says how many bytes left in all, about once a second.
	Sent(bytes uint64, now int64)
	// Arrived says up to which extended number a receiver report has seen packets, of meanBytes each. Call it before
	// Loss, and only where one stream is nearly all that is sent.
	Arrived(highest uint32, meanBytes int, now int64)
	// Loss says which part of the packets, of 256, a receiver report says were lost since the one before (RFC 3550
	// §6.4.1).
	Loss(fraction uint8, now int64)
	// RoundTrip says what a report tells of the round trip.
	RoundTrip(d time.Duration, now int64)
	// Bitrate is the receiver's own estimate in bit/s.
	Bitrate(bitsPerSecond uint64, now int64)
	// Full says that the path took no more than bitsPerSecond (0: that is not known) while more has waited for a time that
	// matters. It says whether that lowered the estimate.
	Full(bitsPerSecond int, now int64) bool
	// Lag says that the path did not even take what was sent.
	Lag(now int64)
	// Rate is the estimate in bit/s; 0 while it is not known, which is until the path has shown a limit.
	Rate() int
	// Pace is how fast a backlog may leave, in bit/s; 0 while nothing is known. It is not the same as Rate: a sender
	// that sends little learns little, so a low Rate need not mean a narrow path.
	Pace() int
}

const (
	lossHigh = 26 // of 256: 10 %, from there on the path is overloaded
	lossLow  = 5  // of 256: 2 %, below it there may be room

	settling   = int64(3 * time.Second)        // a start by replay fills queues: what is said in that time does not count
	cutGap     = int64(500 * time.Millisecond) // between two cuts for one reason: the report must show the one before
	quiet      = int64(2 * time.Second)        // without trouble before the estimate grows
	steady     = int64(2 * time.Minute)        // without trouble before old trouble is forgotten
	persistent = int64(500 * time.Millisecond) // how long a receiver must say that it gets too much
	climbing   = int64(5 * time.Second)        // how long a receiver's estimate has to rise to tell nothing of too much
	forgetTrip = int64(time.Minute)            // how long the shortest round trip counts

	lowest  = 50_000      // bit/s
	highest = 100_000_000 // bit/s; beyond it nothing is limited

	grow     = 80 // per mille and second
	growNear = 20 // the same where there was trouble before, halved each time down to the least
	growMin  = 5

	// A screen that stands still sends little, and an estimate made of that would hold up its next keyframe for many
	// seconds. So trouble slows a backlog below freely, in bit/s, only if it is plainly that of a narrow path: enough was
	// sent to fill one (enough, in bit/s, or half of the pace), and the receiver says so, or much was lost, or something
	// was and the round trip is long, or it is very long.
	freely   = 2_500_000
	enough   = 300_000
	lossMost = 64 // of 256
	longTrip = 150 * time.Millisecond
	deepTrip = time.Second
	// drain is the pace after a cut, in percent of the estimate: what filled the queues on the way has to leave them.
	drain = 75
	// fullShare is how much of what a path carries is used after it was full, in percent: what waits has to leave too.
	fullShare = 85
	// growIdle is how fast the pace grows, per mille and second, while less than half of it is used.
	growIdle = 300
)

// Reports is the Estimator from receiver reports and REMB. The zero value knows nothing.
type Reports struct {
	rate int
	pace int // 0: not known

	begun, at int64 // of Sent
	bytes     uint64
	sent      int // bit/s that left

	trouble int64 // when the newest was; 0: none
	ceiling int   // the rate that it left
	near    int   // growth near the ceiling, per mille; 0: growNear

	highest   uint32 // of the newest report
	highestAt int64
	comes     int64 // bit/s that came or was lost between the newest two; 0: not known

	long     time.Duration // by how much the newest round trip is longer than trip
	trip     time.Duration // shortest of late
	tripAt   int64
	slow     int // reports in a row with a long round trip
	remb     int
	rembLow  int64 // since when REMB is below what is sent; 0: it is not
	rembFell int64 // when REMB last fell; 0: never
	rembRose int64 // when it last rose
	lastLoss uint8
}

var _ Estimator = (*Reports)(nil)

// Rate is the estimate in bit/s; 0 while it is not known.
func (r *Reports) Rate() int { return r.rate }

// Pace is how fast a backlog may leave, in bit/s; 0 while nothing is known.
func (r *Reports) Pace() int { return r.pace }

// Sent notes what left and lets the estimate grow.
func (r *Reports) Sent(bytes uint64, now int64) {
	if r.begun == 0 {
		r.begun, r.at, r.bytes = now, now, bytes
		return
	}
	elapsed := now - r.at
	if elapsed < int64(100*time.Millisecond) {
		return
	}
	now8 := int64(bytes-r.bytes) * 8
	rate := int(min(now8*1000/(elapsed/1_000_000), highest))
	if r.sent == 0 {
		r.sent = rate
	}
	r.sent, r.at, r.bytes = (r.sent+rate)/2, now, bytes
	r.growBy(elapsed, now)
}

// growBy lets the estimate grow after a time without trouble, slowly where there was trouble before.
func (r *Reports) growBy(elapsed, now int64) {
	if r.rate == 0 || now-r.trouble < quiet || r.lastLoss > lossLow || r.slow > 0 {
		return
	}
	if r.remb != 0 && r.remb < r.sent {
		return // the receiver sees no room
	}
	if now-r.trouble > steady {
		r.near = 0
	}
	speed := grow
	if r.rate > r.ceiling*9/10 {
		if speed = r.near; speed == 0 {
			speed = growNear
		}
	}
	r.rate = grown(r.rate, speed, elapsed)
	speed = grow
	if r.sent < r.pace/2 {
		speed = growIdle
	}
	r.pace = max(grown(r.pace, speed, elapsed), r.rate)
}

// grown is rate after a time of growth by speed, per mille and second.
func grown(rate, speed int, elapsed int64) int {
	more := int64(rate) * int64(speed) / 1000 * min(elapsed, int64(2*time.Second)) / int64(time.Second)
	return min(rate+int(more), highest)
}

// Arrived measures what comes. A report is late by the queue that it tells of: what is sent by then is another matter,
// and to take its loss off that again and again would end at a fraction of what the path carries.
func (r *Reports) Arrived(highest uint32, meanBytes int, now int64) {
	elapsed, packets := now-r.highestAt, int64(highest-r.highest)
	known := r.highestAt != 0 && packets < 1<<16 && elapsed >= int64(100*time.Millisecond)
	r.highest, r.highestAt, r.comes = highest, now, 0
	if known {
		r.comes = max(packets*int64(meanBytes)*8*1000/(elapsed/1_000_000), 1)
	}
}

// Loss cuts the estimate when the path loses much.
func (r *Reports) Loss(fraction uint8, now int64) {
	r.lastLoss = fraction
	if fraction >= lossHigh {
		passes := int64(r.sent)
		if r.comes != 0 {
			passes = r.comes
		}
		r.cut(int(min(passes*int64(256-int(fraction))/256, highest))*95/100, fraction >= lossMost || r.long >= longTrip, now)
	}
}

// RoundTrip cuts the estimate when queues on the way stay long.
func (r *Reports) RoundTrip(d time.Duration, now int64) {
	if r.trip == 0 || d < r.trip || now-r.tripAt > forgetTrip {
		r.trip, r.tripAt = d, now
	}
	r.long = d - r.trip
	if d < r.trip*5/2 || r.long < longTrip {
		r.slow = 0
		return
	}
	if r.slow++; r.slow >= 3 {
		r.slow = 1
		r.cut(r.sent*85/100, r.long >= deepTrip, now)
	}
}

// Bitrate believes a receiver that goes on saying that it gets too much. What it says beyond what is sent tells
// nothing: its estimate cannot see more than comes. Nor does one that has only risen of late: receivers begin with what
// came at first and go up by some percent a second, far behind a sender who has more to send than before. One that gets
// too much goes down again and again.
func (r *Reports) Bitrate(bitsPerSecond uint64, now int64) {
	before := r.remb
	switch r.remb = int(min(bitsPerSecond, highest)); {
	case r.remb < before:
		r.rembFell = now
	case r.remb > before:
		r.rembRose = now
	}
	climbs := (r.rembFell == 0 || now-r.rembFell > climbing) && now-r.rembRose < persistent
	if r.remb >= r.sent*9/10 || climbs {
		r.rembLow = 0
		return
	}
	if r.rembLow == 0 {
		r.rembLow = now
	} else if now-r.rembLow >= persistent {
		r.cut(r.remb, true, now)
	}
}

// Full believes a path that says itself what it carries.
func (r *Reports) Full(bitsPerSecond int, now int64) bool {
	if bitsPerSecond == 0 {
		return false
	}
	before := r.rate
	r.cut(min(bitsPerSecond, highest)*fullShare/100, false, now)
	return r.rate != before
}

// Lag cuts the estimate to what can have passed.
func (r *Reports) Lag(now int64) { r.cut(r.sent*70/100, false, now) }

// cut lowers the estimate. plain says that the trouble is that of a narrow path, if enough was sent to fill one.
func (r *Reports) cut(to int, plain bool, now int64) {
	if r.begun == 0 || now-r.begun < settling || r.sent == 0 || r.trouble != 0 && now-r.trouble < cutGap {
		return
	}
	to = max(to, lowest)
	r.slowDown(to, plain)
	if r.rate != 0 && to >= r.rate {
		r.trouble = now
		return
	}
	if r.trouble != 0 && now-r.trouble < steady && now-r.trouble > quiet {
		r.near = max(orDefault(r.near, growNear)/2, growMin) // it grew into trouble again
	}
	r.rate, r.ceiling, r.trouble, r.rembLow = to, to, now, 0
}

// slowDown lowers the pace with a cut.
func (r *Reports) slowDown(to int, plain bool) {
	used := r.sent >= enough || r.pace != 0 && r.sent >= r.pace/2
	switch {
	case plain && used && (r.pace == 0 || to*drain/100 < r.pace):
		r.pace = max(to*drain/100, lowest)
	case r.pace == 0:
		r.pace = max(to, freely)
	}
}

func orDefault(v, standard int) int {
	if v == 0 {
		return standard
	}
	return v
}
