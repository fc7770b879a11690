package turn

import "sync/atomic"

// drop is the reason why something was refused or thrown away. Its name labels a counter.
type drop uint8

const (
	dropMessage     drop = iota // malformed, or nothing that TURN serves
	dropAnswer                  // the address has had too many answers that need no credentials
	dropUserName                // not "<seconds>:<peer>"
	dropRealm                   // another realm than ours
	dropExpired                 // user name past its time, without a relay that was opened in time
	dropRevoked                 // of a peer whose session has ended
	dropFuture                  // expiry more than a day ahead: a date in milliseconds, mostly
	dropPassword                // MESSAGE-INTEGRITY fits no secret
	dropPeer                    // a peer that is not media of ours
	dropChannel                 // a channel number outside 0x4000-0x4FFF
	dropQuota                   // too many relays, of one user name or in all
	dropEvenPort                // too many EVEN-PORT requests
	dropAttach                  // the media side gave no path
	dropRate                    // over the rate of a relay
	dropRelayQueue              // the client's transport takes less than the media side sends
	dropSize                    // longer than a datagram
	dropStreamLimit             // too many streams
	dropFrame                   // a stream sent what is no TURN frame; it was closed
	dropSlow                    // no whole frame in time; the stream was closed
	dropIdle                    // nothing for a minute and no relay; the stream was closed
	dropStreamQueue             // the stream takes less than it should
	dropLate                    // media that waited too long for the stream
	dropStuck                   // a write to the stream took too long; it was closed
	drops           = iota
)

var dropNames = [drops]string{
	"message", "answer_limit", "user_name", "realm", "expired", "revoked", "future", "password", "peer", "channel", "quota", "even_port",
	"attach", "rate", "relay_queue", "size", "stream_limit", "frame", "slow", "idle", "stream_queue", "late", "stuck",
}

// Counts is a snapshot of what the server did since it was started.
type Counts struct {
	Relays  int // open now
	Streams int // open now, TCP and TLS
	Opened  uint64
	// ToMedia and FromMedia count what relays passed on, in datagrams and bytes.
	ToMedia, ToMediaBytes, FromMedia, FromMediaBytes uint64
	LibraryErrors                                    uint64
	// Dropped has an entry for every reason, also those that never happened.
	Dropped map[string]uint64
}

type counters struct {
	opened, toMedia, toMediaBytes, fromMedia, fromMediaBytes, libraryErrors atomic.Uint64
	drops                                                                   [drops]atomic.Uint64
}

func (c *counters) drop(reason drop) { c.drops[reason].Add(1) }

// Counts returns what happened so far.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	relays, streams := s.relays, len(s.streams)
	s.mu.Unlock()
	c := &s.counters
	n := Counts{
		Relays: relays, Streams: streams, Opened: c.opened.Load(),
		ToMedia: c.toMedia.Load(), ToMediaBytes: c.toMediaBytes.Load(),
		FromMedia: c.fromMedia.Load(), FromMediaBytes: c.fromMediaBytes.Load(),
		LibraryErrors: c.libraryErrors.Load(),
		Dropped:       make(map[string]uint64, drops),
	}
	for reason, name := range dropNames {
		n.Dropped[name] = c.drops[reason].Load()
	}
	return n
}
