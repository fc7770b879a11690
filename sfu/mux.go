package sfu

import (
	"net"
	"net/netip"
	"slices"

	"github.com/pion/ice/v2"
	"github.com/pion/logging"
)

// mux is pion's UDP mux on the engine's socket, with our own list of addresses as host candidates.
type mux struct {
	*ice.UDPMuxDefault
	addresses func() []netip.AddrPort
	specific  bool // the socket is bound to one address
}

func newMux(conn net.PacketConn, addresses func() []netip.AddrPort, log logging.LeveledLogger) *mux {
	local, _ := conn.LocalAddr().(*net.UDPAddr)
	return &mux{
		UDPMuxDefault: ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: conn, Logger: log}),
		addresses:     addresses,
		specific:      local != nil && !local.IP.IsUnspecified(),
	}
}

// GetListenAddresses is what pion makes host candidates of: the first address of each family, and not all that answers
// tell. Candidates of one family share a connection, and each reads from it what comes next, whomever it was for: so with
// several of them a check would nominate one pair and its answer prove another, and no pair would be selected for seconds.
func (m *mux) GetListenAddresses() (list []net.Addr) {
	all := m.addresses()
	for _, v4 := range []bool{true, false} {
		if i := slices.IndexFunc(all, func(a netip.AddrPort) bool { return a.Addr().Is4() == v4 }); i >= 0 {
			list = append(list, net.UDPAddrFromAddrPort(all[i]))
		}
	}
	return list
}

// GetConn is pion's, for any address of the list: pion would refuse a public address in front of a socket that is
// bound to a private one.
func (m *mux) GetConn(ufrag string, addr net.Addr) (net.PacketConn, error) {
	if m.specific {
		addr = m.LocalAddr()
	}
	return m.UDPMuxDefault.GetConn(ufrag, addr)
}
