package sfu

import (
	"sync/atomic"
	"time"
)

// View is what a viewer gets, by its own last report.
type View struct {
	Width, Height int           // of the main picture that is sent to it, in pixels; 0 where that is not known
	Loss          float64       // part of the packets that its path lost lately, 0 to 1
	RoundTrip     time.Duration // 0 before the first report
	Streams       bool          // its media goes over TCP
}

// sight is a View as the shard writes it and others read it.
type sight struct {
	size      atomic.Uint64 // width in the upper half
	loss      atomic.Uint32 // in 1/256
	roundTrip atomic.Int64
	streams   atomic.Bool
}

// note takes over what is known when the viewer reports about d, which may be nil. The shard calls it, once per report.
func (g *sight) note(d *downTrack, roundTrip time.Duration, streams bool) {
	g.roundTrip.Store(int64(roundTrip))
	g.streams.Store(streams)
	if d == nil || d.track.slot != Screen {
		return
	}
	width, height := 0, 0
	if d.lastFrom != nil {
		width, height = d.lastFrom.meter.picture()
	}
	g.size.Store(uint64(uint32(width))<<32 | uint64(uint32(height)))
}

// lost takes over what the path of d has lost, in 256ths. The shard calls it.
func (g *sight) lost(d *downTrack, fraction uint8) {
	if d.track.slot == Screen {
		g.loss.Store(uint32(fraction))
	}
}

// View reads what the viewer id gets. ok is false when it has no connection.
func (e *Engine) View(id string) (view View, ok bool) {
	e.mu.Lock()
	v, ok := e.peers[id].(*viewer)
	e.mu.Unlock()
	if !ok {
		return View{}, false
	}
	size := v.sight.size.Load()
	return View{
		Width: int(size >> 32), Height: int(uint32(size)), Loss: float64(v.sight.loss.Load()) / 256,
		RoundTrip: time.Duration(v.sight.roundTrip.Load()), Streams: v.sight.streams.Load(),
	}, true
}
