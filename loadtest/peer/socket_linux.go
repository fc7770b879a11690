package peer

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	udpGRO       = 104 // UDP_GRO of linux/udp.h
	readAtOnce   = 8   // datagrams or runs of them per wake
	largestRun   = 64 << 10
	controlBytes = 128
)

// socket is a UDP socket that takes runs of datagrams at once where the kernel puts them together (UDP GRO), and knows
// what the kernel dropped because nobody read in time.
type socket struct {
	conn    *net.UDPConn
	raw     syscall.RawConn
	dropped atomic.Uint32 // SO_RXQ_OVFL
}

// reader is what one read needs. They are shared by all sockets, so that a peer that waits holds no buffer.
type reader struct {
	buf     [largestRun]byte
	control [controlBytes]byte
	name    unix.RawSockaddrAny
	iov     unix.Iovec
	msg     unix.Msghdr
	plain   [2048]byte
}

var readers = sync.Pool{New: func() any {
	r := &reader{}
	r.iov.Base = &r.buf[0]
	r.iov.SetLen(len(r.buf))
	r.msg.Iov = &r.iov
	r.msg.SetIovlen(1)
	return r
}}

func (s *socket) prepare() error {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	s.raw = raw
	return raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_UDP, udpGRO, 1) // an old kernel gives datagram by datagram
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
	})
}

// read hands every datagram that comes to take, with room for what is made of it, until the socket is closed.
func (s *socket) read(take func(datagram, plain []byte, from netip.AddrPort), pause func()) {
	some := func(fd uintptr) bool {
		r, ok := readers.Get().(*reader)
		if !ok {
			return true // not reached
		}
		defer readers.Put(r)
		for i := range readAtOnce {
			n, err := r.receive(int(fd))
			if errors.Is(err, unix.EAGAIN) || err != nil && i > 0 {
				if i > 0 {
					pause()
				}
				return i > 0
			}
			if err != nil {
				continue // what an ICMP told; the next read may do
			}
			s.hand(r, n, take)
		}
		pause()
		return true
	}
	for s.raw.Read(some) == nil {
	}
}

// hand cuts a run into datagrams.
func (s *socket) hand(r *reader, n int, take func(datagram, plain []byte, from netip.AddrPort)) {
	size := n
	for rest := r.control[:min(int(r.msg.Controllen), len(r.control))]; len(rest) >= unix.SizeofCmsghdr; {
		header, data, after, err := unix.ParseOneSocketControlMessage(rest)
		if err != nil {
			break
		}
		if rest = after; len(data) < 4 {
			continue
		}
		value := binary.NativeEndian.Uint32(data)
		switch {
		case header.Level == unix.SOL_UDP && header.Type == udpGRO && value > 0:
			size = int(value)
		case header.Level == unix.SOL_SOCKET && header.Type == unix.SO_RXQ_OVFL:
			s.dropped.Store(value)
		}
	}
	from := r.from()
	for at := 0; at < n; at += size {
		take(r.buf[at:min(at+size, n)], r.plain[:0], from)
	}
}

// receive reads one datagram or run.
func (r *reader) receive(fd int) (int, error) {
	r.msg.Name = (*byte)(unsafe.Pointer(&r.name))
	r.msg.Namelen = uint32(unsafe.Sizeof(r.name))
	r.msg.Control = &r.control[0]
	r.msg.SetControllen(len(r.control))
	n, _, errno := unix.Syscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.msg)), unix.MSG_DONTWAIT)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// from is the sender's address.
func (r *reader) from() netip.AddrPort {
	b := (*[28]byte)(unsafe.Pointer(&r.name))
	port := binary.BigEndian.Uint16(b[2:])
	if r.name.Addr.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])).Unmap(), port)
}
