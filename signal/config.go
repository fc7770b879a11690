package signal

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"castcode/internal/jointoken"
)

const (
	minKey          = 32 // bytes
	defaultCapacity = 500
	// defaultDisplays and defaultRooms are per address.
	defaultDisplays = 20
	defaultRooms    = 100
)

// Config is what a Hub is made of. Media and Key are needed, the rest has defaults.
type Config struct {
	// Media is the media plane.
	Media Media
	// ICE makes the servers that peer is told, and for how long their credentials admit a new connection. host is
	// the name or address by which the client reached us, without a port. life is how long they should, 0 for the
	// usual: who cannot renew them asks for more. nil: none. It is called without locks.
	ICE func(peer, host string, life time.Duration) (servers []ICEServer, ttl time.Duration)
	// Gone hears of each peer whose session has ended: nothing that ICE told it is good any more. nil: nobody does. It is
	// called without locks.
	Gone func(peer string)
	// Key is at least 32 random bytes that outlive the process, so that tickets do too.
	Key []byte
	// Capacity is how many viewers and displays a room takes. 0 means 500, -1 no cap (rooms then say 0).
	Capacity int
	// DisplaysPerAddress is how many displays that show a code one address may have (IPv4, IPv6 /64). 0 means 20, -1 no
	// cap.
	DisplaysPerAddress int
	// RoomsPerDay is how many new rooms one address may open in a day. 0 means 100, -1 no cap.
	RoomsPerDay int
	// Origins are admitted beside the page's own server, as https://host or https://host:port.
	Origins []string
	// Open lets rooms be created and joined by name, and admits sockets without Origin.
	Open bool
	// Tokens checks join tokens; nil: there are none.
	Tokens *jointoken.Verifier
	// TokensOnly lets nobody open a room or come into one without a join token, or a ticket that comes from one.
	TokensOnly bool
	// Sink is told what happens; nil: nobody is.
	Sink Sink
	// ClientAddr is where a request comes from; wrong codes are counted by it. nil: RemoteAddr.
	ClientAddr func(*http.Request) netip.Addr
	// External is how the browser sees us: "http" or "https", and host or host:port. nil: from r.TLS and r.Host.
	External func(*http.Request) (scheme, hostport string)
	// Store keeps displays and groups. nil: they last as long as the Hub. It is closed by who made it, after the Hub.
	Store Store
	// Log gets a line for rooms that begin and end and for faults. nil: slog.Default().
	Log *slog.Logger
}

// timing is the clock of the protocol. Tests shorten it.
type timing struct {
	hello    time.Duration // first message
	silence  time.Duration // a socket is given up
	ping     time.Duration
	write    time.Duration
	linger   time.Duration // how long we wait for the other half of a close
	grace    time.Duration // a session outlives its socket
	gather   time.Duration // between two room snapshots
	renew    time.Duration // life of a display's code
	previous time.Duration // how long the one before stays good
	media    time.Duration // Publish and Watch
	approval time.Duration // for people to answer
	report   time.Duration // between two messages about the displays of a cast
	health   time.Duration // between two messages about an encoder
	beat     time.Duration // between two looks of an event stream at what is not told to it
	comment  time.Duration // of silence on an event stream
	attack   time.Duration // how long attack mode lasts beyond the last failure over the budget
	queue    int           // messages
}

// protocolTiming are the numbers of docs/protocol.md.
var protocolTiming = timing{
	hello: 10 * time.Second, silence: 45 * time.Second, ping: 15 * time.Second, write: 5 * time.Second,
	linger: time.Second, grace: 60 * time.Second, gather: 200 * time.Millisecond, renew: 10 * time.Minute,
	previous: 60 * time.Second, media: 10 * time.Second, health: 2 * time.Second, beat: time.Second,
	comment: 15 * time.Second, approval: 30 * time.Second, report: 2 * time.Second, attack: 15 * time.Minute, queue: 256,
}

// bounds are limits of the whole server; beyond them stands server_busy. Tests lower them.
type bounds struct {
	sockets  int // refused before the upgrade
	sessions int
	rooms    int
	displays int // that show a code: more of them make six digits easier to hit
	devices  int // displays that are kept
	guests   int // sessions over WHIP and WHEP; each keeps its offer
	probes   int // connections of network tests
	// probesOfOne is how many of those one address may have at a time.
	probesOfOne int
}

var serverBounds = bounds{sockets: 12_000, sessions: 10_000, rooms: 2_000, displays: 2_000, devices: 10_000, guests: 4_000, probes: 64, probesOfOne: 24}

// complete checks c and fills in defaults.
func (c Config) complete() (Config, error) {
	switch {
	case c.Media == nil:
		return c, errors.New("signal: no media plane")
	case len(c.Key) < minKey:
		return c, fmt.Errorf("signal: the key has %d bytes, needs %d", len(c.Key), minKey)
	case c.TokensOnly && (c.Tokens == nil || c.Open):
		return c, errors.New("signal: join tokens are needed, and there are no keys for them, or everybody comes in without")
	case c.Capacity < -1:
		return c, fmt.Errorf("signal: capacity %d; use a number, 0 for %d or -1 for no cap", c.Capacity, defaultCapacity)
	case c.DisplaysPerAddress < -1 || c.RoomsPerDay < -1:
		return c, fmt.Errorf("signal: %d displays and %d rooms for one address; use numbers, 0 for %d and %d or -1 for no cap",
			c.DisplaysPerAddress, c.RoomsPerDay, defaultDisplays, defaultRooms)
	}
	if c.Capacity == 0 {
		c.Capacity = defaultCapacity
	}
	if c.DisplaysPerAddress == 0 {
		c.DisplaysPerAddress = defaultDisplays
	}
	if c.RoomsPerDay == 0 {
		c.RoomsPerDay = defaultRooms
	}
	if c.ICE == nil {
		c.ICE = func(string, string, time.Duration) ([]ICEServer, time.Duration) { return nil, 0 }
	}
	if c.Gone == nil {
		c.Gone = func(string) {}
	}
	if c.ClientAddr == nil {
		c.ClientAddr = remoteAddr
	}
	if c.External == nil {
		c.External = asReached
	}
	if c.Store == nil {
		c.Store = nowhere{}
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c, nil
}

func remoteAddr(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{} // no TCP connection; such requests share one limit
	}
	return at.Addr()
}

func asReached(r *http.Request) (scheme, hostport string) {
	if r.TLS != nil {
		return "https", r.Host
	}
	return "http", r.Host
}
