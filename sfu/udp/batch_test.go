package udp

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// recorder is a wire that takes everything and remembers it.
type recorder struct {
	*plainWire
	mu      sync.Mutex
	flushes [][]run
	full    uint64 // so many are dropped at each flush
	waits   []time.Duration
}

func (w *recorder) outbox() outbox { return w }

func (w *recorder) flush(_ []byte, runs []run, wait time.Duration) (t tally) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flushes = append(w.flushes, slices.Clone(runs))
	w.waits = append(w.waits, wait)
	for i := range runs {
		t.sent += uint64(runs[i].count)
		t.bytes += uint64(runs[i].bytes)
	}
	t.full = w.full
	return t
}

// recorded opens a socket whose batches end in the recorder.
func recorded(t *testing.T) (*Socket, *recorder) {
	t.Helper()
	conn, local, err := listenUDP(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	w := &recorder{plainWire: &plainWire{conn: conn}}
	s := open(w, local, discard)
	t.Cleanup(func() { s.Close() })
	return s, w
}

func put(b *Batch, to Route, size int) {
	b.Reserve(to, size)
	b.Commit(size)
}

// TestGrouping reads "a3*1200" as three datagrams of 1,200 bytes to a.
func TestGrouping(t *testing.T) {
	s, w := recorded(t)
	routes := map[string]Route{
		"a": s.Route(netip.MustParseAddrPort("192.0.2.1:1")),
		"b": s.Route(netip.MustParseAddrPort("192.0.2.1:2")),
		"c": s.Route(netip.MustParseAddrPort("[2001:db8::1]:1")),
	}
	for name, tc := range map[string]struct{ in, out string }{
		"one":                                   {"a1*100", "a1*100=100"},
		"equal sizes are one run":               {"a9*1200", "a9*1200=10800"},
		"the last may be shorter":               {"a4*1200 a1*1199", "a5*1200=5999"},
		"a shorter one ends the run":            {"a2*1200 a2*100", "a3*1200=2500 a1*100=100"},
		"a longer one begins a run":             {"a2*100 a2*1200", "a2*100=200 a2*1200=2400"},
		"the same size after the last":          {"a1*1200 a1*7 a1*1200", "a2*1200=1207 a1*1200=1200"},
		"another port":                          {"a2*50 b2*50", "a2*50=100 b2*50=100"},
		"another family":                        {"a2*50 c2*50 a1*50", "a2*50=100 c2*50=100 a1*50=50"},
		"taking turns":                          {"a1*9 b1*9 a1*9", "a1*9=9 b1*9=9 a1*9=9"},
		"not more than 64 at once":              {"a65*20", "a64*20=1280 a1*20=20"},
		"not more than an IP packet":            {"a50*1500", "a43*1500=64500 a7*1500=10500"},
		"the shorter one does not fit any more": {"a46*1413 a1*3", "a46*1413=64998 a1*3=3"},
	} {
		b := s.NewBatch()
		for _, word := range strings.Fields(tc.in) {
			var n, size int
			if _, err := fmt.Sscanf(word[1:], "%d*%d", &n, &size); err != nil {
				t.Fatal(err)
			}
			for range n {
				put(b, routes[word[:1]], size)
			}
		}
		w.flushes = nil
		b.Flush(1)
		var out []string
		for _, r := range w.flushes[0] {
			for letter, route := range routes {
				if route == r.to {
					out = append(out, fmt.Sprintf("%s%d*%d=%d", letter, r.count, r.size, r.bytes))
				}
			}
		}
		if got := strings.Join(out, " "); got != tc.out {
			t.Errorf("%s: %s became %s, want %s", name, tc.in, got, tc.out)
		}
		if b.Len() != 0 {
			t.Errorf("%s: %d are left", name, b.Len())
		}
	}
}

func TestReserveAndCommit(t *testing.T) {
	s, w := recorded(t)
	to := s.Route(netip.MustParseAddrPort("[::ffff:192.0.2.1]:1")) // mapped
	if to != s.Route(netip.MustParseAddrPort("192.0.2.1:1")) {
		t.Error("the mapped form is another route")
	}
	b := s.NewBatch()
	for _, n := range []int{-1, 0, MaxSlot + 1} {
		if p := b.Reserve(to, n); p != nil {
			t.Errorf("reserved %d bytes, got %d", n, len(p))
		}
	}
	if p := b.Reserve(Route{}, 10); p != nil {
		t.Error("reserved for a route to nowhere")
	}
	b.Commit(10) // nothing is reserved
	b.Reserve(to, 10)
	b.Commit(11)
	b.Commit(10) // the reservation has ended
	b.Reserve(to, 10)
	b.Commit(0)
	b.Reserve(to, 10)
	b.Flush(1)
	b.Commit(10)
	if b.Len() != 0 || len(w.flushes) != 0 {
		t.Errorf("%d datagrams, %d flushes", b.Len(), len(w.flushes))
	}
	if p := b.Reserve(to, 1000); len(p) != 1000 || cap(p) != 1000 {
		t.Errorf("a slot of %d, capacity %d", len(p), cap(p))
	}
	b.Commit(900)
	if p := b.Reserve(to, MaxSlot); len(p) != MaxSlot {
		t.Errorf("a slot of %d", len(p))
	}
	b.Commit(900)
	b.Flush(1)
	if got := w.flushes[0]; len(got) != 1 || got[0].count != 2 || got[0].bytes != 1800 {
		t.Errorf("runs %+v", got)
	}
}

func TestFullBatchFlushesItself(t *testing.T) {
	s, w := recorded(t)
	to := s.Route(netip.MustParseAddrPort("192.0.2.1:1"))
	b := s.NewBatch()
	for size, want := range map[int]int{1: maxSlots, MaxSlot: arenaSize / MaxSlot} {
		w.flushes = nil
		for range want {
			put(b, to, size)
		}
		if len(w.flushes) != 0 {
			t.Fatalf("%d of %d bytes do not fit", want, size)
		}
		put(b, to, size)
		if len(w.flushes) != 1 || b.Len() != 1 {
			t.Errorf("%d bytes: %d flushes, %d left", size, len(w.flushes), b.Len())
		}
		b.Flush(1)
	}
	if n := s.Counts(); n.Sent != maxSlots+1+arenaSize/MaxSlot+1 {
		t.Errorf("sent %d", n.Sent)
	}
}

// TestFullKernelIsNotWaitedForTwice: after it waited in vain, a batch drops at once for a while.
func TestFullKernelIsNotWaitedForTwice(t *testing.T) {
	s, w := recorded(t)
	w.full = 1
	to := s.Route(netip.MustParseAddrPort("192.0.2.1:1"))
	b := s.NewBatch()
	pause := int64(2 * maxWait)
	for _, now := range []int64{5, 6, 4 + pause, 5 + pause} {
		put(b, to, 10)
		b.Flush(now)
	}
	if want := []time.Duration{maxWait, 0, 0, maxWait}; !slices.Equal(w.waits, want) {
		t.Errorf("waited %v, want %v", w.waits, want)
	}
	if n := s.Counts().Dropped["send_full"]; n != 4 {
		t.Errorf("%d dropped, want 4", n)
	}
}

// TestBatchToPaths mixes attached paths with the network.
func TestBatchToPaths(t *testing.T) {
	s, w := recorded(t)
	var got []string
	virtual := netip.MustParseAddrPort("192.0.2.9:2000")
	_, detach, err := s.Attach(virtual, func(p []byte) { got = append(got, string(p)) })
	if err != nil {
		t.Fatal(err)
	}
	inside, outside := s.Route(virtual), s.Route(netip.MustParseAddrPort("192.0.2.1:1"))
	if !inside.Attached() || outside.Attached() || inside.Addr() != virtual {
		t.Errorf("inside %v %v, outside %v", inside.Attached(), inside.Addr(), outside.Attached())
	}
	b := s.NewBatch()
	for i, word := range []string{"one", "two", "net", "red", "last", "x"} {
		to := inside
		if i == 2 || i == 5 {
			to = outside
		}
		copy(b.Reserve(to, len(word)), word)
		b.Commit(len(word))
	}
	b.Flush(1)
	if want := []string{"one", "two", "red", "last"}; !slices.Equal(got, want) {
		t.Errorf("delivered %q, want %q", got, want)
	}
	if runs := w.flushes[0]; len(runs) != 2 || runs[0].bytes != 3 || runs[1].bytes != 1 {
		t.Errorf("to the network %+v", runs)
	}
	if err := s.Send(inside, []byte("alone")); err != nil || got[len(got)-1] != "alone" {
		t.Errorf("Send: %v, delivered %q", err, got)
	}
	detach()
	put(b, inside, 5)
	b.Flush(2)
	s.Send(inside, []byte("late"))
	if n := s.Counts(); n.Delivered != 5 || n.Dropped["detached"] != 2 || n.Sent != 2 || len(got) != 5 {
		t.Errorf("counts %+v, delivered %q", n, got)
	}
	if s.Route(virtual) == inside {
		t.Error("the route leads to the path after detach")
	}
}

// sink collects what arrives at a socket of a peer.
type sink struct {
	conn *net.UDPConn
	got  chan [][]byte
}

func newSink(t *testing.T, host string, want int) *sink {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(host)})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadBuffer(8 << 20)
	s := &sink{conn: conn, got: make(chan [][]byte, 1)}
	t.Cleanup(func() { conn.Close() })
	go func() {
		var all [][]byte
		p := make([]byte, 1<<16)
		conn.SetReadDeadline(time.Now().Add(patience))
		for range want {
			n, err := conn.Read(p)
			if err != nil {
				break
			}
			all = append(all, bytes.Clone(p[:n]))
		}
		s.got <- all
	}()
	return s
}

func (s *sink) route(t *testing.T, of *Socket) Route {
	return of.Route(addrPort(t, s.conn.LocalAddr()))
}

// arrives sends frames to peers of both families through s and looks at what comes, byte by byte and in order.
func arrives(t *testing.T, s *Socket) {
	t.Helper()
	frame := []int{1200, 1200, 1200, 1200, 1200, 1200, 1200, 700, 1201, 1201, 1, 1, 1, MaxSlot, MaxSlot, 90}
	const frames = 12
	var sinks []*sink
	for _, host := range []string{"127.0.0.1", "::1", "127.0.0.1", "127.0.0.1", "::1"} {
		sinks = append(sinks, newSink(t, host, frames*len(frame)))
	}
	b := s.NewBatch()
	fill := func(p []byte, peer, f, i int) {
		for j := range p {
			p[j] = byte(peer*31 + f*17 + i*7 + j)
		}
	}
	for f := range frames {
		for peer, sink := range sinks {
			for i, size := range frame {
				p := b.Reserve(sink.route(t, s), min(size+20, MaxSlot))
				fill(p[:size], peer, f, i)
				b.Commit(size)
			}
		}
		b.Flush(int64(f))
	}
	bytesSent := 0
	for peer, sink := range sinks {
		got := <-sink.got
		if len(got) != frames*len(frame) {
			t.Errorf("peer %d got %d datagrams, want %d", peer, len(got), frames*len(frame))
			continue
		}
		for k, p := range got {
			want := make([]byte, frame[k%len(frame)])
			fill(want, peer, k/len(frame), k%len(frame))
			bytesSent += len(want)
			if !bytes.Equal(p, want) {
				t.Errorf("peer %d, datagram %d: %d bytes, want %d, or other ones", peer, k, len(p), len(want))
				break
			}
		}
	}
	if n := s.Counts(); n.Sent != uint64(len(sinks)*frames*len(frame)) || n.SentBytes != uint64(bytesSent) ||
		n.SendErrors != 0 || n.Dropped["send_full"] != 0 {
		t.Errorf("counts %+v", n)
	}
}

func TestBatchArrives(t *testing.T) {
	s := listen(t, "[::]:0")
	arrives(t, s)
	if n := s.Counts(); (n.GSO == "") != (n.GSORuns > 0) {
		t.Errorf("GSO off for %q, and %d runs", n.GSO, n.GSORuns)
	}
}

func TestBatchArrivesWithoutGSO(t *testing.T) {
	s := listen(t, "[::]:0")
	s.DisableGSO()
	arrives(t, s)
	if n := s.Counts(); n.GSO == "" || n.GSORuns != 0 {
		t.Errorf("GSO %q, %d runs", n.GSO, n.GSORuns)
	}
}

func TestBatchArrivesOverThePlainWire(t *testing.T) {
	conn, local, err := listenUDP(netip.MustParseAddrPort("[::]:0"))
	if err != nil {
		t.Fatal(err)
	}
	s := open(&plainWire{conn: conn}, local, discard)
	t.Cleanup(func() { s.Close() })
	arrives(t, s)
}

// TestWrongFamily: an IPv4 socket loses what goes to IPv6, and nothing else.
func TestWrongFamily(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	good := newSink(t, "127.0.0.1", 4)
	b := s.NewBatch()
	for i := range 6 {
		to := good.route(t, s)
		if i%3 == 1 {
			to = s.Route(netip.MustParseAddrPort("[::1]:9"))
		}
		put(b, to, 10)
	}
	b.Flush(1)
	if got := <-good.got; len(got) != 4 {
		t.Errorf("%d arrived, want 4", len(got))
	}
	if n := s.Counts(); n.Sent != 4 || n.SendErrors != 2 {
		t.Errorf("counts %+v", n)
	}
}

func TestFlushWhileTheSocketCloses(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	to := s.Route(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(s.LocalAddr().Port)))
	started, sending := make(chan struct{}), sync.WaitGroup{}
	var once sync.Once
	for range 2 {
		sending.Go(func() {
			b := s.NewBatch()
			for s.Counts().SendErrors == 0 {
				for range 20 {
					put(b, to, 100)
				}
				b.Flush(1)
				once.Do(func() { close(started) })
			}
		})
	}
	<-started
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	sending.Wait()
	if err := s.Send(to, []byte("x")); err == nil {
		t.Error("sent through a closed socket")
	}
}

func TestBatchAllocatesNothing(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	a, b := newSink(t, "127.0.0.1", 1).route(t, s), newSink(t, "127.0.0.1", 1).route(t, s)
	batch := s.NewBatch()
	p := []byte("one")
	if n := testing.AllocsPerRun(200, func() {
		for range 9 {
			put(batch, a, 1200)
		}
		for range 9 {
			put(batch, b, 1200)
		}
		batch.Flush(1)
		s.Send(a, p)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
