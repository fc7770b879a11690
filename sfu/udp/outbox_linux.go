package udp

import (
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// control is the ancillary messages of one send, as cmsg(3) lays them out: where it comes from, and the size of the
// segments. Each may be left out, since the first ends where the second begins.
type control struct {
	info [infoRoom]byte
	hdr  unix.Cmsghdr
	size uint16
	_    [6]byte
}

// attach gives h the messages that it needs: the source from, if it is not empty, and the size of segments, if it is
// not 0.
func (c *control) attach(h *unix.Msghdr, from *infoMessage, segment int) {
	length := from.size
	h.Control = nil
	if segment > 0 {
		c.size = uint16(segment)
		h.Control = (*byte)(unsafe.Pointer(&c.hdr))
		length += unix.CmsgSpace(2)
	}
	if from.size > 0 {
		c.info = from.bytes
		h.Control = &c.info[infoRoom-from.size]
	}
	h.SetControllen(length)
}

// linuxOutbox sends the runs of one batch with sendmmsg, as UDP GSO where that works.
type linuxOutbox struct {
	// fixed
	wire   *linuxWire
	call   func(uintptr)
	kernel func(fd int, msgs []mmsghdr) (sent int, errno syscall.Errno) // sendmmsg(2); a test has its own

	// owned by the goroutine of the batch
	next, end int // messages to send
	wait      time.Duration
	sent      int
	errno     syscall.Errno
	msgs      [maxSlots]mmsghdr
	iovs      [maxSlots]unix.Iovec
	names     [maxSlots]sockaddr
	controls  [maxSlots]control
	of        [maxSlots]int32 // the run that a message carries, or a part of
	whole     [maxSlots]bool  // the message is that run, to be cut by the kernel
	fds       [1]unix.PollFd
	single    single
}

func (w *linuxWire) outbox() outbox {
	o := &linuxOutbox{wire: w, kernel: sendmmsg}
	o.call = o.hand
	for i := range o.msgs {
		o.msgs[i].hdr.Name = (*byte)(unsafe.Pointer(&o.names[i]))
		o.msgs[i].hdr.Iov = &o.iovs[i]
		o.msgs[i].hdr.SetIovlen(1)
		o.controls[i].hdr.Level, o.controls[i].hdr.Type = unix.SOL_UDP, unix.UDP_SEGMENT
		o.controls[i].hdr.SetLen(unix.CmsgLen(2))
	}
	return o
}

// flush sends runs, of at most maxSlots datagrams in all.
func (o *linuxOutbox) flush(arena []byte, runs []run, wait time.Duration) (t tally) {
	o.wait = wait
	o.load(arena, runs, &t)
	for o.next < o.end {
		if err := o.wire.raw.Control(o.call); err != nil { // closed
			t.refused += o.left(runs)
			break
		}
		if o.sent > 0 {
			o.count(runs, &t)
			o.next += o.sent
			continue
		}
		if o.errno == unix.EAGAIN {
			t.full += o.left(runs)
			break
		}
		o.refused(arena, runs, &t)
		o.next++
	}
	return t
}

// load makes a message of every run, or of every datagram where there is no GSO.
func (o *linuxOutbox) load(arena []byte, runs []run, t *tally) {
	o.next, o.end = 0, 0
	whole := o.wire.out.works()
	for i := range runs {
		r := &runs[i]
		first := o.end
		length := o.wire.encode(&o.names[first], r.to.addr)
		switch {
		case length == 0: // the other family
			t.refused += uint64(r.count)
		case r.count == 1: // never as a run: some kernels and drivers refuse or lose those
			o.message(arena[r.at:r.at+r.bytes], length, i, r.to.local, 0)
		case whole:
			o.message(arena[r.at:r.at+r.bytes], length, i, r.to.local, r.size)
		default:
			for j := range r.count {
				o.names[o.end] = o.names[first]
				from, to := r.segment(j)
				o.message(arena[from:to], length, i, r.to.local, 0)
			}
		}
	}
}

// message adds p, of run of, to go out from one of our addresses; in segments if their size is not 0.
func (o *linuxOutbox) message(p []byte, nameLength uint32, of int, from local, segment int) {
	o.iovs[o.end].Base = &p[0]
	o.iovs[o.end].SetLen(len(p))
	h := &o.msgs[o.end].hdr
	h.Namelen = nameLength
	o.controls[o.end].attach(h, &o.wire.own.list[from], segment)
	o.of[o.end], o.whole[o.end] = int32(of), segment > 0
	o.end++
}

// hand gives messages to the kernel. When there is no room for the first, it waits for some, for o.wait in all.
func (o *linuxOutbox) hand(uintptr) {
	for {
		o.sent, o.errno = o.kernel(o.wire.fd, o.msgs[o.next:o.end])
		if o.errno != unix.EAGAIN || o.wait <= 0 {
			return
		}
		began := time.Now()
		o.fds[0] = unix.PollFd{Fd: int32(o.wire.fd), Events: unix.POLLOUT}
		unix.Poll(o.fds[:], max(1, int(o.wait.Milliseconds()))) //nolint:errcheck // the next try tells
		o.wait -= time.Since(began)
	}
}

// sendmmsg sends some of msgs, the first of them or none. It never waits, so the runtime is not told of the call: a
// batch takes the kernel longer than the 20 µs after which the runtime would give this thread's place to another one,
// and the two would take turns for the length of every flush. A garbage collection that wants to stop the world waits
// for it, 0.1 to 0.3 ms (2026-11).
func sendmmsg(fd int, msgs []mmsghdr) (int, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&msgs[0])),
			uintptr(len(msgs)), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case unix.EINTR:
		case 0:
			return int(n), 0
		default:
			return 0, errno
		}
	}
}

// count notes the messages that the kernel took.
func (o *linuxOutbox) count(runs []run, t *tally) {
	t.calls++
	proven := false
	for i := o.next; i < o.next+o.sent; i++ {
		t.bytes += uint64(o.msgs[i].n)
		if !o.whole[i] {
			t.sent++
			continue
		}
		n := uint64(runs[o.of[i]].count)
		t.sent += n
		t.gso += n
		t.gsoRuns++
		proven = true
	}
	if proven {
		o.wire.out.worked()
	}
}

// left is how many datagrams have not been sent.
func (o *linuxOutbox) left(runs []run) (n uint64) {
	for i := o.next; i < o.end; i++ {
		if !o.whole[i] {
			n++
		} else {
			n += uint64(runs[o.of[i]].count)
		}
	}
	return n
}

// refused deals with the message that the kernel does not take. A run goes again, one by one; what else the kernel
// says (ECONNREFUSED, EPERM, ENETUNREACH, ENOBUFS, EMSGSIZE ...) concerns this one destination, and the datagram is
// lost.
func (o *linuxOutbox) refused(arena []byte, runs []run, t *tally) {
	i := o.next
	r := &runs[o.of[i]]
	if !o.whole[i] || !blamesGSO(o.errno) {
		if !o.whole[i] {
			t.refused++
		} else {
			t.refused += uint64(r.count)
		}
		return
	}
	cause, passed := o.errno, false
	for j := range r.count {
		from, to := r.segment(j)
		switch o.single.send(o.wire, arena[from:to], &o.names[i], o.msgs[i].hdr.Namelen, r.to.local) {
		case 0:
			passed = true
			t.calls++
			t.sent++
			t.bytes += uint64(to - from)
		case unix.EAGAIN:
			t.full++
		default:
			t.refused++
		}
	}
	if passed { // else it was the destination, not the run
		t.retried++
		o.wire.out.failed(cause)
	}
}

// single is one datagram for sendmsg(2).
type single struct {
	hdr     unix.Msghdr
	iov     unix.Iovec
	control control
}

// send sends p. The caller sees to it that the descriptor stays open, or that nothing depends on it.
func (m *single) send(w *linuxWire, p []byte, name *sockaddr, nameLength uint32, from local) syscall.Errno {
	m.hdr = unix.Msghdr{Name: (*byte)(unsafe.Pointer(name)), Namelen: nameLength, Iov: &m.iov}
	m.hdr.SetIovlen(1)
	m.iov.Base = unsafe.SliceData(p)
	m.iov.SetLen(len(p))
	m.control.attach(&m.hdr, &w.own.list[from], 0)
	defer func() { m.iov.Base = nil }()
	for {
		_, _, errno := unix.Syscall(unix.SYS_SENDMSG, uintptr(w.fd), uintptr(unsafe.Pointer(&m.hdr)), unix.MSG_DONTWAIT)
		if errno != unix.EINTR {
			return errno
		}
	}
}

// singleOutbox sends one datagram without an allocation.
type singleOutbox struct {
	call  func(uintptr)
	wire  *linuxWire
	p     []byte
	from  local
	name  sockaddr
	size  uint32
	errno syscall.Errno
	single
}

var outboxes = sync.Pool{New: func() any {
	o := new(singleOutbox)
	o.call = func(uintptr) { o.errno = o.single.send(o.wire, o.p, &o.name, o.size, o.from) }
	return o
}}

func (o *singleOutbox) send(w *linuxWire, p []byte, to netip.AddrPort, from local) error {
	o.size = w.encode(&o.name, to)
	if o.size == 0 {
		return os.NewSyscallError("sendto", unix.EAFNOSUPPORT)
	}
	o.wire, o.p, o.from = w, p, from
	err := w.raw.Control(o.call)
	o.wire, o.p = nil, nil
	if err == nil && o.errno != 0 {
		err = os.NewSyscallError("sendto", o.errno)
	}
	return err
}
