package sfu

import (
	"castcode/sfu/tcp"
	"castcode/sfu/transport"
)

// Snapshot is the engine in numbers, for metrics and the admin page.
type Snapshot struct {
	Casts   int // with or without a caster
	Live    int // with a caster
	Viewers int
	Packets uint64 // taken from casters that are present
	Bytes   uint64
	Asked   uint64 // keyframe requests sent to casters that are present
	Faults  uint64 // connections dropped after a fault of ours
	Drops   map[string]uint64
	Streams tcp.Counts        // ICE-TCP; the zero value without
	Wire    map[string]uint64 // what the viewers' transport dropped, by reason
}

// Snapshot reads the numbers. Counters of casters that have left are not in it.
func (e *Engine) Snapshot() Snapshot {
	e.mu.Lock()
	s := Snapshot{Casts: len(e.byID), Drops: e.drops.Snapshot(), Faults: e.faults.Load()}
	var casters []*caster
	for _, on := range e.byID {
		s.Viewers += len(on.viewers)
		if on.caster != nil {
			casters = append(casters, on.caster)
		}
	}
	e.mu.Unlock()
	if e.tcp != nil {
		s.Streams = e.tcp.Counts()
	}
	s.Wire = map[string]uint64{}
	for d := transport.Drop(1); d < transport.Drops; d++ { // 0 is no reason
		s.Wire[d.String()] = e.transport.Count(d)
	}
	s.Live = len(casters)
	for _, c := range casters {
		for _, l := range c.snapshot() {
			s.Packets += l.packets.Load()
			s.Bytes += l.bytes.Load()
			s.Asked += l.asked.Load()
		}
	}
	return s
}
