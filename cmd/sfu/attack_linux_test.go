//go:build !race

package main

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"castcode/loadtest"
)

// siege is a server under attack while people watch.
type siege struct {
	*child
	base, one string // URL and address of the one port
	table     []string

	mu      sync.Mutex
	samples []loadtest.Sample // of those who watch; guarded by mu
}

// watchers is how many watch during the whole siege.
const watchers = 5

// attack is one row of the table.
type attack struct {
	name string
	// heap is how much the heap may grow while the attack stands, in MB.
	heap float64
	// joins is how many come to watch another cast meanwhile; all of them have to get in.
	joins int
	// run attacks and returns what ends the attack; it may be nil.
	run func(s *siege, t *testing.T) (end func())
}

// TestUnderAttack has the attacks on sockets one after the other. Nobody who watches loses the connection, everybody who
// comes gets in, and memory stays within its bounds; what it cost is told in a table. The race detector, which multiplies
// all costs, does not see it.
func TestUnderAttack(t *testing.T) {
	c := startChild(t, "--open", "--tls", "off", "--capacity", "0")
	s := &siege{child: c, base: "http://localhost:" + c.port, one: "127.0.0.1:" + c.port}
	newGuest(t, s.base).publish("/whip/hall")
	report := s.watch(t)
	slow := s.slowClients(t)
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) { s.endure(t, a) })
	}
	slow(t)
	r := report()
	t.Logf("%-52s %9s %9s %7s %7s %8s %6s", "attack", "heap MB", "RSS MB", "CPU s", "of s", "freezes", "joins")
	for _, line := range s.table {
		t.Log(line)
	}
	t.Logf("those who watched: %d live at the end, %d connections lost, %d frames, %d frozen, %.3f %% of packets lost after repair",
		s.live(), r.Viewers.Reconnects, r.Media.Frames, r.Media.Freezes, r.Media.Loss)
	if r.Viewers.Joined != watchers || r.Viewers.Reconnects != 0 || r.Viewers.Failed != 0 || s.live() != watchers {
		t.Errorf("those who watched: %+v, reasons %v", r.Viewers, r.Reasons)
	}
}

// watch lets people watch a cast until the returned function is called, which reports.
func (s *siege) watch(t *testing.T) (report func() *loadtest.Report) {
	t.Helper()
	o := loadtest.Defaults()
	o.URL, o.Viewers, o.Bitrate, o.Duration = s.base, watchers, 1_000_000, 10*time.Minute
	ctx, cancel := context.WithCancel(context.Background())
	var r *loadtest.Report
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		r, err = loadtest.Run(ctx, o, loadtest.Surroundings{Progress: func(one loadtest.Sample) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.samples = append(s.samples, one)
		}})
	}()
	t.Cleanup(func() { cancel(); <-done })
	s.eventually("people watch", func() bool { return s.live() == watchers })
	return func() *loadtest.Report {
		cancel()
		<-done
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

// live is how many had a live picture at the last look.
func (s *siege) live() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.samples) == 0 {
		return 0
	}
	return s.samples[len(s.samples)-1].Live
}

// freezes is how many there were so far, and how many looks.
func (s *siege) freezes() (n uint64, looks int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.samples {
		n += one.Freezes
	}
	return n, len(s.samples)
}

// join lets n come to watch the cast of the hall, and says what became of them.
func (s *siege) join(t *testing.T, n int, rate float64) {
	t.Helper()
	o := loadtest.Defaults()
	o.WHEP, o.Viewers, o.JoinRate, o.Duration = s.base+"/whep/hall", n, rate, time.Second
	r, err := loadtest.Run(context.Background(), o, loadtest.Surroundings{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Viewers.Joined != n || r.Viewers.Refusals != 0 || r.Viewers.Reconnects != 0 {
		t.Errorf("joins: %+v, reasons %v", r.Viewers, r.Reasons)
	}
}

// endure measures one attack.
func (s *siege) endure(t *testing.T, a attack) {
	heap, rss, cpu, begun := s.heap(), s.resident(), s.cpu(), time.Now()
	frozen, _ := s.freezes()
	var joining sync.WaitGroup
	if a.joins > 0 {
		joining.Go(func() { s.join(t, a.joins, float64(a.joins)) })
	}
	end := a.run(s, t)
	joining.Wait()
	took, used := time.Since(begun), s.cpu()-cpu
	grown, more := float64(s.heap()-heap)/(1<<20), float64(s.resident()-rss)/(1<<20)
	if end != nil {
		end()
	}
	_, looks := s.freezes()
	s.eventually("a look at those who watch", func() bool { _, now := s.freezes(); return now > looks })
	after, _ := s.freezes()
	joins := "-"
	if a.joins > 0 {
		joins = fmt.Sprint(a.joins)
	}
	s.table = append(s.table, fmt.Sprintf("%-52s %+9.1f %+9.1f %7.2f %7.1f %8d %6s",
		a.name, grown, more, used.Seconds(), took.Seconds(), after-frozen, joins))
	if a.heap > 0 && grown > a.heap {
		t.Errorf("the heap grew by %.1f MB, %.0f are allowed", grown, a.heap)
	}
	if s.live() != watchers {
		t.Errorf("%d of %d have a live picture", s.live(), watchers)
	}
}
