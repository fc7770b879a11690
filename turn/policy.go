package turn

import (
	"net"
	"net/netip"
	"slices"

	"castcode/internal/stunwire"
)

// policy is where relays may go: to our own media addresses, which are compared exactly. A list of what is
// forbidden would always lack something.
type policy struct {
	media func() []netip.AddrPort
}

// embedding prefixes carry an IPv4 address inside: somebody on the way may unpack it, so that they are another
// way to write an address. None of them is ever ours.
var embedding = []netip.Prefix{
	netip.MustParsePrefix("2002::/16"),      // 6to4, RFC 3056
	netip.MustParsePrefix("64:ff9b::/96"),   // NAT64, RFC 6052
	netip.MustParsePrefix("64:ff9b:1::/48"), // NAT64, RFC 8215
	netip.MustParsePrefix("2001::/32"),      // Teredo, RFC 4380
}

// canonical gives the one form of ip, or false for a form that is never a peer.
func canonical(ip netip.Addr) (netip.Addr, bool) {
	ip = ip.Unmap()
	if !ip.IsValid() || ip.Zone() != "" || ip.IsUnspecified() || ip.IsMulticast() {
		return netip.Addr{}, false
	}
	for _, prefix := range embedding {
		if prefix.Contains(ip) {
			return netip.Addr{}, false
		}
	}
	// IPv4-compatible, RFC 4291 section 2.5.5.1; ::1 is in the same range.
	if b := ip.As16(); ip.Is6() && !ip.IsLoopback() && [12]byte(b[:12]) == [12]byte{} {
		return netip.Addr{}, false
	}
	return ip, true
}

// allowsIP says whether some media address of ours has this IP.
func (p policy) allowsIP(ip netip.Addr) bool {
	ip, ok := canonical(ip)
	return ok && slices.ContainsFunc(p.media(), func(a netip.AddrPort) bool { return a.Addr().Unmap() == ip })
}

// allows says whether peer is a media address of ours, and gives its one form.
func (p policy) allows(peer netip.AddrPort) (netip.AddrPort, bool) {
	ip, ok := canonical(peer.Addr())
	if !ok {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(ip, peer.Port()), slices.ContainsFunc(p.media(), func(a netip.AddrPort) bool {
		return a.Addr().Unmap() == ip && a.Port() == peer.Port()
	})
}

// permit is the library's PermissionHandler. A permission is for an IP (RFC 8656 section 9), a channel for one
// port of it (section 12); the handler is told the IP only, so the port is taken from the message. What passes
// here is checked again by the relay for every datagram. It runs on the read loop of d.
func (d *door) permit(_ net.Addr, peer net.IP) bool {
	ip, _ := netip.AddrFromSlice(peer)
	ok := d.server.policy.allowsIP(ip)
	if ok && d.message.Type == stunwire.ChannelBindRequest {
		_, ok = d.server.policy.allows(d.message.Peer)
	}
	if !ok {
		d.server.counters.drop(dropPeer)
		d.refusal = refusedPeer
		return false
	}
	if d.message.Type == stunwire.ChannelBindRequest && !stunwire.ValidChannel(d.message.Channel) {
		// Clients of RFC 5766 may choose up to 0x7FFF, which the library takes; such ChannelData would not
		// get past the socket.
		d.server.counters.drop(dropChannel)
		d.refusal = refusedRequest
		return false
	}
	return true
}
