package sfu

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"castcode/internal/linksim"
	"castcode/internal/portmux"
	"castcode/sfu/udp"
)

// framed is a far end's socket over ICE-TCP: a net.PacketConn for a library that knows only UDP. It dials each address
// that is written to.
type framed struct {
	t     *testing.T
	ns    *linksim.Namespace
	local *net.UDPAddr
	rate  int // bit/s that it reads, with a small buffer in front; 0: all
	in    chan arrived
	done  chan struct{}

	mu      sync.Mutex
	closed  bool
	stopped bool // nothing is read any more
	conns   map[netip.AddrPort]net.Conn
	readers sync.WaitGroup
}

type arrived struct {
	p    []byte
	from net.Addr
}

func newFramed(t *testing.T, ns *linksim.Namespace, addr netip.Addr) *framed {
	t.Helper()
	spare := listenIn(t, ns, addr) // its port number is ours while it is open
	f := &framed{
		t: t, ns: ns, local: spare.LocalAddr().(*net.UDPAddr), in: make(chan arrived, 4096), done: make(chan struct{}),
		conns: map[netip.AddrPort]net.Conn{},
	}
	t.Cleanup(func() { _, _ = spare.Close(), f.Close() })
	return f
}

// newFramedWire is newWire over ICE-TCP.
func newFramedWire(t *testing.T, ns *linksim.Namespace, addr netip.Addr) *wire {
	return &wire{
		begun: time.Now(), conn: newFramed(t, ns, addr),
		in: linksim.NewShaper(linksim.Conditions{}, 1), out: linksim.NewShaper(linksim.Conditions{}, 2),
	}
}

func (f *framed) to(addr netip.AddrPort) (conn net.Conn, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if conn = f.conns[addr]; conn != nil {
		return conn, nil
	}
	if f.closed {
		return nil, net.ErrClosed
	}
	dialer := net.Dialer{Timeout: 5 * time.Second}
	if f.rate > 0 {
		dialer.Control = func(_, _ string, c syscall.RawConn) (err error) {
			return errors.Join(c.Control(func(fd uintptr) {
				err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
			}), err)
		}
	}
	dial := func() error {
		conn, err = dialer.Dial("tcp", addr.String())
		return err
	}
	if f.ns != nil {
		err = f.ns.Do(dial)
	} else {
		err = dial()
	}
	if err != nil {
		return nil, err
	}
	f.conns[addr] = conn
	f.readers.Go(func() { f.read(conn, net.UDPAddrFromAddrPort(addr)) })
	return conn, nil
}

func (f *framed) read(conn net.Conn, from net.Addr) {
	for {
		var head [2]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		p := make([]byte, binary.BigEndian.Uint16(head[:]))
		if _, err := io.ReadFull(conn, p); err != nil {
			return
		}
		if f.rate > 0 {
			time.Sleep(time.Duration(len(p)*8) * time.Second / time.Duration(f.rate))
		}
		f.mu.Lock()
		stopped := f.stopped
		f.mu.Unlock()
		if stopped {
			<-f.done
			return
		}
		select {
		case f.in <- arrived{p, from}:
		case <-f.done:
			return
		}
	}
}

// stop stops reading, for good, as a process does that hangs.
func (f *framed) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = true
}

func (f *framed) ReadFrom(p []byte) (int, net.Addr, error) {
	select {
	case a := <-f.in:
		return copy(p, a.p), a.from, nil
	case <-f.done:
		return 0, nil, net.ErrClosed
	}
}

func (f *framed) WriteTo(p []byte, to net.Addr) (int, error) {
	conn, err := f.to(to.(*net.UDPAddr).AddrPort())
	if err != nil {
		return 0, err
	}
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(p))), p...)); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (f *framed) Close() error {
	f.mu.Lock()
	if !f.closed {
		f.closed = true
		close(f.done)
	}
	for _, conn := range f.conns {
		_ = conn.Close()
	}
	f.mu.Unlock()
	f.readers.Wait()
	return nil
}

func (f *framed) LocalAddr() net.Addr              { return f.local }
func (*framed) SetDeadline(time.Time) error        { return nil }
func (*framed) SetReadDeadline(time.Time) error    { return nil }
func (*framed) SetWriteDeadline(t time.Time) error { return nil }

// newStreamEngine is newEngineIn with ICE-TCP on the same port, behind the splitter of the one port.
func newStreamEngine(t *testing.T, ns *linksim.Namespace, addr netip.Addr) (*Engine, *events) {
	t.Helper()
	var socket *udp.Socket
	var l net.Listener
	open := func() (err error) {
		for range 10 { // the kernel chooses a port that is free for UDP and may be taken for TCP
			if socket, err = udp.Listen(netip.AddrPortFrom(addr, 0), nil); err != nil {
				return err
			}
			if l, err = net.Listen("tcp", socket.LocalAddr().String()); err == nil {
				return nil
			}
			err = errors.Join(err, socket.Close())
		}
		return err
	}
	err := error(nil)
	if ns != nil {
		err = ns.Do(open)
	} else {
		err = open()
	}
	if err != nil {
		t.Fatal(err)
	}
	split := portmux.New(l, nil)
	t.Cleanup(func() { _ = split.Close() })
	return engineWith(t, socket, split.ICE())
}
