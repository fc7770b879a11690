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
	size     atomic.Uint32                      // of the newest keyframe: width<<16 | height; 0: not known
	temporal atomic.Uint32                      // highest temporal layer seen
	frames   atomic.Uint64                      // packets with a marker: the last ones of their pictures
	keyAt    atomic.Int64                       // when the newest keyframe came; the begin of the stream while there is none
	back     atomic.Uint64                      // pictures whose timestamp is before that of the one sent before
	jumps    atomic.Uint64                      // of timestamps against the time of arrival
	lost     atomic.Int64                       // packets that have not come and whose successors have

	timeline forward.Timeline // owned by the read loop

	// guarded by track.mu
	at    int64
	last  [forward.MaxTemporal]uint64
	rates [forward.MaxTemporal]int // bit/s, each layer by itself
	peak  int                      // bit/s of all, of the last minute or so
	past  [pastSamples]sample      // of the last two seconds, the newest at turn
	turn  int
}

// sample is what was counted at some time.
type sample struct {
	at           int64
	frames, back uint64
}

// pastSamples spans two seconds: the pictures of a stream are counted over that time.
const pastSamples = int(2*time.Second/measureEvery) + 1

// begin is called before the stream's first packet.
func (m *meter) begin(clock uint32, now int64) {
	m.timeline = forward.NewTimeline(clock)
	m.keyAt.Store(now)
	for i := range m.past {
		m.past[i].at = now
	}
}

// count takes one packet.
func (m *meter) count(p *packet.Packet) {
	t := min(p.Temporal, forward.MaxTemporal-1)
	m.bytes[t].Add(uint64(len(p.Payload)))
	m.newest.Store(p.Arrival)
	if uint32(t) > m.temporal.Load() {
		m.temporal.Store(uint32(t))
	}
	switch m.timeline.Packet(p.Seq, p.TS, p.Arrival) {
	case forward.TimeBack:
		m.back.Add(1)
	case forward.TimeJump:
		m.jumps.Add(1)
	}
	if !p.Codec.Video() {
		return
	}
	if p.Marker {
		m.frames.Add(1)
	}
	if p.Keyframe {
		m.keyAt.Store(p.Arrival)
	}
	if p.Keyframe || p.Parameters {
		if w, h := codec.PictureSize(p.Codec, p.Payload, &p.Traits); w > 0 {
			m.size.Store(uint32(w)<<16 | uint32(h))
		}
	}
}

// picture is the size of the newest keyframe in pixels, 0 where it is not known.
func (m *meter) picture() (width, height int) {
	size := m.size.Load()
	return int(size >> 16), int(size & 0xffff)
}

// pixels is how many of them a picture has, 0 where it is not known.
func (m *meter) pixels() int {
	w, h := m.picture()
	return w * h
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
	m.turn = (m.turn + 1) % len(m.past)
	m.past[m.turn] = sample{at: now, frames: m.frames.Load(), back: m.back.Load()}
}

// pictures is how many came a second, and how many in the other order, in the last two seconds. Called with track.mu
// held.
func (m *meter) pictures() (perSecond float64, back uint64) {
	oldest, newest := m.past[(m.turn+1)%len(m.past)], m.past[m.turn]
	if elapsed := newest.at - oldest.at; elapsed > 0 {
		perSecond = float64(newest.frames-oldest.frames) / time.Duration(elapsed).Seconds()
	}
	return perSecond, newest.back - oldest.back
}

// rung is what was measured.
func (m *meter) rung(source uint32) forward.Rung {
	r := forward.Rung{Source: source, Temporal: uint8(m.temporal.Load())}
	r.Width, r.Height = m.picture()
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
		sized = sized && s.meter.pixels() > 0
	}
	for i := 1; i < len(streams); i++ {
		for j := i; j > 0 && lower(streams[j], streams[j-1], sized); j-- {
			streams[j], streams[j-1] = streams[j-1], streams[j]
		}
	}
}

// lower says whether a belongs below b, which stands below it now.
func lower(a, b *stream, sized bool) bool {
	if pa, pb := a.meter.pixels(), b.meter.pixels(); sized && pa != pb {
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
