// Package turn is the TURN server for peers whose network lets nothing else through (RFC 8656, over UDP, TCP and
// TLS). It reaches our own media addresses and nothing else, and needs no relay ports: a relay is an address in
// this process, and what a client sends through it goes straight to the media socket.
//
// pion/turn v2 speaks the protocol. It gets no more fixes, so it is kept in a cage:
//
//   - A door (door.go) stands between the library and each transport. It checks every message before the library
//     sees it, knows which message is being handled, and puts the right error code into what the library answers.
//   - credentials.go decides who may come in, policy.go where they may go.
//   - relay.go is the relay's end: an in-process socket with quotas and bounded queues.
//   - stream.go cuts TCP and TLS into frames. Each stream has a library server of its own, so that its relays
//     close with it.
//
// The library logs per message, and names with it; all of that is counted and thrown away.
package turn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/logging"
	pionturn "github.com/pion/turn/v2"

	"castcode/internal/stunwire"
)

// Media is the way into the media socket. *udp.Socket has it, and its contract stands there: virtual becomes an
// address in this process, inject(p) comes out of the media side as if sent from virtual, deliver gets what the
// media side sends to virtual. deliver does not block and keeps nothing of p.
type Media interface {
	Attach(virtual netip.AddrPort, deliver func(p []byte)) (inject func(p []byte), detach func(), err error)
}

// Config says what a Server works with. The limits have defaults.
type Config struct {
	// Packets carry TURN over UDP. ReadFrom must fail only when they are closed. May be empty.
	Packets []net.PacketConn
	// Streams accept TURN over TCP, and over TLS. May be empty.
	Streams []net.Listener
	// Media takes what relays send.
	Media Media
	// MediaAddrs are the addresses that we advertise for media: the only peers that a relay may send to. It is
	// called for every datagram, from several goroutines; the slice is not changed.
	MediaAddrs func() []netip.AddrPort
	// RelayIP is the address that clients see as that of their relay. It is an IPv4 one, since that is what a client
	// expects that does not ask for a family (RFC 8656 section 7.2), unless this machine has none: clients pair relays
	// with media addresses of the same family only.
	RelayIP netip.Addr
	// Secrets are the one or two secrets from which passwords are made, see Credentials. Called for every
	// request.
	Secrets func() [][]byte
	// Realm is the name that clients mix into their key, mostly the host name.
	Realm string
	// Log may be nil.
	Log *slog.Logger

	MaxRelays  int // open at a time; 0 is 2,000
	MaxPerUser int // open at a time for one user name; 0 is 12
	MaxRate    int // bits per second through one relay, both ways together; 0 is 20,000,000
	MaxStreams int // TCP and TLS connections at a time; 0 is 4,096

	now func() time.Time // time.Now, but in tests
}

func (c *Config) complete() error {
	if len(c.Packets) == 0 && len(c.Streams) == 0 {
		return errors.New("turn: no socket to serve")
	}
	if c.Media == nil || c.MediaAddrs == nil || c.Secrets == nil {
		return errors.New("turn: Media, MediaAddrs and Secrets are needed")
	}
	if c.Realm == "" || len(c.Realm) > 127 {
		return errors.New("turn: the realm must have 1 to 127 bytes")
	}
	if c.RelayIP = c.RelayIP.Unmap(); !c.RelayIP.IsValid() || c.RelayIP.IsUnspecified() || c.RelayIP.Zone() != "" {
		return fmt.Errorf("turn: %q cannot be the address of relays", c.RelayIP)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.now == nil {
		c.now = time.Now
	}
	for limit, standard := range map[*int]int{
		&c.MaxRelays: 2000, &c.MaxPerUser: 12, &c.MaxRate: 20_000_000, &c.MaxStreams: 4096,
	} {
		if *limit == 0 {
			*limit = standard
		}
	}
	return nil
}

// Server serves TURN until Close. Its methods may be called from any goroutine.
type Server struct {
	// fixed
	cfg    Config
	policy policy
	udp    []*pionturn.Server // one for each of Config.Packets

	counters counters
	revoked  revocations
	answers  *answerBudget
	tasks    sync.WaitGroup // accept loops and stream writers
	open     sync.WaitGroup // relays

	closeOnce sync.Once
	closeErr  error

	// guarded by mu
	mu        sync.Mutex
	closed    bool
	relays    int
	ports     map[uint16]struct{} // virtual ports in use
	users     map[string]int      // relays by user name
	grants    map[grant]int       // relays by who opened them
	evenPorts bucket
	streams   map[*stream]struct{}
}

// NewServer starts a server. It owns the sockets of cfg from then on, and closes them in Close; when it fails,
// it has closed nothing.
func NewServer(cfg Config) (*Server, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, policy: policy{cfg.MediaAddrs}, answers: newAnswerBudget(),
		evenPorts: bucket{tokens: evenPortBurst, at: cfg.now()},
		ports:     make(map[uint16]struct{}), users: make(map[string]int), grants: make(map[grant]int),
		streams: make(map[*stream]struct{}),
	}
	for _, packet := range cfg.Packets {
		udp, err := s.serve(&door{PacketConn: packet, server: s})
		if err != nil {
			return nil, fmt.Errorf("turn: %w", err) // the library refuses all of them or none, so it is the first
		}
		s.udp = append(s.udp, udp)
	}
	for _, l := range cfg.Streams {
		s.tasks.Go(func() { s.accept(l) })
	}
	return s, nil
}

// serve puts a library server behind d. It reads d until d fails or is closed, then closes the relays of d.
func (s *Server) serve(d *door) (*pionturn.Server, error) {
	return pionturn.NewServer(pionturn.ServerConfig{
		PacketConnConfigs: []pionturn.PacketConnConfig{{PacketConn: d, RelayAddressGenerator: d, PermissionHandler: d.permit}},
		LoggerFactory:     (*quietLog)(s),
		Realm:             s.cfg.Realm,
		AuthHandler:       d.authenticate,
		InboundMTU:        stunwire.MaxFrame + 1,
	})
}

// Close closes all sockets, streams and relays, and waits until they are gone.
func (s *Server) Close() error {
	s.closeOnce.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *Server) close() error {
	s.mu.Lock()
	s.closed = true
	streams := make([]*stream, 0, len(s.streams))
	for stream := range s.streams {
		streams = append(streams, stream)
	}
	s.mu.Unlock()

	var errs []error
	for _, udp := range s.udp {
		errs = append(errs, udp.Close())
	}
	for _, l := range s.cfg.Streams {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	for _, stream := range streams {
		stream.Close()
	}
	s.tasks.Wait()
	s.open.Wait()
	return errors.Join(errs...)
}

// accept takes the connections of one listener until it is closed.
func (s *Server) accept(l net.Listener) {
	const maxPause = time.Second
	var pause time.Duration
	for {
		conn, err := l.Accept()
		if err == nil {
			pause = 0
			s.admit(conn)
			continue
		}
		if errors.Is(err, net.ErrClosed) || s.isClosed() {
			return
		}
		// Too many open files, mostly: it passes.
		if pause == 0 {
			s.cfg.Log.Warn("turn cannot accept", "err", err)
		}
		pause = min(max(2*pause, 5*time.Millisecond), maxPause)
		time.Sleep(pause)
	}
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// admit makes conn a stream, or closes it.
func (s *Server) admit(conn net.Conn) {
	stream := newStream(s, conn)
	s.mu.Lock()
	full := len(s.streams) >= s.cfg.MaxStreams
	if full || s.closed {
		s.mu.Unlock()
		if full {
			s.counters.drop(dropStreamLimit)
		}
		conn.Close()
		return
	}
	s.streams[stream] = struct{}{}
	s.tasks.Go(stream.write) // under mu, so that Close cannot miss it
	s.mu.Unlock()

	if _, err := s.serve(&door{PacketConn: stream, server: s, stream: stream}); err != nil {
		s.cfg.Log.Error("turn cannot serve a stream", "err", err)
		stream.Close()
	}
}

// forget is called by a stream that closes.
func (s *Server) forget(stream *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, stream)
}

// quietLog is the logger of the library. It writes one line per datagram, with user names in it: errors are
// counted, the text goes nowhere.
type quietLog Server

// NewLogger implements logging.LoggerFactory.
func (q *quietLog) NewLogger(string) logging.LeveledLogger { return q }

// Trace and the others implement logging.LeveledLogger.
func (q *quietLog) Trace(string)          {}
func (q *quietLog) Tracef(string, ...any) {}
func (q *quietLog) Debug(string)          {}
func (q *quietLog) Debugf(string, ...any) {}
func (q *quietLog) Info(string)           {}
func (q *quietLog) Infof(string, ...any)  {}
func (q *quietLog) Warn(string)           {}
func (q *quietLog) Warnf(string, ...any)  {}
func (q *quietLog) Error(string)          { q.counters.libraryErrors.Add(1) }
func (q *quietLog) Errorf(string, ...any) { q.counters.libraryErrors.Add(1) }

// debug says whether single relays are worth a line.
func (s *Server) debug() bool { return s.cfg.Log.Enabled(context.Background(), slog.LevelDebug) }
