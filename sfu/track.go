package sfu

import (
	"slices"
	"sync"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"
)

// track is one slot of a cast: the layer that fills it now and the down tracks that follow it.
type track struct {
	// fixed
	slot  Slot
	drops *Drops

	// guarded by mu
	mu     sync.Mutex
	source *layer
	downs  []*downTrack
}

// setSource makes l what the slot shows. Down tracks go on with continuous numbers.
func (t *track) setSource(l *layer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.source = l
	for _, d := range t.downs {
		d.rewriter.Switch()
	}
}

// unsetSource empties the slot if l still fills it and says whether it did. Viewers keep the last picture.
func (t *track) unsetSource(l *layer) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.source != l {
		return false
	}
	t.source = nil
	return true
}

// codec is what fills the slot now; nil when nothing does.
func (t *track) codec() *webrtc.RTPCodecParameters {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.source == nil {
		return nil
	}
	return t.source.codec.Load()
}

func (t *track) add(d *downTrack) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.downs = append(t.downs, d)
}

func (t *track) remove(d *downTrack) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.downs = slices.DeleteFunc(t.downs, func(other *downTrack) bool { return other == d })
}

// wantKeyframe asks the layer that fills the slot for a keyframe, through its gate.
func (t *track) wantKeyframe(now time.Time) {
	t.mu.Lock()
	l := t.source
	t.mu.Unlock()
	if l != nil {
		l.wantKeyframe(now)
	}
}

// forward gives p, which came from l, to every down track. It is called by l's read loop; p and what it points to
// are the caller's again when it returns.
func (t *track) forward(l *layer, p *rtp.Packet, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.source != l {
		t.drops.add(DropReplaced)
		return
	}
	codec := l.codec.Load()
	for _, d := range t.downs {
		d.write(codec, p, now)
	}
}
