package transport

import "sync/atomic"

// Drop is the reason why a datagram, a part of one, or an outgoing packet went nowhere. Its name is stable: it labels
// a counter.
type Drop uint8

// The reasons, and Kept for none.
const (
	Kept         Drop = iota
	DropClass         // the first byte belongs to no protocol of RFC 7983
	DropSTUN          // malformed, or no Binding request
	DropUfrag         // a check for another session, or from another peer
	DropSigned        // MESSAGE-INTEGRITY or FINGERPRINT wrong
	DropRole          // the peer believes to be controlled, which a peer of a lite agent never is (RFC 8445 §6.1.1)
	DropShort         // the answer would be longer than the request
	DropRoute         // not STUN, from an address that has passed no check
	DropHello         // the first DTLS datagram does not begin a handshake
	DropQueue         // the handshake has too many datagrams waiting
	DropFlood         // more handshake bytes than a handshake has
	DropEarly         // before the keys are there
	DropRTP           // a viewer sent media
	DropSRTCP         // malformed, not encrypted, or the tag is wrong
	DropReplay        // SRTCP index seen before
	DropSenders       // more SRTCP senders than a peer has
	DropRTCP          // a malformed sub-packet; what follows it is lost too
	DropParts         // more sub-packets, pairs or blocks than are looked at
	DropFull          // no room in the batch
	DropReuse         // a sequence number that has been sealed
	DropLate          // a sequence number too old to know whether it has been sealed
	DropOversize      // does not fit into the buffer
	DropResend        // a resend for a track without RTX, or a repeat of what was never sent

	// Drops is the number of values, for arrays of counters.
	Drops = iota
)

var dropNames = [Drops]string{
	"kept", "class", "stun", "ufrag", "integrity", "role", "short", "route", "hello", "queue", "flood", "early", "rtp",
	"srtcp", "replay", "senders", "rtcp", "parts", "full", "reuse", "late", "oversize", "resend",
}

func (d Drop) String() string {
	if int(d) < len(dropNames) {
		return dropNames[d]
	}
	return "unknown"
}

// counts counts drops, from any goroutine.
type counts [Drops]atomic.Uint64

func (c *counts) add(d Drop) { c[d].Add(1) }
