package sfu

import (
	"context"
	"sync"
	"time"

	"castcode/sfu/transport"
)

const (
	// halfOpen is how many casters may be on their way up at a time. The DTLS library keeps state for each of them
	// before it knows who they are. Viewers are counted by package transport.
	halfOpen = 64
	// halfOpenWait is how long one more waits for its turn before it is told to come again.
	halfOpenWait = 2 * time.Second
)

// rising are the casters that have asked for an answer and are not connected yet. It may be used from any goroutine.
type rising struct{ slots chan struct{} }

func newRising(n int) rising { return rising{make(chan struct{}, n)} }

// enter waits for a place. leave gives it back and may be called several times; it is nil with an error.
func (r rising) enter(ctx context.Context) (leave func(), err error) {
	late := time.NewTimer(halfOpenWait)
	defer late.Stop()
	select {
	case r.slots <- struct{}{}:
	case <-late.C:
		return nil, transport.ErrBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return sync.OnceFunc(func() { <-r.slots }), nil
}
