// Package webhook tells another system over HTTP what happens in rooms: signed, in order for each room, and at least
// once within ten minutes.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Names of headers.
const (
	// SignatureHeader holds t=UNIX,v1=HEX: when this attempt was made, and the HMAC-SHA256 of "UNIX.BODY".
	SignatureHeader = "Castcode-Signature"
	// EventHeader holds the id of the event, which is the same in every attempt.
	EventHeader = "Castcode-Event"
)

const (
	queueSize    = 1024
	maxAnswer    = 4 << 10 // bytes of an answer that are read, so that the connection can be used again
	maxHeader    = 16 << 10
	answerWithin = 5 * time.Second
	firstWait    = time.Second
	longestWait  = time.Minute
	giveUpAfter  = 10 * time.Minute
)

// Reasons why an event was not delivered, the keys of Counts.Dropped.
const (
	dropFull    = "full"    // the queue was
	dropExpired = "expired" // ten minutes of attempts
	dropClosing = "closing" // the server ended
)

// Event is what happened. It holds nothing that lets anybody in.
type Event struct {
	ID   string    `json:"id"` // made by Send
	Type string    `json:"type"`
	Time time.Time `json:"time"`
	Room Room      `json:"room"`
	Peer *Peer     `json:"peer,omitempty"`
	// Reason says why something has ended.
	Reason string `json:"reason,omitempty"`
}

// Room is where it happened.
type Room struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// Peer is whom it concerns.
type Peer struct {
	ID   string `json:"id"`
	Role string `json:"role"`
	Name string `json:"name,omitempty"`
}

// Config is what a Worker is made of.
type Config struct {
	// URL is where events are posted: https, or http to this machine or a private network.
	URL string
	// Secret signs; both sides have it.
	Secret []byte
	// Log gets a line when deliveries begin to fail and when they work again. It never gets the URL.
	Log *slog.Logger
}

// Counts is a moment of a Worker.
type Counts struct {
	Queued    int
	Delivered uint64
	Failed    uint64 // attempts
	Dropped   map[string]uint64
}

// timing is the worker's clock. Tests shorten it.
type timing struct{ answer, first, longest, giveUp time.Duration }

// lane is the events of one room, oldest first.
type lane struct {
	room  string
	queue []queued
	due   time.Time     // of the next attempt
	wait  time.Duration // after the next failure
	begun time.Time     // of the first attempt of the oldest event; zero before
}

type queued struct {
	id   string
	body []byte
}

// Worker delivers events, one request at a time. Its goroutine ends with Close.
type Worker struct {
	cfg    Config
	clock  timing
	client *http.Client
	woken  chan struct{} // holds one value when there is something new
	cancel context.CancelFunc
	ended  chan struct{} // closed when the goroutine is over

	mu sync.Mutex
	// guarded by mu
	closing time.Time // until when what is queued may still be tried; zero before Close
	lanes   map[string]*lane
	order   []*lane // in the order in which they became busy, so that rooms take turns
	counts  Counts
	failing bool // the newest attempt has failed
}

// Start starts a Worker.
func Start(c Config) (*Worker, error) {
	return start(c, timing{answerWithin, firstWait, longestWait, giveUpAfter})
}

func start(c Config, t timing) (*Worker, error) {
	if err := CheckURL(c.URL); err != nil {
		return nil, err
	}
	if len(c.Secret) == 0 {
		return nil, errors.New("webhook: no secret")
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &Worker{
		cfg: c, clock: t, client: newClient(c.URL, t.answer), woken: make(chan struct{}, 1), cancel: cancel,
		ended: make(chan struct{}), lanes: map[string]*lane{}, counts: Counts{Dropped: map[string]uint64{}},
	}
	go w.work(ctx)
	return w, nil
}

// newClient goes nowhere but to where it is sent: no redirects, no proxy, and in clear no further than to private
// addresses, whatever a name resolves to.
func newClient(to string, within time.Duration) *http.Client {
	dialer := &net.Dialer{Timeout: within}
	if InClear(to) {
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil || !private(at.Addr()) {
				return errors.New("webhook: plain HTTP is for this machine and private networks only")
			}
			return nil
		}
	}
	return &http.Client{
		Timeout:       within,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, MaxResponseHeaderBytes: maxHeader, ForceAttemptHTTP2: true,
			MaxIdleConns: 1, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: within,
		},
	}
}

// private says whether an address is of this machine or of a network that is nobody else's (RFC 1918, RFC 4193).
func private(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsPrivate()
}

// Send queues an event and never waits, so it may be called with locks held. Events of one room are delivered in the
// order of the calls.
func (w *Worker) Send(e Event) {
	e.ID = "evt_" + strings.ToLower(rand.Text())
	e.Time = e.Time.UTC().Round(time.Millisecond)
	body, err := json.Marshal(e)
	if err != nil {
		panic(err) // strings and a time of this century: they always marshal
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !w.closing.IsZero():
		w.counts.Dropped[dropClosing]++
		return
	case w.counts.Queued >= queueSize:
		w.counts.Dropped[dropFull]++
		return
	}
	w.counts.Queued++
	l := w.lanes[e.Room.ID]
	if l == nil {
		l = &lane{room: e.Room.ID, wait: w.clock.first}
		w.lanes[l.room] = l
		w.order = append(w.order, l)
	}
	l.queue = append(l.queue, queued{e.ID, body})
	w.wake()
}

func (w *Worker) wake() {
	select {
	case w.woken <- struct{}{}:
	default: // it is awake already
	}
}

// Counts reads the present numbers.
func (w *Worker) Counts() Counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.counts
	c.Dropped = map[string]uint64{}
	for reason, n := range w.counts.Dropped {
		c.Dropped[reason] = n
	}
	return c
}

// Close takes no more events, tries once more what is queued, for as long as within says, and returns when the worker
// has ended. Close may be called twice.
func (w *Worker) Close(within time.Duration) {
	w.mu.Lock()
	if w.closing.IsZero() {
		w.closing = time.Now().Add(within)
	}
	w.mu.Unlock()
	w.wake()
	timer := time.AfterFunc(within, w.cancel)
	<-w.ended
	timer.Stop()
	w.cancel()
	w.client.CloseIdleConnections()
}

// work is the worker's goroutine.
func (w *Worker) work(ctx context.Context) {
	defer close(w.ended)
	defer w.abandon()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		l, first, wait := w.next(time.Now())
		if l != nil {
			err := w.deliver(ctx, first)
			w.settle(l, err, time.Now())
			continue
		}
		if wait < 0 {
			return // closing, and nothing is left to be tried
		}
		timer.Reset(wait)
		select {
		case <-w.woken:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

// next chooses the lane whose turn it is. Without one, wait is how long nothing will be due; below 0 it stands for ever.
func (w *Worker) next(now time.Time) (l *lane, first queued, wait time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	closing := !w.closing.IsZero()
	wait = w.clock.longest
	for i, l := range w.order {
		due := l.due.Sub(now)
		if due > 0 && !closing {
			wait = min(wait, due)
			continue
		}
		if closing && l.due.After(w.closing) {
			continue // it had its last attempt
		}
		w.order = append(append(w.order[:i:i], w.order[i+1:]...), l)
		if l.begun.IsZero() {
			l.begun = now
		}
		return l, l.queue[0], 0
	}
	if closing {
		wait = -1
	}
	return nil, queued{}, wait
}

// settle notes how the attempt at the oldest event of l went.
func (w *Worker) settle(l *lane, err error, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if failing := err != nil; failing != w.failing {
		w.failing = failing
		if failing {
			w.cfg.Log.Warn("webhook: deliveries fail", "error", err, "queued", w.counts.Queued)
		} else {
			w.cfg.Log.Info("webhook: deliveries work again", "queued", w.counts.Queued)
		}
	}
	switch {
	case err == nil:
		w.counts.Delivered++
		w.done(l)
		return
	case now.Sub(l.begun) >= w.clock.giveUp:
		w.counts.Failed++
		w.counts.Dropped[dropExpired]++
		w.cfg.Log.Warn("webhook: an event was given up", "event", l.queue[0].id, "error", err)
		w.done(l)
		return
	}
	w.counts.Failed++
	l.due = now.Add(l.wait)
	l.wait = min(2*l.wait, w.clock.longest)
	if !w.closing.IsZero() {
		l.due = w.closing.Add(time.Hour) // no second attempt
	}
}

// done takes the oldest event of l away. The next one of the room may go at once.
func (w *Worker) done(l *lane) {
	w.counts.Queued--
	l.queue = l.queue[1:]
	l.due, l.begun, l.wait = time.Time{}, time.Time{}, w.clock.first
	if len(l.queue) > 0 {
		return
	}
	delete(w.lanes, l.room)
	for i, other := range w.order {
		if other == l {
			w.order = append(w.order[:i:i], w.order[i+1:]...)
			return
		}
	}
}

// abandon counts what was never delivered.
func (w *Worker) abandon() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := w.counts.Queued; n > 0 {
		w.counts.Dropped[dropClosing] += uint64(n)
		w.cfg.Log.Warn("webhook: events were not delivered before the end", "events", n)
	}
	w.counts.Queued, w.lanes, w.order = 0, map[string]*lane{}, nil
}

// deliver makes one attempt.
func (w *Worker) deliver(ctx context.Context, q queued) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.cfg.URL, bytes.NewReader(q.body))
	if err != nil {
		return errors.New("webhook: the URL cannot be used")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "castcode")
	r.Header.Set(EventHeader, q.id)
	r.Header.Set(SignatureHeader, Sign(w.cfg.Secret, time.Now(), q.body))
	answer, err := w.client.Do(r)
	if err != nil {
		return bare(err)
	}
	defer answer.Body.Close()                                          //nolint:errcheck // nobody needs the rest
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer)) // what it says does not matter
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	return nil
}

// bare takes the URL out of an error: it may hold a secret.
func bare(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err
	}
	return err
}

// Sign makes the value of SignatureHeader.
func Sign(secret []byte, now time.Time, body []byte) string {
	at := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(at + "."))
	mac.Write(body)
	return "t=" + at + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
