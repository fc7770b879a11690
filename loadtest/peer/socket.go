package peer

import (
	"net"
	"net/netip"
)

// receiveBuffer is what a socket may hold for a peer that is not read for a while, in bytes. The kernel gives what it
// allows and takes no memory before it is needed.
const receiveBuffer = 2 << 20

// openSocket opens a UDP socket for all addresses of the machine.
func openSocket() (*socket, error) {
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		return nil, err
	}
	s := &socket{conn: conn}
	_ = conn.SetReadBuffer(receiveBuffer) // with less it works too
	if err := s.prepare(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

// port is the local port.
func (s *socket) port() uint16 {
	if at, ok := s.conn.LocalAddr().(*net.UDPAddr); ok {
		return at.AddrPort().Port()
	}
	return 0
}

// send sends a datagram. What cannot be sent is lost, as on any network.
func (s *socket) send(p []byte, to netip.AddrPort) { _, _ = s.conn.WriteToUDPAddrPort(p, to) }

func (s *socket) close() { _ = s.conn.Close() }
