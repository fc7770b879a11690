package udp

import (
	"bytes"
	"net"
	"net/netip"

	"castcode/internal/stunwire"
)

// Outlet carries datagrams to one peer, over a connection of its own on which nothing is lost. Any goroutine may call
// its methods, shards among them: they do not block.
type Outlet interface {
	// Deliver takes a datagram for the peer; p is good during the call only.
	Deliver(p []byte)
	// Room is how many bytes are welcome now; 0 or less: more had better wait.
	Room() int
	// Await has Stream.Ready called, once, when there is room again; at once, if there is.
	Await()
	// Rate is what the connection carried lately while more waited, in bit/s; 0 while that is not known.
	Rate() int
	// Refuse says that a check which Inject let pass was wrong.
	Refuse()
}

// Stream is the way of one peer that comes over a connection instead of the socket (ICE-TCP). Apart from that it is a
// peer like others: the same guard, the same books, the same receiver and agents. Its Route has the address of the
// connection, for limits and for answers, and is another one than that of datagrams from the same address and port, so
// that nobody behind the same NAT can get into their way.
//
// The library behind Media() knows peers by a net.Addr alone. A stream gets one of its own when its first check was
// good: out of blocks that are nobody's, and never that of a datagram.
type Stream struct {
	socket *Socket
	path   *path
}

// Connect makes a stream of a connection from remote, on which out writes. It holds until Detach. The error is
// net.ErrClosed.
func (s *Socket) Connect(remote netip.AddrPort, out Outlet) (*Stream, error) {
	select {
	case <-s.closing:
		return nil, net.ErrClosed
	default:
	}
	remote = netip.AddrPortFrom(remote.Addr().Unmap().WithZone(""), remote.Port())
	return &Stream{s, &path{addr: remote, deliver: out.Deliver, outlet: out}}, nil
}

// Inject takes a datagram of the peer, after the same checks as a real one. It keeps nothing of p and does not wait.
// The reason why it went no further is "" if it did; it is one of Counts.Dropped, where it was counted, with one name
// for all faults of STUN. One goroutine at a time calls it.
func (s *Stream) Inject(p []byte) (reason string) {
	switch d := s.socket.inject(s.path, p); d {
	case dropSTUN:
		return "stun"
	default:
		return dropNames[d]
	}
}

// Ready says that there is room again; Outlet.Await says when to call it.
func (s *Stream) Ready() {
	if r := s.socket.receiver.Load(); r != nil && !s.path.gone.Load() {
		(*r).Ready(s.Route())
	}
}

// Route is the way to the peer.
func (s *Stream) Route() Route { return Route{addr: s.path.addr, path: s.path} }

// Detach ends the stream: nothing passes any more. A Deliver that has begun may still run. It is called once, after the
// last Inject.
func (s *Stream) Detach() { s.socket.detach(s.path) }

// The virtual addresses of streams: IPv4's dummy address (RFC 7600, 192.0.0.8/32), told apart by port, and one address
// of the discard block 100::/64 (RFC 6666), likewise. Relays have others of that block. No packet comes from either.
var (
	virtual4 = netip.AddrFrom4([4]byte{192, 0, 0, 8})
	virtual6 = netip.AddrFrom16([16]byte{0: 1, 11: 1})
)

const virtualPorts = 65535

// introduce notes a good check for one of the agents behind Media() and gives the stream an address, if it has none.
func (s *Socket) introduce(p *path, user []byte) drop {
	ours, _, _ := bytes.Cut(user, []byte(":"))
	if last := p.asked.Load(); last == nil || *last != string(ours) {
		name := string(ours)
		p.asked.Store(&name)
	}
	if p.udp.Load() != nil {
		return passed
	}
	// Of the family of the peer: the agents keep their candidates apart by it.
	ip := virtual4
	if p.addr.Addr().Is6() {
		ip = virtual6
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for range virtualPorts {
		// One after the other, so that it takes long until one is used again.
		s.lastVirtual = s.lastVirtual%virtualPorts + 1
		fresh := netip.AddrPortFrom(ip, uint16(s.lastVirtual))
		if s.paths[fresh] == nil {
			s.paths[fresh] = p
			s.attached.Add(1)
			p.udp.Store(newVirtual(fresh))
			return passed
		}
	}
	return dropAddresses
}

// mapped is p, which goes to that path. In an answer to a check of a stream the peer's address is put, instead of the
// virtual one, so that the peer learns the truth.
func (s *Socket) mapped(to *path, p []byte) []byte {
	if to.outlet == nil || len(p) < stunwire.HeaderSize || p[0] != stunwire.BindingSuccess>>8 || p[1] != stunwire.BindingSuccess&0xFF {
		return p
	}
	user := to.asked.Load()
	if user == nil {
		return p
	}
	p = bytes.Clone(p)
	s.agents.remap(p, to.addr, *user)
	return p
}
