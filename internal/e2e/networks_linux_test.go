package e2e

import (
	"fmt"
	"net/netip"
	"strconv"
	"testing"

	"castcode/internal/linksim"
)

// networks is a server that people reach through a network which is not their own:
//
//	far (Chromium, Firefox, aiortc) -- router -- link -- near (the server, Chromium)
//
// The router is a firewall or NAT, the link loses and delays. Who is near is not touched by either.
type networks struct {
	t  *testing.T
	st *stage

	far, router, near                 *linksim.Namespace
	atFar, atInner, atOuter, atServer linksim.End
	link                              *linksim.Link
	taken                             netip.Addr // from those who are far

	chromium, home *browser // far and near
	fox            *firefox // far; started by the first who asks
}

// openNetworks makes the networks and starts the browsers in them, for a test and its parts.
func (st *stage) openNetworks(t *testing.T) *networks {
	t.Helper()
	lab := linksim.New(t)
	lab.Public()
	n := &networks{t: t, st: st, far: lab.Namespace("far"), router: lab.Namespace("router"), near: lab.Namespace("near")}
	n.atFar, n.atInner = lab.Cable(n.far, n.router)
	n.link, n.atOuter, n.atServer = lab.Link(n.router, n.near, linksim.Conditions{}, linksim.Conditions{})
	for _, ns := range []*linksim.Namespace{n.far, n.near} {
		ns.Hosts(map[string][]netip.Addr{labName: {n.atServer.Addr, n.atServer.Addr6}})
	}
	n.router.Router()
	for _, via := range []netip.Addr{n.atInner.Addr, n.atInner.Addr6} {
		n.far.Route(netip.Prefix{}, via)
	}
	for _, via := range []netip.Addr{n.atOuter.Addr, n.atOuter.Addr6} {
		n.near.Route(netip.Prefix{}, via)
	}
	n.chromium, n.home = browserIn(t, st.home, n.far), browserIn(t, st.home, n.near)
	return n
}

// ordinary makes the networks what they were: everything passes.
func (n *networks) ordinary() {
	n.t.Helper()
	n.router.Open()
	n.router.MTU(n.atInner, ethernet)
	n.far.MTU(n.atFar, ethernet)
	if taken := n.taken; taken.IsValid() {
		n.taken = netip.Addr{}
		n.far.Give(n.atFar, taken)
		if taken.Is4() {
			n.far.Route(netip.Prefix{}, n.atInner.Addr)
		}
	}
}

// take leaves those who are far without one of their two addresses, until all is ordinary again.
func (n *networks) take(addr netip.Addr) {
	n.t.Helper()
	n.taken = addr
	n.far.Take(n.atFar, addr)
}

// firefox is the Firefox that is far away.
func (n *networks) firefox() *firefox {
	n.t.Helper()
	if n.fox == nil {
		n.fox = n.st.firefoxIn(n.t, n.far)
		n.t.Cleanup(func() {
			if err := n.fox.close(); err != nil {
				n.t.Error(err)
			}
		})
	}
	return n.fox
}

// serve runs a server with its one port at port.
func (n *networks) serve(t *testing.T, port uint16, args ...string) *server {
	t.Helper()
	at := netip.AddrPortFrom(n.atServer.Addr, port)
	return n.st.serveIn(t, n.near, labName, at, append([]string{"--host", labName}, args...)...)
}

// Browsers by name, so that parts of a test can be told apart.
const (
	chromiumName = "Chromium"
	firefoxName  = "Firefox"
)

// open opens a page in one of the far browsers, with the scripts before its own.
func (n *networks) open(t *testing.T, browser, name, url string, scripts ...string) *window {
	t.Helper()
	if browser == firefoxName {
		return n.firefox().open(t, name, url, scripts...)
	}
	return n.chromium.openWith(t, name, url, scripts...)
}

// painted is the script that lets a page cast the pattern and so many coloured squares.
func painted(squares int) string {
	return "{" + script("pattern.js") + script("painted.js") + "paint(" + strconv.Itoa(squares) + ");}"
}

// castNear casts the pattern from beside the server.
func (n *networks) castNear(t *testing.T, s *server, squares int) (c *caster, code string) {
	t.Helper()
	c = &caster{n.home.openWith(t, "caster", s.url("/"), painted(squares))}
	c.waitState(joinTime, "idle")
	c.castAlone()
	return c, s.keepSecret(c.roomCode())
}

// watch opens the room's link in a far browser.
func (n *networks) watch(t *testing.T, at site, browser, code, query string) *viewer {
	t.Helper()
	return &viewer{n.open(t, browser, browser, at.url("/w"+query+"#c="+code), readerOf("#picture"), script("connected.js"))}
}

// watchNear opens the room's link beside the server.
func (n *networks) watchNear(t *testing.T, s *server, code string) *viewer {
	t.Helper()
	return &viewer{n.home.openWith(t, "viewer", s.url("/w#c="+code), readerOf("#picture"), script("connected.js"))}
}

// arrived is how long a page took from when it began to be loaded, in milliseconds, to its connection, to the first
// frame that was decoded, and to the first one whose pattern was read.
type arrived struct {
	Connected, Decoded, Read float64
}

func (v *viewer) arrived() arrived {
	v.t.Helper()
	got := eval[[3]float64](v.window, `[window.connectedAt, window.decodedAt, window.reader.first].map((at) => at - performance.timeOrigin)`)
	return arrived{got[0], got[1], got[2]}
}

func (a arrived) String() string {
	return fmt.Sprintf("connected after %.0f ms, first frame decoded after %.0f ms, read after %.0f ms", a.Connected, a.Decoded, a.Read)
}

// way is the path in a word, as the pages call it.
func (p path) way() string {
	switch {
	case p.Type == "relay":
		return "TURN/" + p.Relay
	case p.Protocol == "tcp":
		return "ICE-TCP"
	default:
		return p.Protocol
	}
}

// settledPath waits until the page's connection has a path. Browsers say it some time after the first picture.
func (w *window) settledPath() path {
	w.t.Helper()
	var p path
	eventually(w.t, joinTime, w.name+": a path", func() (bool, string) {
		p = w.path()
		return p.Protocol != "", fmt.Sprintf("%+v", p)
	})
	return p
}
