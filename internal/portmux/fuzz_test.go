package portmux

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"

	"castcode/internal/bytecase"
)

// oneConn is a listener that has a single connection, and then nothing until it is closed.
type oneConn struct {
	conns chan net.Conn
	once  sync.Once
}

func (l *oneConn) Accept() (net.Conn, error) {
	if conn, ok := <-l.conns; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	l.once.Do(func() { close(l.conns) })
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// FuzzFirstBytes: whatever a connection begins with, it comes out of one end with every byte in its place, or is closed.
func FuzzFirstBytes(f *testing.F) {
	for _, c := range bytecase.All() {
		f.Add(c.Bytes)
	}
	for _, s := range []string{"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x00\x05hello", "\x00\x01", "", "\xff", "get", "\x41\x00\x00\x04", "\x00", "\x00\x14\x00", "\x00\x14\x00\x01"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		near, far := net.Pipe()
		l := &oneConn{conns: make(chan net.Conn, 1)}
		l.conns <- near
		m := New(l, nil)
		want := m.fuzzed(p)
		var wait sync.WaitGroup
		wait.Go(func() {
			far.Write(p) // ends when the other end does
			if want == nil {
				far.Close()
			}
		})
		if want == nil {
			wait.Wait()
		} else if conn, err := want.Accept(); err != nil {
			t.Error(err)
		} else {
			got := make([]byte, len(p))
			if _, err := io.ReadFull(conn, got); err != nil || string(got) != string(p) {
				t.Errorf("%q came out as %q, %v", p, got, err)
			}
			conn.Close()
		}
		far.Close() // not before: a pipe whose other end is closed takes no deadline
		m.Close()
		wait.Wait()
		if n := m.Counts(); n.Undecided != 0 || n.TLS+n.HTTP+n.TURN+n.ICE != uint64(btoi(want != nil)) {
			t.Errorf("%q: counts %+v", p, n)
		}
	})
}

// fuzzed is where a connection belongs that sends p and nothing more; nil: nowhere.
func (m *Mux) fuzzed(p []byte) *listener {
	if len(p) == 0 {
		return nil
	}
	switch b := p[0]; {
	case b == 0x16:
		return m.tls
	case b >= 'A' && b <= 'Z':
		return m.http
	case b > 3 && b != 0x40:
		return nil
	}
	for size := leastCheck; size <= mostCheck; size++ {
		head := []byte{byte(size >> 8), byte(size), 0, 1}
		if bytes.HasPrefix(p, head) {
			return m.ice
		}
		if bytes.HasPrefix(head, p) {
			return nil // it may still become a check
		}
	}
	return m.turn
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
