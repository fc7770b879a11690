package udp

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// infoRoom holds one ancillary message of IPV6_PKTINFO or IP_PKTINFO (cmsg(3)), at its end.
const infoRoom = 40

// infoMessage is that message, ready to be sent. It begins at infoRoom-size; size 0 is none.
type infoMessage struct {
	bytes [infoRoom]byte
	size  int
}

// locals numbers the addresses of this machine that were asked.
type locals struct {
	// fixed
	v4 bool

	// owned by the reader
	byAddr map[netip.Addr]local
	raw    [16]byte // the newest one, as the kernel has it, and its number: mostly the next one too
	newest local

	// An entry is written once, by the reader, before its number is given to anybody.
	list [maxLocals + 1]infoMessage
}

// inControl is where recvmmsg writes the ancillary message of one datagram.
type inControl struct {
	hdr  unix.Cmsghdr
	data [64]byte
}

// askWhere makes the kernel tell for each datagram which address it was sent to. It is of no use on a socket that is
// bound to one.
func askWhere(fd int, v4 bool) error {
	if v4 {
		return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_PKTINFO, 1)
	}
	// This one also tells about IPv4 datagrams on a socket of both families, as mapped addresses.
	return unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1)
}

// number reads what the kernel wrote into c.
func (l *locals) number(c *inControl, length int) local {
	if length < unix.CmsgLen(unix.SizeofInet4Pktinfo) {
		return 0
	}
	var raw [16]byte
	switch {
	case c.hdr.Level == unix.SOL_IPV6 && c.hdr.Type == unix.IPV6_PKTINFO && length >= unix.CmsgLen(unix.SizeofInet6Pktinfo):
		copy(raw[:], c.data[:16])
	case c.hdr.Level == unix.SOL_IP && c.hdr.Type == unix.IP_PKTINFO:
		raw[10], raw[11] = 0xFF, 0xFF
		copy(raw[12:], c.data[4:8]) // ipi_spec_dst
	default:
		return 0
	}
	if raw == l.raw {
		return l.newest
	}
	l.raw, l.newest = raw, l.of(netip.AddrFrom16(raw).Unmap())
	return l.newest
}

// of is the number of an address, which it gets when it is met for the first time.
func (l *locals) of(addr netip.Addr) local {
	if n, known := l.byAddr[addr]; known {
		return n
	}
	if len(l.byAddr) >= maxLocals || addr.IsUnspecified() || addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return 0
	}
	n := local(len(l.byAddr) + 1)
	l.byAddr[addr] = n
	l.list[n] = infoFor(addr, l.v4)
	return n
}

// infoFor makes the message that lets a datagram go out from addr, on a socket of IPv4 or of both families. It names no
// interface: that is the routing table's to choose.
func infoFor(addr netip.Addr, v4 bool) (m infoMessage) {
	length := unix.SizeofInet6Pktinfo
	if v4 {
		length = unix.SizeofInet4Pktinfo
	}
	m.size = unix.CmsgSpace(length)
	at := m.bytes[infoRoom-m.size:]
	hdr := (*unix.Cmsghdr)(unsafe.Pointer(&at[0]))
	hdr.SetLen(unix.CmsgLen(length))
	data := at[unix.CmsgLen(0):]
	if v4 {
		ip := addr.As4()
		hdr.Level, hdr.Type = unix.SOL_IP, unix.IP_PKTINFO
		copy(data[4:8], ip[:])
		return m
	}
	ip := addr.As16()
	hdr.Level, hdr.Type = unix.SOL_IPV6, unix.IPV6_PKTINFO
	copy(data, ip[:])
	return m
}
