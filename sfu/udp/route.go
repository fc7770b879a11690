package udp

import "net/netip"

// Route is where datagrams of a peer come from and go to: an address of the network, and which of our own it asked, or
// a path to code of this process. It is a value: it may be kept, copied, compared with == and used as a key. The zero
// Route leads nowhere.
type Route struct {
	addr  netip.AddrPort // of the peer, unmapped
	path  *path          // nil for the network
	local local          // what a peer sees as the source of what we send; 0 leaves it to the kernel
}

// local is the number of one of this machine's addresses (locals.go), 0 for none.
type local uint8

// seen is the address by which Media() knows who uses the route. It is not valid for a stream that no agent of Media()
// has heard of.
func (r Route) seen() netip.AddrPort {
	if r.path != nil {
		return r.path.known()
	}
	return r.addr
}

// Route returns the way to addr as it is now: the attached path of that address, or the network.
func (s *Socket) Route(addr netip.AddrPort) Route {
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	return Route{addr: addr, path: s.path(addr)}
}

// RouteTo returns the way to addr over the network, whatever is attached.
func RouteTo(addr netip.AddrPort) Route {
	return Route{addr: netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())}
}

// Addr is the remote address, an IPv4 one never in its mapped form: of a stream that of its connection, of another path
// the virtual address.
func (r Route) Addr() netip.AddrPort { return r.addr }

// Attached says whether the route stays inside this process.
func (r Route) Attached() bool { return r.path != nil }

// Gone says that the route leads nowhere any more: its path was detached.
func (r Route) Gone() bool { return r.path != nil && r.path.gone.Load() }

// Unbounded is the Room of routes that take all, and lose what is too much.
const Unbounded = 1 << 30

// Room is how many bytes the route takes now. It is Unbounded but for streams, and 0 or less where more had better wait.
func (r Route) Room() int {
	if r.path == nil || r.path.outlet == nil {
		return Unbounded
	}
	return r.path.outlet.Room()
}

// Streams says whether the route is a stream: nothing is lost on it, and nothing overtakes anything.
func (r Route) Streams() bool { return r.path != nil && r.path.outlet != nil }

// Await has the Receiver told, once, when a stream without room takes more, which may be at once. For another route it
// does nothing.
func (r Route) Await() {
	if r.Streams() {
		r.path.outlet.Await()
	}
}

// Took is what a stream carried lately while more waited, in bit/s; 0 while that is not known, and for other routes.
func (r Route) Took() int {
	if !r.Streams() {
		return 0
	}
	return r.path.outlet.Rate()
}

// IsValid says whether the route leads anywhere.
func (r Route) IsValid() bool { return r.addr.IsValid() && r.addr.Port() != 0 }

// Send sends one datagram at once, outside of any batch: for handshakes and answers to checks. It may be called from
// any goroutine, keeps nothing of p and does not wait. What the kernel does not take is lost and counted; the only
// error is net.ErrClosed.
func (s *Socket) Send(to Route, p []byte) error {
	if to.path != nil {
		s.deliver(to.path, p)
		return nil
	}
	_, err := s.send(p, to.addr, to.local)
	return err
}

// deliver hands p to the code behind a path, unless it was detached.
func (s *Socket) deliver(to *path, p []byte) {
	if to.gone.Load() {
		s.counters.drop(dropDetached, 0)
		return
	}
	s.counters.delivered.Add(1)
	to.deliver(p)
}
