package loadtest

import (
	"errors"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"castcode/internal/whip"
	"castcode/loadtest/track"
)

const (
	// shards is how many books of ages there are, so that viewers do not wait for each other.
	shards = 16
	// longestTime is what a histogram tells apart; longer counts as that.
	longestTime = 60 * time.Second
	// mostReasons bounds the reasons that are kept.
	mostReasons = 20
)

// histogram is of times, in microseconds, two digits.
func histogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, longestTime.Microseconds(), 2)
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(min(max(d.Microseconds(), 1), longestTime.Microseconds())) // it is in bounds
}

// books is what viewers note. Its methods may be called from any goroutine.
type books struct {
	ages [shards]ages

	mu      sync.Mutex
	stages  [liveStage + 1]*hdrhistogram.Histogram // guarded by mu, as is all
	joins   int                                    // answered since the last look
	reasons map[string]int
	wrong   map[string]int // answers to wrong codes
}

// ages are those of frames that some of the viewers saw.
type ages struct {
	mu     sync.Mutex
	now    *hdrhistogram.Histogram // since the last look; guarded by mu
	future uint64                  // frames that came before they were sent: the clocks differ
}

// Shown is track.Sink's.
func (a *ages) Shown(age time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if age < -time.Millisecond {
		a.future++
	}
	record(a.now, age)
}

func newBooks() *books {
	b := &books{reasons: map[string]int{}, wrong: map[string]int{}}
	for i := range b.ages {
		b.ages[i].now = histogram()
	}
	for i := range b.stages {
		b.stages[i] = histogram()
	}
	return b
}

func (b *books) sink(viewer int) track.Sink { return &b.ages[viewer%shards] }

// takeAges returns the ages noted since the last call.
func (b *books) takeAges() (h *hdrhistogram.Histogram, future uint64) {
	h = histogram()
	for i := range b.ages {
		a := &b.ages[i]
		a.mu.Lock()
		h.Merge(a.now)
		a.now.Reset()
		future += a.future
		a.mu.Unlock()
	}
	return h, future
}

// joined notes how long a join took to a stage.
func (b *books) joined(s stage, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	record(b.stages[s], took)
	if s == answeredStage {
		b.joins++
	}
}

// takeJoins returns how many were let in since the last call.
func (b *books) takeJoins() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.joins
	b.joins = 0
	return n
}

// reason notes why somebody did not get in or was lost.
func (b *books) reason(err error) { b.note(func() map[string]int { return b.reasons }, reasonOf(err)) }

// mistyped notes the answer to a wrong code.
func (b *books) mistyped(answer string) { b.note(func() map[string]int { return b.wrong }, answer) }

func (b *books) note(in func() map[string]int, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m := in(); len(m) < mostReasons || m[text] > 0 {
		m[text]++
	}
}

// reasonOf names what is alike by one name.
func reasonOf(err error) string {
	var r *whip.Refusal
	if errors.As(err, &r) {
		return r.Error()
	}
	text := err.Error()
	if len(text) > 160 {
		text = text[:160] + "…"
	}
	return text
}
