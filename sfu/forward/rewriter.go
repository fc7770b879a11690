package forward

import (
	"castcode/sfu/codec"
	"castcode/sfu/packet"
)

// Numbers is what one packet wears on its way out. The same packet of the same viewer wears the same numbers whenever
// it is sent, so a resend is byte-identical.
type Numbers struct {
	Seq    uint64      // extended; the RTP header has the low 16 bits
	Roll   uint32      // SRTP rollover counter (RFC 3711 §3.3.1) that goes with Seq; 0 at the first packet
	TS     uint32      // RTP timestamp
	Marker bool        // set on the last packet of the picture as this viewer gets it
	Shift  codec.Shift // of the numbers inside the payload and the dependency descriptor
}

// Sent is what went out under a number.
type Sent struct {
	Source uint32 // 0: a number without a packet, see Rewriter.Blank
	Seq    uint64 // in the source's ring
	run    run
	roll   uint64
}

// gapLimit is the largest hole in the incoming numbers that is kept open for late packets before a keyframe, which
// needs nothing of what is missing.
const gapLimit = 32

// Rewriter keeps sequence numbers, timestamps and picture ids of one outgoing stream continuous while packets are kept
// back and the stream behind it is replaced: a layer switch, a caster's reload, a take-over. A viewer sees one RTP
// stream (RFC 3550 §5.1) for the life of its connection. Late packets fill the hole that was left for them; the numbers
// of packets kept back on purpose are closed up. No number is given twice, since that would use an AES-GCM nonce twice
// (RFC 7714 §10.1). The zero value is of no use: see NewRewriter.
type Rewriter struct {
	clock   uint32 // ticks per second
	history History
	base    uint64 // rollovers that Roll begins after

	// of the present source
	source   uint32
	delta    uint64 // of the timestamp
	passed   uint64 // newest incoming number that was given or skipped
	shift    codec.Shift
	skipTS   uint64 // of the newest packet, if it was skipped
	skipping bool
	jump     bool

	// of the packet with the newest timestamp
	ts                uint64 // outgoing
	arrival, captured int64
	picture, frame    uint16 // outgoing, as the next two
	tl0, keyIndex     uint8

	// what capture times must be continued from, since a source began without one; anchorAt 0: nothing
	anchorTS uint64
	anchorAt int64
}

// NewRewriter returns a Rewriter for a stream of clock ticks a second: 90,000 for video, 48,000 for Opus.
func NewRewriter(clock uint32) Rewriter { return Rewriter{clock: clock} }

// Next gives the numbers of p, which is the next packet at the viewer's cursor that is not kept back. A packet of
// another source than the one before continues where that stopped; its timestamp is later by the time that passed
// between the two, by their capture times where both are known. Where they are not, arrival stands in, and the
// timestamps are put right once the source's capture times are known: so sound and picture, each with a Rewriter of
// its own, keep their relation over a caster's restart. top is the highest spatial layer that the viewer gets
// (Verdict.Top). why is other than Forward only for a packet behind the cursor.
func (r *Rewriter) Next(p *packet.Packet, top uint8) (n Numbers, why Drop) {
	cur := r.history.newest()
	switch {
	case cur == nil:
		r.begin(p, top)
	case p.Source != r.source:
		r.replace(p, top)
	case p.Seq <= r.passed:
		return r.Late(p)
	default:
		r.proceed(p, top)
	}
	r.passed, r.skipping, r.jump = p.Seq, false, false
	cur = r.history.newest()
	n = r.numbers(cur, p)
	r.remember(p, cur, n)
	return n, r.history.use(n.Seq)
}

// begin takes the first packet. The sequence number is in the lower half, because a receiver that loses the first
// packets across a wrap would take a wrong rollover counter for good (RFC 3711 §3.3.1).
func (r *Rewriter) begin(p *packet.Packet, top uint8) {
	out := 1<<16 + p.Seq&0x7fff
	r.base, r.source = out>>16, p.Source
	r.history.push(run{source: p.Source, top: top, first: p.Seq, last: p.Seq, seq: out - p.Seq})
	r.history.advance(out)
}

// replace continues with another source.
func (r *Rewriter) replace(p *packet.Packet, top uint8) {
	r.source, r.delta = p.Source, r.follows(p)-p.TS
	r.shift = codec.Shift{
		Picture: r.picture + 1 - p.Picture, Frame: r.frame + 1 - p.DescriptorFrame,
		TL0: r.tl0 + 1 - p.TL0, KeyIndex: r.keyIndex + 1 - p.KeyIndex,
	}
	out := r.history.out + 1
	r.history.push(run{
		source: p.Source, top: top, shift: r.shift, first: p.Seq, last: p.Seq, seq: out - p.Seq, ts: r.delta,
	})
	r.history.advance(out)
}

// follows is the outgoing timestamp of p, the first packet of its source.
func (r *Rewriter) follows(p *packet.Packet) uint64 {
	switch {
	case r.captured != 0 && p.Captured != 0:
		r.anchorAt = 0
		return r.ts + r.ticks(p.Captured-r.captured)
	case r.captured != 0:
		r.anchorTS, r.anchorAt = r.ts, r.captured
	case r.anchorAt != 0 && p.Captured != 0:
		ts := r.anchorTS + r.ticks(p.Captured-r.anchorAt)
		r.anchorAt = 0
		return max(ts, r.ts+1)
	}
	return r.ts + r.ticks(p.Arrival-r.arrival)
}

// align moves the timestamps of a source that began without capture times to where these have them, at the beginning
// of a frame and never backwards. A jump of sound is heard, so there a small error stays.
func (r *Rewriter) align(p *packet.Packet) {
	ts := p.TS + r.delta
	if r.anchorAt == 0 || p.Captured == 0 || !p.FrameStart || p.Seq != r.passed+1 || ts <= r.ts {
		return
	}
	off := int64(r.anchorTS + r.ticks(p.Captured-r.anchorAt) - ts)
	tolerated := int64(r.clock) / 50 // 20 ms
	if p.Codec.Video() {
		tolerated = int64(r.clock) / 500
	}
	if off <= tolerated && off >= -tolerated {
		r.anchorAt = 0
		return
	}
	if least := int64(r.ts + 1 - ts); off < least {
		off = least // the rest with the next frame
	}
	r.delta += uint64(off)
}

// ticks is the time d in the stream's clock, at least one tick so that no two frames share a timestamp, at most an
// hour so that no clock fault turns the timestamp round.
func (r *Rewriter) ticks(d int64) uint64 {
	const hour = int64(3600e9)
	d = min(max(d, 0), hour)
	return max(uint64(d/1000)*uint64(r.clock)/1_000_000, 1)
}

// proceed takes the next packet of the present source. What is missing before it keeps its place.
func (r *Rewriter) proceed(p *packet.Packet, top uint8) {
	r.align(p)
	from := r.passed + 1
	gap := p.Seq - from
	if r.jump || gap >= Window || p.Keyframe && gap > gapLimit || r.skipping && p.TS == r.skipTS {
		from = p.Seq // nothing that is missing will be wanted
	}
	r.cover(from, p.Seq, top)
}

// cover gives the incoming numbers from..to of the present source the next outgoing ones.
func (r *Rewriter) cover(from, to uint64, top uint8) {
	cur := r.history.newest()
	out := r.history.out + to - from + 1
	if cur.source == r.source && cur.last+1 == from && cur.shift == r.shift && cur.ts == r.delta &&
		cur.top == top {
		cur.last = to
	} else {
		r.history.push(run{
			source: r.source, top: top, shift: r.shift, first: from, last: to, seq: r.history.out + 1 - from, ts: r.delta,
		})
	}
	r.history.advance(out)
}

// Skip says that p, the next packet at the cursor, is kept back: what follows closes up. A packet of another source
// than the present one changes nothing.
func (r *Rewriter) Skip(p *packet.Packet) {
	cur := r.history.newest()
	if cur == nil || p.Source != r.source || p.Seq <= r.passed {
		return
	}
	gap := p.Seq - r.passed - 1
	sameFrame := r.skipping && p.TS == r.skipTS
	if gap > 0 && gap < Window && !sameFrame && !r.jump {
		r.cover(r.passed+1, p.Seq-1, cur.top)
	}
	r.passed, r.skipping, r.skipTS = p.Seq, true, p.TS
	if p.Codec == codec.VP8 && p.FrameStart && p.PictureAt > 0 {
		// Receivers of VP8 wait for a missing picture id. In VP9 and AV1 references are distances, so the gap stays.
		r.shift.Picture--
	}
}

// Jump says that the cursor leaps forward: the next packet follows the last one without a hole in the numbers. Its
// timestamp tells the viewer how much time it missed.
func (r *Rewriter) Jump() { r.jump = true }

// Late gives the numbers of a packet that came into the ring after the cursor had passed its place. It is refused
// when no place was kept, when its number is too old, and when it was sent.
func (r *Rewriter) Late(p *packet.Packet) (n Numbers, why Drop) {
	in := r.history.byIncoming(p.Source, p.Seq)
	if in == nil {
		return n, BeforeStart
	}
	n = r.numbers(in, p)
	r.later(p, in)
	return n, r.history.use(n.Seq)
}

// Blank gives the next number to a packet without payload, such as padding that shows a viewer the end of what it
// should have. ok is false before the first packet.
func (r *Rewriter) Blank() (n Numbers, ok bool) {
	cur := r.history.newest()
	if cur == nil {
		return n, false
	}
	out := r.history.out + 1
	r.history.push(run{top: cur.top, first: out, last: out, ts: r.ts - out})
	r.history.advance(out)
	r.history.use(out)
	return blank(out, r.ts-out, r.base), true
}

// Find says what was sent under the number seq of a viewer's feedback. ok is false when nothing was, when that is
// more than Window packets ago, or when it is forgotten.
func (r *Rewriter) Find(seq uint16) (s Sent, ok bool) {
	out, ok := r.history.extend(seq)
	if !ok || !r.history.used(out) {
		return s, false
	}
	in := r.history.byOutgoing(out)
	if in == nil {
		return s, false
	}
	return Sent{Source: in.source, Seq: out - in.seq, run: *in, roll: r.base}, true
}

// Out is the extended outgoing number of what was sent.
func (s *Sent) Out() uint64 { return s.Seq + s.run.seq }

// Numbers is what p, the packet s.Seq of s.Source, wore when it was sent.
func (s *Sent) Numbers(p *packet.Packet) Numbers { return numbers(&s.run, p, s.roll) }

// Blank is what a number without a packet wore: s.Source is 0.
func (s *Sent) Blank() Numbers { return blank(s.Seq, s.run.ts, s.roll) }

func blank(out, ts, base uint64) Numbers {
	return Numbers{Seq: out, Roll: uint32(out>>16 - base), TS: uint32(out + ts)}
}

// Newest is the newest outgoing number, extended; 0 before the first.
func (r *Rewriter) Newest() uint64 { return r.history.out }

// numbers is what p wears as a packet of the run in.
func (r *Rewriter) numbers(in *run, p *packet.Packet) Numbers { return numbers(in, p, r.base) }

func numbers(in *run, p *packet.Packet, base uint64) Numbers {
	out := p.Seq + in.seq
	return Numbers{
		Seq: out, Roll: uint32(out>>16 - base), TS: uint32(p.TS + in.ts), Shift: in.shift,
		Marker: p.Marker || p.FrameEnd && p.Spatial == in.top,
	}
}

// remember keeps what a source that comes after this one has to continue.
func (r *Rewriter) remember(p *packet.Packet, in *run, n Numbers) {
	r.later(p, in)
	if p.PictureAt > 0 {
		r.picture = (p.Picture + n.Shift.Picture) & 0x7fff
	}
	if p.TL0At > 0 {
		r.tl0 = p.TL0 + n.Shift.TL0
	}
	if p.KeyAt > 0 {
		r.keyIndex = (p.KeyIndex + n.Shift.KeyIndex) & 0x1f
	}
	if p.Descriptor != nil {
		r.frame = p.DescriptorFrame + n.Shift.Frame
	}
}

// later notes the time of p if none later was sent.
func (r *Rewriter) later(p *packet.Packet, in *run) {
	if ts := p.TS + in.ts; ts >= r.ts {
		r.ts, r.arrival, r.captured = ts, p.Arrival, p.Captured
	}
}
