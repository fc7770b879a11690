// Package forward holds the decisions about a packet: which numbers it wears on its way out, and when a keyframe is
// asked for. Every type here is pure: no I/O, no lock, no clock of its own. The caller passes the time in and sees
// to it that one goroutine at a time uses a value.
package forward

import "time"

// Rewriter keeps the sequence numbers and timestamps of one outgoing stream continuous while the stream behind it is
// replaced: a caster's reload, a take-over. A viewer sees one RTP stream (RFC 3550 §5.1) for the life of its
// connection. The zero value begins with the numbers of the first packet.
type Rewriter struct {
	clock uint32 // ticks per second

	started   bool
	switching bool

	seqDelta uint16 // out = in + delta
	tsDelta  uint32
	oldest   uint16 // oldest incoming number of the present source that may still be sent

	lastSeq uint16 // newest outgoing
	lastTS  uint32
	lastAt  time.Time
}

// reorder is how far behind the newest packet of its source a late one may be, in packets. It is also what keeps the
// 16-bit comparison with oldest true however long a source lives.
const reorder = 1 << 12

// NewRewriter returns a Rewriter for a stream of clock ticks a second: 90,000 for video, 48,000 for Opus.
func NewRewriter(clock uint32) Rewriter { return Rewriter{clock: clock} }

// Switch says that the next packet comes from another source.
func (r *Rewriter) Switch() { r.switching = r.started }

// Rewrite gives the numbers that the packet with seq and ts wears on its way out. ok is false for a packet that must
// not be sent: it is older than the first one of its source (or by 4,096 packets than the newest), so its number may
// be in use already, and a number sent twice with other bytes uses an AES-GCM nonce twice (RFC 7714 §10.1). Other
// packets of one source may come in any order.
func (r *Rewriter) Rewrite(seq uint16, ts uint32, now time.Time) (outSeq uint16, outTS uint32, ok bool) {
	switch {
	case !r.started:
		r.started = true
		r.oldest = seq
		r.lastSeq, r.lastTS, r.lastAt = seq, ts, now
		return seq, ts, true
	case r.switching:
		r.switching = false
		r.oldest = seq
		r.seqDelta = r.lastSeq + 1 - seq
		r.tsDelta = r.lastTS + r.ticks(now.Sub(r.lastAt)) - ts
	case int16(seq-r.oldest) < 0:
		return 0, 0, false
	}
	outSeq, outTS = seq+r.seqDelta, ts+r.tsDelta
	if int16(outSeq-r.lastSeq) > 0 {
		r.lastSeq, r.lastTS, r.lastAt = outSeq, outTS, now
		if seq-r.oldest > reorder {
			r.oldest = seq - reorder
		}
	}
	return outSeq, outTS, true
}

// ticks is the time d in the stream's clock, at least one tick so that no two frames share a timestamp.
func (r *Rewriter) ticks(d time.Duration) uint32 {
	return max(uint32(d.Seconds()*float64(r.clock)), 1)
}
