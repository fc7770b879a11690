package sfu

import "time"

// Layer is something that a slot for pictures has to choose from.
type Layer struct {
	Slot, RID     string // RID is "" for the only layer of a caster that names none
	Width, Height int    // of the newest keyframe, in pixels; 0 where the stream does not say it
	Bitrate       int    // bit/s, smoothed over a second
	Temporal      int    // the highest temporal layer within it; 0 without any
	Active        bool   // it is being sent
}

// Ingest is one stream that the caster sends.
type Ingest struct {
	Slot, RID, Codec string // Codec is the mime type
	Width, Height    int    // as in Layer
	FPS              float64
	Bitrate          int // bit/s, smoothed over a second
	// KeyframeAge is how long ago the newest keyframe came; while there was none, how long ago the stream began. 0 for sound.
	KeyframeAge time.Duration
	Reordered   bool   // within the last two seconds pictures were sent in another order than shown (B-frames)
	Jumps       uint64 // timestamps that jumped by more than 2 s against the arrival
	Lost        uint64 // packets that never came, so far
}

// reordered is how many pictures of two seconds must go back in time for the stream to count as one with B-frames; one
// alone may be an encoder's hiccup.
const reordered = 2

// Layers lists what the slots of castID for pictures have to choose from now: slot by slot, from the lowest layer to the
// highest. It is empty without a caster.
func (e *Engine) Layers(castID string) (layers []Layer) {
	for _, t := range e.tracksOf(castID) {
		m := t.menu.Load()
		if m == nil || t.slot == Audio {
			continue
		}
		for i, s := range m.streams {
			r := &m.rungs[i]
			layers = append(layers, Layer{
				Slot: t.slot.String(), RID: s.layer.rid, Width: r.Width, Height: r.Height,
				Bitrate: r.Rate(), Temporal: int(r.Temporal), Active: !r.Silent,
			})
		}
	}
	return layers
}

// Ingest tells what the caster of castID sends now, stream by stream, in the order of Layers with the sound behind. It is
// empty without a caster.
func (e *Engine) Ingest(castID string) (streams []Ingest) {
	for _, t := range e.tracksOf(castID) {
		streams = t.ingest(streams, e.now())
	}
	return streams
}

// tracksOf are the slots of a cast, if it is there.
func (e *Engine) tracksOf(castID string) []*track {
	e.mu.Lock()
	defer e.mu.Unlock()
	if on := e.byID[castID]; on != nil {
		return on.tracks[:]
	}
	return nil
}

// ingest appends what fills the slot.
func (t *track) ingest(streams []Ingest, now int64) []Ingest {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.menu.Load()
	if m == nil {
		return streams
	}
	for i, s := range m.streams {
		in := Ingest{
			Slot: t.slot.String(), RID: s.layer.rid, Codec: s.codec.MimeType, Bitrate: m.rungs[i].Rate(),
			Jumps: s.meter.jumps.Load(), Lost: uint64(max(s.meter.lost.Load(), 0)),
		}
		if t.slot != Audio {
			perSecond, back := s.meter.pictures()
			in.FPS, in.Reordered = perSecond, back >= reordered
			in.Width, in.Height = s.meter.picture()
			in.KeyframeAge = time.Duration(max(now-s.meter.keyAt.Load(), 0))
		}
		streams = append(streams, in)
	}
	return streams
}
