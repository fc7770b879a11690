package sfu

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pion/webrtc/v3"

	"castcode/sfu/codec"
	"castcode/sfu/forward"
	"castcode/sfu/packet"
)

// maxLayers is how many layers of a slot are forwarded. What a caster sends beyond that is taken and shown to nobody.
const maxLayers = 3

// stream is one log: the packets of one encoding of a layer. A layer whose caster changes the codec begins another.
// It does not change; what is in its ring and what is counted does.
type stream struct {
	id    uint32 // unique in the engine
	layer *layer
	ring  *packet.Ring
	codec webrtc.RTPCodecParameters
	kind  codec.Kind

	audiences []audience // by shard
	meter     meter
}

// audience is the part of a log's viewers that one shard has.
type audience struct {
	size  atomic.Int32 // down tracks that are in the log or want to be
	dirty atomic.Bool  // the log is in the shard's list already
}

// menu is what a slot has to choose from now: the logs of its layers, from the lowest to the highest, and what they
// were measured to be. It is immutable.
type menu struct {
	caster  *caster
	version uint64 // another when layers came, went, fell silent or changed places
	streams []*stream
	rungs   []forward.Rung // of the same order
}

// top is the highest layer.
func (m *menu) top() *stream { return m.streams[len(m.streams)-1] }

// track is one slot of a cast: the layers that fill it now, and the shards whose viewers follow it.
type track struct {
	// fixed
	slot    Slot
	drops   *Drops
	follows []*follow // one for each shard

	menu atomic.Pointer[menu] // nil while nothing fills the slot; stored with mu held

	mu       sync.Mutex
	versions uint64 // guarded by mu
}

// follow is a track as one shard sees it.
type follow struct {
	shard     *shard       // fixed
	followers atomic.Int32 // len(downs)
	dirty     atomic.Bool  // all of it is in the shard's list already

	// owned by the shard
	downs  []*downTrack
	sentAt int64 // when one of them sent video last
}

func newTrack(s Slot, drops *Drops, shards []*shard) *track {
	t := &track{slot: s, drops: drops}
	for _, sh := range shards {
		t.follows = append(t.follows, &follow{shard: sh})
	}
	return t
}

// enter makes s one of the layers of the slot, in the place of what its layer sent before. Layers of another caster
// leave. Down tracks go on with continuous numbers. It says false when there are enough layers.
func (t *track) enter(s *stream) bool {
	t.mu.Lock()
	old := t.menu.Load()
	next := &menu{caster: s.layer.caster, streams: []*stream{s}}
	if old != nil && old.caster == next.caster {
		next.streams = slices.Clone(old.streams)
		if i := slices.IndexFunc(next.streams, func(o *stream) bool { return o.layer == s.layer }); i >= 0 {
			next.streams[i] = s
		} else if len(next.streams) < maxLayers {
			next.streams = append(next.streams, s)
		} else {
			t.mu.Unlock()
			return false
		}
	}
	t.store(next)
	t.mu.Unlock()
	t.wakeAll()
	return true
}

// leave takes the layer l out of the slot and says whether it was there. Viewers keep the last picture.
func (t *track) leave(l *layer) bool {
	t.mu.Lock()
	old := t.menu.Load()
	if old == nil || !slices.ContainsFunc(old.streams, func(s *stream) bool { return s.layer == l }) {
		t.mu.Unlock()
		return false
	}
	next := &menu{caster: old.caster}
	for _, s := range old.streams {
		if s.layer != l {
			next.streams = append(next.streams, s)
		}
	}
	if len(next.streams) == 0 {
		t.menu.Store(nil)
	} else {
		t.store(next)
	}
	t.mu.Unlock()
	t.wakeAll()
	return true
}

// measure looks again at the layers of c, if they fill the slot. The caster's loop calls it.
func (t *track) measure(c *caster, now int64) {
	t.mu.Lock()
	old := t.menu.Load()
	if old == nil || old.caster != c {
		t.mu.Unlock()
		return
	}
	for _, s := range old.streams {
		s.meter.read(now)
	}
	next := &menu{caster: c, streams: slices.Clone(old.streams)}
	changed := t.store(next)
	t.mu.Unlock()
	if changed {
		t.wakeAll()
	}
}

// store puts the layers of next in order, fills in what was measured and makes it the menu. It says whether there is
// something else to choose from than before. Called with mu held.
func (t *track) store(next *menu) (changed bool) {
	order(next.streams)
	for _, s := range next.streams {
		next.rungs = append(next.rungs, s.meter.rung(s.id))
	}
	quiet(next)
	old := t.menu.Load()
	changed = old == nil || !slices.Equal(old.streams, next.streams) ||
		!slices.EqualFunc(old.rungs, next.rungs, func(a, b forward.Rung) bool { return a.Silent == b.Silent })
	if changed {
		t.versions++
	}
	next.version = t.versions
	t.menu.Store(next)
	return changed
}

// codec is what fills the slot now; nil when nothing does.
func (t *track) codec() *webrtc.RTPCodecParameters {
	m := t.menu.Load()
	if m == nil {
		return nil
	}
	return &m.top().codec
}

// crowd is how many followers a shard has before it is worth waiting for the rest of a frame: from there on a run of
// packets to each viewer costs less than the packets one by one, and waking it for each packet would cost more than
// sending them.
const crowd = 8

// wake tells the shards that follow s that its ring has something new. urgent says not to wait for more.
func (t *track) wake(s *stream, urgent bool) {
	for i, f := range t.follows {
		if a := &s.audiences[i]; a.size.Load() > 0 {
			f.shard.wake(news{f, s, &a.dirty}, urgent || a.size.Load() < crowd)
		}
	}
}

// wakeAll tells all shards that there is something else to follow.
func (t *track) wakeAll() {
	for _, f := range t.follows {
		if f.followers.Load() > 0 {
			f.shard.wake(news{f, nil, &f.dirty}, true)
		}
	}
}

// late tells the shards of a packet that came after its successors: some viewers have passed its place.
func (t *track) late(s *stream, p *packet.Packet) {
	for _, f := range t.follows {
		if f.followers.Load() > 0 {
			f.shard.post(message{kind: messageLate, follow: f, stream: s, packet: p})
		}
	}
}
