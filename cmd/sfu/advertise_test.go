package main

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestAdvertised(t *testing.T) {
	lan := []netip.Addr{netip.MustParseAddr("192.168.1.5"), netip.MustParseAddr("fd00::5")}
	public := []netip.Addr{netip.MustParseAddr("203.0.113.7")}
	for _, c := range []struct {
		name   string
		bound  string
		public []netip.Addr
		local  []netip.Addr
		want   string
		relay  string
	}{
		{"all addresses", "[::]:8443", nil, lan, "[192.168.1.5:8443 [fd00::5]:8443]", "192.168.1.5"},
		{"IPv4 only", "0.0.0.0:8443", nil, lan, "[192.168.1.5:8443]", "192.168.1.5"},
		{"behind NAT", "[::]:443", public, lan, "[203.0.113.7:443 192.168.1.5:443 [fd00::5]:443]", "203.0.113.7"},
		{"the public address is on an interface", "[::]:443", lan[:1], lan, "[192.168.1.5:443 [fd00::5]:443]", "192.168.1.5"},
		{"one address", "192.168.1.9:8443", nil, lan, "[192.168.1.9:8443]", "192.168.1.9"},
		{"loopback", "127.0.0.1:8080", nil, lan, "[127.0.0.1:8080]", "127.0.0.1"},
		{"no network", "[::]:8443", nil, nil, "[127.0.0.1:8443]", "127.0.0.1"},
		{"IPv6 only", "[fd00::5]:8443", nil, lan, "[[fd00::5]:8443]", "fd00::5"},
	} {
		a := newAdvertised(net.UDPAddrFromAddrPort(netip.MustParseAddrPort(c.bound)), c.public)
		a.local = func() []netip.Addr { return c.local }
		if got := fmt.Sprint(a.addresses()); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if got := a.relayIP().String(); got != c.relay {
			t.Errorf("%s: relays show %s, want %s", c.name, got, c.relay)
		}
	}
}

func TestAdvertisedFollowsTheMachine(t *testing.T) {
	a := newAdvertised(net.UDPAddrFromAddrPort(netip.MustParseAddrPort("[::]:8443")), nil)
	now := netip.MustParseAddr("192.168.1.5")
	a.local = func() []netip.Addr { return []netip.Addr{now} }
	a.addresses()
	now = netip.MustParseAddr("10.0.0.5")
	if got := a.addresses()[0].Addr(); got == now {
		t.Error("the machine is asked at every call")
	}
	a.last.Store(&listed{a.last.Load().addresses, time.Now().Add(-refresh)})
	if got := a.addresses()[0].Addr(); got != now {
		t.Errorf("a laptop in another network advertises %v", got)
	}
}

func TestICEServers(t *testing.T) {
	own := func() []netip.AddrPort { return []netip.AddrPort{netip.MustParseAddrPort("192.168.1.5:8443")} }
	embedded := &iceServers{
		ends: []turnEnd{{"turn", "8443", "udp"}, {"turn", "8443", "tcp"}, {"turns", "8443", "tcp"}}, own: own, secret: []byte("secret"),
	}
	for host, want := range map[string]string{
		"cast.example": "turn:cast.example:8443", "192.168.1.5": "turn:192.168.1.5:8443", "fd00::5": "turn:[fd00::5]:8443",
		"localhost": "turn:192.168.1.5:8443", "127.0.0.1": "turn:192.168.1.5:8443", "::1": "turn:192.168.1.5:8443",
	} {
		list, ttl := embedded.forPeer("p_1", host, 0)
		if len(list) != 2 || !list[0].Media || list[1].Media || list[0].Username != list[1].Username || ttl != turnTTL ||
			fmt.Sprint(list[0].URLs, list[1].URLs) != fmt.Sprintf("[%[1]s?transport=udp] [%[1]s?transport=tcp %[2]s?transport=tcp]", want, strings.Replace(want, "turn", "turns", 1)) {
			t.Errorf("%s: %+v", host, list)
		}
		expiry, peer, _ := strings.Cut(list[0].Username, ":")
		if len(expiry) != len("1800000000") || peer != "p_1" || list[0].Credential == "" {
			t.Errorf("%s: user name %q", host, list[0].Username)
		}
	}
	// A certificate from a public authority is for names only.
	embedded.name = "cast.example"
	for host, want := range map[string]string{
		"localhost": "turns:cast.example:8443", "192.168.1.5": "turns:cast.example:8443", "www.cast.example": "turns:www.cast.example:8443",
	} {
		if list, _ := embedded.forPeer("p_1", host, 0); list[1].URLs[1] != want+"?transport=tcp" || strings.Contains(list[0].URLs[0], ":cast.example") {
			t.Errorf("%s: %v", host, list[0].URLs)
		}
	}
	embedded.ends = append(embedded.ends, turnEnd{"turn", "3478", "udp"})
	if list, _ := embedded.forPeer("p_1", "h", 0); len(list[0].URLs) != 1 || list[1].URLs[2] != "turn:h:3478?transport=udp" {
		t.Errorf("TURN on a port of its own over UDP: %+v", list)
	}
	fixed := &iceServers{urls: []string{"turns:turn.example:443"}, user: "u", pass: "p", own: own}
	if list, _ := fixed.forPeer("p_1", "cast.example", 0); len(list) != 1 || list[0].Username != "u" || list[0].Credential != "p" || list[0].URLs[0] != fixed.urls[0] {
		t.Errorf("external server with an account: %+v", list)
	}
	rest := &iceServers{urls: []string{"turns:turn.example:443"}, secret: []byte("s"), own: own}
	if list, _ := rest.forPeer("p_1", "cast.example", 0); !strings.HasSuffix(list[0].Username, ":p_1") {
		t.Errorf("external server with a secret: %+v", list)
	}
	if list, _ := (&iceServers{off: true}).forPeer("p_1", "cast.example", 0); list != nil {
		t.Errorf("TURN is off: %+v", list)
	}
}
