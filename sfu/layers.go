package sfu

import (
	"slices"
	"time"

	"castcode/sfu/forward"
)

// fresh is how much older than what was sent last a keyframe of another layer may be for a viewer to turn to it: the
// layers of one picture come one after the other.
const fresh = int64(100 * time.Millisecond)

// aim makes s the layer that the viewer shall get, with its temporal layers up to one.
func (d *downTrack) aim(s *stream, temporal uint8, now int64) {
	if s != d.target {
		d.count(d.target, -1)
		d.count(s, 1)
		d.target, d.wanting, d.seen = s, false, 0
		d.wishes.Renew(now)
	}
	d.temporal = temporal
	d.selector.SetTarget(forward.Layer{Source: s.id, Spatial: d.spatial, Temporal: temporal})
}

// enterLog makes s the log that the cursor is in.
func (d *downTrack) enterLog(s *stream) {
	d.count(d.stream, -1)
	d.count(s, 1)
	if d.stream != nil {
		d.previous = d.stream
	}
	d.stream, d.replayTo, d.sending = s, 0, 0
}

// detach lets the layers go. The shard calls it when the viewer leaves.
func (d *downTrack) detach() {
	d.count(d.stream, -1)
	d.count(d.target, -1)
	d.stream, d.target, d.held = nil, nil, nil
}

// count says that one more or less follows s, which may be nil.
func (d *downTrack) count(s *stream, more int32) {
	if s != nil {
		s.audiences[d.viewer.shardIndex].size.Add(more)
	}
}

// stays says whether the viewer goes on with what it gets until a keyframe of its target has come: the layers are
// those of one caster. Before its first packet there is nothing to go on with.
func (d *downTrack) stays(m *menu) bool {
	if d.stream == nil || d.stream.layer.caster != m.caster {
		return false
	}
	_, begun := d.selector.Present()
	return begun
}

// turn looks whether a keyframe of the target has come, and turns to it: at the end of a picture of the present layer,
// which goes on until then. So a viewer never waits for a picture, and the numbers that it sees are continuous. It
// says whether it did; the keyframe's first packet is held then.
func (d *downTrack) turn(now int64) bool {
	s := d.target
	at, ok := s.ring.Keyframe()
	p := s.ring.Get(at)
	if !ok || p == nil || !d.isNew(p.Arrival) {
		if at != d.seen {
			d.seen, d.wanting = at, false // it came too late for this viewer
			d.wishes.Served(now)
		}
		d.want(s, now)
		return false
	}
	f, ok := d.out.Format(s.codec.MimeType, s.codec.SDPFmtpLine)
	if !ok {
		return false
	}
	v := d.selector.Select(p, now)
	if v.Drop != forward.Forward {
		return false // in the middle of a picture
	}
	d.enterLog(s)
	d.format, d.cursor, d.held, d.verdict = f, at, p, v
	return true
}

// isNew says whether what came at a time is newer than what the viewer has got.
func (d *downTrack) isNew(arrival int64) bool { return arrival > d.lastAt-fresh }

// choose decides which layer each down track of the viewer shall get.
func (v *viewer) choose(now int64) {
	sh := v.shard
	target, most := v.estimate.Rate(), 0
	sh.wishes, sh.menus = sh.wishes[:0], sh.menus[:0]
	for _, d := range v.downs {
		m := d.track.menu.Load()
		sh.menus = append(sh.menus, m)
		w := forward.Wish{}
		switch {
		case m == nil:
		case d.track.slot == Audio: // it is not divided, and goes first
			d.version = m.version
			d.aim(m.top(), forward.AllTemporal, now)
			if target > 0 {
				target = max(target-m.rungs[len(m.rungs)-1].Rate(), 1)
			}
		default:
			d.version = m.version
			most = d.most(most)
			w.Rungs = m.rungs
			w.Limit, d.spatial = d.limits(m)
			if i := slices.Index(m.streams, d.target); i >= 0 {
				w.Begun, w.Present = true, forward.Choice{Rung: i, Temporal: d.temporal}
			}
		}
		sh.wishes = append(sh.wishes, w)
	}
	if most > 0 && (target == 0 || target > most) {
		target = most
	}
	v.settle(target, now)
}

// settle allocates the target among the wishes of the down tracks that have something to choose.
func (v *viewer) settle(target int, now int64) {
	sh := v.shard
	n := 0
	for i := range sh.wishes {
		if len(sh.wishes[i].Rungs) > 0 {
			sh.wishes[n], n = sh.wishes[i], n+1
		}
	}
	sh.choices = forward.Allocate(sh.choices[:0], target, sh.wishes[:n])
	n = 0
	for i, d := range v.downs {
		m := sh.menus[i]
		if m == nil || d.track.slot == Audio {
			continue
		}
		c := d.climb.Decide(&sh.wishes[n], sh.choices[n], now)
		d.aim(m.streams[c.Rung], c.Temporal, now)
		n++
	}
}

// reckon lets the estimate of the viewer's path grow with what was sent, and chooses anew. Once a second.
func (v *viewer) reckon(now int64) {
	for _, d := range v.downs {
		_, octets := d.out.Sent()
		_, again := d.out.Resent()
		v.bytes += uint64(octets + again - d.counted)
		d.counted = octets + again
	}
	v.estimate.Sent(v.bytes, now)
	v.limit(now)
}

// limit takes a new estimate into use.
func (v *viewer) limit(now int64) {
	v.pace()
	v.choose(now)
}

// lag says that a cursor is far behind. When the pacer keeps to an estimate that is what the estimate wants, and tells
// nothing new about the path.
func (v *viewer) lag(now int64) {
	if v.rate == 0 {
		v.estimate.Lag(now)
		v.pace()
	}
}

// pace tells the pacer how fast a backlog may leave.
func (v *viewer) pace() {
	rate := v.estimate.Pace()
	if v.route.Streams() {
		rate = 0 // it says itself how much it takes
	}
	if rate != v.rate {
		v.rate = rate
		v.pacer.SetRate(rate)
	}
}
