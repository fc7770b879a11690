package signal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// fakeMedia is a media plane that writes down what it is asked. What it answers stands in the offer.
type fakeMedia struct {
	mu    sync.Mutex
	lines []string
	// arrived gets a value from an offer "gate", which then waits for gate; hold does the same to Leave calls.
	arrived chan string
	gate    chan struct{}
	held    chan struct{} // guarded by mu; nil: Leave returns at once
}

func newFakeMedia() *fakeMedia {
	return &fakeMedia{arrived: make(chan string, 16), gate: make(chan struct{})}
}

type codedError struct{ code, reason string }

func (e codedError) Error() string  { return e.code }
func (e codedError) Code() string   { return e.code }
func (e codedError) Reason() string { return e.reason }

func (f *fakeMedia) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, fmt.Sprintf(format, args...))
}

func (f *fakeMedia) answer(ctx context.Context, offer string) (string, error) {
	if code, ok := strings.CutPrefix(offer, "refuse "); ok {
		return "", fmt.Errorf("wrapped: %w", codedError{code, "because"})
	}
	switch offer {
	case "fail":
		return "", errors.New("out of ports")
	case "panic":
		panic("a bug of the media plane")
	case "gate":
		f.arrived <- offer
		<-f.gate
	case "hang":
		<-ctx.Done()
		return "", ctx.Err()
	}
	return "answer to " + offer, nil
}

func (f *fakeMedia) Publish(ctx context.Context, cast, peer, offer string, _ map[string]string) (string, error) {
	f.note("publish %s %s", cast, peer)
	return f.answer(ctx, offer)
}

func (f *fakeMedia) Watch(ctx context.Context, cast, peer, offer string, _ map[string]string) (string, error) {
	f.note("watch %s %s", cast, peer)
	return f.answer(ctx, offer)
}

func (f *fakeMedia) Restart(ctx context.Context, cast, peer, offer string) (string, error) {
	f.note("restart %s %s", cast, peer)
	return f.answer(ctx, offer)
}

func (f *fakeMedia) Leave(peer string) {
	f.mu.Lock()
	held := f.held
	f.mu.Unlock()
	if held != nil {
		f.arrived <- "leave " + peer
		<-held
	}
	f.note("leave %s", peer)
}

func (f *fakeMedia) End(cast string) { f.note("end %s", cast) }

// calls are all calls so far that start with what.
func (f *fakeMedia) calls(what string) (found []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, line := range f.lines {
		if strings.HasPrefix(line, what) {
			found = append(found, line)
		}
	}
	return found
}

// hold makes Leave calls wait until the returned channel is closed.
func (f *fakeMedia) hold() chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = make(chan struct{})
	return f.held
}
