package forward

import "time"

const (
	// clockWindow is over how much time, twice, the quickest report is looked for: long enough to hold one that met no
	// queue, short enough to follow a clock that drifts by 200 ppm within 4 ms.
	clockWindow = 10 * time.Second
	// clockSlew is by how many parts in a million the offset moves at most, so that it follows a drift and nobody sees
	// it jump.
	clockSlew = 500
	// clockStep is the distance from which it jumps all the same: somebody has set the caster's clock.
	clockStep = 200 * time.Millisecond
	// timingSlack is by how much a packet must be quicker than all before it to move a timing by arrival.
	timingSlack = time.Millisecond
)

// CasterClock puts the wall clock of one caster, as its sender reports tell it (RFC 3550 §6.4.1), on the engine's
// clock. There is one for all streams of a caster, so what was captured together stays together: how long a report was
// under way moves sound and picture alike. The offset is that of the quickest report of late; what the clocks say in
// absolute terms does not matter, the caster's may stand in 1970. The zero value has had no report.
type CasterClock struct {
	begun  bool
	first  uint64 // NTP time that the offset is of
	offset int64  // engine's time of first, with the least time on the way
	moved  int64  // when offset moved last
	window int64  // when low[0] began
	low    [2]int64
}

// Report takes the NTP time (UQ32.32) of a report that arrived at a time of the engine's clock, in nanoseconds.
func (c *CasterClock) Report(ntp uint64, arrival int64) {
	if !c.begun {
		*c = CasterClock{begun: true, first: ntp, offset: arrival, moved: arrival, window: arrival}
		c.low = [2]int64{arrival, arrival}
		return
	}
	sample := arrival - ntpSpan(ntp-c.first)
	if arrival-c.window >= int64(clockWindow) {
		c.window, c.low[1], c.low[0] = arrival, c.low[0], sample
	}
	c.low[0] = min(c.low[0], sample)
	distance := min(c.low[0], c.low[1]) - c.offset
	if most := int64(clockStep); distance <= most && distance >= -most {
		reach := min(max(arrival-c.moved, 0), int64(time.Minute)) * clockSlew / 1_000_000
		distance = min(max(distance, -reach), reach)
	}
	c.offset += distance
	c.moved = arrival
}

// At is an NTP time of the caster on the engine's clock. It means nothing before the first Report.
func (c *CasterClock) At(ntp uint64) int64 { return c.offset + ntpSpan(ntp-c.first) }

// ntpSpan turns a difference of NTP times, which may be negative, into nanoseconds.
func ntpSpan(d uint64) int64 {
	return int64(int32(d>>32))*int64(time.Second) + int64(d&0xffff_ffff*uint64(time.Second)>>32)
}

// Timing says when the content of one stream was captured: that of RTP timestamp RTP at At. It is immutable.
type Timing struct {
	RTP   uint32
	At    int64  // nanoseconds of the engine's clock
	Clock uint32 // ticks per second
	// Reported: by the caster's own reports. Otherwise by the arrival of the quickest packet, which is later by the
	// time that encoding and the way took.
	Reported bool
}

// Captured is when the content with the timestamp ts was captured, in nanoseconds of the engine's clock. ts may be up
// to 2^31 ticks from RTP, hours both ways.
func (t *Timing) Captured(ts uint32) int64 {
	return t.At + int64(int32(ts-t.RTP))*int64(time.Second)/int64(t.Clock)
}

// Quicker says that a packet with the timestamp ts that arrives now was less under way than what the timing knows, so
// that it makes a better timing by arrival.
func (t *Timing) Quicker(ts uint32, now int64) bool {
	return !t.Reported && now < t.Captured(ts)-int64(timingSlack)
}
