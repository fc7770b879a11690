package udp

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"castcode/internal/stunwire"
)

// ErrAttached: the address has a path already.
var ErrAttached = errors.New("address is attached already")

// path leads to code in this process instead of the network.
type path struct {
	// fixed
	addr    netip.AddrPort // of the peer, by which it is limited; of a relay its own
	deliver func(p []byte)
	outlet  Outlet // of a stream; nil: not one

	gone  atomic.Bool             // it was detached
	udp   atomic.Pointer[virtual] // as Media() knows it; nil: not at all yet
	asked atomic.Pointer[string]  // user fragment in the newest good check of a stream
}

// virtual is the address of a path in both forms. It never changes.
type virtual struct {
	addr netip.AddrPort
	udp  *net.UDPAddr
}

func newVirtual(addr netip.AddrPort) *virtual { return &virtual{addr, net.UDPAddrFromAddrPort(addr)} }

// known is the address by which Media() knows the path, not valid while it does not.
func (p *path) known() netip.AddrPort {
	if v := p.udp.Load(); v != nil {
		return v.addr
	}
	return netip.AddrPort{}
}

// Attach opens a path to code in this process that has the address virtual. inject(p) appears on Media(), or at
// the receiver that owns it, as a datagram from virtual, after the same checks as a real one; it keeps nothing of p and
// does not block. What Media(), Send and batches send to virtual goes to deliver and never to the kernel: p is good
// during the call only, deliver must not block, and several goroutines may be in it. detach ends both; a deliver that has begun may still run.
// inject and detach may be called from any goroutine, also after the socket was closed.
//
// A real datagram from virtual is dropped while it is attached, so choose an address that is nobody else's. The
// errors are ErrAttached, net.ErrClosed, and one for an address that is none.
func (s *Socket) Attach(virtual netip.AddrPort, deliver func(p []byte)) (inject func(p []byte), detach func(), err error) {
	virtual = netip.AddrPortFrom(virtual.Addr().Unmap(), virtual.Port())
	if !virtual.IsValid() || virtual.Port() == 0 || virtual.Addr().IsUnspecified() || deliver == nil {
		return nil, nil, errors.New("cannot attach: no address, or nobody to deliver to")
	}
	select {
	case <-s.closing:
		return nil, nil, net.ErrClosed
	default:
	}
	fresh := &path{addr: virtual, deliver: deliver}
	fresh.udp.Store(newVirtual(virtual))

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paths[virtual] != nil {
		return nil, nil, ErrAttached
	}
	s.paths[virtual] = fresh
	s.attached.Add(1)
	inject = func(p []byte) { _ = s.inject(fresh, p) } // whoever injects is told nothing, as on a network
	detach = sync.OnceFunc(func() { s.detach(fresh) })
	return inject, detach, nil
}

func (s *Socket) detach(p *path) {
	p.gone.Store(true)
	known := p.known()
	if !known.IsValid() {
		return
	}
	s.mu.Lock()
	delete(s.paths, known)
	s.mu.Unlock()
	s.attached.Add(-1)
	s.remotes.forget(known)
}

// path returns the path that is attached to addr, or nil. Without any path it takes no lock.
func (s *Socket) path(addr netip.AddrPort) *path {
	if s.attached.Load() == 0 {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.paths[addr]
}

// inject does for a path what intake.sort does for the network, and says what became of p. What a path brings goes to
// media only: TURN over TURN would let a client chain relays.
func (s *Socket) inject(from *path, p []byte) drop {
	if from.gone.Load() {
		return dropDetached
	}
	s.counters.injected.Add(1)
	v := inspect(p)
	if v.drop == passed && v.kind.forTURN() {
		v.drop = dropInjected
	}
	now, route := time.Now(), Route{addr: from.addr, path: from}
	if v.drop == passed && v.kind == KindCheck && s.floods.over(from.addr, now) {
		v.drop = dropFlood
	}
	if v.drop == passed && s.offer(p, route, v) {
		return passed
	}
	if v.drop == passed {
		v.drop = s.admit(p, route, v, now)
	}
	if v.drop == passed && from.outlet != nil && v.kind == KindCheck {
		v.drop = s.introduce(from, v.user)
	}
	if v.drop != passed {
		s.counters.drop(v.drop, v.fault)
		return v.drop
	}
	s.counters.kinds[v.kind].Add(1)
	d := s.take()
	d.n = copy(d.buf[:stunwire.MaxDatagram], p)
	d.from = from.udp.Load().udp
	if !s.media.put(d) {
		s.give(d)
	}
	return passed
}
