package udp

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxWrong checks a second are read from one address and port, maxWrongIP from one IP address (a /64 of IPv6),
	// if they turn out to be wrong; what comes beyond is dropped unread. A whole hall can be one IP address, and the
	// clients of a server that was restarted all ask in vain for a while.
	maxWrong   = 50
	maxWrongIP = 5000
	// maxFlooders bounds what is remembered, about 100 bytes each. There may be more when sources are forged; then
	// the limits of each user fragment hold.
	maxFlooders = 4096
)

// floods counts connectivity checks that were wrong in the present second: for nobody, or badly signed. Asking takes
// no lock in a second in which there was none. It may be used from any goroutine.
type floods struct {
	second atomic.Int64 // in which the newest wrong check came

	// guarded by mu; of that second
	mu     sync.Mutex
	bySrc  map[netip.AddrPort]int
	byAddr map[netip.Addr]int
}

// note counts a wrong check.
func (f *floods) note(from netip.AddrPort, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if second := now.Unix(); f.second.Load() != second {
		f.second.Store(second)
		clear(f.bySrc)
		clear(f.byAddr)
	}
	bump(f.bySrc, from)
	bump(f.byAddr, site(from.Addr()))
}

func bump[K comparable](counts map[K]int, key K) {
	if n, ok := counts[key]; ok || len(counts) < maxFlooders {
		counts[key] = n + 1
	}
}

// over says whether checks of that source are not read any more in this second.
func (f *floods) over(from netip.AddrPort, now time.Time) bool {
	if f.second.Load() != now.Unix() {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bySrc[from] >= maxWrong || f.byAddr[site(from.Addr())] >= maxWrongIP
}

// site is what one subscriber holds: an IPv4 address, or 64 bits of an IPv6 one.
func site(addr netip.Addr) netip.Addr {
	if addr.Is4() {
		return addr
	}
	prefix, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return netip.Addr{} // no address at all
	}
	return prefix.Addr()
}

// Refused tells that a check which Owns took was wrong: badly signed, or from another peer. Who sends many of them is
// not read for the rest of the second; a stream whose peer has not shown yet that it is one hears of it too. It may be
// called from any goroutine.
func (s *Socket) Refused(from Route) {
	s.floods.note(from.addr, time.Now())
	if from.Streams() {
		from.path.outlet.Refuse()
	}
}
