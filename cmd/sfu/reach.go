package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"castcode/internal/tlsutil"
)

// outlook is what decides whether others reach the media of this server, as far as it can be seen from here.
type outlook struct {
	advertised []netip.AddrPort
	hosts      []string // as configured
	names      map[string][]netip.Addr
	discover   bool // STUN servers are asked
	public     bool // the certificate is from a public authority
	proxied    bool // pages come by a proxy, whose address the names have
}

// sharedSpace is what carriers use behind their own NAT (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// inside says whether an address means nothing outside of its own network.
func inside(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || sharedSpace.Contains(a)
}

// localName says whether a host name is one that only a local network knows.
func localName(host string) bool {
	return !strings.Contains(host, ".") || slices.ContainsFunc([]string{".local", ".lan", ".internal", ".home.arpa", ".localhost", ".home"},
		func(end string) bool { return strings.HasSuffix(host, end) })
}

// warnings are sentences for the person who starts the server. It depends on nothing but o.
func (o outlook) warnings() (list []string) {
	all := func(is func(netip.Addr) bool) bool {
		return !slices.ContainsFunc(o.advertised, func(a netip.AddrPort) bool { return !is(a.Addr()) })
	}
	remedy := "set --public-ip, or --stun-discover host:port to find it out"
	if o.discover {
		remedy = "set --public-ip; no STUN server told one"
	}
	switch name := o.publicName(); {
	case all(netip.Addr.IsLoopback):
		list = append(list, "Only this machine can watch: media is offered at a loopback address and nowhere else. "+
			"Bind --addr to an address of the network, or connect this machine to one.")
	case name != "" && all(inside):
		list = append(list, fmt.Sprintf("%s is a public name, and media is offered at private addresses only (%s): "+
			"from outside there will be no picture. %s.", name, textOf(o.advertised), strings.ToUpper(remedy[:1])+remedy[1:]))
	case o.discover && all(inside):
		list = append(list, "No STUN server told a public address; media is offered at private ones only ("+textOf(o.advertised)+").")
	}
	if shunned := o.shunned(); len(shunned) > 0 {
		list = append(list, fmt.Sprintf("Chromium takes no media at a port below 1024, but for 80 and 443 of public addresses: "+
			"at %s it needs TURN. On a LAN use a port above 1023.", textOf(shunned)))
	}
	if o.proxied {
		return list // names lead to the proxy, and media does not
	}
	for _, host := range o.hosts {
		found, asked := o.names[host]
		switch {
		case !asked:
		case len(found) == 0:
			list = append(list, host+" has no address in DNS as seen from here: people cannot open it.")
		case !slices.ContainsFunc(found, o.offers):
			list = append(list, fmt.Sprintf("%s is %s in DNS, and media is not offered there but at %s. "+
				"If that is this machine behind a NAT, set --public-ip.", host, joinAddrs(found), textOf(o.advertised)))
		}
	}
	return list
}

// shunned are the advertised addresses that Chromium leaves out of answers, by their port.
func (o outlook) shunned() (list []netip.AddrPort) {
	for _, a := range o.advertised {
		if p := a.Port(); p < 1024 && (p != 80 && p != 443 || inside(a.Addr())) {
			list = append(list, a)
		}
	}
	return list
}

// publicName is a configured name that people outside can use; "" when there is none.
func (o outlook) publicName() string {
	for _, host := range o.hosts {
		a, err := netip.ParseAddr(host)
		if err == nil && !inside(a.Unmap()) || err != nil && (o.public || !localName(host)) {
			return host
		}
	}
	return ""
}

func (o outlook) offers(a netip.Addr) bool {
	return slices.ContainsFunc(o.advertised, func(at netip.AddrPort) bool { return at.Addr() == a.Unmap() })
}

func joinAddrs(list []netip.Addr) string {
	var words []string
	for _, a := range list {
		words = append(words, a.Unmap().String())
	}
	return strings.Join(words, ", ")
}

// textOf lists the first few addresses, without ports.
func textOf(list []netip.AddrPort) string {
	const most = 2
	var addrs []netip.Addr
	for _, a := range list {
		if !slices.Contains(addrs, a.Addr()) {
			addrs = append(addrs, a.Addr())
		}
	}
	if more := len(addrs) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", joinAddrs(addrs[:most]), more)
	}
	return joinAddrs(addrs)
}

// look finds out what the outlook is. Names are looked up for 2 s at most; those that only a local network knows are
// left out, since mDNS and routers answer for them and not DNS.
func (s *server) look(ctx context.Context) outlook {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	o := outlook{
		advertised: s.advertised.addresses(), hosts: s.cfg.Hosts, names: map[string][]netip.Addr{},
		discover: s.discovery != nil, public: s.cfg.TLS == tlsutil.ACME, proxied: len(s.cfg.TrustedProxies) > 0,
	}
	for _, host := range s.cfg.Hosts {
		if _, err := netip.ParseAddr(host); err == nil || localName(host) || o.proxied {
			continue
		}
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err == nil || isNotFound(err) { // else the resolver is out of reach, which says nothing
			o.names[host] = found
		}
	}
	return o
}

func isNotFound(err error) bool {
	fault, ok := err.(*net.DNSError) //nolint:errorlint // the resolver does not wrap it
	return ok && fault.IsNotFound
}

// hairpin tries whether this machine reaches itself by its public addresses, and says so in the log. That it does not
// is common and harms nobody outside. It needs the TURN server, which answers.
func (s *server) hairpin(ctx context.Context) {
	if s.turn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, discoverWithin)
	defer cancel()
	own := s.advertised.own()
	for _, at := range s.advertised.addresses() {
		if slices.Contains(own, at.Addr()) || ctx.Err() != nil {
			continue
		}
		if _, err := s.ports.socket.Binding(ctx, at); err != nil && ctx.Err() == context.DeadlineExceeded {
			s.log.Info("hint: this machine does not reach itself by its public address; many routers do not send such packets back. "+
				"From outside it may work all the same", "address", at)
			return
		}
	}
}
