package sfu

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestShareOfTheInbox(t *testing.T) {
	var s share
	for second := range int64(3) {
		var taken atomic.Int64
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range maxArrivals {
					if s.take(second*int64(time.Second) + 1) {
						taken.Add(1)
					}
				}
			})
		}
		all.Wait()
		if n := taken.Load(); n != maxArrivals {
			t.Errorf("%d datagrams in second %d, want %d", n, second, maxArrivals)
		}
	}
}

// TestOneViewersFlood: a viewer that sends without end loses its own datagrams, and nobody else's.
func TestOneViewersFlood(t *testing.T) {
	e, seen := newEngine(t)
	watch(t, e, "c", "v")
	watch(t, e, "c", "w")
	seen.connected(t, "v", "w")
	e.mu.Lock()
	v, w := e.peers["v"].(*viewer), e.peers["w"].(*viewer)
	e.mu.Unlock()
	// Both on one shard's inbox, whichever their own is.
	for range 4 * maxArrivals {
		v.shard.deliver(v, []byte{0x80, 201, 0, 1, 0, 0, 0, 0}, v.session.Route())
	}
	before := e.drops[DropFlood].Load()
	if before < maxArrivals {
		t.Errorf("%d datagrams were dropped", before)
	}
	w.shard.deliver(w, []byte{0x80, 201, 0, 1, 0, 0, 0, 0}, w.session.Route())
	if n := e.drops[DropFlood].Load(); n != before {
		t.Error("the other viewer's datagram was dropped, too")
	}
	if n := e.drops[DropInbox].Load(); n != 0 {
		t.Errorf("the inbox was full %d times", n)
	}
}
