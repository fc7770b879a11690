package sfu

import (
	"net"
	"net/netip"

	"github.com/pion/ice/v2"
	"github.com/pion/logging"
)

// mux is pion's UDP mux on the engine's socket, with our own list of addresses as host candidates: the public ones
// first, as they are at the time of the answer.
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

// GetListenAddresses is what pion makes host candidates of.
func (m *mux) GetListenAddresses() []net.Addr {
	var list []net.Addr
	for _, a := range m.addresses() {
		list = append(list, net.UDPAddrFromAddrPort(a))
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
