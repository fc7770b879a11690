package tcp

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unsentMost is how many bytes the kernel takes of a stream beyond what it has sent: what lies there can no longer be
// left out. With the queue it is what a viewer of a narrow path lags behind, so it is small; what is sent and not
// acknowledged yet does not count.
const unsentMost = 16 << 10

// gauge reads what the kernel knows of a connection. The zero value knows nothing.
type gauge struct{ raw syscall.RawConn }

// tune keeps the kernel's queue of conn short. A kernel that refuses has a longer one.
func tune(conn net.Conn) gauge {
	for {
		below, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = below.NetConn()
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return gauge{}
	}
	_ = tcp.SetNoDelay(true) // it is so already, unless somebody changed it
	raw, err := tcp.SyscallConn()
	if err != nil {
		return gauge{}
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentMost)
	})
	return gauge{raw}
}

// read is how many bytes the peer has acknowledged, and the shortest round trip that was seen. ok is false when that
// cannot be known, as of a connection that is closed.
func (g gauge) read() (acked uint64, roundTrip time.Duration, ok bool) {
	if g.raw == nil {
		return 0, 0, false
	}
	_ = g.raw.Control(func(fd uintptr) {
		if known, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			acked, roundTrip, ok = known.Bytes_acked, time.Duration(known.Min_rtt)*time.Microsecond, true
		}
	})
	return acked, roundTrip, ok
}
