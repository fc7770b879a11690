package udp

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// setBuffers asks for kernelBuffer in both directions. Where the process may, it goes over the limit of the machine
// (net.core.rmem_max, net.core.wmem_max).
func setBuffers(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	forced := false
	if err := raw.Control(func(fd uintptr) {
		forced = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, kernelBuffer) == nil &&
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, kernelBuffer) == nil
	}); err != nil || forced {
		return err
	}
	return errors.Join(conn.SetReadBuffer(kernelBuffer), conn.SetWriteBuffer(kernelBuffer))
}
