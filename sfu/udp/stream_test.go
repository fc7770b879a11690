package udp

import (
	"bytes"
	"net/netip"
	"slices"
	"sync"
	"testing"
)

// outlet is the far side of a Stream in tests.
type outlet struct {
	mu      sync.Mutex
	got     [][]byte
	refused int
	room    int
}

func (o *outlet) Deliver(p []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.got = append(o.got, bytes.Clone(p))
}

func (o *outlet) Room() int { return o.room }
func (*outlet) Await()      {}
func (*outlet) Rate() int   { return 1_000_000 }
func (o *outlet) Refuse()   { o.refused++ }

func connect(t *testing.T, s *Socket, from netip.AddrPort) (*Stream, *outlet) {
	t.Helper()
	o := &outlet{room: 100}
	stream, err := s.Connect(from, o)
	if err != nil {
		t.Fatal(err)
	}
	return stream, o
}

// TestStreamOfACaster: it is let in by a good check only, goes by an address that is nobody's, and what is sent there
// comes out of it.
func TestStreamOfACaster(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	real := netip.MustParseAddrPort("203.0.113.9:5000")
	for _, from := range []netip.AddrPort{real, netip.MustParseAddrPort("[2001:db8::9]:5000")} {
		stream, o := connect(t, s, from)
		if got := stream.Inject(unhex(t, clientHello)); got != "unknown_source" {
			t.Errorf("DTLS before a check: %q", got)
		}
		if got := stream.Inject(unhex(t, strangersCheck)[:30]); got != "stun" {
			t.Errorf("a part of a check: %q", got)
		}
		if got := stream.Inject(unhex(t, allocate)); got != "injected" {
			t.Errorf("an Allocate: %q", got)
		}
		nobodys, _ := checkFor(t, "nobody", password)
		if got := stream.Inject(nobodys); got != "unknown_user" {
			t.Errorf("a check for nobody: %q", got)
		}
		if n := s.Counts().Paths; n != 0 {
			t.Errorf("%d addresses used for a stranger", n)
		}
		if got := stream.Inject(unhex(t, check)); got != "" {
			t.Fatalf("a good check: %q", got)
		}
		_, agent := receive(t, s.Media())
		at := addrPort(t, agent)
		if at == from || at.Addr().Is4() != from.Addr().Is4() {
			t.Errorf("the agents see %v of %v", at, from)
		}
		if n, err := s.Media().WriteTo([]byte("to the peer"), agent); n != 11 || err != nil || len(o.got) != 1 || string(o.got[0]) != "to the peer" {
			t.Errorf("sent %d, %v, out came %q", n, err, o.got)
		}
		stream.Detach()
		if got := stream.Inject(unhex(t, check)); got != "detached" {
			t.Errorf("after Detach: %q", got)
		}
		if n := s.Counts().Paths; n != 0 || !stream.Route().Gone() {
			t.Errorf("after Detach %d paths", n)
		}
	}
}

// TestANeighboursStreamIsNotInTheWay: who opens TCP from the port number that somebody else's UDP has, behind the same
// NAT, takes nothing from him, and the other way round.
func TestANeighboursStreamIsNotInTheWay(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	a := &audience{table: NewTable[string]()}
	a.table.ClaimUser("a", "alice")
	s.SetReceiver(a)
	victim := dial(t, s, "127.0.0.1")
	from := addrPort(t, victim.LocalAddr())
	stream, o := connect(t, s, from)
	if RouteTo(from) == stream.Route() {
		t.Fatal("one route for both")
	}
	a.table.ClaimRoute(stream.Route(), "neighbour")
	a.table.ClaimRoute(RouteTo(from), "victim")
	victim.Write(unhex(t, rtp))
	until(t, "the victim's datagram", func() bool { return len(a.list()) == 1 })
	stream.Inject(unhex(t, rtp))
	if got := a.list(); !slices.Equal(got, []string{"victim rtp", "neighbour rtp"}) {
		t.Errorf("got %q", got)
	}
	s.Send(stream.Route(), []byte("for the neighbour"))
	s.Send(RouteTo(from), []byte("for the victim"))
	if p, _ := receive(t, victim); string(p) != "for the victim" || len(o.got) != 1 {
		t.Errorf("the victim got %q, the neighbour %q", p, o.got)
	}
	// As casters' peers too: the agents tell them apart.
	s.SetReceiver(nil)
	stream.Inject(unhex(t, check))
	_, one := receive(t, s.Media())
	victim.Write(unhex(t, check))
	_, other := receive(t, s.Media())
	if one.String() == other.String() || addrPort(t, other) != from {
		t.Errorf("the agents see %v and %v", one, other)
	}
}

// TestStreamsAreLimitedByTheirRealAddress: wrong checks of a stream count for the address of its connection.
func TestStreamsAreLimitedByTheirRealAddress(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	stream, o := connect(t, s, netip.MustParseAddrPort("203.0.113.9:5000"))
	s.Refused(stream.Route())
	if o.refused != 1 {
		t.Error("the stream does not hear that its check was wrong")
	}
	nobodys, _ := checkFor(t, "nobody", password)
	got := ""
	for range 3 * maxWrong {
		if got = stream.Inject(nobodys); got == "check_flood" {
			break
		}
	}
	again, _ := connect(t, s, netip.MustParseAddrPort("203.0.113.9:5000"))
	if next := again.Inject(nobodys); got != "check_flood" || next != "check_flood" && next != "unknown_user" {
		t.Errorf("a flood is %q, from the next stream %q", got, next)
	}
}

func TestRoomOfRoutes(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	stream, o := connect(t, s, netip.MustParseAddrPort("203.0.113.9:5000"))
	o.room = -5
	if r := stream.Route(); r.Room() != -5 || r.Took() != 1_000_000 || !r.Streams() || r.Gone() {
		t.Error("a stream's route is none")
	}
	if r := RouteTo(stream.Route().Addr()); r.Room() != Unbounded || r.Took() != 0 || r.Streams() || r.Gone() {
		t.Error("the network is a stream")
	}
	a := &audience{table: NewTable[string]()}
	a.table.ClaimRoute(stream.Route(), "alice")
	s.SetReceiver(a)
	stream.Ready()
	stream.Detach()
	stream.Ready()
	if got := a.list(); !slices.Equal(got, []string{"alice ready"}) {
		t.Errorf("got %q", got)
	}
	s.Close()
	if _, err := s.Connect(alice, o); err == nil {
		t.Error("a closed socket takes streams")
	}
}
