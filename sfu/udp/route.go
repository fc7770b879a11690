package udp

import "net/netip"

// Route is where datagrams of a peer come from and go to: an address of the network, and which of our own it asked, or
// a path to code of this process. It is a value: it may be kept, copied, compared with == and used as a key. The zero
// Route leads nowhere.
type Route struct {
	addr  netip.AddrPort // unmapped
	path  *path          // nil for the network
	local local          // what a peer sees as the source of what we send; 0 leaves it to the kernel
}

// local is the number of one of this machine's addresses (locals.go), 0 for none.
type local uint8

// Route returns the way to addr as it is now: the attached path of that address, or the network.
func (s *Socket) Route(addr netip.AddrPort) Route {
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	return Route{addr: addr, path: s.path(addr)}
}

// RouteTo returns the way to addr over the network, whatever is attached.
func RouteTo(addr netip.AddrPort) Route {
	return Route{addr: netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())}
}

// Addr is the remote address, an IPv4 one never in its mapped form. For a path it is the virtual address.
func (r Route) Addr() netip.AddrPort { return r.addr }

// Attached says whether the route stays inside this process.
func (r Route) Attached() bool { return r.path != nil }

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
