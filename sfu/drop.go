package sfu

import (
	"sync/atomic"

	"castcode/sfu/forward"
	"castcode/sfu/packet"
)

// DropReason names why a packet was not forwarded to a viewer, or not taken from a caster. The reasons of package
// forward come first, with their own names.
type DropReason uint8

// The reasons beside those of package forward.
const (
	DropNoCodec   DropReason = DropReason(forward.Drops) + iota // the viewer cannot decode this codec
	DropLag                                                     // the viewer was too far behind and jumped
	DropSeal                                                    // the transport refused it (its own counters say why)
	DropMalformed                                               // not RTP, or no payload of its codec
	DropDuplicate                                               // it lay in the ring already
	DropTooLate                                                 // its place had left the ring
	DropInbox                                                   // a shard's inbox was full
	DropFlood                                                   // a viewer sent more datagrams than viewers do
	DropWish                                                    // no packet: a viewer's wish for a keyframe that came too soon
	DropStale                                                   // it came late, and a whole picture had begun since
	DropStreamed                                                // no packet: a wish for one that is on its way, on a path that loses nothing
	dropReasons
)

var dropNames = [...]string{"no_codec", "lag", "seal", "malformed", "duplicate", "too_late_in", "inbox", "viewer_flood", "wish", "stale", "streamed"}

func (r DropReason) String() string {
	if r < DropNoCodec {
		return forward.Drop(r).String()
	}
	return dropNames[r-DropNoCodec]
}

// Drops counts dropped packets by reason. It may be used from any goroutine.
type Drops [dropReasons]atomic.Uint64

func (d *Drops) add(r DropReason) { d[r].Add(1) }

// misplaced counts a packet that a ring did not take.
func (d *Drops) misplaced(p packet.Placed) {
	if p == packet.Duplicate {
		d.add(DropDuplicate)
	} else {
		d.add(DropTooLate)
	}
}

// Snapshot returns the counts by the names of the reasons.
func (d *Drops) Snapshot() map[string]uint64 {
	m := make(map[string]uint64, dropReasons)
	for r := DropReason(1); r < dropReasons; r++ { // 0 is no reason
		m[r.String()] = d[r].Load()
	}
	return m
}
