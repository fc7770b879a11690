package sfu

import (
	"context"
	"errors"
	"time"

	"castcode/sfu/estimate"
	"castcode/sfu/forward"
	"castcode/sfu/transport"
)

// firefoxPause is how long Firefox is given after the handshake before media comes; it loses what comes earlier
// (measured with ESR 153).
const firefoxPause = 100 * time.Millisecond

// outage is after how long without a report of a viewer its network counts as having been away: clients report at least
// once a second.
const outage = 2500 * time.Millisecond

// viewer is a receiving peer of a cast: a display or somebody who watches.
type viewer struct {
	// fixed
	id         string
	engine     *Engine
	cast       *cast
	shard      *shard
	shardIndex int
	session    *transport.Session
	downs      []*downTrack // audio first
	firefox    bool
	share      share // of the inbox
	sight      sight

	// owned by the shard
	up        bool // connected
	gone      bool // closed
	ready     bool // in the shard's list
	waiting   bool // for its pacer
	estimate  estimate.Reports
	rate      int    // bit/s that the pacer was told
	bytes     uint64 // sent
	route     transport.Route
	starved   bool // waits for room on its stream
	tellTime  bool // a track has another source: a sender report is due
	roundTrip time.Duration
	pacer     forward.Pacer
	queues    [forward.Classes]forward.Queue
	marks     []transport.Mark
}

// newViewer answers offer with one down track for each of its m-lines.
func newViewer(ctx context.Context, e *Engine, id string, on *cast, offer *transport.Offer, ms []media) (*viewer, string, error) {
	v := &viewer{id: id, engine: e, cast: on, firefox: offer.Firefox}
	v.shardIndex = int(e.nextShard.Add(1) % uint32(len(e.shards)))
	v.shard = e.shards[v.shardIndex]
	names := map[string]string{}
	for _, m := range ms {
		names[m.mid] = m.slot.String()
	}
	session, answer, err := e.transport.Open(ctx, offer, names, e.now(), v, func(*transport.Session) {
		v.shard.post(message{kind: messageTick, viewer: v})
	})
	if errors.Is(err, transport.ErrClosed) {
		err = errClosed
	}
	if err != nil {
		return nil, "", err
	}
	v.session = session
	for _, t := range session.Tracks() {
		slot, _ := slotOf(t.Name()) // the names are ours
		d := newDownTrack(v, on.tracks[slot], t)
		if slot == Audio {
			v.downs = append([]*downTrack{d}, v.downs...)
		} else {
			v.downs = append(v.downs, d)
		}
	}
	if !v.decodes() {
		session.Close()
		return nil, "", transport.ErrCodec
	}
	v.shard.post(message{kind: messageAdd, viewer: v})
	return v, answer, nil
}

// decodes is false for a viewer that can decode nothing of what is being cast. One that lacks only a part is admitted.
func (v *viewer) decodes() bool {
	live, usable := 0, 0
	for _, d := range v.downs {
		codec := d.track.codec()
		if codec == nil {
			continue
		}
		live++
		if _, ok := d.out.Format(codec.MimeType, codec.SDPFmtpLine); ok {
			usable++
		}
	}
	return live == 0 || usable > 0
}

func (v *viewer) peerID() string { return v.id }
func (v *viewer) on() *cast      { return v.cast }

// close ends the viewer and waits until its shard has let it go. It may be called several times, not by the shard.
func (v *viewer) close() {
	done := make(chan struct{})
	v.shard.post(message{kind: messageRemove, viewer: v, done: done})
	<-done
}

// tell reports the state of the connection, unless it is no longer the peer's.
func (v *viewer) tell(state string) { v.engine.peerChanged(v, state) }

// handle takes what a datagram or the time brought about. It runs on the shard, like everything below.
func (v *viewer) handle(events []transport.Event, now int64) {
	for i := range events {
		e := &events[i]
		switch e.Kind {
		case transport.EventConnected:
			v.up = true
			v.tell("connected")
			v.begin(now)
		case transport.EventClosed:
			v.gone = true
			v.tell("failed")
			v.engine.drop(v)
		case transport.EventNack:
			if d := v.down(e.Track); d != nil && !e.Resend {
				for _, pair := range e.Nack[:e.Pairs] {
					d.nack(forward.NackPair{First: pair.First, Mask: pair.Mask}, now)
				}
			}
		case transport.EventKeyframe:
			if d := v.down(e.Track); d != nil {
				d.asked(now)
			}
		case transport.EventBitrate:
			v.estimate.Bitrate(e.Bitrate, now)
			v.limit(now)
		case transport.EventReport:
			v.reported(e, now)
			if d := v.down(e.Track); d != nil && !e.Resend && e.Report.FractionLost == 0 &&
				uint16(e.Report.Highest) == uint16(d.rewriter.Newest()) {
				d.tail.Acknowledged()
			}
		}
	}
}

// reported takes what a receiver report says of the path.
func (v *viewer) reported(e *transport.Event, now int64) {
	if e.Report.RoundTrip > 0 {
		v.roundTrip = e.Report.RoundTrip
		v.estimate.RoundTrip(v.roundTrip, now)
	}
	d := v.down(e.Track)
	v.sight.note(d, v.roundTrip, v.route.Streams())
	if d != nil && !e.Resend && d.track.slot != Audio {
		v.judge(d, e.Report.Highest, e.Report.FractionLost, now)
		d.reported = now
	}
	v.limit(now)
}

// judge tells the estimate what the path loses, as soon as there is enough to tell it by.
func (v *viewer) judge(d *downTrack, highest uint32, fraction uint8, now int64) {
	d.holes.PathLoss(highest, fraction)
	away := now-d.reported >= int64(outage) // the network was, which says nothing of what it carries
	if away {
		d.holes.Forget(now)
	}
	lost, ok := d.holes.Judge(now)
	if !ok && !away {
		return
	}
	if packets, octets := d.out.Sent(); v.pictures() == 1 && packets > 0 {
		v.estimate.Arrived(highest, int(octets/packets), now)
	}
	if ok {
		v.sight.lost(d, lost)
		v.estimate.Loss(lost, now)
	}
}

// pictures is how many tracks of video are being sent.
func (v *viewer) pictures() (n int) {
	for _, d := range v.downs {
		if d.track.slot != Audio && d.lastFrom != nil {
			n++
		}
	}
	return n
}

func (v *viewer) down(t *transport.Track) *downTrack {
	for _, d := range v.downs {
		if d.out == t {
			return d
		}
	}
	return nil
}

// begin starts the slots of a viewer that has just connected.
func (v *viewer) begin(now int64) {
	from := now
	if v.firefox {
		from += int64(firefoxPause)
	}
	for _, d := range v.downs {
		d.begins(from)
	}
	v.shard.mark(v)
}

// advance sends all that the cursors and the pacer allow, and returns when it wants to go on, 0 for not before
// something new comes.
func (v *viewer) advance(now int64) (wake int64) {
	if v.gone {
		return 0
	}
	room := v.room()
	for {
		best, alone := v.fill(now)
		if best == nil {
			return v.startsAt(now)
		}
		if room <= 0 {
			v.starve(now)
			return 0
		}
		class, ok := v.pacer.Next(&v.queues, now)
		if !ok {
			return v.pacer.Wake(now)
		}
		if class == forward.Audio {
			best = v.downs[0]
		}
		room -= v.take(best.send(now))
		for alone && room > 0 && v.pacer.Free() && best.next(now) != nil { // the rest of the frame
			room -= v.take(best.send(now))
		}
	}
}

// take accounts for size bytes that were sent, and returns them.
func (v *viewer) take(size int) int {
	v.pacer.Take(size)
	return size
}

// fill says what waits in each class, and returns the down track whose packet is next, nil when nothing waits, and
// whether it is the only one that has something.
func (v *viewer) fill(now int64) (best *downTrack, alone bool) {
	v.queues = [forward.Classes]forward.Queue{}
	waiting := 0
	for _, d := range v.downs {
		p := d.next(now)
		if p == nil {
			continue
		}
		waiting++
		class := forward.Video
		if !p.Codec.Video() {
			class = forward.Audio
		}
		q := &v.queues[class]
		if q.Size > 0 && q.Oldest <= p.Arrival {
			q.Bytes += d.backlog()
			continue
		}
		q.Size, q.Oldest = len(p.Payload), p.Arrival
		q.Bytes += d.backlog()
		best = d
	}
	return best, waiting == 1
}

// startsAt is when a slot that has not begun yet begins.
func (v *viewer) startsAt(now int64) (at int64) {
	for _, d := range v.downs {
		if d.from > now && (at == 0 || d.from < at) {
			at = d.from
		}
	}
	return at
}

// report sends a sender report for what is being sent.
func (v *viewer) report(now int64) {
	if !v.up || v.gone {
		return
	}
	v.tellTime = false
	v.marks = v.marks[:0]
	for _, d := range v.downs {
		if ts, ok := d.timestamp(now); ok {
			v.marks = append(v.marks, transport.Mark{Track: d.out, Timestamp: ts})
		}
	}
	if len(v.marks) > 0 {
		v.session.Report(v.marks, now, v.shard.batch)
	}
}
