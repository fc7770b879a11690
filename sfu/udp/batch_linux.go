package udp

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2) and sendmmsg(2); the compiler pads it as C does.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32 // bytes received, or sent
}

// sockaddr is room for a struct sockaddr_in6 or sockaddr_in.
type sockaddr = unix.RawSockaddrInet6

// linuxWire is a UDP socket that Go's poller does not see. The poller would ask for writability too, and then each
// packet that leaves the kernel's buffer wakes a thread of the runtime: about 1 µs per packet sent (2026-11). So the
// socket is in an epoll set of its own that asks for readability only, and that set is what the poller watches. A
// goroutine that reads parks as usual.
type linuxWire struct {
	// fixed
	fd         int
	v4         bool            // of family AF_INET: speaks no IPv6
	everywhere bool            // bound to all addresses of the machine
	set        *os.File        // the epoll set
	raw        syscall.RawConn // of set; whoever is in one of its calls keeps fd open
	out        gsoState
	own        locals

	// owned by the reader
	in    inbox
	deaf  bool // the set does not watch the socket
	watch func(uintptr)
	try   func(uintptr)
}

// inbox is what recvmmsg writes to.
type inbox struct {
	call  func(uintptr) bool
	count int  // room, in datagrams
	n     int  // received
	idle  bool // there was nothing
	errno syscall.Errno
	msgs  [readBatch]mmsghdr
	iovs  [readBatch]unix.Iovec
	names [readBatch]sockaddr
	about [readBatch]inControl
	zones map[uint32]string // names of IPv6 zones that were met; link-local peers only
}

// newWire serves conn from now on. Where the machine forbids what it takes, it serves it datagram by datagram.
func newWire(conn *net.UDPConn, log *slog.Logger) wire {
	w, err := newLinuxWire(conn)
	if err != nil {
		log.Warn("media socket is served one datagram at a time", "err", err)
		return &plainWire{conn: conn}
	}
	conn.Close() // w has its own descriptor of the same socket
	w.out.probe(w.fd, w.v4)
	if reason := w.gso(); reason != "" {
		log.Info("media socket sends without UDP GSO", "reason", reason)
	}
	return w
}

func newLinuxWire(conn *net.UDPConn) (*linuxWire, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	w := &linuxWire{fd: -1}
	if cerr := raw.Control(func(fd uintptr) { w.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); cerr != nil {
		return nil, cerr
	}
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	if err := w.enclose(); err != nil {
		unix.Close(w.fd)
		return nil, err
	}
	return w, nil
}

// enclose puts the socket into a set of its own and the set under the runtime's poller.
func (w *linuxWire) enclose() error {
	family, err := unix.GetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	w.v4 = family == unix.AF_INET
	w.own = locals{v4: w.v4, byAddr: make(map[netip.Addr]local)}
	if w.everywhere, err = wildcard(w.fd); err != nil {
		return err
	}
	if w.everywhere {
		if err := askWhere(w.fd, w.v4); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if err := errors.Join(
		unix.EpollCtl(set, unix.EPOLL_CTL_ADD, w.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(w.fd)}),
		unix.SetNonblock(set, true),
	); err != nil {
		unix.Close(set)
		return err
	}
	w.set = os.NewFile(uintptr(set), "media socket")
	if err := w.set.SetReadDeadline(time.Time{}); err != nil { // the poller did not take it
		w.set.Close()
		return err
	}
	if w.raw, err = w.set.SyscallConn(); err != nil {
		w.set.Close()
		return err
	}
	w.in.call = w.recvmmsg
	w.try = func(uintptr) { w.in.idle = !w.recvmmsg(0) }
	w.watch = func(uintptr) {
		events := uint32(unix.EPOLLIN)
		if w.deaf {
			events = 0
		}
		if err := unix.EpollCtl(set, unix.EPOLL_CTL_MOD, w.fd, &unix.EpollEvent{Events: events, Fd: int32(w.fd)}); err != nil {
			w.deaf = false
		}
	}
	w.in.zones = make(map[uint32]string)
	return nil
}

// wildcard says whether a socket is bound to all addresses of its family, or of both.
func wildcard(fd int) (bool, error) {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return false, os.NewSyscallError("getsockname", err)
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		return a.Addr == [4]byte{}, nil
	case *unix.SockaddrInet6:
		return a.Addr == [16]byte{}, nil
	}
	return false, nil
}

// close wakes the reader and waits for those who send.
func (w *linuxWire) close() error {
	err := w.set.Close()
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return errors.Join(err, unix.Close(w.fd))
}

func (w *linuxWire) receive(into []*datagram) (int, error) {
	in := &w.in
	in.count = min(len(into), readBatch)
	for i := range in.count {
		in.iovs[i].Base = &into[i].buf[0]
		in.iovs[i].SetLen(len(into[i].buf))
		h := &in.msgs[i].hdr
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&in.names[i])), uint32(unsafe.Sizeof(in.names[i]))
		h.Iov = &in.iovs[i]
		h.SetIovlen(1)
		if w.everywhere {
			h.Control = (*byte)(unsafe.Pointer(&in.about[i]))
			h.SetControllen(int(unsafe.Sizeof(in.about[i])))
		}
	}
	if err := w.wait(); err != nil {
		return 0, err
	}
	if in.errno != 0 {
		return 0, os.NewSyscallError("recvmmsg", in.errno)
	}
	for i := range in.n {
		into[i].n = int(in.msgs[i].n)
		into[i].src = in.source(&in.names[i])
		into[i].local = w.own.number(&in.about[i], int(in.msgs[i].hdr.Controllen))
	}
	return in.n, nil
}

// wait takes what is there, and waits for something if there is nothing.
func (w *linuxWire) wait() error {
	if w.deaf {
		if err := w.raw.Control(w.try); err != nil || !w.in.idle {
			return err
		}
		w.deaf = false
		if err := w.raw.Control(w.watch); err != nil {
			return err
		}
	}
	return w.raw.Read(w.in.call)
}

// rest lets datagrams gather. The set stops watching the socket, so that the runtime's poller is not woken either, and
// watches it again when there is nothing more to read.
func (w *linuxWire) rest(d time.Duration) {
	if !w.deaf {
		w.deaf = true
		if w.raw.Control(w.watch) != nil {
			return // closed
		}
	}
	time.Sleep(d)
}

// recvmmsg takes what is there. It returns false when there is nothing, to wait.
func (w *linuxWire) recvmmsg(uintptr) bool {
	in := &w.in
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(w.fd), uintptr(unsafe.Pointer(&in.msgs[0])),
			uintptr(in.count), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case unix.EAGAIN:
			return false
		case unix.EINTR:
			continue
		case 0:
			in.n, in.errno = int(n), 0
		default:
			in.n, in.errno = 0, errno
		}
		return true
	}
}

// source reads an address that the kernel wrote.
func (in *inbox) source(name *sockaddr) netip.AddrPort {
	if name.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), networkOrder(v4.Port))
	}
	addr := netip.AddrFrom16(name.Addr).Unmap()
	if name.Scope_id != 0 && addr.Is6() {
		zone, known := in.zones[name.Scope_id]
		if !known {
			zone = strconv.Itoa(int(name.Scope_id))
			in.zones[name.Scope_id] = zone // at most one entry per network interface
		}
		addr = addr.WithZone(zone)
	}
	return netip.AddrPortFrom(addr, networkOrder(name.Port))
}

// networkOrder turns a port from, or into, what lies in memory in network byte order.
func networkOrder(port uint16) uint16 {
	var p [2]byte
	binary.NativeEndian.PutUint16(p[:], port)
	return binary.BigEndian.Uint16(p[:])
}

// encode writes to for the kernel into name and returns its length, 0 if the socket cannot reach that family.
func (w *linuxWire) encode(name *sockaddr, to netip.AddrPort) uint32 {
	addr := to.Addr()
	if w.v4 {
		if !addr.Is4() && !addr.Is4In6() {
			return 0
		}
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		*v4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: networkOrder(to.Port()), Addr: addr.As4()}
		return unix.SizeofSockaddrInet4
	}
	if !addr.IsValid() {
		return 0
	}
	*name = sockaddr{Family: unix.AF_INET6, Port: networkOrder(to.Port()), Addr: addr.As16()}
	if zone := addr.Zone(); zone != "" {
		name.Scope_id = scope(zone)
	}
	return unix.SizeofSockaddrInet6
}

// scope finds the number of an IPv6 zone. Addresses of received datagrams have it as their zone.
func scope(zone string) uint32 {
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	if found, err := net.InterfaceByName(zone); err == nil {
		return uint32(found.Index)
	}
	return 0
}

func (w *linuxWire) send(p []byte, to netip.AddrPort, from local) error {
	// A closure for raw.Control would be an allocation; an outbox has one already.
	o, _ := outboxes.Get().(*singleOutbox)
	defer outboxes.Put(o)
	return o.send(w, p, to, from)
}
