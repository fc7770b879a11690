package turn

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"castcode/internal/stunwire"
)

const (
	// Virtual ports lie below the range from which kernels choose, so that no client on this machine or behind
	// a NAT in front of it is likely to have one.
	minPort, maxPort = 1024, 32767
	portTries        = 64

	relayQueue = 256 // datagrams toward the client

	evenPortRate, evenPortBurst = 20, 100 // a second, of the whole server
)

var (
	errQuota  = errors.New("allocation quota reached")
	errClosed = errors.New("the server is closing")
	errPorts  = errors.New("no virtual port is free")

	errEvenPort = errors.New("too many even ports were asked for")
)

// relay is the relayed address of one allocation: a net.PacketConn for the library, without a kernel socket. What
// is written to a media address goes into the media socket; what the media side answers is read here.
type relay struct {
	// fixed
	server *Server
	grant  grant
	addr   netip.AddrPort
	local  *net.UDPAddr
	queue  chan *datagram
	closed chan struct{}

	once sync.Once

	mu    sync.Mutex
	paths map[netip.AddrPort]*path // by media address; guarded by mu; nil after Close
	ports []uint16                 // virtual ports in use; guarded by mu
	rate  bucket                   // bytes; guarded by mu
}

// path leads from a relay to one media address. Each has a source address of its own on the media side, which
// knows only where datagrams come from: so an answer finds back to the media address that was meant, and the client
// sees it come from there.
type path struct {
	media  *net.UDPAddr
	inject func(p []byte)
	detach func()
}

// datagram is on its way to the client.
type datagram struct {
	from *net.UDPAddr
	n    int
	buf  [stunwire.MaxDatagram]byte
}

var datagrams = sync.Pool{New: func() any { return new(datagram) }}

// openRelay opens a relay for the message that d handles, which has been authenticated. wanted is its port, or 0 for
// any.
func (s *Server) openRelay(d *door, wanted int) (*relay, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if s.relays >= s.cfg.MaxRelays || s.users[d.grant.user] >= s.cfg.MaxPerUser {
		return nil, errQuota
	}
	if wanted != 0 && !s.evenPorts.take(1, evenPortRate, evenPortBurst, s.cfg.now()) {
		return nil, errEvenPort
	}
	port, ok := s.takePort(wanted)
	if !ok {
		return nil, errPorts
	}
	addr := netip.AddrPortFrom(s.cfg.RelayIP, port)
	r := &relay{
		server: s, grant: d.grant, addr: addr, local: net.UDPAddrFromAddrPort(addr),
		queue: make(chan *datagram, relayQueue), closed: make(chan struct{}),
		paths: make(map[netip.AddrPort]*path), ports: []uint16{port}, rate: bucket{at: s.cfg.now()},
	}
	s.relays++
	s.users[d.grant.user]++
	s.grants[d.grant]++
	s.open.Add(1)
	s.counters.opened.Add(1)
	if d.stream != nil {
		d.stream.relays.Add(1)
	}
	if s.debug() {
		s.cfg.Log.Debug("relay opened", "client", d.grant.source, "stream", d.stream != nil, slog.Int("open", s.relays))
	}
	return r, nil
}

// takePort takes the virtual port wanted, or with 0 any one, if it is free. The caller holds mu.
func (s *Server) takePort(wanted int) (uint16, bool) {
	for range portTries {
		port := uint16(wanted)
		if wanted == 0 {
			port = uint16(minPort + rand.IntN(maxPort-minPort+1))
		}
		if _, taken := s.ports[port]; !taken {
			s.ports[port] = struct{}{}
			return port, true
		}
	}
	return 0, false
}

// closeRelay gives back what r had.
func (s *Server) closeRelay(r *relay, ports []uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, port := range ports {
		delete(s.ports, port)
	}
	s.relays--
	if s.users[r.grant.user]--; s.users[r.grant.user] == 0 {
		delete(s.users, r.grant.user)
	}
	if s.grants[r.grant]--; s.grants[r.grant] == 0 {
		delete(s.grants, r.grant)
	}
	if stream := r.grant.door.stream; stream != nil {
		stream.relays.Add(-1)
	}
	if s.debug() {
		s.cfg.Log.Debug("relay closed", "client", r.grant.source, slog.Int("open", s.relays))
	}
	s.open.Done()
}

// WriteTo sends p to a media address of ours. What may not go there is dropped and counted, and is no error for the
// library, which would format a line about it.
func (r *relay) WriteTo(p []byte, to net.Addr) (int, error) {
	c := &r.server.counters
	udp, ok := to.(*net.UDPAddr)
	if !ok {
		c.drop(dropPeer)
		return len(p), nil
	}
	peer, ok := r.server.policy.allows(udp.AddrPort())
	switch {
	case !ok:
		c.drop(dropPeer)
	case len(p) > stunwire.MaxDatagram:
		c.drop(dropSize)
	case !r.spend(len(p)):
		c.drop(dropRate)
	default:
		path, err := r.path(peer)
		if errors.Is(err, net.ErrClosed) {
			return 0, err
		} else if err != nil {
			c.drop(dropAttach)
			break
		}
		c.toMedia.Add(1)
		c.toMediaBytes.Add(uint64(len(p)))
		path.inject(p)
	}
	return len(p), nil
}

// spend says whether n more bytes stay within the rate of the relay: a quarter of a second at once, for key frames.
func (r *relay) spend(n int) bool {
	rate := float64(r.server.cfg.MaxRate) / 8
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rate.take(float64(n), rate, max(rate/4, 64<<10), r.server.cfg.now())
}

// path returns the path to peer, which policy has allowed. The first one has the address of the relay itself as its
// source: that is the address that the client tells the other side.
func (r *relay) path(peer netip.AddrPort) (*path, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.paths == nil {
		return nil, net.ErrClosed
	}
	if known := r.paths[peer]; known != nil {
		return known, nil
	}
	source := r.addr
	if len(r.paths) > 0 || peer.Addr().Is6() != r.addr.Addr().Is6() {
		r.server.mu.Lock()
		port, ok := r.server.takePort(0)
		r.server.mu.Unlock()
		if !ok {
			return nil, errPorts
		}
		r.ports = append(r.ports, port)
		source = netip.AddrPortFrom(sourceFor(peer, r.addr.Addr()), port)
	}
	fresh := &path{media: net.UDPAddrFromAddrPort(peer)}
	var err error
	fresh.inject, fresh.detach, err = r.server.cfg.Media.Attach(source, func(p []byte) { r.deliver(fresh, p) })
	if err != nil {
		return nil, err
	}
	r.paths[peer] = fresh
	return fresh, nil
}

// sourceFor gives an IP of the family of peer: the ICE agents keep their IPv4 and IPv6 candidates apart by the
// source of a datagram. 100::/64 is sent nowhere (RFC 6666), and 192.0.0.8 neither (RFC 7600), so nobody has such an
// address.
func sourceFor(peer netip.AddrPort, relay netip.Addr) netip.Addr {
	switch {
	case peer.Addr().Is6() == relay.Is6():
		return relay
	case relay.Is6():
		return netip.AddrFrom4([4]byte{192, 0, 0, 8})
	}
	ip := [16]byte{0: 1}
	v4 := relay.As4()
	copy(ip[12:], v4[:])
	return netip.AddrFrom16(ip)
}

// deliver takes what the media side sends to the client. Any goroutine of the media side may call it.
func (r *relay) deliver(from *path, p []byte) {
	c := &r.server.counters
	switch {
	case len(p) > stunwire.MaxDatagram:
		c.drop(dropSize)
		return
	case !r.spend(len(p)):
		c.drop(dropRate)
		return
	}
	d, _ := datagrams.Get().(*datagram)
	d.from, d.n = from.media, copy(d.buf[:], p)
	select {
	case r.queue <- d:
	default:
		c.drop(dropRelayQueue)
		datagrams.Put(d)
	}
}

// ReadFrom returns what the media side sent. The library calls it from one goroutine per relay; it ends, and that
// goroutine with it, when the relay is closed.
func (r *relay) ReadFrom(p []byte) (int, net.Addr, error) {
	select {
	case <-r.closed:
		return 0, nil, net.ErrClosed
	default:
	}
	select {
	case d := <-r.queue:
		n, from := copy(p, d.buf[:d.n]), d.from
		datagrams.Put(d)
		r.server.counters.fromMedia.Add(1)
		r.server.counters.fromMediaBytes.Add(uint64(n))
		return n, from, nil
	case <-r.closed:
		return 0, nil, net.ErrClosed
	}
}

// Close gives the addresses of the relay back.
func (r *relay) Close() error {
	r.once.Do(func() {
		close(r.closed)
		r.mu.Lock()
		paths, ports := r.paths, r.ports
		r.paths, r.ports = nil, nil
		r.mu.Unlock()
		for _, p := range paths {
			p.detach()
		}
		r.server.closeRelay(r, ports)
	})
	return nil
}

// LocalAddr is the relayed address.
func (r *relay) LocalAddr() net.Addr { return r.local }

// SetDeadline is not supported: the library sets none.
func (r *relay) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// SetReadDeadline is not supported.
func (r *relay) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// SetWriteDeadline is not supported.
func (r *relay) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
