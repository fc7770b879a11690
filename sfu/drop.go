package sfu

import "sync/atomic"

// DropReason names why a packet was not forwarded to a viewer.
type DropReason uint8

// The reasons.
const (
	DropReplaced     DropReason = iota // its layer is no longer the source of the slot
	DropNotConnected                   // the viewer's connection is not up
	DropNoCodec                        // the viewer cannot decode this codec
	DropBeforeSwitch                   // older than the first packet of its source (forward.Rewriter)
	DropWrite                          // the connection refused it
	DropMalformed                      // not RTP after decryption
	dropReasons
)

var dropNames = [dropReasons]string{"replaced", "not_connected", "no_codec", "before_switch", "write", "malformed"}

func (r DropReason) String() string { return dropNames[r] }

// Drops counts dropped packets by reason. It may be used from any goroutine.
type Drops [dropReasons]atomic.Uint64

func (d *Drops) add(r DropReason) { d[r].Add(1) }

// Snapshot returns the counts by the names of the reasons.
func (d *Drops) Snapshot() map[string]uint64 {
	m := make(map[string]uint64, dropReasons)
	for r := range dropReasons {
		m[r.String()] = d[r].Load()
	}
	return m
}
