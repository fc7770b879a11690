package tlsutil

import (
	"cmp"
	"context"
	"encoding/hex"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// maxAddrs bounds how many addresses are listed: a host with hundreds of container bridges must not get a
// certificate that no client wants to parse.
const maxAddrs = 64

// Machine is how this computer can be reached from its networks.
type Machine struct {
	// Addrs as Addresses returns them.
	Addrs []netip.Addr
	// Names without loopback names: the host name and host.local, in lower case.
	Names []string
}

// ThisMachine asks the operating system. Call it again to see changes.
func ThisMachine() Machine {
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return Machine{Addrs: Addresses(), Names: namesOf(host)}
}

// namesOf lists the names a host name is known by on a network: as it is, its first label, and that in the
// domain of mDNS (RFC 6762 section 3). Names that cannot stand in a certificate are left out.
func namesOf(host string) []string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	label, _, _ := strings.Cut(host, ".")
	var names []string
	for _, name := range []string{host, label, label + ".local"} {
		if ValidName(name) && label != "localhost" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// ValidName says whether name is a host name as RFC 1123 section 2.1 has it: letters, digits and hyphens, labels of
// at most 63 characters, 253 in all, the last label not a number.
func ValidName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' {
				return false
			}
		}
	}
	return strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

// Addresses lists the unicast addresses of this machine that others can use: that of the default route first,
// then other networks, then bridges of containers and virtual machines, then 169.254/16. Loopback, IPv6
// link-local (no browser takes a zone) and temporary IPv6 addresses (they change every day, RFC 8981) are left
// out. At most 64; empty without a network.
func Addresses() []netip.Addr {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil
	}
	data, _ := os.ReadFile("/proc/net/if_inet6") // absent where there is no Linux or no IPv6
	shortLived := unstable(string(data))
	var found []place
	for _, ifc := range interfaces {
		if ifc.Flags&net.FlagUp == 0 || ifc.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, err := ifc.Addrs()
		if err != nil {
			continue // it has just gone away
		}
		for _, a := range addrs {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				found = append(found, place{ifc.Name, prefix.Addr().Unmap()})
			}
		}
	}
	return ordered(found, shortLived, []netip.Addr{towards("udp4", "192.0.2.1:9"), towards("udp6", "[2001:db8::1]:9")})
}

// place is an address and the interface that has it.
type place struct {
	ifc  string
	addr netip.Addr
}

// ordered sorts and filters as Addresses tells. primary are the addresses of the default routes; invalid ones
// are ignored.
func ordered(found []place, skip map[netip.Addr]bool, primary []netip.Addr) []netip.Addr {
	rank := func(p place) int {
		switch i := slices.Index(primary, p.addr); {
		case i >= 0:
			return i
		case p.addr.IsLinkLocalUnicast():
			return 14
		case isBridge(p.ifc):
			return 13
		case p.addr.Is6():
			return 12
		case !p.addr.IsPrivate():
			return 11
		}
		return 10
	}
	found = slices.DeleteFunc(slices.Clone(found), func(p place) bool {
		a := p.addr
		return !a.IsGlobalUnicast() && (!a.Is4() || !a.IsLinkLocalUnicast()) || a.IsLoopback() || skip[a]
	})
	slices.SortStableFunc(found, func(a, b place) int { return cmp.Compare(rank(a), rank(b)) })
	var out []netip.Addr
	for _, p := range found {
		if !slices.Contains(out, p.addr) && len(out) < maxAddrs {
			out = append(out, p.addr)
		}
	}
	return out
}

// isBridge says whether an interface is one that container and virtual machine programs make.
func isBridge(name string) bool {
	for _, prefix := range []string{"docker", "br-", "virbr", "veth", "cni", "flannel", "lxc", "lxd", "podman", "vmnet", "vboxnet"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// unstable reads /proc/net/if_inet6 (address, index, prefix length, scope, flags, name; all in hex) and returns
// the addresses that are temporary (IFA_F_TEMPORARY 0x01), failed (0x08), deprecated (0x20) or not yet usable
// (0x40).
func unstable(table string) map[netip.Addr]bool {
	out := map[netip.Addr]bool{}
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 6 {
			continue
		}
		raw, err1 := hex.DecodeString(fields[0])
		flags, err2 := hex.DecodeString(fields[4])
		if err1 != nil || err2 != nil || len(raw) != 16 || len(flags) == 0 {
			continue
		}
		if flags[len(flags)-1]&0x69 != 0 {
			out[netip.AddrFrom16([16]byte(raw))] = true
		}
	}
	return out
}

// towards returns the local address that the routing table chooses for a destination. Connecting a UDP socket
// sends nothing. The zero Addr when there is no route.
func towards(network, destination string) netip.Addr {
	c, err := net.Dial(network, destination)
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close() //nolint:errcheck // nothing was sent
	ap, err := netip.ParseAddrPort(c.LocalAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// Reachable lists the addresses under which a listener on host can be reached, preferred one first: all of this
// machine for "" and "::", the IPv4 ones for "0.0.0.0", else host itself (a name is looked up, 2 s at most).
// 127.0.0.1 when there is nothing else.
func Reachable(host string) []netip.Addr {
	var out []netip.Addr
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "" || err == nil && addr == netip.IPv6Unspecified():
		out = Addresses()
	case err == nil && addr.IsUnspecified():
		out = slices.DeleteFunc(Addresses(), netip.Addr.Is6)
	case err == nil:
		out = []netip.Addr{addr.Unmap()}
	default:
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		found, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", host) // the listener itself reports a name that fails
		for _, a := range found {
			out = append(out, a.Unmap())
		}
	}
	if len(out) == 0 {
		out = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	return out
}
