package main

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"castcode/internal/tlsutil"
	"castcode/signal"
	"castcode/turn"
)

// refresh is how long a list of this machine's addresses is good: a laptop changes its network, not each second.
const refresh = 10 * time.Second

// advertised is the list of media addresses that answers carry, and the only peers that TURN reaches.
type advertised struct {
	public []netip.Addr // configured, first
	bound  netip.AddrPort
	local  func() []netip.Addr
	found  func() []netip.AddrPort // by STUN; set before anybody asks

	reading sync.Mutex // held by the one who reads anew
	last    atomic.Pointer[listed]
}

// listed is a list and when it was read. It is not changed.
type listed struct {
	addresses []netip.AddrPort
	at        time.Time
}

func newAdvertised(bound *net.UDPAddr, public []netip.Addr) *advertised {
	a := bound.AddrPort()
	return &advertised{
		public: public, bound: netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), local: tlsutil.Addresses,
		found: func() []netip.AddrPort { return nil },
	}
}

// addresses returns the list: the public addresses, configured and found, then the one that the socket is bound to or else all of this
// machine. A machine without a network has its loopback address, so that it can still try everything. It is cheap
// enough to be called for every relayed datagram; the caller must not change the slice.
func (a *advertised) addresses() []netip.AddrPort {
	last := a.last.Load()
	if last != nil && (time.Since(last.at) < refresh || !a.reading.TryLock()) {
		return last.addresses
	}
	if last == nil {
		a.reading.Lock()
	}
	defer a.reading.Unlock()
	fresh := &listed{a.read(), time.Now()}
	a.last.Store(fresh)
	return fresh.addresses
}

func (a *advertised) read() []netip.AddrPort {
	var list []netip.AddrPort
	add := func(p netip.AddrPort) {
		if !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	for _, ip := range a.public {
		add(netip.AddrPortFrom(ip, a.bound.Port()))
	}
	for _, p := range a.found() {
		add(p)
	}
	for _, ip := range a.own() {
		add(netip.AddrPortFrom(ip, a.bound.Port()))
	}
	if len(list) == 0 {
		add(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.bound.Port()))
	}
	return list
}

// own are the addresses of this machine that the socket receives on.
func (a *advertised) own() (list []netip.Addr) {
	ip := a.bound.Addr()
	if !ip.IsUnspecified() {
		return []netip.Addr{ip}
	}
	for _, local := range a.local() {
		if local.Is4() || !ip.Is4() {
			list = append(list, local)
		}
	}
	return list
}

// speaks says whether the socket can send to that address, by its family: a machine without IPv6 would wait in vain.
func (a *advertised) speaks(to netip.Addr) bool {
	return to.IsLoopback() || slices.ContainsFunc(a.own(), func(own netip.Addr) bool { return own.Is4() == to.Is4() })
}

// reread makes the next call of addresses look anew.
func (a *advertised) reread() { a.last.Store(nil) }

// relayIP is the address that relays show: the first IPv4 one of the list, which is what clients expect (turn.Config),
// or the first at all.
func (a *advertised) relayIP() netip.Addr {
	list := a.addresses()
	for _, p := range list {
		if p.Addr().Is4() {
			return p.Addr()
		}
	}
	return list[0].Addr()
}

// turnTTL is for how long credentials admit a new allocation, unless more is asked for. Pages renew them over their
// socket; encoders and players cannot.
const turnTTL = 5 * time.Minute

// iceServers makes the servers that a peer is told.
type iceServers struct {
	ends   []turnEnd               // URLs of the embedded TURN server
	name   string                  // that its certificate is for; empty when it is for addresses too
	own    func() []netip.AddrPort // our advertised addresses
	secret []byte                  // of the REST scheme; nil with a static account
	urls   []string                // of an external server; empty: the embedded one
	user   string                  // static account of the external server
	pass   string
	off    bool
}

// forPeer is signal's Config.ICE.
func (s *iceServers) forPeer(peer, host string, life time.Duration) ([]signal.ICEServer, time.Duration) {
	if life == 0 {
		life = turnTTL
	}
	if s.off {
		return nil, life
	}
	list := []signal.ICEServer{{URLs: s.urls}}
	if len(s.urls) == 0 {
		list = s.embedded(s.reachable(host))
	}
	user, pass := s.user, s.pass
	if s.secret != nil {
		user, pass = turn.Credentials(s.secret, peer, time.Now(), life)
	}
	for i := range list {
		list[i].Username, list[i].Credential = user, pass
	}
	return list, life
}

// embedded lists the URLs of the embedded server for a peer that knows this machine as host: first, apart, that of the
// port that media is on.
func (s *iceServers) embedded(host string) []signal.ICEServer {
	media, others := signal.ICEServer{Media: true}, signal.ICEServer{}
	port := strconv.Itoa(int(s.own()[0].Port()))
	for _, end := range s.ends {
		at, to := host, &others
		if _, err := netip.ParseAddr(host); err == nil && end.scheme == "turns" && s.name != "" {
			at = s.name
		}
		if end.transport == "udp" && end.port == port {
			to = &media
		}
		to.URLs = append(to.URLs, end.at(at))
	}
	return []signal.ICEServer{media, others}
}

// reachable is host, unless that names this machine only: a browser sends from the address of an interface even to
// localhost, and the answer of a socket bound to all addresses would come from that interface's address.
func (s *iceServers) reachable(host string) string {
	a, err := netip.ParseAddr(host)
	if host != "localhost" && (err != nil || !a.IsLoopback()) {
		return host
	}
	return s.own()[0].Addr().String()
}
