//go:build !linux

package peer

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
)

// socket is a UDP socket.
type socket struct {
	conn    *net.UDPConn
	dropped atomic.Uint32 // nobody tells
}

func (s *socket) prepare() error { return nil }

// read hands every datagram that comes to take, with room for what is made of it, until the socket is closed.
func (s *socket) read(take func(datagram, plain []byte, from netip.AddrPort), pause func()) {
	buf, plain := make([]byte, 2048), make([]byte, 0, 2048)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			take(buf[:n], plain, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
			pause()
		}
	}
}
