package tlsutil

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestAddressesAreOrderedByUse(t *testing.T) {
	var found []place
	for _, s := range []string{
		"docker0 172.17.0.1", "eth0 169.254.3.4", "eth0 192.168.1.5", "eth0 fe80::1", "eth0 2001:db8::5",
		"eth0 2001:db8::7e11", "br-0a1b 172.18.0.1", "eth1 203.0.113.9", "wlan0 192.168.7.2", "eth1 fd00::9",
		"lo 127.0.0.1", "lo ::1", "eth0 224.0.0.1", "wlan0 192.168.1.5", "eth2 0.0.0.0",
	} {
		ifc, addr, _ := strings.Cut(s, " ")
		found = append(found, place{ifc, netip.MustParseAddr(addr)})
	}
	skip := map[netip.Addr]bool{netip.MustParseAddr("2001:db8::7e11"): true}
	for _, c := range []struct{ name, primary, want string }{
		{"default route by wlan0", "192.168.7.2", "192.168.7.2 192.168.1.5 203.0.113.9 2001:db8::5 fd00::9 172.17.0.1 172.18.0.1 169.254.3.4"},
		{"default route to the internet", "203.0.113.9", "203.0.113.9 192.168.1.5 192.168.7.2 2001:db8::5 fd00::9 172.17.0.1 172.18.0.1 169.254.3.4"},
		{"no default route", "", "192.168.1.5 192.168.7.2 203.0.113.9 2001:db8::5 fd00::9 172.17.0.1 172.18.0.1 169.254.3.4"},
	} {
		var primary netip.Addr
		if c.primary != "" {
			primary = netip.MustParseAddr(c.primary)
		}
		got := strings.Trim(fmt.Sprint(ordered(found, skip, []netip.Addr{primary, {}})), "[]")
		if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestAddressesAreBounded(t *testing.T) {
	var found []place
	for i := range 1000 {
		found = append(found, place{"veth1", netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})})
	}
	found = append(found, place{"eth0", netip.MustParseAddr("192.168.1.5")})
	got := ordered(found, nil, nil)
	if len(got) != maxAddrs || got[0].String() != "192.168.1.5" {
		t.Errorf("%d addresses, first %v", len(got), got[0])
	}
}

func TestUnstableIPv6(t *testing.T) {
	got := unstable(`20010db8000000000000000000000005 02 40 00 80     eth0
20010db8000000000000000000007e11 02 40 00 01     eth0
20010db8000000000000000000000006 02 40 00 40     eth0
20010db8000000000000000000000007 02 40 00 20     eth0
garbage line that is long enough here
xx 02 40 00 80 eth0

`)
	var list []string
	for a := range got {
		list = append(list, a.String())
	}
	slices.Sort(list)
	if want := "[2001:db8::6 2001:db8::7 2001:db8::7e11]"; fmt.Sprint(list) != want {
		t.Errorf("got %v, want %s", list, want)
	}
}

func TestAddressesOfThisMachine(t *testing.T) {
	have := map[string]bool{}
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		ip, _, _ := strings.Cut(a.String(), "/")
		have[ip] = true
	}
	for _, a := range Addresses() {
		if !have[a.String()] || a.IsLoopback() || a.Zone() != "" {
			t.Errorf("%v is not an address to hand out", a)
		}
	}
}

func TestNamesOfAHost(t *testing.T) {
	for host, want := range map[string]string{
		"hall":                  "[hall hall.local]",
		"Hall-PC.corp.example.": "[hall-pc.corp.example hall-pc hall-pc.local]",
		"hall.local":            "[hall.local hall]",
		"localhost":             "[]",
		"localhost.localdomain": "[]",
		"with_underscore":       "[]",
		"":                      "[]",
		"-x":                    "[]",
		"7":                     "[7.local]",
		strings.Repeat("a", 64): "[]",
		"a..b":                  "[a a.local]",
		"例え":                    "[]",
	} {
		if got := fmt.Sprint(namesOf(host)); got != want {
			t.Errorf("%q: got %s, want %s", host, got, want)
		}
	}
}

func TestReachable(t *testing.T) {
	for host, want := range map[string]string{
		"127.0.0.1":        "[127.0.0.1]",
		"::1":              "[::1]",
		"::ffff:192.0.2.1": "[192.0.2.1]",
		"192.168.1.5":      "[192.168.1.5]",
	} {
		if got := fmt.Sprint(Reachable(host)); got != want {
			t.Errorf("%q: got %s, want %s", host, got, want)
		}
	}
	for _, host := range []string{"", "::", "0.0.0.0", "localhost", "no-such-name.invalid"} {
		got := Reachable(host)
		if len(got) == 0 {
			t.Errorf("%q: nothing", host)
		}
		if host == "0.0.0.0" && slices.ContainsFunc(got, netip.Addr.Is6) {
			t.Errorf("%q: %v", host, got)
		}
	}
}
