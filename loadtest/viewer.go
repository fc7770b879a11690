package loadtest

import (
	"context"
	"errors"
	"sync"
	"time"

	"castcode/internal/whip"
	"castcode/loadtest/peer"
	"castcode/loadtest/track"
)

const (
	// mostTries is how often a viewer tries to get in before it counts as failed.
	mostTries = 4
	// backOff is how long it waits after the first failure, unless the server says; twice as long each time.
	backOff = 500 * time.Millisecond
	longest = 8 * time.Second
)

// viewer is one synthetic viewer or display. It comes, stays, leaves and comes back as it is told.
type viewer struct {
	crowd *crowd
	index int
	again chan struct{} // leave, and come back

	mu         sync.Mutex
	peer       *peer.Peer // guarded by mu, as is all; nil while it is not there
	begun      time.Time  // of the present join
	answered   time.Time
	told       stage         // what of the present join is in the books
	past       peer.Snapshot // of earlier connections
	joined     bool          // was there at least once
	reconnects int           // because the connection was lost
	returns    int           // because it was told to
	refusals   int
	failed     string        // why it gave up
	watched    time.Duration // with a live picture, of earlier connections
	jitter     time.Duration // the most of them
}

// stage is how far a join has come.
type stage uint8

const (
	asked stage = iota
	answeredStage
	upStage
	firstStage
	wholeStage
	liveStage
)

// stay is in the room until ctx ends, and comes back when it was lost.
func (v *viewer) stay(ctx context.Context) {
	for tries := 0; ctx.Err() == nil; {
		came, err := v.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if came {
			tries = 0
		}
		if err == nil {
			continue // it was told to come back
		}
		v.mu.Lock()
		if came {
			v.reconnects++
		} else {
			v.refusals++
		}
		v.mu.Unlock()
		v.crowd.books.reason(err)
		if tries++; tries >= mostTries {
			v.mu.Lock()
			v.failed = err.Error()
			v.mu.Unlock()
			return
		}
		if !waitUntil(ctx, time.Now().Add(wait(err, tries))) {
			return
		}
	}
}

// wait is how long to wait after failure number tries.
func wait(err error, tries int) time.Duration {
	var r *whip.Refusal
	if errors.As(err, &r) && r.RetryAfter > 0 {
		return min(r.RetryAfter, longest)
	}
	return min(backOff<<(tries-1), longest)
}

// session is one connection, from the request to the goodbye. came says that it was up; err is why it was lost or did
// not come about, nil when the viewer left of its own.
func (v *viewer) session(ctx context.Context) (came bool, err error) {
	o := v.crowd.options
	p, err := peer.New(peer.Config{
		Identity: v.crowd.identity, Clock: v.crowd.clock, Addresses: v.crowd.addresses, Repair: o.Repair,
		Room: v.crowd.roomMark(o.room(v.index)), Sink: v.crowd.books.sink(v.index), Ledger: v.crowd.ledgerOf(o.room(v.index)),
		Lose: v.crowd.lose(v.index),
	})
	if err != nil {
		return false, err
	}
	v.mu.Lock()
	v.peer, v.begun, v.answered, v.told = p, time.Now(), time.Time{}, asked
	v.mu.Unlock()
	defer v.forget(p)

	joining, cancel := context.WithTimeout(ctx, joinWithin)
	defer cancel()
	answer, leave, err := v.crowd.admit(joining, v.index, p.Offer())
	if err != nil {
		return false, err
	}
	v.mu.Lock()
	v.answered = time.Now()
	v.mu.Unlock()
	if err := p.Connect(joining, answer); err != nil {
		leave()
		return false, err
	}
	v.mu.Lock()
	v.joined = true
	v.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-v.again:
	case <-p.Done():
		leave()
		return true, p.Err()
	}
	v.look()
	p.Close() // before the goodbye, which a server may answer with silence that is no loss
	leave()
	v.mu.Lock()
	v.returns++
	v.mu.Unlock()
	return true, nil
}

// forget closes a connection and keeps its figures.
func (v *viewer) forget(p *peer.Peer) {
	p.Close()
	v.look()
	s := p.Snapshot()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.past.Video.Add(&s.Video)
	v.past.Audio.Add(&s.Audio)
	v.past.Lost += s.Lost
	v.past.Overflow += s.Overflow
	if !s.Video.Live.IsZero() {
		v.watched += time.Since(s.Video.Live)
	}
	v.jitter = max(v.jitter, s.Video.Jitter)
	v.peer = nil
}

// state is what a viewer is like now.
type state struct {
	peer.Snapshot // over all connections; times are those of the present one
	there         bool
	live          bool
	narrow        bool // has a narrow path: its figures stand apart
}

// look returns the present state, and books how far the join has come.
func (v *viewer) look() state {
	v.mu.Lock()
	defer v.mu.Unlock()
	narrow := v.crowd.options.slow(v.index)
	if v.peer == nil {
		return state{Snapshot: v.past, narrow: narrow}
	}
	s := v.peer.Snapshot()
	v.tell(answeredStage, v.answered)
	v.tell(upStage, s.Up)
	v.tell(firstStage, s.Video.First)
	v.tell(wholeStage, s.Video.Whole)
	v.tell(liveStage, s.Video.Live)
	st := state{Snapshot: s, there: !s.Up.IsZero(), live: !s.Video.Live.IsZero(), narrow: narrow}
	st.Video.Add(&v.past.Video)
	st.Audio.Add(&v.past.Audio)
	st.Lost += v.past.Lost
	st.Overflow += v.past.Overflow
	return st
}

// tell books a stage once per join. Called with mu held.
func (v *viewer) tell(s stage, at time.Time) {
	if v.told+1 == s && !at.IsZero() {
		v.told = s
		v.crowd.books.joined(s, at.Sub(v.begun))
	}
}

// sum adds the figures of those with a narrow path, or of all others.
func sum(list []state, narrow bool) (video, audio track.Figures) {
	for i := range list {
		if list[i].narrow != narrow {
			continue
		}
		video.Add(&list[i].Video)
		audio.Add(&list[i].Audio)
	}
	return video, audio
}
