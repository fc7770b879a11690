package sfu

import (
	"sync/atomic"
	"time"

	"castcode/sfu/codec"
	"castcode/sfu/forward"
	"castcode/sfu/packet"
	"castcode/sfu/transport"
	"castcode/sfu/udp"
)

// patience is how many packets a cursor may be behind before it is looked at whether that is too far.
const patience = 16

// tornAfter is how many packets must be missing in a row for nobody to wait for them: 0.9 s at 2.5 Mbit/s. The viewer's
// numbers go on without the gap then, or it would ask for what nobody has and not for what it lost itself.
const tornAfter = 256

// meanPacket stands for the size of packets that nobody has looked at yet, in bytes.
const meanPacket = 1100

// downTrack is a track as one viewer gets it: a cursor in the log of the slot's stream, and the numbers that the
// viewer sees. It belongs to the viewer's shard.
type downTrack struct {
	// fixed
	viewer *viewer
	track  *track
	out    *transport.Track
	clock  uint32

	wished atomic.Pointer[Wish] // of the viewer; nil: none. For everybody

	stream   *stream // whose log the cursor is in; nil: none yet
	target   *stream // that the viewer shall get; another than stream until a keyframe of it has come
	previous *stream // before stream, for NACK
	seen     uint64  // the keyframe of target that was looked at last
	version  uint64  // of the menu that target was chosen from
	temporal uint8   // highest temporal layer that it shall get
	spatial  uint8   // highest spatial layer within the stream
	climb    forward.Climb
	format   *transport.Format
	from     int64  // nothing is sent before
	cursor   uint64 // next number to look at; 0: not begun in this log
	held     *packet.Packet
	verdict  forward.Verdict
	replayTo uint64 // what comes before was in the log when the viewer began
	replayAt int64  // when that was
	sending  uint64 // timestamp in the log of the newest keyframe that was begun; 0: none
	outdated uint64 // newest outgoing number before the cursor jumped: what went out before is of no use any more
	wanting  bool   // a keyframe was asked for and has not come
	wishes   forward.KeyframeWishes

	start    forward.Start
	selector forward.Selector
	rewriter forward.Rewriter
	repair   forward.Repair
	tail     forward.Tail
	holes    forward.Holes
	reported int64  // when the viewer reported last
	streamed uint64 // newest outgoing number before the viewer's present path
	missing  int    // numbers that were left out since the last packet

	lastAt   int64   // when the newest packet that was sent had come
	counted  uint32  // bytes sent that the estimate knows of
	lastTS   uint32  // newest outgoing timestamp
	lastIn   uint32  // the one that it came with
	lastFrom *stream // in which; nil: nothing was sent
	ext      transport.Extensions
}

func newDownTrack(v *viewer, t *track, out *transport.Track) *downTrack {
	return &downTrack{
		viewer: v, track: t, out: out, clock: t.slot.clock(), rewriter: forward.NewRewriter(t.slot.clock()),
		spatial: allSpatial,
	}
}

// follows is the track as the viewer's shard sees it.
func (d *downTrack) follows() *follow { return d.track.follows[d.viewer.shardIndex] }

// begins lets the down track send from a time on.
func (d *downTrack) begins(at int64) {
	d.from = at
	d.start = forward.NewStart(forward.DefaultStart, at)
}

// next is the packet that is to be sent next; nil when there is none. It stays the same until send.
func (d *downTrack) next(now int64) *packet.Packet {
	m := d.track.menu.Load()
	if m == nil || now < d.from {
		return nil
	}
	if m.version != d.version || d.target == nil {
		if d.viewer.choose(now); d.target == nil {
			return nil // the caster has just left
		}
	}
	if d.target != d.stream && !d.stays(m) {
		d.follow(d.target)
	}
	if d.held != nil || d.format == nil || d.target != d.stream && d.turn(now) {
		return d.held
	}
	s := d.stream
	newest := s.ring.Newest()
	if newest == 0 || d.cursor == 0 && !d.enter(newest, now) {
		return nil
	}
	if newest-d.cursor > patience && newest >= d.cursor {
		d.catchUp(newest, now)
	}
	for d.cursor <= newest {
		p := s.ring.Get(d.cursor)
		if p == nil {
			d.cursor++ // lost, or still to come: the rewriter keeps its place
			d.holes.Passed()
			d.missing++
			continue
		}
		if d.missing >= tornAfter && s.kind.Video() {
			d.jump(d.cursor, now)
		}
		d.missing = 0
		v := d.selector.Select(p, now)
		switch v.Drop {
		case forward.Forward:
			d.held, d.verdict = p, v
			return p
		case forward.Unfinished:
			return nil
		case forward.AwaitKeyframe:
			d.want(s, now)
		}
		d.rewriter.Skip(p)
		d.track.drops.add(DropReason(v.Drop))
		d.cursor++
	}
	return nil
}

// follow turns to another log: another caster, or another encoder.
func (d *downTrack) follow(s *stream) {
	if d.stream != nil {
		d.start = forward.NewStart(forward.DefaultStart, 0)
	}
	d.enterLog(s)
	d.cursor, d.held, d.wanting = 0, nil, false
	f, ok := d.out.Format(s.codec.MimeType, s.codec.SDPFmtpLine)
	if !ok {
		d.format = nil
		d.track.drops.add(DropNoCodec)
		d.viewer.tell("unsupported")
		return
	}
	d.format = f
}

// enter puts the cursor into the log: at the last keyframe if the run since then can be replayed, else at the end.
func (d *downTrack) enter(newest uint64, now int64) bool {
	if !d.stream.kind.Video() {
		d.cursor = newest
		return true
	}
	switch action, plan := d.start.Step(d.stream.ring, now); action {
	case forward.StartReplay:
		d.cursor, d.replayTo, d.replayAt = plan.From, newest, now
		d.viewer.pacer.Start(plan.Bytes, now)
	case forward.StartAsk:
		d.cursor = newest + 1
		d.want(d.stream, now)
	default:
		return false
	}
	return true
}

// catchUp moves a cursor that is too far behind.
func (d *downTrack) catchUp(newest uint64, now int64) {
	if !d.stream.kind.Video() {
		d.rewriter.Jump()
		d.cursor = newest
		d.track.drops.add(DropLag)
		return
	}
	if d.cursor <= d.replayTo && d.cursor >= d.stream.ring.Oldest() {
		return // what lies behind it is on its way on purpose, unless a new keyframe has swept it away
	}
	switch to, lag := forward.CheckLag(d.stream.ring, d.cursor, d.sending); lag {
	case forward.LagJump:
		d.jump(to, now)
	case forward.LagWants:
		d.viewer.lag(now)
		d.want(d.stream, now)
	case forward.LagStops:
		d.viewer.lag(now)
		d.jump(to, now)
		d.want(d.stream, now)
	}
}

// jump moves the cursor forward in its log to a place where the next thing that is sent is a keyframe.
func (d *downTrack) jump(to uint64, now int64) {
	d.rewriter.Jump()
	d.selector.Restart()
	d.aim(d.stream, d.temporal, now) // it starts anew here; the next choice may be another
	d.cursor, d.held, d.sending, d.outdated = to, nil, 0, d.rewriter.Newest()
	d.track.drops.add(DropLag)
}

// want asks for a keyframe of s, once until one was sent. A wish beyond what the viewer has earned is refused, and
// made again with the next packet.
func (d *downTrack) want(s *stream, now int64) {
	if !d.wanting && d.wish(s, 0, now) {
		d.wanting = true
	}
}

// asked is the viewer's own wish for a keyframe. One that lies ahead of a cursor that lags, or is being sent, is the
// answer; another would come behind it.
func (d *downTrack) asked(now int64) {
	if d.stream == nil || !d.start.Asked(now) {
		return
	}
	if d.cursor != 0 && d.format != nil && d.stream == d.target && d.stream.kind.Video() {
		switch to, ahead := forward.KeyframeAhead(d.stream.ring, d.cursor, d.sending); {
		case ahead && to > d.cursor && d.cursor > d.replayTo:
			d.jump(to, now)
			d.viewer.shard.mark(d.viewer)
			return
		case ahead:
			return
		}
	}
	d.wish(d.stream, d.viewer.roundTrip, now)
}

// wish takes a wish to the gate of s, unless the viewer has had too many.
func (d *downTrack) wish(s *stream, roundTrip time.Duration, now int64) bool {
	if !d.wishes.Ask(roundTrip, now) {
		d.track.drops.add(DropWish)
		return false
	}
	s.layer.wantKeyframe(time.Now())
	return true
}

// backlog guesses how many bytes wait in the log.
func (d *downTrack) backlog() int {
	n := int(d.stream.ring.Newest()-d.cursor) + 1
	return len(d.held.Payload) + max(n-1, 0)*meanPacket
}

// send sends the held packet and returns its size.
func (d *downTrack) send(now int64) int {
	p := d.held
	d.held = nil
	d.cursor = p.Seq + 1
	n, why := d.rewriter.Next(p, d.verdict.Top)
	if why != forward.Forward {
		d.track.drops.add(DropReason(why))
		return 0
	}
	if p.Keyframe {
		d.wanting, d.sending = false, p.TS
		d.wishes.Served(now)
	}
	if d.lastFrom == nil || int32(n.TS-d.lastTS) >= 0 {
		if d.lastFrom != d.stream {
			d.viewer.tellTime = true
		}
		d.lastTS, d.lastIn, d.lastFrom, d.lastAt = n.TS, uint32(p.TS), d.stream, p.Arrival
	}
	size := d.seal(transport.First, p, n, now)
	d.repair.Media(size)
	if p.Codec.Video() {
		d.tail.Sent(now)
		d.follows().sentAt = now
	}
	return size
}

// seal writes p under the numbers n into the shard's batch and returns its size, 0 when it was refused.
func (d *downTrack) seal(form transport.Form, p *packet.Packet, n forward.Numbers, now int64) int {
	sh := d.viewer.shard
	payload := transport.Payload{Body: p.Payload}
	if form == transport.First && d.resends() { // a Repeat must be the same bytes, whatever the padding is by then
		payload.Body, payload.Padded = p.Padded()
	}
	d.ext = transport.Extensions{
		SendTime: now, CaptureTime: transport.NTP(p.AbsCapture), AudioLevel: p.Level, HasLevel: p.HasLevel,
		Dependency: p.Descriptor,
	}
	if n.Shift != (codec.Shift{}) {
		front := p.Front(len(p.Payload))
		sh.scratch = n.Shift.AppendPayload(sh.scratch[:0], p.Payload[:front], &p.Traits, p.Picture)
		payload.Head, payload.Body = sh.scratch, payload.Body[front:]
		if p.Descriptor != nil {
			end := len(sh.scratch)
			sh.scratch = n.Shift.AppendDescriptor(sh.scratch, p.Descriptor)
			d.ext.Dependency = sh.scratch[end:]
		}
	}
	h := transport.RTPHeader{Form: form, Marker: n.Marker, Seq: uint16(n.Seq), Timestamp: n.TS}
	return d.write(h, payload)
}

// resends says whether the viewer takes resends on an SSRC of their own.
func (d *downTrack) resends() bool { return d.out.CanResend() && d.format.RTX >= 0 }

func (d *downTrack) write(h transport.RTPHeader, payload transport.Payload) int {
	v := d.viewer
	room := min(len(payload.Head)+len(payload.Body)+int(h.Padding)+transport.Overhead, udp.MaxSlot)
	slot := v.shard.batch.Reserve(v.session.Route(), room)
	if slot == nil {
		d.track.drops.add(DropSeal)
		return 0
	}
	size := v.session.Seal(slot, d.out, d.format, h, &d.ext, payload)
	v.shard.batch.Commit(size)
	if size == 0 {
		d.track.drops.add(DropSeal)
	}
	return size
}

// late sends a packet whose place the cursor has passed.
func (d *downTrack) late(s *stream, p *packet.Packet, now int64) {
	if !d.viewer.up || d.viewer.gone || d.format == nil || d.logOf(s.id) == nil {
		return
	}
	if s == d.stream && (d.cursor == 0 || p.Seq >= d.cursor) {
		return // the cursor is still to come there
	}
	n, why := d.rewriter.Late(p)
	if why != forward.Forward {
		d.track.drops.add(DropReason(why))
		return
	}
	d.holes.Filled()
	d.viewer.pacer.Take(d.seal(transport.First, p, n, now))
}

// nack answers a request for packets from the log.
func (d *downTrack) nack(pair forward.NackPair, now int64) {
	sh := d.viewer.shard
	sh.numbers = pair.Append(sh.numbers[:0])
	for _, seq := range sh.numbers {
		sent, ok := d.rewriter.Find(seq)
		if !ok || sent.Out() <= d.outdated {
			continue
		}
		if sent.Out() > d.streamed && d.viewer.route.Streams() {
			d.track.drops.add(DropStreamed)
			continue
		}
		s := d.logOf(sent.Source)
		if s == nil {
			continue
		}
		p := s.ring.Get(sent.Seq)
		if p == nil {
			continue
		}
		if !d.viewer.pacer.Resends() {
			return // the path is full; whoever still needs it asks again
		}
		age := time.Duration(now - max(p.Arrival, d.replayAt)) // what was replayed is as old as the viewer
		if d.repair.Ask(sent.Out(), len(p.Payload), age, d.viewer.roundTrip, now) != forward.Resend {
			continue
		}
		form := transport.Resend
		if !d.resends() {
			form = transport.Repeat
		}
		d.viewer.pacer.Take(d.seal(form, p, sent.Numbers(p), now))
	}
}

// logOf is the log that a source's packets are in, if they wear the format of now.
func (d *downTrack) logOf(source uint32) *stream {
	for _, s := range [...]*stream{d.stream, d.previous} {
		if s != nil && s.id == source && d.format != nil && s.kind == d.stream.kind {
			return s
		}
	}
	return nil
}

// blank shows the viewer where a stream that has gone silent ended: it notices a lost packet by the next one only.
func (d *downTrack) blank(now int64) {
	if !d.viewer.up || d.viewer.gone || d.format == nil || !d.tail.Due(now) {
		return
	}
	if n, ok := d.rewriter.Blank(); ok {
		d.ext = transport.Extensions{SendTime: now}
		d.write(transport.RTPHeader{Form: transport.First, Padding: 1, Seq: uint16(n.Seq), Timestamp: n.TS}, transport.Payload{})
	}
}
