package e2e

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
)

// proxy passes TCP connections on to a server until it is told to cut them. Pages that were loaded through it have
// their WebSocket in its hands; media over UDP goes past it.
type proxy struct {
	l    net.Listener
	to   string
	done sync.WaitGroup

	mu   sync.Mutex
	open map[net.Conn]struct{}
	down bool
}

// before puts a proxy before the server and answers it; it is closed when the test ends.
func (s *server) before(t *testing.T) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, to: fmt.Sprintf("localhost:%d", s.port), open: make(map[net.Conn]struct{})}
	p.done.Go(p.accept)
	t.Cleanup(func() {
		p.cut()
		l.Close()
		p.done.Wait()
	})
	return p
}

// url is the address of a path of the server, through the proxy.
func (p *proxy) url(path string) string {
	return fmt.Sprintf("https://localhost:%d%s", p.l.Addr().(*net.TCPAddr).Port, path)
}

func (p *proxy) accept() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		p.done.Go(func() { p.pass(c) })
	}
}

func (p *proxy) pass(from net.Conn) {
	if !p.hold(from) {
		return
	}
	defer p.drop(from)
	to, err := net.Dial("tcp", p.to)
	if err != nil || !p.hold(to) {
		return
	}
	defer p.drop(to)
	p.done.Go(func() {
		_, _ = io.Copy(to, from) // ends when either side does, which is no fault
		to.Close()
	})
	_, _ = io.Copy(from, to)
	from.Close()
}

// hold takes a connection in the list of those to cut. While the proxy is down it refuses, and closes it.
func (p *proxy) hold(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		c.Close()
		return false
	}
	p.open[c] = struct{}{}
	return true
}

func (p *proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
	c.Close()
}

// cut breaks all connections and refuses new ones until mend. It says how many there were.
func (p *proxy) cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	n := len(p.open)
	for c := range p.open {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a broken line says no goodbye
		}
		c.Close()
	}
	return n
}

// mend lets connections through again.
func (p *proxy) mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}
