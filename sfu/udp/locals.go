package udp

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
)

// A peer takes an answer only from the address that it asked, and so does the NAT in front of it. A socket that is bound
// to all addresses would send from the one that the routing table likes best: on a machine with several, often another
// one. So each datagram comes with the address that it was sent to, and what answers it carries that as its source.
//
// Routes have it (of viewers); the address that TURN() hands out is marked with it, and the library behind it passes
// that on; for the one behind Media(), which makes addresses of its own, asked and remotes keep it.

// maxLocals is how many addresses of this machine are told apart. What asks a further one is answered as the kernel
// likes: a machine has a few, or else a whole network routed to it.
const maxLocals = 255

// mark comes before the number of a local in the zone of an address that TURN() hands out. No zone of the kernel has it.
const mark = "@"

var marks = func() (list [maxLocals + 1]string) {
	for i := range list {
		list[i] = mark + strconv.Itoa(i)
	}
	return list
}()

// marked is the peer of a route with the number of our address in its zone, which the TURN library passes on unread.
func marked(from Route) *net.UDPAddr {
	a := net.UDPAddrFromAddrPort(from.addr)
	if from.local != 0 {
		a.Zone += marks[from.local]
	}
	return a
}

// unmarked is the route that marked was made of; an address without a mark leads over the network as usual.
func unmarked(a *net.UDPAddr) Route {
	zone, number, found := strings.Cut(a.Zone, mark)
	n, err := strconv.ParseUint(number, 10, 8)
	if !found || err != nil {
		return RouteTo(a.AddrPort())
	}
	addr, _ := netip.AddrFromSlice(a.IP)
	if addr = addr.Unmap(); zone != "" {
		addr = addr.WithZone(zone)
	}
	return Route{addr: netip.AddrPortFrom(addr, uint16(a.Port)), local: local(n)}
}

// maxAsked checks are remembered until they are answered, which is at once.
const maxAsked = 256

// asked remembers which of our addresses the newest checks for Media() asked, by transaction: the library answers an
// address and port, and a peer asks several of ours from one of its own. The zero value is ready.
type asked struct {
	mu   sync.Mutex
	next int
	ring [maxAsked]struct {
		transaction [12]byte
		at          local
	}
}

// note remembers the check p, which is a STUN message.
func (a *asked) note(p []byte, at local) {
	if at == 0 {
		return // a socket that is bound to one address, or a path: there is nothing to choose
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	slot := &a.ring[a.next%maxAsked]
	copy(slot.transaction[:], p[8:20])
	slot.at = at
	a.next++
}

// where says which address the check asked that p answers; 0 if it is not known.
func (a *asked) where(p []byte) local {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := a.next - 1; i >= max(0, a.next-maxAsked); i-- {
		if slot := &a.ring[i%maxAsked]; string(slot.transaction[:]) == string(p[8:20]) {
			return slot.at
		}
	}
	return 0
}
