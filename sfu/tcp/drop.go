package tcp

import "sync/atomic"

// drop is the reason why a stream was closed, or a datagram was not sent. Its name labels a counter.
type drop uint8

const (
	kept        drop = iota
	dropFull         // more streams, or more of which no check was answered, than there may be
	dropAddress      // more of those from one address than there may be
	dropSilent       // no check was answered in time
	dropFirst        // the first frames were no checks, or too many
	dropRefused      // a first check was not good: for nobody, badly signed, or one of too many
	dropUser         // more streams of one peer than it may have
	dropFrame        // a length that no datagram has
	dropSlow         // a frame that did not become whole
	dropConsent      // no check was answered for a while
	dropStuck        // the peer does not read
	dropQueue        // a datagram for which there was no place at all
	drops       = iota
)

var dropNames = [drops]string{
	"", "full", "address_full", "silent", "first_frame", "refused", "user_limit", "frame", "slow", "no_consent", "stuck", "queue",
}

// Counts is a snapshot of what the server did.
type Counts struct {
	Streams int // open, those among them that wait for the answer to their first check
	Waiting int
	// Accepted counts connections; Received and Sent frames, and the bytes in them.
	Accepted, Received, ReceivedBytes, Sent, SentBytes uint64
	// Full counts the times that a viewer's media had to wait for a stream.
	Full uint64
	// Dropped has an entry for every reason why a stream was closed, also those that never happened, and "queue" for
	// datagrams that found no place. A peer that closed its stream is not in it.
	Dropped map[string]uint64
}

type counters struct {
	accepted, received, receivedBytes, sent, sentBytes, full atomic.Uint64
	drops                                                    [drops]atomic.Uint64
}

func (c *counters) drop(d drop) { c.drops[d].Add(1) }
