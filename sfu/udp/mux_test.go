package udp

import (
	"bytes"
	"net/netip"
	"slices"
	"sync"
	"testing"
)

// audience is a Receiver over a Table, as the engine has one.
type audience struct {
	table *Table[string]

	mu  sync.Mutex
	got []string // "owner kind"
	max int      // the largest batch
	out func(d Datagram)
}

var kindNames = map[Kind]string{KindCheck: "check", KindAnswer: "answer", KindDTLS: "dtls", KindRTP: "rtp", KindRTCP: "rtcp"}

func (a *audience) Owns(d *Datagram) bool {
	name, ok := a.table.ByRoute(d.From)
	if !ok && d.Kind == KindCheck {
		name, ok = a.table.ByUser(d.User)
	}
	d.Owner = name
	return ok
}

func (a *audience) Receive(batch []Datagram) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.max = max(a.max, len(batch))
	for _, d := range batch {
		name, _ := d.Owner.(string)
		a.got = append(a.got, name+" "+kindNames[d.Kind])
		if a.out != nil {
			a.out(d)
		}
	}
}

func (a *audience) Ready(to Route) {
	a.mu.Lock()
	defer a.mu.Unlock()
	name, _ := a.table.ByRoute(to)
	a.got = append(a.got, name+" ready")
}

func (a *audience) list() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.got)
}

var strangersCheck = signed("00010020" + transaction + "00060003 783a6200") // for x instead of a

func TestReceiverTakesItsOwn(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	a := &audience{table: NewTable[string]()}
	viewer, caster := dial(t, s, "127.0.0.1"), dial(t, s, "127.0.0.1")
	from := addrPort(t, viewer.LocalAddr())
	a.table.ClaimUser("a", "alice")
	a.out = func(d Datagram) {
		if d.From.Addr() != from || d.From.Attached() {
			t.Errorf("from %v", d.From)
		}
		if (d.Kind == KindCheck) != (string(d.User) == "a") {
			t.Errorf("user %q of a %s", d.User, kindNames[d.Kind])
		}
		a.table.ClaimRoute(RouteTo(from), "alice")
	}
	s.SetReceiver(a)
	want := []string{"alice check", "alice dtls", "alice rtcp", "alice rtp"}
	for i, hex := range []string{check, clientHello, rtcp, rtp} {
		viewer.Write(unhex(t, hex))
		until(t, want[i], func() bool { return len(a.list()) == i+1 })
	}
	if got := a.list(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}

	// What is nobody's goes where it went without a receiver, and TURN always does.
	caster.Write(unhex(t, strangersCheck))
	if got, _ := receive(t, s.Media()); !bytes.Equal(got, unhex(t, strangersCheck)) {
		t.Errorf("caster's end got %x", got)
	}
	viewer.Write(unhex(t, allocate))
	receive(t, s.TURN())
	viewer.Write([]byte("nonsense"))
	until(t, "a drop", func() bool { return s.Counts().Dropped["first_byte"] == 1 })
	if n := s.Counts(); n.Owned != 4 || n.Checks != 2 || n.DTLS != 1 || n.RTP != 1 || n.RTCP != 1 || n.Remotes != 0 {
		t.Errorf("counts %+v", n)
	}

	s.SetReceiver(nil)
	viewer.Write(unhex(t, check))
	receive(t, s.Media())
}

// TestReceiverOfPaths: viewers behind a relay of this process are the receiver's as well.
func TestReceiverOfPaths(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	a := &audience{table: NewTable[string]()}
	a.table.ClaimUser("a", "alice")
	virtual := netip.MustParseAddrPort("192.0.2.9:2000")
	var delivered []string
	inject, detach, err := s.Attach(virtual, func(p []byte) { delivered = append(delivered, string(p)) })
	if err != nil {
		t.Fatal(err)
	}
	defer detach()
	b := s.NewBatch()
	a.out = func(d Datagram) {
		if !d.From.Attached() || d.From.Addr() != virtual || d.From != s.Route(virtual) {
			t.Errorf("from %v", d.From)
		}
		a.table.ClaimRoute(d.From, "alice")
		copy(b.Reserve(d.From, 6), "answer")
		b.Commit(6)
	}
	s.SetReceiver(a)
	inject(unhex(t, check))
	inject(unhex(t, rtcp))
	inject(unhex(t, strangersCheck)) // from an address of hers: hers, and she will find it wrong
	inject(unhex(t, allocate))
	b.Flush(1)
	if got, want := a.list(), []string{"alice check", "alice rtcp", "alice check"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !slices.Equal(delivered, []string{"answer", "answer", "answer"}) {
		t.Errorf("delivered %q", delivered)
	}
	if n := s.Counts(); n.Owned != 3 || n.Dropped["injected"] != 1 || n.Sent != 0 || n.Injected != 4 {
		t.Errorf("counts %+v", n)
	}
}

// TestReceiverGetsBatches lets many datagrams wait for the reader.
func TestReceiverGetsBatches(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	a := &audience{table: NewTable[string]()}
	a.table.ClaimUser("a", "alice")
	block, entered := make(chan struct{}), make(chan struct{}, 1)
	a.out = func(Datagram) {
		select {
		case entered <- struct{}{}:
			<-block
		default:
		}
	}
	s.SetReceiver(a)
	s.SetReceiver(a)
	peer := dial(t, s, "127.0.0.1")
	const n = 200
	peer.Write(unhex(t, check))
	until(t, "the first", func() bool { return len(entered) == 1 })
	for range n - 1 {
		peer.Write(unhex(t, check))
	}
	close(block)
	until(t, "all datagrams", func() bool { return len(a.list()) == n })
	counts := s.Counts()
	if counts.Received != n || counts.Owned != n || counts.Reads > counts.Received {
		t.Errorf("counts %+v", counts)
	}
	if _, plain := s.wire.(*plainWire); !plain && (counts.Reads > n/readBatch+2 || a.max != readBatch) {
		t.Errorf("%d reads, at most %d at once", counts.Reads, a.max)
	}
}

func TestSortingAllocatesNothing(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	table := NewTable[*Socket]()
	table.ClaimUser("a", s)
	in := &intake{socket: s, receiver: pointers{table}, ours: make([]Datagram, 0, readBatch)}
	d := &datagram{src: alice}
	d.n = copy(d.buf[:], unhex(t, check))
	if n := testing.AllocsPerRun(1000, func() {
		in.sort(d)
		in.sort(d)
		in.flush()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	s.SetReceiver(pointers{table})
	inject, detach, err := s.Attach(netip.MustParseAddrPort("192.0.2.9:2000"), func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	defer detach()
	p := unhex(t, check)
	if n := testing.AllocsPerRun(1000, func() { inject(p) }); n != 0 {
		t.Errorf("%v allocations of an injected datagram", n)
	}
}

type pointers struct{ table *Table[*Socket] }

func (r pointers) Owns(d *Datagram) bool {
	owner, ok := r.table.ByUser(d.User)
	d.Owner = owner
	return ok
}
func (pointers) Receive([]Datagram) {}

func (pointers) Ready(Route) {}
