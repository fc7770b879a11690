package track

import (
	"time"

	"castcode/loadtest/stream"
)

const (
	// askAgain is how long a viewer waits before it asks again for a packet, askMost how often it asks. Chromium takes
	// the first for the round trip while it knows none.
	askAgain = 100 * time.Millisecond
	askMost  = 10
	// giveUp is after what time a packet counts as lost.
	giveUp = time.Second
	// widest is the most numbers that may be missing in a row; more is another stream.
	widest = 2000
	// begAfter is how long a viewer waits for a keyframe before it asks, begAgain how long between two requests.
	begAfter = 200 * time.Millisecond
	begAgain = 500 * time.Millisecond
)

// Sink takes what is measured per frame. It is called by whoever calls Take, TakeResent or Due.
type Sink interface {
	// Shown is told each frame that a viewer could show while it was live, and its age.
	Shown(age time.Duration)
}

// Ledger knows frames that carry no stamp, by their last packet: see stream.Ledger.
type Ledger interface {
	Find(hash uint64) (stream.Stamp, bool)
}

// Config says what a track is of.
type Config struct {
	Codec  stream.Codec
	Room   uint32 // frames of another room are foreign; 0: all are welcome
	Repair bool   // ask for lost packets
	Sink   Sink   // nil: nobody wants to know
	Ledger Ledger // nil: frames carry stamps
}

// Track is one stream at one viewer. Its owner gives it every packet, and calls Due often.
type Track struct {
	Figures
	config Config
	begun  bool
	other  bool      // the next packet begins anew
	since  time.Time // Begin was called
	next   int64     // the number whose turn it is
	top    int64     // one after the newest
	behind map[int64]part
	wanted map[int64]*missed
	keys   []int64 // where keyframes begin among those behind a gap
	report reports
	view   view
}

// part is what is kept of a packet until its turn comes.
type part struct {
	look   stream.Look
	bytes  int
	time   uint32
	marker bool
	stamp  stream.Stamp
	known  bool // stamp is set
	hash   uint64
}

// missed is a packet that did not come in its turn.
type missed struct {
	since, asked time.Time
	times        int
}

// Packet is one RTP packet after decryption, without padding. Payload is not kept.
type Packet struct {
	Seq     uint16
	Time    uint32 // RTP timestamp
	Marker  bool
	Payload []byte
}

// New makes a track.
func New(c Config) *Track {
	return &Track{config: c, view: view{config: c}}
}

// Begin says that the connection is up: from now on the viewer waits for a keyframe.
func (t *Track) Begin(now time.Time) { t.since, t.view.want = now, t.config.Codec.Video() }

// Take takes a packet that came under its own number.
func (t *Track) Take(p Packet, now time.Time) {
	if !t.begun {
		t.begin(p.Seq, now)
	}
	n := t.extend(p.Seq)
	if t.other || n-t.top > widest || t.top-n > 1<<14 {
		t.begin(p.Seq, now)
		n = t.top
	}
	fresh := n >= t.top
	if t.came(n, now) {
		t.report.take(p, n, t.config.Codec.Clock(), now)
		t.Jitter = t.report.jitterTime(t.config.Codec.Clock())
		if !fresh {
			t.Late++
		}
		t.place(n, t.partOf(p), now)
	}
}

// TakeResent takes a packet that came in a resend: p.Seq is the number that it had.
func (t *Track) TakeResent(p Packet, now time.Time) {
	n := t.extend(p.Seq)
	if !t.begun || n >= t.top || !t.came(n, now) {
		return
	}
	t.Resent++
	t.place(n, t.partOf(p), now)
}

// begin starts with the numbers of another stream.
func (t *Track) begin(seq uint16, now time.Time) {
	if t.begun {
		t.Streams++
		t.view.hole()
	} else {
		t.First = now
	}
	t.begun, t.other = true, false
	t.next, t.top = int64(seq)+1<<32, int64(seq)+1<<32
	t.behind, t.wanted, t.keys = nil, nil, nil
	t.report = reports{first: t.top}
}

// Anew says that the next packet is of another stream, whatever its number: the sender's SSRC has changed.
func (t *Track) Anew() { t.other = t.begun }

// extend gives a number its place near the newest one.
func (t *Track) extend(seq uint16) int64 { return t.top + int64(int16(seq-uint16(t.top))) }

// came books number n. It says whether the packet is wanted.
func (t *Track) came(n int64, now time.Time) bool {
	if n >= t.top {
		for gap := t.top; gap < n; gap++ {
			if t.wanted == nil {
				t.wanted = map[int64]*missed{}
			}
			t.wanted[gap] = &missed{since: now}
			t.Lost++
		}
		t.top = n + 1
		t.Packets++
		return true
	}
	if t.wanted[n] == nil {
		t.Twice++
		return false
	}
	delete(t.wanted, n)
	t.Packets++
	return true
}

func (t *Track) partOf(p Packet) part {
	q := part{time: p.Time, marker: p.Marker, bytes: len(p.Payload)}
	t.Bytes += uint64(len(p.Payload))
	if len(p.Payload) == 0 {
		return q
	}
	if t.config.Codec.Video() {
		q.look = stream.Inspect(t.config.Codec, p.Payload)
	}
	if t.config.Ledger == nil {
		q.stamp, q.known = stream.ReadStamp(p.Payload)
	} else if p.Marker {
		q.hash = stream.Hash(p.Payload[q.look.Body:])
	}
	return q
}

// place puts a packet where it belongs, and goes on as far as there is no gap.
func (t *Track) place(n int64, q part, now time.Time) {
	if n == t.next {
		t.next++
		t.show(q, now)
		if len(t.behind) > 0 {
			t.goOn(now)
		}
		return
	}
	if t.behind == nil {
		t.behind = map[int64]part{}
	}
	t.behind[n] = q
	if q.look.Key {
		t.keys = append(t.keys, n)
	}
	if len(t.keys) > 0 {
		t.skip(now)
	}
}

// goOn takes what has its turn now, past gaps that were given up.
func (t *Track) goOn(now time.Time) {
	for t.next < t.top {
		q, ok := t.behind[t.next]
		switch {
		case ok:
			delete(t.behind, t.next)
			t.show(q, now)
		case t.wanted[t.next] != nil:
			return
		default:
			t.view.hole()
		}
		t.next++
	}
	t.keys = t.keys[:0]
}

// skip goes on with the first keyframe behind the gap that is whole.
func (t *Track) skip(now time.Time) {
	for _, key := range t.keys {
		if key < t.next || !t.whole(key) {
			continue
		}
		for n := t.next; n < key; n++ {
			if t.wanted[n] != nil {
				delete(t.wanted, n)
				t.GivenUp++
			}
			delete(t.behind, n)
		}
		t.next = key
		t.view.hole()
		t.goOn(now)
		return
	}
}

// whole says whether the frame that begins at n came to its end.
func (t *Track) whole(n int64) bool {
	for {
		q, ok := t.behind[n]
		if !ok || q.marker {
			return ok
		}
		n++
	}
}

func (t *Track) show(q part, now time.Time) {
	if t.config.Codec.Video() {
		t.view.take(q, now, &t.Figures)
	} else {
		t.view.hear(q, now, &t.Figures)
	}
}

// Due returns the numbers to ask for now, in order, and whether to ask for a keyframe.
func (t *Track) Due(now time.Time) (ask []uint16, key bool) {
	if len(t.wanted) > 0 {
		ask = t.dueNumbers(now)
	}
	if key = t.view.begs(now, t.since); key {
		t.Asked++
	}
	return ask, key
}

func (t *Track) dueNumbers(now time.Time) (ask []uint16) {
	gaveUp := false
	for n := t.next; n < t.top; n++ {
		m := t.wanted[n]
		switch {
		case m == nil:
		case now.Sub(m.since) >= giveUp:
			delete(t.wanted, n)
			t.GivenUp++
			gaveUp = true
		case t.config.Repair && m.times < askMost && (m.times == 0 || now.Sub(m.asked) >= askAgain):
			m.asked = now
			m.times++
			ask = append(ask, uint16(n))
		}
	}
	if gaveUp {
		t.goOn(now)
	}
	if len(ask) > 0 {
		t.Nacks++
	}
	return ask
}

// Urgent says whether Due has something that should not wait: a gap that nobody asked about.
func (t *Track) Urgent() bool { return t.config.Repair && len(t.wanted) > 0 }

// End closes the books: what is missing now did not come, and a picture that stands still is a freeze.
func (t *Track) End(now time.Time) {
	t.GivenUp += uint64(len(t.wanted))
	t.wanted = nil
	t.view.end(now, &t.Figures)
}
