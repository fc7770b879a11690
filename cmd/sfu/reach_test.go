package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestOutlook(t *testing.T) {
	at := func(list ...string) (out []netip.AddrPort) {
		for _, a := range list {
			out = append(out, netip.AddrPortFrom(netip.MustParseAddr(a), 8443))
		}
		return out
	}
	dns := func(host string, list ...string) map[string][]netip.Addr {
		found := []netip.Addr{}
		for _, a := range list {
			found = append(found, netip.MustParseAddr(a))
		}
		return map[string][]netip.Addr{host: found}
	}
	const name = "cast.example.org"
	low := func(port uint16, list ...string) (out []netip.AddrPort) {
		for _, a := range list {
			out = append(out, netip.AddrPortFrom(netip.MustParseAddr(a), port))
		}
		return out
	}
	for what, tc := range map[string]struct {
		o    outlook
		want []string // a part of each warning
	}{
		"a LAN":                       {outlook{advertised: at("192.168.1.5", "fd00::5")}, nil},
		"a LAN with a name":           {outlook{advertised: at("192.168.1.5"), hosts: []string{"hall.local"}}, nil},
		"loopback":                    {outlook{advertised: at("127.0.0.1")}, []string{"Only this machine"}},
		"loopback of both families":   {outlook{advertised: at("127.0.0.1", "::1"), proxied: true}, []string{"Only this machine"}},
		"public":                      {outlook{advertised: at("203.0.113.7"), hosts: []string{name}, names: dns(name, "203.0.113.7")}, nil},
		"behind NAT with --public-ip": {outlook{advertised: at("203.0.113.7", "10.0.0.5"), hosts: []string{name}, names: dns(name, "203.0.113.7")}, nil},
		"private, acme":               {outlook{advertised: at("10.0.0.5"), hosts: []string{name}, public: true}, []string{"private addresses only (10.0.0.5)"}},
		"private, public name":        {outlook{advertised: at("100.64.1.1", "fd00::5"), hosts: []string{name}}, []string{"Set --public-ip, or --stun-discover"}},
		"private, public address":     {outlook{advertised: at("10.0.0.5"), hosts: []string{"203.0.113.7"}}, []string{"203.0.113.7 is a public name"}},
		"STUN told nothing":           {outlook{advertised: at("10.0.0.5"), hosts: []string{name}, discover: true}, []string{"no STUN server told one"}},
		"STUN told nothing in a LAN":  {outlook{advertised: at("10.0.0.5"), discover: true}, []string{"No STUN server told a public address"}},
		"DNS says otherwise": {
			outlook{advertised: at("203.0.113.7"), hosts: []string{name}, names: dns(name, "203.0.113.9", "2001:db8::9")},
			[]string{"is 203.0.113.9, 2001:db8::9 in DNS, and media is not offered there but at 203.0.113.7"},
		},
		"one of DNS's is ours":     {outlook{advertised: at("203.0.113.7"), hosts: []string{name}, names: dns(name, "2001:db8::9", "203.0.113.7")}, nil},
		"not in DNS":               {outlook{advertised: at("203.0.113.7"), hosts: []string{name}, names: dns(name)}, []string{"no address in DNS"}},
		"DNS could not be asked":   {outlook{advertised: at("203.0.113.7"), hosts: []string{name}}, nil},
		"a proxy has the name":     {outlook{advertised: at("203.0.113.7"), hosts: []string{name}, names: dns(name, "203.0.113.9"), proxied: true}, nil},
		"443 in a LAN":             {outlook{advertised: low(443, "192.168.1.5", "100.64.1.1")}, []string{"at 192.168.1.5, 100.64.1.1 it needs TURN"}},
		"443 with both":            {outlook{advertised: low(443, "203.0.113.7", "10.0.0.5")}, []string{"at 10.0.0.5 it needs TURN"}},
		"443 and public":           {outlook{advertised: low(443, "203.0.113.7", "2001:db8::7")}, nil},
		"another low port":         {outlook{advertised: low(500, "203.0.113.7")}, []string{"at 203.0.113.7 it needs TURN"}},
		"many, and all of them no": {outlook{advertised: at("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"), hosts: []string{name}}, []string{"10.0.0.2 and 3 more"}},
	} {
		got := tc.o.warnings()
		if len(got) != len(tc.want) {
			t.Errorf("%s: %q, want %d warnings", what, got, len(tc.want))
			continue
		}
		for i, part := range tc.want {
			if !strings.Contains(got[i], part) {
				t.Errorf("%s: %q, want %q in it", what, got[i], part)
			}
		}
	}
}

func TestStartWarnsAndSaysWhereMediaIs(t *testing.T) {
	s := start(t, "--tls", "off")
	if text := s.out.String(); !strings.Contains(text, "Media: UDP and TCP "+s.port+", at 127.0.0.1.") || !strings.Contains(text, "! Only this machine can watch") {
		t.Errorf("the start says:\n%s", text)
	}
	if text := s.errors.String(); !strings.Contains(text, "offering media") || !strings.Contains(text, "Only this machine can watch") {
		t.Errorf("the log says:\n%s", text)
	}
}

func TestListenHints(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.EACCES: "ports below 1024 need a right", syscall.EADDRINUSE: "another program has the port",
		syscall.EADDRNOTAVAIL: "no such address", syscall.EMFILE: "choose another address with --addr",
	} {
		err := fmt.Errorf("media socket: %w", &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", errno)})
		if got := listenHint(err, "addr"); !strings.Contains(got, want) || !strings.Contains(got, "--addr") {
			t.Errorf("%v: %q, want %q", errno, got, want)
		}
	}
	if _, err := listenTCP("addr", "203.0.113.7:0"); err == nil || !strings.Contains(err.Error(), "no such address") {
		t.Errorf("an address of somebody else: %v", err)
	}
}
