package sfu

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/pion/logging"

	"castcode/sfu/udp"
)

// TestTheLibraryHasOneAddressOfAFamily, however many answers tell: see GetListenAddresses.
func TestTheLibraryHasOneAddressOfAFamily(t *testing.T) {
	socket, err := udp.Listen(netip.MustParseAddrPort("127.0.0.1:0"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close() //nolint:errcheck // nobody uses it
	for want, list := range map[string][]string{
		"[203.0.113.7:4711 [fd00::5]:8443]": {"203.0.113.7:4711", "192.168.1.5:8443", "[fd00::5]:8443", "[fd00::6]:8443", "172.17.0.1:8443"},
		"[[fd00::5]:8443]":                  {"[fd00::5]:8443"},
		"[]":                                nil,
	} {
		m := newMux(socket.Media(), func() (all []netip.AddrPort) {
			for _, a := range list {
				all = append(all, netip.MustParseAddrPort(a))
			}
			return all
		}, logging.NewDefaultLoggerFactory().NewLogger("mux"))
		if got := fmt.Sprint(m.GetListenAddresses()); got != want {
			t.Errorf("%v: %s, want %s", list, got, want)
		}
		_ = m.Close() // it was not used
	}
}
