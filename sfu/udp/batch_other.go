//go:build !linux

package udp

import (
	"errors"
	"log/slog"
	"net"
)

// newWire serves conn from now on.
func newWire(conn *net.UDPConn, _ *slog.Logger) wire { return &plainWire{conn: conn} }

// setBuffers asks for kernelBuffer in both directions.
func setBuffers(conn *net.UDPConn) error {
	return errors.Join(conn.SetReadBuffer(kernelBuffer), conn.SetWriteBuffer(kernelBuffer))
}
