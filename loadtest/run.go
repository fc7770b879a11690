package loadtest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"sync"
	"time"
)

// Options say what to load and how.
type Options struct {
	URL      *url.URL      // of the server: https://host:port or http://host:port
	TLS      *tls.Config   // roots to trust; nil: the system's
	Viewers  int           // how many join
	Bitrate  int           // of the stream, bits per second
	Duration time.Duration // measured after everybody joined
	Parallel int           // joins under way at a time, at least 1
}

// maxFailures is how many reasons a report keeps.
const maxFailures = 10

// Run casts into a room of its own, lets the viewers join and measures. It returns when Duration is over or ctx
// ends, in which case the report tells what was seen until then. An error means that there was nothing to measure.
func Run(ctx context.Context, o Options) (*Report, error) {
	c, err := dial(ctx, o.URL, o.TLS, "load test caster")
	if err != nil {
		return nil, err
	}
	defer c.close()
	s, err := newCaster(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("casting: %w", err)
	}
	defer s.pc.Close() //nolint:errcheck // it only tells which of its parts were closed before
	casting, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.run(casting, o.Bitrate) }) // a stream that breaks shows in the figures
	defer wg.Wait()
	defer stop()

	viewers, failed := join(ctx, o, s.code)
	defer func() {
		for _, v := range viewers {
			_ = v.pc.Close() // as above
			v.close()
		}
	}()
	begun := time.Now()
	select {
	case <-time.After(o.Duration):
	case <-ctx.Done():
	}
	return summarise(o.Viewers, viewers, failed, s.asked.Load(), time.Since(begun)), nil
}

// join lets the viewers in, Parallel at a time.
func join(ctx context.Context, o Options, code string) (viewers []*viewer, failed []string) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, max(o.Parallel, 1))
	for i := range o.Viewers {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			v, err := joinOne(ctx, o, code, fmt.Sprintf("load test %d", i+1))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				viewers = append(viewers, v)
			case len(failed) < maxFailures:
				failed = append(failed, err.Error())
			}
		})
	}
	wg.Wait()
	return viewers, failed
}

func joinOne(ctx context.Context, o Options, code, name string) (*viewer, error) {
	c, err := dial(ctx, o.URL, o.TLS, name)
	if err != nil {
		return nil, err
	}
	v, err := newViewer(ctx, c, code)
	if err != nil {
		if v != nil {
			_ = v.pc.Close() // it never connected
		}
		c.close()
		return nil, err
	}
	return v, nil
}
