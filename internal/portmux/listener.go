package portmux

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// listener is one of the ends of a Mux.
type listener struct {
	// fixed
	mux   *Mux
	taken *atomic.Uint64
	queue chan net.Conn // unbuffered: who is not accepted still counts for Close
	done  chan struct{}

	once sync.Once
}

func newListener(m *Mux, taken *atomic.Uint64) *listener {
	return &listener{mux: m, taken: taken, queue: make(chan net.Conn), done: make(chan struct{})}
}

// offer waits until conn is accepted, and says whether it was.
func (l *listener) offer(conn net.Conn) bool {
	if err := conn.SetDeadline(time.Time{}); err != nil {
		l.mux.counters.silent.Add(1)
		return false
	}
	timer := time.NewTimer(acceptLife)
	defer timer.Stop()
	select {
	case l.queue <- conn:
		l.taken.Add(1)
		return true
	case <-l.done:
	case <-timer.C:
	}
	l.mux.counters.backlog.Add(1)
	return false
}

// Accept waits for the next connection. Its only error is net.ErrClosed.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, net.ErrClosed
	default:
	}
	select {
	case conn := <-l.queue:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close closes this end only: connections for it are closed from now on.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr is that of the listener that is split.
func (l *listener) Addr() net.Addr { return l.mux.from.Addr() }

// peeked is a connection whose first bytes were read already. Like other connections it has one reader at a time.
type peeked struct {
	net.Conn
	head []byte // not given back yet; owned by the reader
}

// Read gives the first bytes back, alone.
func (c *peeked) Read(p []byte) (int, error) {
	if len(c.head) > 0 && len(p) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// ReadFrom lets the connection below send files without a copy.
func (c *peeked) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// CloseWrite ends the sending direction, where the connection below can.
func (c *peeked) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// NetConn is the connection below. What is read from it lacks the first bytes.
func (c *peeked) NetConn() net.Conn { return c.Conn }

// peekedTLS is peeked inside TLS. net/http takes the state for Request.TLS.
type peekedTLS struct {
	*peeked
	secure *tls.Conn
}

// ConnectionState is that of the TLS connection.
func (c *peekedTLS) ConnectionState() tls.ConnectionState { return c.secure.ConnectionState() }
