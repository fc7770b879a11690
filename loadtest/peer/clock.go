package peer

import (
	"slices"
	"sync"
	"time"
)

// tickEvery is how often a Clock moves its peers on: browsers look every 20 ms whether to ask for packets again.
const tickEvery = 20 * time.Millisecond

// Clock moves peers on, on one goroutine that ends with Stop.
type Clock struct {
	stop chan struct{}
	done chan struct{}

	mu    sync.Mutex
	peers []*Peer // guarded by mu; replaced, never changed
}

// NewClock starts a clock.
func NewClock() *Clock {
	c := &Clock{stop: make(chan struct{}), done: make(chan struct{})}
	go c.run()
	return c
}

// Stop ends the clock and waits for its goroutine. Peers stand still after it.
func (c *Clock) Stop() {
	close(c.stop)
	<-c.done
}

func (c *Clock) run() {
	defer close(c.done)
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-ticker.C:
			c.mu.Lock()
			peers := c.peers
			c.mu.Unlock()
			for _, p := range peers {
				p.tick(time.Now())
			}
		}
	}
}

func (c *Clock) add(p *Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peers = append(slices.Clip(c.peers), p)
}

func (c *Clock) remove(p *Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peers = slices.DeleteFunc(slices.Clone(c.peers), func(q *Peer) bool { return q == p })
}
