package udp

import (
	"fmt"
	"net"
	"net/netip"
	"time"
)

// readBatch is how many datagrams the reader takes at once.
const readBatch = 32

// gsoNone is why the plain wire has no runs.
const gsoNone = "not built for this system"

// plainWire is a socket of the standard library: one datagram per system call. It works everywhere, and serves Linux
// where the better one is forbidden. From a machine with several addresses it sends by the one that the kernel chooses:
// bind one of them there.
type plainWire struct {
	conn *net.UDPConn
}

func (w *plainWire) receive(into []*datagram) (int, error) {
	d := into[0]
	n, from, err := w.conn.ReadFromUDPAddrPort(d.buf[:])
	if err != nil {
		return 0, err
	}
	d.n, d.src, d.local = n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), 0
	return 1, nil
}

// rest does nothing: the runtime is woken all the same.
func (w *plainWire) rest(time.Duration) {}

func (w *plainWire) send(p []byte, to netip.AddrPort, _ local) error {
	_, err := w.conn.WriteToUDPAddrPort(p, to)
	return err
}

func (w *plainWire) outbox() outbox { return plainOutbox{w} }
func (w *plainWire) gso() string    { return gsoNone }
func (w *plainWire) disableGSO()    {}
func (w *plainWire) close() error   { return w.conn.Close() }

type plainOutbox struct{ wire *plainWire }

// flush waits as long as the standard library does: until the kernel has room.
func (o plainOutbox) flush(arena []byte, runs []run, _ time.Duration) (t tally) {
	for i := range runs {
		r := &runs[i]
		for j := range r.count {
			from, to := r.segment(j)
			if err := o.wire.send(arena[from:to], r.to.addr, 0); err != nil {
				t.refused++
				continue
			}
			t.calls++
			t.sent++
			t.bytes += uint64(to - from)
		}
	}
	return t
}

// listenUDP opens the socket by the standard library, with all that it knows about the families of this machine.
func listenUDP(addr netip.AddrPort) (*net.UDPConn, *net.UDPAddr, error) {
	network, bind := "udp", &net.UDPAddr{Port: int(addr.Port())}
	if ip := addr.Addr().Unmap(); ip.IsValid() && ip != netip.IPv6Unspecified() {
		bind = net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, addr.Port()))
		if ip.Is4() {
			network = "udp4"
		} else {
			network = "udp6"
		}
	}
	conn, err := net.ListenUDP(network, bind)
	if err != nil {
		return nil, nil, err
	}
	local, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		conn.Close()
		return nil, nil, fmt.Errorf("local address is a %T", conn.LocalAddr())
	}
	return conn, local, nil
}
