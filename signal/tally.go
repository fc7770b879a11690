package signal

import (
	"maps"
	"sync"
)

// Reasons why the Hub let go of a socket or turned one away, the keys of Counts.Drops.
const (
	dropSlow        = "slow"         // send queue full
	dropFlood       = "flood"        // went on beyond the message rate
	dropBadMessages = "bad_messages" // the tenth
	dropOversized   = "oversized"    // frame beyond 64 KiB
	dropSilent      = "silent"       // nothing for 45 s
	dropNoHello     = "no_hello"     // nothing in the first 10 s
	dropWrite       = "write"        // a write failed or took longer than 5 s
	dropReplaced    = "replaced"     // resumed elsewhere
	dropRemoved     = "removed"      // by the operator
	dropVersion     = "version"
	dropDraining    = "draining"
	dropClosing     = "closing"   // Hub.Close
	dropOrigin      = "origin"    // refused before the upgrade
	dropNewcomers   = "newcomers" // refused before the upgrade: too many sockets of its address have not said hello
	dropBusy        = "busy"      // refused before the upgrade: too many sockets
	dropUpgrade     = "upgrade"   // not a WebSocket handshake
	dropFault       = "fault"     // a bug of ours ended it
)

// Reasons why a session over WHIP or WHEP ended, the keys of Counts.Gone.
const (
	goneDeleted  = "deleted"  // by its client
	goneLost     = "lost"     // its connection failed, or never came up
	goneReplaced = "replaced" // another source casts
	goneRemoved  = "removed"  // by the caster
	goneRoom     = "room"     // the room has ended
)

// Counts is a moment of the Hub, for metrics. Drops and Refusals have a bounded set of keys.
type Counts struct {
	Sockets  int // open
	Sessions int // with or without a socket
	Displays int // sessions that are displays, bound or not
	Kept     int // displays that are remembered, here or not
	Groups   int
	Rooms    int
	Casters  int // whose socket is there
	Viewers  int // sessions that are viewers
	Waiting  int // sessions in the lobby of a room
	Players  int // viewers over WHEP
	Encoders int // over WHIP
	Streams  int // of events, over WHEP
	Probes   int // connections of network tests
	// Drops counts sockets by the reason why we let go of them.
	Drops map[string]uint64
	// Failures counts wrong codes.
	Failures uint64
	// Attacks counts how often attack mode began, by the kind of code ("display" or "room"); Attacked says whether it
	// is on now.
	Attacks  map[string]uint64
	Attacked map[string]bool
	// Refusals counts errors sent, by their code.
	Refusals map[string]uint64
	// Tokens counts join tokens that were refused, by the reason.
	Tokens map[string]uint64
	// Gone counts sessions over WHIP and WHEP that ended, by the reason.
	Gone map[string]uint64
}

// tally holds the counters.
type tally struct {
	mu       sync.Mutex
	drops    map[string]uint64
	refusals map[string]uint64
	gone     map[string]uint64
	tokens   map[string]uint64
	attacks  map[string]uint64
	failures uint64
}

func newTally() *tally {
	return &tally{
		drops: map[string]uint64{}, refusals: map[string]uint64{}, gone: map[string]uint64{}, attacks: map[string]uint64{},
		tokens: map[string]uint64{},
	}
}

func (t *tally) drop(reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drops[reason]++
}

func (t *tally) refused(code string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refusals[code]++
}

func (t *tally) left(reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gone[reason]++
}

func (t *tally) attacked(kind string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.attacks[kind]++
}

func (t *tally) tokenRefused(reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tokens[reason]++
}

func (t *tally) failed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures++
}

func (t *tally) read(into *Counts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	into.Drops, into.Refusals, into.Failures = maps.Clone(t.drops), maps.Clone(t.refusals), t.failures
	into.Gone, into.Attacks, into.Tokens = maps.Clone(t.gone), maps.Clone(t.attacks), maps.Clone(t.tokens)
}
