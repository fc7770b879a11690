// Package portmux splits the connections of one TCP listener by their first bytes: TLS, plain HTTP, TURN and ICE-TCP
// share a port number.
//
//	0x16          TLS: a handshake record, RFC 8446 section 5.1
//	'A' to 'Z'    HTTP: a method
//	0x00 to 0x03  TURN: a STUN message, RFC 7983; or ICE-TCP
//	0x40          TURN: ChannelData
//
// ICE-TCP (RFC 6544) begins with a frame of RFC 4571: two bytes of length, then a Binding request, 0x0001. Read as a
// STUN message these would be its type and a length of 1, and the length of a STUN message is a multiple of 4: so four
// bytes tell the two apart, and where the first two are no length of a check, two.
//
// ChannelData may begin with 0x41 to 0x4F too, which are the letters A to O. These are HTTP: a TURN stream begins
// with a STUN request, since a channel must be bound before it carries anything.
//
// The same splitter works inside TLS: New(tls.NewListener(outer.TLS(), config), log) gives HTTPS and TURN over TLS.
// There is no ICE-TCP inside TLS, and
// what was negotiated (ALPN, RFC 7301) comes first: "h2" and "http/1.1" are HTTP, as *tls.Conn and without a
// look at what they carry, "stun.turn" (RFC 7443) is TURN or nothing, and a connection for "acme-tls/1" has done its
// work with the handshake (RFC 8737 section 3) and is closed.
package portmux

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// decideLife is how long a connection may take to say what it is, TLS handshake included.
	decideLife = 10 * time.Second
	// acceptLife is how long it then waits for somebody to accept it.
	acceptLife = 5 * time.Second

	maxUndecided = 2048
	// maxPerAddr of these, of one address (IPv4, or IPv6 /64), are read at a time, and so many more wait for their
	// turn: a whole lecture hall may sit behind one address and come at once.
	maxPerAddr     = 64
	maxWaitPerAddr = 448

	maxPause = time.Second
)

// Names of application protocols (ALPN).
const (
	alpnHTTP1     = "http/1.1"
	alpnHTTP2     = "h2"
	alpnTURN      = "stun.turn"
	alpnChallenge = "acme-tls/1"
)

// Counts is a snapshot of what the splitter did.
type Counts struct {
	Accepted, TLS, HTTP, TURN, ICE uint64
	// Challenges are connections of a certificate authority (ACME) that looked at the certificate and were closed.
	Challenges uint64
	Undecided  int // now, with those that nobody accepted yet
	// Dropped has an entry for every reason: "full" and "address_full" (too many undecided), "silent" (no
	// first byte in time, or none at all), "handshake" (TLS failed), "unknown" (another first byte), "backlog"
	// (nobody accepted it).
	Dropped map[string]uint64
}

type counters struct {
	accepted, tls, http, turn, ice, challenges             atomic.Uint64
	full, addressFull, silent, handshake, unknown, backlog atomic.Uint64
}

// Mux accepts from one listener until Close. Its methods may be called from any goroutine.
type Mux struct {
	// fixed
	from                 net.Listener
	log                  *slog.Logger
	tls, http, turn, ice *listener
	done                 chan struct{}
	counters             counters
	tasks                sync.WaitGroup

	once sync.Once
	err  error

	// guarded by mu
	mu     sync.Mutex
	closed bool
	total  int
	addrs  map[netip.Addr]*place
	conns  map[net.Conn]struct{} // undecided
}

// place is what one address has undecided.
type place struct {
	count   int
	reading chan struct{} // a slot each
}

// New starts to split l, which it owns from then on. log may be nil.
func New(l net.Listener, log *slog.Logger) *Mux {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	m := &Mux{
		from: l, log: log, done: make(chan struct{}), addrs: make(map[netip.Addr]*place),
		conns: make(map[net.Conn]struct{}),
	}
	m.tls, m.http = newListener(m, &m.counters.tls), newListener(m, &m.counters.http)
	m.turn, m.ice = newListener(m, &m.counters.turn), newListener(m, &m.counters.ice)
	m.tasks.Go(m.accept)
	return m
}

// TLS accepts connections that begin with a TLS handshake. Inside TLS there are none.
func (m *Mux) TLS() net.Listener { return m.tls }

// HTTP accepts connections that begin with an HTTP method or, inside TLS, negotiated HTTP.
func (m *Mux) HTTP() net.Listener { return m.http }

// TURN accepts connections that begin like STUN or ChannelData.
func (m *Mux) TURN() net.Listener { return m.turn }

// ICE accepts connections that begin with a framed connectivity check. Inside TLS there are none.
func (m *Mux) ICE() net.Listener { return m.ice }

// Counts returns what happened so far.
func (m *Mux) Counts() Counts {
	m.mu.Lock()
	undecided := m.total
	m.mu.Unlock()
	c := &m.counters
	return Counts{
		Accepted: c.accepted.Load(), TLS: c.tls.Load(), HTTP: c.http.Load(), TURN: c.turn.Load(), ICE: c.ice.Load(),
		Challenges: c.challenges.Load(), Undecided: undecided,
		Dropped: map[string]uint64{
			"full": c.full.Load(), "address_full": c.addressFull.Load(), "silent": c.silent.Load(),
			"handshake": c.handshake.Load(), "unknown": c.unknown.Load(), "backlog": c.backlog.Load(),
		},
	}
}

// Close closes the listener, the four ends and all connections that were not accepted yet, and waits until they
// are gone. Accepted ones are not touched.
func (m *Mux) Close() error {
	m.once.Do(func() {
		m.mu.Lock()
		m.closed = true
		for conn := range m.conns {
			hangUp(conn)
		}
		m.mu.Unlock()
		close(m.done)
		m.err = m.from.Close()
		for _, l := range []*listener{m.tls, m.http, m.turn, m.ice} {
			l.Close()
		}
	})
	m.tasks.Wait()
	return m.err
}

// hangUp closes conn without the farewell of TLS, which may wait for a peer that does not read.
func hangUp(conn net.Conn) {
	if c, ok := conn.(*tls.Conn); ok {
		conn = c.NetConn()
	}
	conn.Close()
}

// accept is the loop that takes connections. Only the end of the listener ends it: too many open files, or a
// connection that went away again, pass.
func (m *Mux) accept() {
	var pause time.Duration
	for {
		conn, err := m.from.Accept()
		if err == nil {
			pause = 0
			m.counters.accepted.Add(1)
			m.admit(conn)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if pause == 0 {
			m.log.Warn("cannot accept connections", "err", err)
		}
		pause = min(max(2*pause, 5*time.Millisecond), maxPause)
		timer := time.NewTimer(pause)
		select {
		case <-m.done:
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// admit starts to decide about conn, if there is room for it.
func (m *Mux) admit(conn net.Conn) {
	addr := addressOf(conn)
	m.mu.Lock()
	p := m.addrs[addr]
	var full *atomic.Uint64
	switch {
	case m.total >= maxUndecided:
		full = &m.counters.full
	case p != nil && p.count >= maxPerAddr+maxWaitPerAddr:
		full = &m.counters.addressFull
	}
	if full != nil || m.closed {
		m.mu.Unlock()
		if full != nil {
			full.Add(1)
		}
		hangUp(conn)
		return
	}
	if p == nil {
		p = &place{reading: make(chan struct{}, maxPerAddr)}
		m.addrs[addr] = p
	}
	p.count++
	m.total++
	m.conns[conn] = struct{}{}
	m.tasks.Go(func() { m.handle(conn, addr, p) }) // under mu, so that Close cannot miss it
	m.mu.Unlock()
}

// handle decides about one connection and hands it over.
func (m *Mux) handle(conn net.Conn, addr netip.Addr, p *place) {
	timer := time.NewTimer(decideLife)
	defer timer.Stop()
	var to *listener
	var decided net.Conn
	select {
	case p.reading <- struct{}{}:
		to, decided = m.decide(conn)
		<-p.reading
	case <-timer.C:
		m.counters.addressFull.Add(1)
	case <-m.done:
	}

	m.mu.Lock()
	delete(m.conns, conn) // Close leaves it alone from here on
	m.mu.Unlock()
	if to == nil || !to.offer(decided) {
		hangUp(conn)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total--
	if p.count--; p.count == 0 {
		delete(m.addrs, addr)
	}
}

// decide finds out what conn is by what it negotiated or by its first byte. It returns nil when conn is nobody's,
// after counting why.
func (m *Mux) decide(conn net.Conn) (*listener, net.Conn) {
	if err := conn.SetDeadline(time.Now().Add(decideLife)); err != nil {
		m.counters.silent.Add(1)
		return nil, nil
	}
	secure, inside := conn.(*tls.Conn)
	chosen := ""
	if inside {
		if err := secure.Handshake(); err != nil {
			m.counters.handshake.Add(1)
			return nil, nil
		}
		switch chosen = secure.ConnectionState().NegotiatedProtocol; chosen {
		case alpnHTTP1, alpnHTTP2:
			return m.http, conn
		case alpnChallenge:
			m.counters.challenges.Add(1)
			return nil, nil
		}
	}
	return m.look(conn, secure, chosen)
}

// look reads the first bytes of conn, which is secure when that is not nil and then negotiated chosen.
func (m *Mux) look(conn net.Conn, secure *tls.Conn, chosen string) (*listener, net.Conn) {
	var room [checkHead]byte
	head, ok := readMore(conn, room[:0], 1)
	if !ok {
		m.counters.silent.Add(1)
		return nil, nil
	}
	var to *listener
	switch b := head[0]; {
	case b == 0x16 && secure == nil:
		to = m.tls
	case b >= 'A' && b <= 'Z' && chosen != alpnTURN:
		to = m.http
	case b <= 3 && secure == nil:
		for to = m.turn; mayBeCheck(head); {
			if len(head) == checkHead {
				to = m.ice
				break
			}
			if head, ok = readMore(conn, head, len(head)+1); !ok {
				m.counters.silent.Add(1)
				return nil, nil
			}
		}
	case b <= 3 || b == 0x40:
		to = m.turn
	default:
		m.counters.unknown.Add(1)
		return nil, nil
	}
	seen := &peeked{Conn: conn, head: append([]byte(nil), head...)}
	if secure != nil {
		return to, &peekedTLS{peeked: seen, secure: secure}
	}
	return to, seen
}

// readMore appends what comes next to head, until that has at least n bytes and as far as it has room.
func readMore(conn net.Conn, head []byte, n int) ([]byte, bool) {
	for len(head) < n {
		more, err := conn.Read(head[len(head):n])
		if head = head[:len(head)+more]; err != nil && len(head) < n {
			return head, false
		}
	}
	return head, true
}

// What ICE-TCP begins with: the length of a check between a STUN header and the most that is taken for a check, and the
// type of a Binding request.
const (
	checkHead  = 4
	leastCheck = 20
	mostCheck  = 512
)

// mayBeCheck says whether a stream that begins with head may begin with a framed connectivity check.
func mayBeCheck(head []byte) bool {
	switch {
	case len(head) == 1:
		return head[0] <= mostCheck>>8
	case len(head) > 2 && head[2] != 0 || len(head) > 3 && head[3] != 1:
		return false
	}
	size := int(head[0])<<8 | int(head[1])
	return size >= leastCheck && size <= mostCheck
}

// addressOf gives the address by which conn is limited; the zero one for a conn without.
func addressOf(conn net.Conn) netip.Addr {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	ip := tcp.AddrPort().Addr().Unmap()
	if ip.Is6() {
		if net64, err := ip.WithZone("").Prefix(64); err == nil {
			return net64.Addr()
		}
	}
	return ip
}
