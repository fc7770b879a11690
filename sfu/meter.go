package sfu

import (
	"sync/atomic"
	"time"

	"castcode/sfu/codec"
	"castcode/sfu/forward"
	"castcode/sfu/packet"
)

const (
	// measureEvery is how often a caster's layers are measured.
	measureEvery = 200 * time.Millisecond
	// silence is how far a layer may be behind the others of its slot before it counts as not being sent.
	silence = int64(time.Second)
	// clearly is by how much, in percent, a layer must have more bits than the one above it to change places with it,
	// where the sizes of their pictures are not known.
	clearly = 150
)

// meter measures a stream. The layer's read loop counts, the caster's loop reads.
type meter struct {
	bytes    [forward.MaxTemporal]atomic.Uint64 // by temporal layer
	newest   atomic.Int64                       // when the newest packet came; 0: none
	pixels   atomic.Uint32                      // of the newest keyframe; 0: not known
	temporal atomic.Uint32                      // highest temporal layer seen

	// guarded by track.mu
	at    int64
	last  [forward.MaxTemporal]uint64
	rates [forward.MaxTemporal]int // bit/s, each layer by itself
	peak  int                      // bit/s of all, of the last minute or so
}

// count takes one packet.
func (m *meter) count(p *packet.Packet) {
	t := min(p.Temporal, forward.MaxTemporal-1)
	m.bytes[t].Add(uint64(len(p.Payload)))
	m.newest.Store(p.Arrival)
	if uint32(t) > m.temporal.Load() {
		m.temporal.Store(uint32(t))
	}
	if p.Keyframe {
		if w, h := codec.PictureSize(p.Codec, p.Payload, &p.Traits); w > 0 {
			m.pixels.Store(uint32(w) * uint32(h))
		}
	}
}

// read works out the rates since it was called last, smoothed over about a second.
func (m *meter) read(now int64) {
	if m.at == 0 {
		m.at = now
		return
	}
	elapsed := now - m.at
	if elapsed < int64(measureEvery)/2 {
		return
	}
	m.at = now
	sum := 0
	for i := range m.rates {
		bytes := m.bytes[i].Load()
		rate := int(int64(bytes-m.last[i]) * 8 * 1000 / (elapsed / 1_000_000))
		m.last[i] = bytes
		m.rates[i] += (rate - m.rates[i]) / 4
		sum += m.rates[i]
	}
	m.peak = max(sum, m.peak-m.peak/256)
}

// rung is what was measured.
func (m *meter) rung(source uint32) forward.Rung {
	r := forward.Rung{Source: source, Temporal: uint8(m.temporal.Load())}
	sum := 0
	for i := range r.Rates {
		sum += m.rates[i]
		r.Rates[i] = sum
	}
	return r
}

// order sorts streams from the lowest to the highest: by the size of the picture where all say it, else by what they
// take of the network, where that differs clearly.
func order(streams []*stream) {
	sized := true
	for _, s := range streams {
		sized = sized && s.meter.pixels.Load() > 0
	}
	for i := 1; i < len(streams); i++ {
		for j := i; j > 0 && lower(streams[j], streams[j-1], sized); j-- {
			streams[j], streams[j-1] = streams[j-1], streams[j]
		}
	}
}

// lower says whether a belongs below b, which stands below it now.
func lower(a, b *stream, sized bool) bool {
	if pa, pb := a.meter.pixels.Load(), b.meter.pixels.Load(); sized && pa != pb {
		return pa < pb
	}
	return b.meter.peak > a.meter.peak*clearly/100 && a.meter.peak > 0
}

// quiet marks the layers that are behind the others: their caster has stopped sending them, as browsers do when the
// network or the processor is too slow. A slot in which nothing happens at all has no silent layers.
func quiet(m *menu) {
	newest := int64(0)
	for _, s := range m.streams {
		newest = max(newest, s.meter.newest.Load())
	}
	for i, s := range m.streams {
		m.rungs[i].Silent = newest-s.meter.newest.Load() > silence
	}
}
