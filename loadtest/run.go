package loadtest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"castcode/loadtest/peer"
)

// Surroundings are what a run needs besides its options.
type Surroundings struct {
	TLS *tls.Config // roots to trust; nil: the system's
	// Progress is told once a second how things stand; nil: nobody wants to know. It is called by one goroutine.
	Progress func(Sample)
}

// Run loads the server and returns what the viewers saw. When ctx ends it returns the report so far. An error means that
// there was nothing to measure: wrong options, or nobody could cast.
func Run(ctx context.Context, o Options, s Surroundings) (*Report, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	c, err := newCrowd(&o, s)
	if err != nil {
		return nil, err
	}
	defer c.target.close()
	defer c.clock.Stop()
	defer func() {
		for _, one := range c.casters {
			one.stop()
		}
	}()
	if err := c.cast(ctx); err != nil {
		return nil, fmt.Errorf("casting: %w", err)
	}
	p := newPlan(&o)
	c.viewers = make([]*viewer, p.everybody)
	w := newWatch(c, s.Progress)
	staying, leave := context.WithCancel(ctx)
	defer leave()
	err = c.play(ctx, staying, &p, w)
	w.look(time.Now())
	w.close()
	leave()
	c.staying.Wait()
	r := c.report(&p, w)
	r.Interrupted = err != nil
	return r, nil
}

// newCrowd prepares what all share.
func newCrowd(o *Options, s Surroundings) (*crowd, error) {
	c := &crowd{options: o, books: newBooks()}
	var err error
	if c.identity, err = peer.NewIdentity(time.Now()); err != nil {
		return nil, err
	}
	d := dialing{tls: s.TLS}
	if o.URL != "" {
		if c.target, err = newCodes(o, d); err != nil {
			return nil, err
		}
	} else {
		c.target = newEndpoints(o, d, fmt.Sprintf("loadtest-%08x", rand.Uint32()))
	}
	c.addresses = localAddresses()
	c.clock = peer.NewClock()
	return c, nil
}

// localAddresses are those that a server with full ICE may check: all of this machine but link-local ones.
func localAddresses() (list []netip.Addr) {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return nil // our own checks find the way
	}
	for _, o := range own {
		if p, err := netip.ParsePrefix(o.String()); err == nil && !p.Addr().IsLinkLocalUnicast() && len(list) < 8 {
			list = append(list, p.Addr())
		}
	}
	return list
}

// play lets the plan happen and looks at everybody once a second. The error is that of ctx.
func (c *crowd) play(ctx, staying context.Context, p *plan, w *watch) error {
	begun := time.Now()
	look := begun.Add(time.Second)
	var wrong *mistyper
	if c.options.Wrong > 0 {
		wrong = newMistyper(c)
		defer wrong.close()
	}
	for i := 0; i < len(p.steps) || time.Since(begun) < p.end; {
		next := begun.Add(p.end)
		if i < len(p.steps) {
			next = begun.Add(p.steps[i].at)
		}
		if look.Before(next) {
			next = look
		}
		if !waitUntil(ctx, next) {
			return ctx.Err()
		}
		now := time.Now()
		if !now.Before(look) {
			w.look(now)
			for look = look.Add(time.Second); look.Before(now); look = look.Add(time.Second) {
				continue
			}
		}
		for ; i < len(p.steps) && !begun.Add(p.steps[i].at).After(now); i++ {
			switch s := p.steps[i]; s.deed {
			case join:
				c.come(staying, s.who)
			case rejoin:
				c.back(s.who)
			case restart:
				c.anew(staying, s.who)
			case mistype:
				wrong.tell()
			}
		}
		if w.settled == nil && now.Sub(begun) >= p.settled+settling {
			w.settle(now)
		}
	}
	return nil
}

// anew lets the caster of a room begin anew. The one before is waited for.
func (c *crowd) anew(ctx context.Context, room int) {
	if room >= len(c.casters) {
		return
	}
	s := c.casters[room]
	c.staying.Go(func() {
		s.restarting.Lock()
		defer s.restarting.Unlock()
		s.stop()
		s.began.Add(1)
		if err := s.start(ctx); err != nil && ctx.Err() == nil {
			c.books.reason(fmt.Errorf("caster of room %d: %w", room+1, err))
		}
	})
}

// settling is how long after the last who come in turn the steady part begins, by which costs per viewer are told.
const settling = 2 * time.Second

// mistyper types wrong codes on one session after the other, from an address of its own where it can: the server counts
// wrong codes by address.
type mistyper struct {
	crowd *crowd
	wish  chan struct{}
	stop  context.CancelFunc
	done  chan struct{}
}

func newMistyper(c *crowd) *mistyper {
	ctx, stop := context.WithCancel(context.Background())
	m := &mistyper{crowd: c, wish: make(chan struct{}, 16), stop: stop, done: make(chan struct{})}
	go m.run(ctx)
	return m
}

// tell lets it type one more, unless it is far behind.
func (m *mistyper) tell() {
	select {
	case m.wish <- struct{}{}:
	default:
	}
}

func (m *mistyper) close() {
	m.stop()
	<-m.done
}

func (m *mistyper) run(ctx context.Context) {
	defer close(m.done)
	ours, ok := m.crowd.target.(*codes)
	if !ok {
		return
	}
	d := ours.dialing
	d.local = m.crowd.options.wrongFrom(ours.base)
	var l *line
	for {
		select {
		case <-ctx.Done():
			if l != nil {
				l.close()
			}
			return
		case <-m.wish:
		}
		if l == nil {
			var err error
			if l, err = call(ctx, ours.base, d, "load test, wrong codes"); err != nil {
				m.crowd.books.mistyped("no socket: " + reasonOf(err))
				continue
			}
		}
		_, err := l.ask(ctx, "join", map[string]any{"code": strconv.Itoa(100_000_000 + rand.IntN(900_000_000))})
		var no *denial
		switch {
		case errors.As(err, &no):
			m.crowd.books.mistyped(no.Code)
		case err != nil:
			l.close()
			l = nil
		default:
			m.crowd.books.mistyped("let in")
		}
	}
}

// wrongFrom is the local address that wrong codes come from: on loopback another one than everybody's.
func (o *Options) wrongFrom(base *url.URL) string {
	if o.WrongFrom != "" {
		return o.WrongFrom
	}
	host := base.Hostname()
	if addrs, err := net.LookupHost(host); err == nil && len(addrs) > 0 {
		host = addrs[0]
	}
	if host == "127.0.0.1" {
		return "127.0.0.2"
	}
	return ""
}
