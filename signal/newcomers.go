package signal

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxNewcomers sockets of one address may not have said hello yet; a lecture hall may be one address, and says
	// hello at once. So many more wait for their turn, for newcomerWait at most.
	maxNewcomers        = 64
	maxNewcomersWaiting = 512
	newcomerWait        = 5 * time.Second
)

// newcomers bounds the sockets that have not said hello, by address (IPv6 by /64). Its memory is that of the sockets that
// there are. It may be used from any goroutine.
type newcomers struct {
	mu     sync.Mutex
	byAddr map[netip.Prefix]*newcomer
}

// newcomer is what one address has. It is forgotten when users is 0.
type newcomer struct {
	users int           // guarded by newcomers.mu: those who have a slot or wait for one
	slots chan struct{} // a token each
}

// enter waits for a slot of addr. leave gives it back and may be called several times; it is nil when there was none in
// time, or the client went away, or closing was closed.
func (n *newcomers) enter(client context.Context, closing <-chan struct{}, addr netip.Addr) (leave func()) {
	key := network(addr)
	n.mu.Lock()
	of := n.byAddr[key]
	if of == nil {
		of = &newcomer{slots: make(chan struct{}, maxNewcomers)}
		n.byAddr[key] = of
	}
	if of.users >= maxNewcomers+maxNewcomersWaiting {
		n.mu.Unlock()
		return nil
	}
	of.users++
	n.mu.Unlock()
	quit := func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if of.users--; of.users == 0 {
			delete(n.byAddr, key)
		}
	}
	late := time.NewTimer(newcomerWait)
	defer late.Stop()
	select {
	case of.slots <- struct{}{}:
		return sync.OnceFunc(func() { <-of.slots; quit() })
	case <-late.C:
	case <-client.Done():
	case <-closing:
	}
	quit()
	return nil
}
