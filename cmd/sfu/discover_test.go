package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun"
)

func TestAgree(t *testing.T) {
	told := func(list ...string) (all []mapping) {
		for _, a := range list {
			if a == "" {
				all = append(all, mapping{err: errors.New("no answer")})
				continue
			}
			all = append(all, mapping{mapped: netip.MustParseAddrPort(a)})
		}
		return all
	}
	for name, tc := range map[string]struct {
		all       []mapping
		want      string
		symmetric bool
	}{
		"nobody":                 {nil, "[]", false},
		"no answer":              {told("", ""), "[]", false},
		"one":                    {told("203.0.113.7:8443"), "[203.0.113.7:8443]", false},
		"two agree":              {told("203.0.113.7:4711", "203.0.113.7:4711"), "[203.0.113.7:4711]", false},
		"one is silent":          {told("", "203.0.113.7:4711"), "[203.0.113.7:4711]", false},
		"another port for each":  {told("203.0.113.7:4711", "203.0.113.7:4712"), "[203.0.113.7:8443]", true},
		"another address":        {told("203.0.113.7:4711", "203.0.113.8:4711"), "[203.0.113.7:8443 203.0.113.8:8443]", true},
		"both families":          {told("203.0.113.7:4711", "[2001:db8::7]:8443"), "[203.0.113.7:4711 [2001:db8::7]:8443]", false},
		"one family contradicts": {told("203.0.113.7:1", "203.0.113.7:2", "[2001:db8::7]:3"), "[203.0.113.7:8443 [2001:db8::7]:3]", true},
	} {
		found, symmetric := agree(tc.all, 8443)
		if fmt.Sprint(found) != tc.want || symmetric != tc.symmetric {
			t.Errorf("%s: %v, %v; want %s, %v", name, found, symmetric, tc.want, tc.symmetric)
		}
	}
}

// TestDiscoveryRounds: answers are taken over as they change, kept over a few rounds without any, and warned about once.
func TestDiscoveryRounds(t *testing.T) {
	log := &screen{}
	told := map[string]string{} // by server; "" is no answer
	changes := 0
	d := &discovery{
		servers: []string{"one.example:3478", "two.example:3478"}, port: 8443,
		lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			if host == "two.example" {
				return []netip.Addr{netip.MustParseAddr("192.0.2.2")}, nil
			}
			return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}, nil
		},
		binding: func(_ context.Context, server netip.AddrPort) (netip.AddrPort, error) {
			if a := told[server.Addr().String()]; a != "" {
				return netip.MustParseAddrPort(a), nil
			}
			return netip.AddrPort{}, errors.New("no answer")
		},
		usable:  netip.Addr.Is4,
		changed: func() { changes++ },
		log:     slog.New(slog.NewTextHandler(log, nil)),
	}
	round := func(what, one, two, want string, changed int) {
		t.Helper()
		told["192.0.2.1"], told["192.0.2.2"] = one, two
		d.round(context.Background())
		if got := fmt.Sprint(d.addresses()); got != want || changes != changed {
			t.Errorf("%s: %s after %d changes, want %s after %d", what, got, changes, want, changed)
		}
	}
	round("nobody answers", "", "", "[]", 0)
	round("still nobody", "", "", "[]", 0)
	if n := strings.Count(log.String(), "does not tell"); n != 2 {
		t.Errorf("%d warnings, want one for each server:\n%s", n, log)
	}
	round("both answer", "203.0.113.7:8443", "203.0.113.7:8443", "[203.0.113.7:8443]", 1)
	round("the same again", "203.0.113.7:8443", "", "[203.0.113.7:8443]", 1)
	round("another address", "203.0.113.9:8443", "203.0.113.9:8443", "[203.0.113.9:8443]", 2)
	for range discoverFaults - 1 {
		round("silence", "", "", "[203.0.113.9:8443]", 2)
	}
	round("silence for too long", "", "", "[]", 3)
	round("symmetric", "203.0.113.7:1", "203.0.113.7:2", "[203.0.113.7:8443]", 4)
	round("symmetric again", "203.0.113.7:3", "203.0.113.7:4", "[203.0.113.7:8443]", 4)
	if n := strings.Count(log.String(), "another address for each destination"); n != 1 {
		t.Errorf("%d warnings of a symmetric NAT, want 1:\n%s", n, log)
	}
}

func TestWhatIsFoundIsAdvertised(t *testing.T) {
	a := newAdvertised(net.UDPAddrFromAddrPort(netip.MustParseAddrPort("[::]:8443")), []netip.Addr{netip.MustParseAddr("198.51.100.1")})
	a.local = func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("192.168.1.5")} }
	var found []netip.AddrPort
	a.found = func() []netip.AddrPort { return found }
	if got := fmt.Sprint(a.addresses()); got != "[198.51.100.1:8443 192.168.1.5:8443]" {
		t.Error(got)
	}
	found = []netip.AddrPort{netip.MustParseAddrPort("203.0.113.7:4711"), netip.MustParseAddrPort("192.168.1.5:8443")}
	a.reread()
	if got := fmt.Sprint(a.addresses()); got != "[198.51.100.1:8443 203.0.113.7:4711 192.168.1.5:8443]" {
		t.Error(got)
	}
}

// mirror is a STUN server that tells everybody the same address.
func mirror(t *testing.T, ip string, port int) string {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = conn.Close(); <-done })
	go func() {
		defer close(done)
		p := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFromUDP(p)
			if err != nil {
				return
			}
			m := &stun.Message{Raw: p[:n]}
			if m.Decode() != nil {
				continue
			}
			answer := stun.MustBuild(m, stun.BindingSuccess, &stun.XORMappedAddress{IP: net.ParseIP(ip), Port: port})
			_, _ = conn.WriteToUDP(answer.Raw, from) // a test that misses it fails
		}
	}()
	return conn.LocalAddr().String()
}

// TestDiscoveryOfARunningServer: the answer to a player has the address that STUN servers tell, and a NAT that tells two
// of them two ports is warned about.
func TestDiscoveryOfARunningServer(t *testing.T) {
	s := start(t, "--open", "--tls", "off", "--stun-discover", mirror(t, "203.0.113.7", 4711))
	if text := s.out.String(); !strings.Contains(text, "at 203.0.113.7, 127.0.0.1") {
		t.Errorf("the start says nothing of it:\n%s", text)
	}
	g := newGuest(t, "http://127.0.0.1:"+s.port)
	g.publish("/whip/hall")
	if sdp := g.pc.RemoteDescription().SDP; !strings.Contains(sdp, " 203.0.113.7 4711 typ host") || !strings.Contains(sdp, " 127.0.0.1 "+s.port+" typ host") {
		t.Errorf("answer without the address:\n%s", sdp)
	}

	began := time.Now()
	s = start(t, "--tls", "off", "--stun-discover", mirror(t, "203.0.113.7", 1)+","+mirror(t, "203.0.113.7", 2))
	if text := s.errors.String(); !strings.Contains(text, "another address for each destination") {
		t.Errorf("no warning of a symmetric NAT:\n%s", text)
	}
	if took := time.Since(began); took > discoverWithin+time.Second {
		t.Errorf("the start took %v", took)
	}
}

func TestParseSTUN(t *testing.T) {
	for text, want := range map[string]string{
		"stun.example.org:3478": "stun.example.org:3478", "STUN:stun.example.org": "stun.example.org:3478", "192.0.2.1:5": "192.0.2.1:5",
		"[2001:db8::1]:5": "[2001:db8::1]:5", "2001:db8::1": "[2001:db8::1]:3478", "a b": "", "x:0": "", "x:99999": "", "": "", "https://x": "",
	} {
		if got, problem := parseSTUN(text); got != want || (problem == "") == (want == "") {
			t.Errorf("%q: %q, %q", text, got, problem)
		}
	}
}
