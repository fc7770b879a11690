package sfu

import "sync"

// notifier tells Events what changed, from one goroutine, newest state only. What waits is bounded by the number of
// casts and peers.
type notifier struct {
	events Events
	wake   chan struct{}
	done   chan struct{}

	// guarded by mu
	mu     sync.Mutex
	closed bool
	casts  map[string]castState
	peers  []peerState // in the order in which it happened, one entry a peer
}

// castState reads the state of a cast.
type castState func() (live bool, slots map[string]string)

type peerState struct{ peer, state string }

func newNotifier(events Events) *notifier {
	n := &notifier{
		events: events, casts: map[string]castState{},
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go n.run()
	return n
}

func (n *notifier) cast(id string, state castState) {
	n.mu.Lock()
	n.casts[id] = state
	n.mu.Unlock()
	n.signal()
}

// peer notes the newest state of a peer. It may be called with a track's lock held: it takes no other lock and does
// not wait.
func (n *notifier) peer(id, state string) {
	n.mu.Lock()
	for i := range n.peers {
		if n.peers[i].peer == id {
			n.peers = append(n.peers[:i], n.peers[i+1:]...)
			break
		}
	}
	n.peers = append(n.peers, peerState{id, state})
	n.mu.Unlock()
	n.signal()
}

func (n *notifier) signal() {
	select {
	case n.wake <- struct{}{}:
	default: // it is awake already
	}
}

func (n *notifier) run() {
	defer close(n.done)
	for range n.wake {
		n.mu.Lock()
		casts, peers, closed := n.casts, n.peers, n.closed
		n.casts, n.peers = map[string]castState{}, nil
		n.mu.Unlock()
		if closed {
			return
		}
		for _, p := range peers {
			n.events.PeerChanged(p.peer, p.state)
		}
		for id, state := range casts {
			live, slots := state()
			n.events.CastChanged(id, live, slots)
		}
	}
}

// close ends the goroutine and waits for it. What was not told is forgotten.
func (n *notifier) close() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.signal()
	<-n.done
}
