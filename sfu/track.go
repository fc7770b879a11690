package sfu

import (
	"sync/atomic"

	"github.com/pion/webrtc/v3"

	"castcode/sfu/codec"
	"castcode/sfu/packet"
)

// stream is one log: the packets of one encoding of a layer. A layer whose caster changes the codec begins another.
// It does not change; what is in its ring does.
type stream struct {
	id    uint32 // unique in the engine
	layer *layer
	ring  *packet.Ring
	codec webrtc.RTPCodecParameters
	kind  codec.Kind
}

// track is one slot of a cast: the stream that fills it now, and the shards whose viewers follow it.
type track struct {
	// fixed
	slot    Slot
	drops   *Drops
	follows []*follow // one for each shard

	source atomic.Pointer[stream] // nil while nothing fills the slot
}

// follow is a track as one shard sees it.
type follow struct {
	shard     *shard       // fixed
	followers atomic.Int32 // len(downs)
	dirty     atomic.Bool  // it is in the shard's list already

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

// setSource makes s what the slot shows. Down tracks go on with continuous numbers.
func (t *track) setSource(s *stream) {
	t.source.Store(s)
	t.wake(true)
}

// unsetSource empties the slot if a stream of l still fills it and says whether it did. Viewers keep the last picture.
func (t *track) unsetSource(l *layer) bool {
	s := t.source.Load()
	return s != nil && s.layer == l && t.source.CompareAndSwap(s, nil)
}

// codec is what fills the slot now; nil when nothing does.
func (t *track) codec() *webrtc.RTPCodecParameters {
	s := t.source.Load()
	if s == nil {
		return nil
	}
	return &s.codec
}

// crowd is how many followers a shard has before it is worth waiting for the rest of a frame: from there on a run of
// packets to each viewer costs less than the packets one by one, and waking it for each packet would cost more than
// sending them.
const crowd = 8

// wake tells the shards that the ring has something new. urgent says not to wait for more.
func (t *track) wake(urgent bool) {
	for _, f := range t.follows {
		if n := f.followers.Load(); n > 0 {
			f.shard.wake(f, urgent || n < crowd)
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
