package udp

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"castcode/internal/stunwire"
)

// half is one end of the socket, for media or for TURN.
type half struct {
	// fixed
	socket *Socket
	queue  chan *datagram
	done   chan struct{}
	full   drop // the reason when the queue is full
	gone   drop // the reason when this half is closed

	once sync.Once
}

// put queues d, or drops and counts it. It says whether d is taken.
func (h *half) put(d *datagram) bool {
	select {
	case <-h.done:
		h.socket.counters.drop(h.gone, stunwire.OK)
		return false
	default:
	}
	select {
	case h.queue <- d:
		return true
	default:
		h.socket.counters.drop(h.full, stunwire.OK)
		return false
	}
}

// ReadFrom waits for the next datagram. What does not fit into p is cut off. The address is a *net.UDPAddr that
// is shared: it must not be changed. For TURN its zone also says which of our addresses was asked, and WriteTo wants it
// back like that.
func (h *half) ReadFrom(p []byte) (int, net.Addr, error) {
	select {
	case <-h.done:
		return 0, nil, net.ErrClosed
	default:
	}
	select {
	case d := <-h.queue:
		n, from := copy(p, d.buf[:d.n]), d.from
		h.socket.give(d)
		return n, from, nil
	case <-h.done:
		return 0, nil, net.ErrClosed
	}
}

// WriteTo sends p, to the kernel or to an attached path. It does not keep p. An address that is no *net.UDPAddr
// is an error; apart from that there is only net.ErrClosed.
func (h *half) WriteTo(p []byte, to net.Addr) (int, error) {
	select {
	case <-h.done:
		return 0, net.ErrClosed
	default:
	}
	udp, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, fmt.Errorf("media socket: cannot send to a %T", to)
	}
	s := h.socket
	if h != s.media {
		to := unmarked(udp)
		return s.send(p, to.addr, to.local)
	}
	dst := udp.AddrPort()
	dst = netip.AddrPortFrom(dst.Addr().Unmap(), dst.Port())
	from := s.origin(p, dst)
	if path := s.path(dst); path != nil {
		s.deliver(path, s.mapped(path, p))
		return len(p), nil
	}
	return s.send(p, dst, from)
}

// origin says which of our addresses media for dst goes out by, and notes who has been answered. The library behind
// Media tells one peer from another by address and port, and does not say which check it answers.
func (s *Socket) origin(p []byte, dst netip.AddrPort) local {
	if len(p) < stunwire.HeaderSize || p[0] != stunwire.BindingSuccess>>8 {
		return s.remotes.asks(dst)
	}
	at := s.asked.where(p)
	if p[1] == stunwire.BindingSuccess&0xFF {
		s.remotes.checked(dst, at, time.Now())
	}
	return at
}

// Close ends ReadFrom. What comes for this half from now on is dropped.
func (h *half) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// LocalAddr is that of the socket, a *net.UDPAddr.
func (h *half) LocalAddr() net.Addr { return h.socket.local }

// SetDeadline is not supported: neither library that reads here sets one.
func (h *half) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// SetReadDeadline is not supported.
func (h *half) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// SetWriteDeadline is not supported: a write does not wait for the network.
func (h *half) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
