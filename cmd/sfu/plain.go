package main

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"castcode/internal/tlsutil"
)

// plainPages is what --http-displays serves without TLS, beside the pages' files: displays, viewers, and their socket.
var plainPages = []string{"/d", "/w"}

// plainDisplays serves --http-displays.
func (s *site) plainDisplays() http.Handler {
	m := http.NewServeMux()
	for _, url := range plainPages {
		m.HandleFunc("GET "+url, s.pages[url].serve)
	}
	m.Handle("/ws", s.socket)
	return s.headers(m)
}

// plainDisplay says whether r is for plainDisplays. Both ends must have private addresses, so that codes do not cross the
// internet in clear; and the host must be an address, or a name of ours: for any other name somebody could make lead here
// (DNS rebinding), and then his page would have our origin, which TLS would not let him.
func (s *site) plainDisplay(r *http.Request) bool {
	if s.displays == nil || !slices.Contains(plainPages, r.URL.Path) && r.URL.Path != "/ws" {
		return false
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local == nil {
		return false
	}
	for _, end := range []string{r.RemoteAddr, local.String()} {
		a, err := netip.ParseAddrPort(end)
		if err != nil || !inside(a.Addr().Unmap().WithZone("")) {
			return false
		}
	}
	host := hostOf(r.Host)
	_, err := netip.ParseAddr(host)
	return err == nil || slices.Contains(s.displays(), strings.ToLower(host))
}

// plainNames are the names under which displays may come over plain HTTP.
func (s *server) plainNames() []string {
	return slices.Concat([]string{"localhost"}, s.cfg.Hosts, tlsutil.ThisMachine().Names)
}
