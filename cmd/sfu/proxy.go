package main

import (
	"net/http"
	"net/netip"
	"strings"
)

// proxies are the addresses whose X-Forwarded-… headers are believed.
type proxies []netip.Prefix

func (p proxies) trusts(a netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// client is where r comes from: the far end of the connection or, behind trusted proxies, the right-most hop that is
// not one of them. What stands to the left of that hop was written by somebody we do not trust.
func (p proxies) client(r *http.Request) netip.Addr {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	at := remote.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && p.trusts(at); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		at = hop.Unmap()
	}
	return at
}

// external is the scheme and host[:port] that the browser used.
func (p proxies) external(r *http.Request) (scheme, hostport string) {
	scheme, hostport = "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !p.trusts(remote.Addr().Unmap()) {
		return scheme, hostport
	}
	switch proto := r.Header.Get("X-Forwarded-Proto"); proto {
	case "http", "https":
		scheme = proto
	}
	if host := r.Header.Get("X-Forwarded-Host"); host != "" {
		hostport = host
	}
	return scheme, hostport
}
