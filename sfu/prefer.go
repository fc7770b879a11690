package sfu

import (
	"castcode/sfu/forward"
)

// allSpatial is the spatial layer that leaves none out.
const allSpatial = 7

// Wish limits what a viewer gets of a slot. Within it the layer is chosen by what the viewer's path carries.
type Wish struct {
	// RID is the highest simulcast layer; "" for any. One that the cast does not have (any more) limits nothing.
	RID string
	// Spatial and Temporal are the highest layers within a stream (SVC), from 0; -1 for any.
	Spatial, Temporal int
	// Width and Height are the largest picture, in pixels; 0 for any. If every layer is larger, the smallest is sent, and a
	// layer whose size is not known counts as fitting.
	Width, Height int
	// Bitrate is the most that the pictures of all slots may take together, in bit/s; 0 for any. Without a smaller layer
	// more is sent.
	Bitrate int
}

// Prefer limits what the viewer id gets of a slot by its present connection, until the next call. Without such a
// viewer or slot it does nothing.
func (e *Engine) Prefer(id, slot string, wish Wish) {
	e.mu.Lock()
	v, ok := e.peers[id].(*viewer)
	e.mu.Unlock()
	if !ok {
		return
	}
	for _, d := range v.downs {
		if d.track.slot.String() == slot {
			d.wished.Store(&wish)
			// When the inbox is full the wish takes effect with the next choice, which each viewer makes once a second.
			v.shard.post(message{kind: messageChoose, viewer: v})
		}
	}
}

// most is the least of limit and the bitrate of the viewer's wish, where 0 stands for none.
func (d *downTrack) most(limit int) int {
	w := d.wished.Load()
	if w == nil || w.Bitrate <= 0 || limit > 0 && limit < w.Bitrate {
		return limit
	}
	return w.Bitrate
}

// limits is what the viewer's wish means for the layers that there are: a limit of the choice among them, and the highest
// spatial layer within a stream.
func (d *downTrack) limits(m *menu) (l forward.Limit, spatial uint8) {
	w := d.wished.Load()
	if w == nil {
		return l, allSpatial
	}
	for _, s := range m.streams {
		if w.RID != "" && s.layer.rid == w.RID {
			l.Source = s.id
		}
	}
	l.Width, l.Height = max(w.Width, 0), max(w.Height, 0)
	if w.Temporal >= 0 {
		l.Temporal = uint8(min(w.Temporal, forward.AllTemporal)) + 1
	}
	if w.Spatial < 0 {
		return l, allSpatial
	}
	return l, uint8(min(w.Spatial, allSpatial))
}
