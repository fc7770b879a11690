package transport

import (
	"bytes"
	"net"
	"os"
	"sync"
	"time"
)

const (
	wireQueue = 32 // datagrams that wait for the handshake
	// Of the datagrams that follow the peer's last one, this many are kept, to be sent again.
	flightDatagrams = 4
)

// wire is the net.PacketConn of one DTLS handshake. The shard puts datagrams in; what the handshake sends goes out at
// once. After mute it is silent, so that the library's parting alert does not end the peer's DTLS.
type wire struct {
	// fixed
	send   Sender
	in     chan []byte
	closed chan struct{}

	mu sync.Mutex
	wireState
}

// wireState is guarded by the wire's mu.
type wireState struct {
	to      Route
	muted   bool
	ended   bool
	expired chan struct{} // closed while the read deadline has passed
	heard   bool          // something was read since the last write
	flight  [][]byte      // what was written since then
}

func newWire(send Sender, to Route) *wire {
	return &wire{
		send: send, in: make(chan []byte, wireQueue), closed: make(chan struct{}),
		wireState: wireState{to: to, expired: make(chan struct{})},
	}
}

// deliver queues a copy of p for the handshake, whose answers go to from. It is false if the queue is full.
func (w *wire) deliver(p []byte, from Route) bool {
	w.mu.Lock()
	w.to = from
	w.mu.Unlock()
	select {
	case w.in <- bytes.Clone(p):
		return true
	default:
		return false
	}
}

// mute ends all sending and returns the last flight: whoever lost it asks for it by sending its own again.
func (w *wire) mute() [][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.muted = true
	return w.flight
}

// ReadFrom takes the next datagram of the peer.
func (w *wire) ReadFrom(p []byte) (int, net.Addr, error) {
	w.mu.Lock()
	expired := w.expired
	w.mu.Unlock()
	select {
	case <-expired:
		return 0, nil, os.ErrDeadlineExceeded
	case <-w.closed:
		return 0, nil, net.ErrClosed
	default:
	}
	select {
	case b := <-w.in:
		w.mu.Lock()
		w.heard = true
		w.mu.Unlock()
		return copy(p, b), w.RemoteAddr(), nil
	case <-expired:
		return 0, nil, os.ErrDeadlineExceeded
	case <-w.closed:
		return 0, nil, net.ErrClosed
	}
}

// WriteTo sends p to the route that the peer was heard from last.
func (w *wire) WriteTo(p []byte, _ net.Addr) (int, error) {
	if to, ok := w.record(p); ok {
		w.send.Send(p, to) // without the lock: it may want one that a shard holds while it delivers
	}
	return len(p), nil
}

// record books p as part of the present flight and says where to send it, if at all.
func (w *wire) record(p []byte) (to Route, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.muted {
		return Route{}, false
	}
	if w.heard {
		w.heard, w.flight = false, nil
	}
	if len(w.flight) < flightDatagrams {
		w.flight = append(w.flight, bytes.Clone(p))
	}
	return w.to, true
}

// Close ends ReadFrom.
func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.ended = true
		close(w.closed)
	}
	return nil
}

// LocalAddr is the address zero: the library only prints it.
func (w *wire) LocalAddr() net.Addr { return &net.UDPAddr{} }

// RemoteAddr is the address zero too: the peer's may change while the handshake runs.
func (w *wire) RemoteAddr() net.Addr { return &net.UDPAddr{} }

// SetDeadline is SetReadDeadline: a write does not wait.
func (w *wire) SetDeadline(t time.Time) error { return w.SetReadDeadline(t) }

// SetReadDeadline knows two times: one in the past, which ends a ReadFrom under way, and the zero one. The library
// uses no others.
func (w *wire) SetReadDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	passed := false
	select {
	case <-w.expired:
		passed = true
	default:
	}
	switch {
	case t.IsZero() && passed:
		w.expired = make(chan struct{})
	case t.IsZero() || passed:
	case t.After(time.Now()):
		return os.ErrNoDeadline
	default:
		close(w.expired)
	}
	return nil
}

// SetWriteDeadline does nothing, see SetDeadline.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
