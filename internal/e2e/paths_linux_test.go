package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"
)

// netCase is a network that people sit behind.
type netCase struct {
	name string
	port uint16 // of the server
	set  func(n *networks)
	ways []string // paths that media may take
	// policies are what the page is told by ?ice=, besides nothing, with the paths that media may take then.
	policies []policy
	casts    bool   // somebody casts from there as well
	relay    string // the kind of relay that aiortc is told of, which does not look for another path by itself
}

type policy struct {
	name string
	ways []string
}

// ethernet and tunnel are lengths of IP packets: without and with another IP version around them.
const ethernet, tunnel = 1500, 1280

// What firewalls let through. Longer packets than pass are dropped without a word, as by networks that lose ICMP.
const (
	noUDP   = `table inet wall { chain forward { type filter hook forward priority 0; meta l4proto udp drop; }; }`
	only443 = `table inet wall { chain forward { type filter hook forward priority 0; policy drop;
		tcp dport 443 accept; tcp sport 443 accept; }; }`
	onlyShort = `table inet wall { chain forward { type filter hook forward priority 0;
		meta l4proto udp meta length > 1280 counter drop; }; }`
)

var netCases = []netCase{
	{name: "UDP", port: 8443, ways: []string{"udp"}, set: func(*networks) {}},
	{
		name: "UDP blocked", port: 8443, ways: overTCP, casts: true, relay: "turn:",
		set: func(n *networks) { n.router.Filter(noUDP) },
	},
	{
		name: "symmetric NAT", port: 8443, ways: []string{"udp"},
		policies: []policy{{"relay-udp", []string{"TURN/udp"}}, {"relay-tcp", overTCP}, {"relay-tls", []string{"TURN/tls"}}},
		set: func(n *networks) {
			n.router.SymmetricNAT(n.atOuter)
			n.take(n.atFar.Addr6)
		},
	},
	{
		name: "IPv6 only", port: 8443, ways: []string{"udp"}, casts: true,
		set: func(n *networks) { n.take(n.atFar.Addr) },
	},
	{name: "MTU 1280", port: 8443, ways: []string{"udp"}, set: func(n *networks) {
		n.far.MTU(n.atFar, tunnel)
		n.router.MTU(n.atInner, tunnel)
		n.router.Filter(onlyShort)
	}},
	{
		name: "only TCP 443", port: 443, ways: overTCP, casts: true, relay: "turns:",
		set: func(n *networks) { n.router.Filter(only443) },
	},
}

var overTCP = []string{"ICE-TCP", "TURN/tcp", "TURN/tls"}

// pathRow is what came of one viewer or caster.
type pathRow struct {
	network, who, way string
	arrived           arrived
	fps, age          float64
}

func (r pathRow) String() string {
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s |", r.network, r.who, r.way, known(r.arrived.Connected),
		known(r.arrived.Read), known(r.fps), known(r.age))
}

// known is a figure, or a dash where nobody has told it.
func known(v float64) string {
	if v == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f", v)
}

const pathHead = "| network | who | path | connected, ms | first frame, ms | frames/s | age, ms |\n|---|---|---|---|---|---|---|\n"

// TestPaths lets Chromium, Firefox and aiortc watch from behind every network that people sit behind, and cast from
// behind those that let no UDP or no IPv4 through. It prints how long each took and which path its media goes.
func TestPaths(t *testing.T) {
	st := onStage(t)
	needAiortc(t)
	n := st.openNetworks(t)
	var rows []pathRow
	for _, port := range []uint16{8443, 443} {
		t.Run(fmt.Sprint("port ", port), func(t *testing.T) {
			s := n.serve(t, port)
			_, code := n.castNear(t, s, 0)
			n.watchNear(t, s, code).settle()
			for _, c := range netCases {
				if c.port != port {
					continue
				}
				t.Run(c.name, func(t *testing.T) {
					t.Cleanup(n.ordinary) // after the windows are closed
					c.set(n)
					rows = append(rows, n.pathsOf(t, s, c, code)...)
				})
			}
		})
	}
	table := pathHead
	for _, r := range rows {
		table += r.String() + "\n"
	}
	t.Logf("paths:\n%s", table)
}

// pathsOf is the rows of a network.
func (n *networks) pathsOf(t *testing.T, s *server, c netCase, code string) (rows []pathRow) {
	t.Helper()
	for _, browser := range []string{chromiumName, firefoxName} {
		for _, p := range append([]policy{{"", c.ways}}, c.policies...) {
			query := ""
			if p.name != "" {
				query = "?ice=" + p.name
			}
			t.Run(browser+" watches"+query, func(t *testing.T) {
				r := n.looks(t, s, browser, code, query)
				r.network, r.who = c.name, browser+query
				if !slices.Contains(p.ways, r.way) {
					t.Errorf("the path is %s, want one of %v", r.way, p.ways)
				}
				rows = append(rows, r)
			})
		}
		if c.casts {
			t.Run(browser+" casts", func(t *testing.T) {
				r := n.castsFar(t, s, browser)
				r.network, r.who = c.name, browser+" casts"
				if !slices.Contains(c.ways, r.way) {
					t.Errorf("the path is %s, want one of %v", r.way, c.ways)
				}
				rows = append(rows, r)
			})
		}
	}
	t.Run("aiortc plays", func(t *testing.T) {
		r := n.plays(t, s, code, c.relay)
		r.network = c.name
		if relayed := r.way != "udp"; relayed != (c.relay != "") {
			t.Errorf("the path is %s", r.way)
		}
		rows = append(rows, r)
	})
	if out, err := n.router.Command(t.Context(), "nft", "list", "ruleset").Output(); err != nil {
		t.Error(err)
	} else if regexp.MustCompile(`packets [1-9]`).Match(out) {
		t.Errorf("packets of UDP are longer than %d bytes: %s", tunnel, out)
	}
	return rows
}

// looks is one viewer, from opening the room's link.
func (n *networks) looks(t *testing.T, at site, browser, code, query string) pathRow {
	t.Helper()
	v := n.watch(t, at, browser, code, query)
	v.waitFrame(joinTime, time.Now())
	v.waitState(joinTime, "live")
	came := v.arrived()
	p := v.settledPath()
	f := v.watch(time.Second, 8)
	t.Logf("%s: %v; %+v; %v", browser, came, p, f)
	return pathRow{way: p.way(), arrived: came, fps: fps(f), age: f.Median}
}

// fps is how many frames a second were read.
func fps(f figures) float64 { return float64(f.Read) * 1000 / float64(f.Now-f.Since) }

// plays is aiortc, from its first request.
func (n *networks) plays(t *testing.T, s *server, code, relay string) pathRow {
	t.Helper()
	d := n.st.start(t, "aiortc", "aiortc_play.py", order{URL: s.url("/whep/" + code), Frames: 30, Relay: relay, in: n.far})
	at := d.enters()
	saw := tells[played](d, "read")
	if saw.Read < 20 || saw.Backwards > 0 {
		t.Errorf("aiortc saw %+v", saw)
	}
	d.leave(s, at)
	way := "udp"
	if saw.Candidate == "relay" {
		way = map[string]string{"turn:": "TURN/tcp", "turns:": "TURN/tls"}[relay]
	}
	t.Logf("aiortc: %+v over %s", saw, way)
	return pathRow{who: "aiortc", way: way, arrived: arrived{Read: float64(saw.First)}, age: float64(saw.Median)}
}

// castsFar is one caster, and a viewer beside the server, whose figures count: from the press of the button.
func (n *networks) castsFar(t *testing.T, s *server, browser string) pathRow {
	t.Helper()
	c := &caster{n.open(t, browser, "caster "+browser, s.url("/"), painted(0), script("connected.js"))}
	c.waitState(joinTime, "idle")
	c.click("#start")
	c.waitState(joinTime, "choosing")
	pressed := eval[float64](c.window, `Date.now()`)
	c.click("#share")
	c.waitState(joinTime, "live")
	v := n.watchNear(t, s, s.keepSecret(c.roomCode()))
	v.waitFrame(joinTime, time.Now())
	came := arrived{
		Connected: eval[float64](c.window, `window.connectedAt`) - pressed,
		Read:      float64(v.figures().First) - pressed,
	}
	p := c.settledPath()
	f := v.watch(time.Second, 8)
	t.Logf("%s: %v; %+v; %v", c.name, came, p, f)
	c.click("#stop")
	return pathRow{way: p.way(), arrived: came, fps: fps(f), age: f.Median}
}
