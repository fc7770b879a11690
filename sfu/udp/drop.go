package udp

import (
	"sync/atomic"

	"castcode/internal/stunwire"
)

// drop is the reason why a datagram went no further. Its name labels a counter.
type drop uint8

const (
	passed          drop = iota
	dropSize             // shorter than any header, or longer than stunwire.MaxDatagram
	dropFirstByte        // neither STUN, DTLS, ChannelData nor RTP by RFC 7983
	dropSTUN             // refused by stunwire; counted by its fault
	dropChannel          // ChannelData that runs over, or a number that is none
	dropDTLS             // record header or length out of bounds
	dropRTP              // header runs over, or no room for the authentication tag
	dropRTCP             // likewise
	dropUnknown          // not a check, from an address that passed none
	dropSSRC             // more SSRCs than a sender may have
	dropHandshake        // more DTLS handshake bytes than a sender may send
	dropSpoofed          // a real datagram from the address of an attached path
	dropInjected         // an attached path injected what is not media
	dropMediaQueue       // nobody read Media() fast enough
	dropTURNQueue        // nobody read TURN() fast enough
	dropMediaClosed      // Media() was closed
	dropTURNClosed       // TURN() was closed
	dropDetached         // sent to a path that was detached meanwhile
	dropUser             // a check for a user fragment that is nobody's
	dropIntegrity        // a check of a caster with a wrong signature or fingerprint
	dropAddresses        // checks of one caster from more addresses than it may have
	dropChecks           // more checks a second than one caster sends
	dropFlood            // a check from where too many wrong ones came in this second
	dropSendFull         // the kernel had no room, and none came in time
	drops           = iota
)

var dropNames = [drops]string{
	"", "size", "first_byte", "stun", "channel", "dtls", "rtp", "rtcp", "unknown_source", "ssrc_limit",
	"handshake_limit", "spoofed", "injected", "media_queue", "turn_queue", "media_closed", "turn_closed",
	"detached", "unknown_user", "bad_integrity", "address_limit", "check_limit", "check_flood", "send_full",
}

// Counts is a snapshot of what the socket did since it was opened.
type Counts struct {
	Received      uint64 // datagrams from the network
	ReceivedBytes uint64
	Injected      uint64 // datagrams from attached paths
	Sent          uint64 // datagrams to the network
	SentBytes     uint64
	Delivered     uint64 // datagrams to attached paths
	ReadErrors    uint64 // transient errors of the kernel socket, swallowed
	SendErrors    uint64 // datagrams that the kernel refused; they are lost
	Reads         uint64 // batches received
	Owned         uint64 // datagrams that the receiver took
	GivenUp       uint64 // addresses of casters that sent media of too many SSRCs

	// What batches did; it is part of Sent and SentBytes.
	SendCalls    uint64 // system calls that sent something
	GSORuns      uint64 // runs sent as UDP GSO
	GSODatagrams uint64 // datagrams in them
	GSORetries   uint64 // runs that the kernel refused and took one by one
	GSO          string // why runs are not sent as UDP GSO; empty if they are

	// What passed the guard, by class, from the network and from attached paths.
	Checks   uint64 // connectivity checks
	Answers  uint64 // answers to the checks of our agents
	DTLS     uint64
	RTP      uint64
	RTCP     uint64
	TURN     uint64 // STUN for TURN
	Channels uint64 // ChannelData

	Remotes int // addresses that passed a connectivity check in the last minute or so
	Paths   int // attached addresses
	Agents  int // user fragments of casters that checks are let through to

	// Dropped has an entry for every reason, also those that never happened. Refused STUN messages are
	// "stun_" and the name of the stunwire.Fault.
	Dropped map[string]uint64
}

type counters struct {
	received, receivedBytes, injected, sent, sentBytes, delivered, readErrors, sendErrors atomic.Uint64
	reads, owned, givenUp, sendCalls, gsoRuns, gsoDatagrams, gsoRetries                   atomic.Uint64

	kinds  [kinds]atomic.Uint64
	drops  [drops]atomic.Uint64
	faults [stunwire.Faults]atomic.Uint64
}

// add notes what became of a batch.
func (c *counters) add(t *tally) {
	c.sent.Add(t.sent)
	c.sentBytes.Add(t.bytes)
	c.sendCalls.Add(t.calls)
	for _, rare := range []struct {
		to *atomic.Uint64
		n  uint64
	}{{&c.gsoRuns, t.gsoRuns}, {&c.gsoDatagrams, t.gso}, {&c.gsoRetries, t.retried}, {&c.sendErrors, t.refused}, {&c.drops[dropSendFull], t.full}} {
		if rare.n != 0 {
			rare.to.Add(rare.n)
		}
	}
}

func (c *counters) drop(reason drop, fault stunwire.Fault) {
	if reason == dropSTUN {
		c.faults[fault].Add(1)
		return
	}
	c.drops[reason].Add(1)
}

func (c *counters) snapshot() Counts {
	n := Counts{
		Received: c.received.Load(), ReceivedBytes: c.receivedBytes.Load(), Injected: c.injected.Load(),
		Sent: c.sent.Load(), SentBytes: c.sentBytes.Load(), Delivered: c.delivered.Load(),
		ReadErrors: c.readErrors.Load(), SendErrors: c.sendErrors.Load(),
		Reads: c.reads.Load(), Owned: c.owned.Load(), GivenUp: c.givenUp.Load(), SendCalls: c.sendCalls.Load(), GSORuns: c.gsoRuns.Load(),
		GSODatagrams: c.gsoDatagrams.Load(), GSORetries: c.gsoRetries.Load(),
		Checks: c.kinds[KindCheck].Load(), Answers: c.kinds[KindAnswer].Load(), DTLS: c.kinds[KindDTLS].Load(), RTP: c.kinds[KindRTP].Load(),
		RTCP: c.kinds[KindRTCP].Load(), TURN: c.kinds[kindTURN].Load(), Channels: c.kinds[kindChannel].Load(),
		Dropped: make(map[string]uint64, drops+stunwire.Faults),
	}
	for reason := passed + 1; reason < drops; reason++ {
		if reason != dropSTUN {
			n.Dropped[dropNames[reason]] = c.drops[reason].Load()
		}
	}
	for fault := stunwire.OK + 1; fault < stunwire.Faults; fault++ {
		n.Dropped["stun_"+fault.String()] = c.faults[fault].Load()
	}
	return n
}
