package track

import (
	"time"

	"castcode/loadtest/stream"
)

const (
	// youngAge is the age of a picture that surely is live. One that is older is live when pictures do not get younger
	// any more: a newcomer who gets the run since the last keyframe sees old ones first, faster than they were made, and
	// their age says nothing about the way.
	youngAge = 30 * time.Millisecond
	// steadyFor is how many pictures in a row show that.
	steadyFor = 4
	// liveAnyway is after what time all pictures count.
	liveAnyway = 3 * time.Second
	// mostMissing is the largest jump of frame numbers that is taken for missing frames.
	mostMissing = 100_000
	// meanOf is over how many frames the mean interval goes that freezes are measured by.
	meanOf = 30
	// slack is by how much a gap exceeds the mean to be a freeze, unless it is three times the mean: the definition of
	// freezeCount in webrtc-stats.
	slack = 150 * time.Millisecond
)

// view puts packets that come in order together to frames, and decides which can be shown.
type view struct {
	config Config

	open    bool // a frame is under way
	broken  bool // and something of it is missing
	key     bool
	time    uint32
	packets uint16
	frame   part // whose stamp is known, when one is

	chain bool // nothing is missing since a keyframe
	want  bool // a keyframe is needed
	began time.Time
	asked time.Time // last

	shown  time.Time // the newest frame
	first  time.Time
	age    time.Duration // of the picture before, while not live
	sent   time.Time     // and when it was
	steady int           // pictures in a row that were not younger than those before
	level  time.Time     // the first of them
	number uint32
	source uint32
	gaps   [meanOf]time.Duration
	count  int
	sum    time.Duration
}

// hole says that something is missing before the next packet.
func (v *view) hole() {
	v.broken, v.chain = true, false
	v.want = v.config.Codec.Video()
}

// hear takes a packet of sound.
func (v *view) hear(q part, now time.Time, f *Figures) {
	if q.bytes == 0 {
		return
	}
	f.Frames++
	if f.Live.IsZero() {
		f.Live = now
	}
	if q.known && v.config.Room != 0 && stream.Room(q.stamp.Source) != v.config.Room {
		f.Foreign++
	}
}

// take takes the next packet in order.
func (v *view) take(q part, now time.Time, f *Figures) {
	if q.bytes == 0 {
		return // padding
	}
	if v.open && q.time != v.time {
		v.finish(now, f) // it had no marker
	}
	if !v.open {
		v.open, v.time, v.packets, v.key, v.frame = true, q.time, 0, false, part{}
		v.broken = !q.look.Begin
	}
	if q.look.Key {
		v.key = true
		v.began = now
	}
	v.packets++
	if q.known {
		v.frame = q
	}
	if q.marker {
		if v.config.Ledger != nil && !v.frame.known {
			v.frame.stamp, v.frame.known = v.config.Ledger.Find(q.hash)
		}
		v.finish(now, f)
	}
}

// finish ends the frame under way.
func (v *view) finish(now time.Time, f *Figures) {
	v.open = false
	stamp, known := v.frame.stamp, v.frame.known
	if v.broken || known && stamp.Packets != 0 && stamp.Packets != v.packets {
		f.Damaged++
		v.broken, v.chain, v.want = false, false, true
		return
	}
	if known && v.config.Room != 0 && stream.Room(stamp.Source) != v.config.Room {
		f.Foreign++
	}
	if v.key {
		v.chain, v.want = true, false
		f.Keyframes++
		if f.Whole.IsZero() {
			f.Whole = now
		}
	}
	if !v.chain {
		v.want = true
		return
	}
	f.Frames++
	v.pause(now, f)
	if !known {
		if f.Live.IsZero() {
			f.Live = now
		}
		return
	}
	if ahead := stamp.Number - v.number; v.source == stamp.Source && !f.Live.IsZero() && ahead > 1 && ahead < mostMissing {
		f.Missing += uint64(ahead - 1)
	}
	v.number, v.source = stamp.Number, stamp.Source
	f.Layer[min(int(stamp.Layer), Layers-1)]++
	age := now.Sub(stamp.Sent)
	if f.Live.IsZero() {
		f.Live = v.caughtUp(age, stamp.Sent, now)
	}
	if !f.Live.IsZero() && v.config.Sink != nil {
		v.config.Sink.Shown(age)
	}
}

// caughtUp says since when a newcomer who sees a picture of that age has seen live ones; zero: not yet.
func (v *view) caughtUp(age time.Duration, sent, now time.Time) time.Time {
	falls := v.sent.IsZero() || v.age-age >= sent.Sub(v.sent)/2
	v.age, v.sent = age, sent
	if falls {
		v.steady = 0
	} else if v.steady++; v.steady == 1 {
		v.level = now
	}
	switch {
	case age <= youngAge || now.Sub(v.first) >= liveAnyway:
		return now
	case v.steady >= steadyFor:
		return v.level
	}
	return time.Time{}
}

// pause books the gap before a frame that is shown now.
func (v *view) pause(now time.Time, f *Figures) {
	if v.first.IsZero() {
		v.first = now
	}
	if !v.shown.IsZero() && !f.Live.IsZero() {
		gap := now.Sub(v.shown)
		v.freeze(gap, f)
		i := v.count % meanOf
		v.sum += gap - v.gaps[i]
		v.gaps[i] = gap
		v.count++
	}
	v.shown = now
}

// freeze books a gap that is a freeze.
func (v *view) freeze(gap time.Duration, f *Figures) {
	n := min(v.count, meanOf)
	if n < 2 {
		return
	}
	mean := v.sum / time.Duration(n)
	if gap > max(3*mean, mean+slack) {
		f.Freezes++
		f.FreezeTime += gap - mean
	}
}

// end books the gap that was under way.
func (v *view) end(now time.Time, f *Figures) {
	if !v.shown.IsZero() && !f.Live.IsZero() {
		v.freeze(now.Sub(v.shown), f)
	}
}

// begs says whether the viewer asks for a keyframe now: it needs one, for long enough, and none is under way.
func (v *view) begs(now, since time.Time) bool {
	if !v.want || since.IsZero() {
		return false
	}
	if now.Sub(since) < begAfter || now.Sub(v.asked) < begAgain || !v.began.IsZero() && now.Sub(v.began) < begAgain {
		return false
	}
	v.asked = now
	return true
}
