package udp

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"
)

// asker is a peer that takes answers from anywhere, to see where they come from. 127/8 are addresses of this machine
// all, and left alone the kernel answers from the one that was written to.
func asker(t *testing.T, network, own string) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP(network, &net.UDPAddr{IP: net.ParseIP(own)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func ask(t *testing.T, conn *net.UDPConn, s *Socket, host, hex string) {
	t.Helper()
	if _, err := conn.WriteTo(unhex(t, hex), &net.UDPAddr{IP: net.ParseIP(host), Port: s.LocalAddr().Port}); err != nil {
		t.Fatal(err)
	}
}

// answeredFrom reads n datagrams and wants them from host.
func answeredFrom(t *testing.T, conn *net.UDPConn, host string, n int) {
	t.Helper()
	for range n {
		conn.SetReadDeadline(time.Now().Add(patience))
		p := make([]byte, 2048)
		_, from, err := conn.ReadFromUDPAddrPort(p)
		if err != nil {
			t.Fatal(err)
		}
		if from.Addr().Unmap() != netip.MustParseAddr(host) {
			t.Fatalf("the answer comes from %v, and %s was asked", from, host)
		}
	}
}

var wildcards = map[string]struct{ bind, network, own, first, second string }{
	"both families": {"[::]:0", "udp4", "127.0.0.5", "127.0.0.8", "127.0.0.9"},
	"IPv4":          {"0.0.0.0:0", "udp4", "127.0.0.5", "127.0.0.8", "127.0.0.9"},
	"IPv6":          {"[::]:0", "udp6", "::1", "::1", "::1"}, // a machine has one by itself; more are in cmd/sfu's test
}

// TestAnswersLeaveFromTheAddressThatWasAsked, by all three ends of the socket.
func TestAnswersLeaveFromTheAddressThatWasAsked(t *testing.T) {
	for name, tc := range wildcards {
		t.Run(name, func(t *testing.T) {
			s := listen(t, tc.bind)
			peer := asker(t, tc.network, tc.own)

			// TURN: each allocation belongs to its own pair of addresses.
			ask(t, peer, s, tc.first, allocate)
			_, one := receive(t, s.TURN())
			ask(t, peer, s, tc.second, allocate)
			_, two := receive(t, s.TURN())
			if (one.String() == two.String()) != (tc.first == tc.second) {
				t.Errorf("TURN sees the clients %v and %v", one, two)
			}
			for host, to := range map[string]net.Addr{tc.first: one, tc.second: two} {
				if _, err := s.TURN().WriteTo([]byte("answer"), to); err != nil {
					t.Fatal(err)
				}
				answeredFrom(t, peer, host, 1)
			}

			// Casters: checks by transaction, media by the address that media comes to.
			other := signed("00010020" + "2112a442 f0f0f0f0f0f0f0f0f0f0f0f0" + "00060003 613a6200")
			ask(t, peer, s, tc.first, check)
			_, from := receive(t, s.Media())
			ask(t, peer, s, tc.second, other)
			receive(t, s.Media())
			if from.String() != peer.LocalAddr().String() {
				t.Errorf("casters' library sees %v, want %v", from, peer.LocalAddr())
			}
			s.Media().WriteTo(unhex(t, "01010000"+"2112a442 f0f0f0f0f0f0f0f0f0f0f0f0"), from)
			answeredFrom(t, peer, tc.second, 1)
			s.Media().WriteTo(unhex(t, "01010000"+transaction), from)
			answeredFrom(t, peer, tc.first, 1)
			for _, host := range []string{tc.first, tc.second} {
				ask(t, peer, s, host, clientHello)
				receive(t, s.Media())
				s.Media().WriteTo([]byte("media"), from)
				answeredFrom(t, peer, host, 1)
			}

			// Viewers: batches and single datagrams.
			a := &audience{table: NewTable[string]()}
			a.table.ClaimUser("a", "alice")
			routes := make(chan Route, 2)
			a.out = func(d Datagram) { routes <- d.From }
			s.SetReceiver(a)
			for _, host := range []string{tc.first, tc.second} {
				ask(t, peer, s, host, check)
				to := <-routes
				s.Send(to, []byte("answer"))
				answeredFrom(t, peer, host, 1)
				b := s.NewBatch()
				for range 3 {
					put(b, to, 1000)
				}
				put(b, to, 500)
				put(b, to, 501)
				b.Flush(1)
				answeredFrom(t, peer, host, 5)
			}
			if n := s.Counts(); n.SendErrors != 0 || n.GSO != "" || n.GSORuns != 2 {
				t.Errorf("counts %+v", n)
			}
		})
	}
}

// TestSourceOfRunsThatGoOneByOne: without UDP GSO, and where a run was refused.
func TestSourceOfRunsThatGoOneByOne(t *testing.T) {
	for name, off := range map[string]bool{"no GSO": true, "refused": false} {
		s := listen(t, "[::]:0")
		w := needGSO(t, s)
		peer := asker(t, "udp4", "127.0.0.5")
		to := Route{addr: addrPort(t, peer.LocalAddr()), local: w.own.of(netip.MustParseAddr("127.0.0.9"))}
		b := s.NewBatch()
		if off {
			s.DisableGSO()
		} else {
			scripted(b, outcome{errno: 5}) // EIO
		}
		for range 4 {
			put(b, to, 1000)
		}
		b.Flush(1)
		answeredFrom(t, peer, "127.0.0.9", 4)
		if n := s.Counts(); n.Sent != 4 || n.SendErrors != 0 {
			t.Errorf("%s: counts %+v", name, n)
		}
	}
}

// TestSourceThatIsGone: what should leave from an address that this machine has lost is lost as well, and the others
// keep UDP GSO: the kernel says EINVAL, as it does to runs.
func TestSourceThatIsGone(t *testing.T) {
	s := listen(t, "[::]:0")
	w := needGSO(t, s)
	peer := asker(t, "udp4", "127.0.0.5")
	gone := Route{addr: addrPort(t, peer.LocalAddr()), local: w.own.of(netip.MustParseAddr("203.0.113.7"))}
	b := s.NewBatch()
	for range 2 * maxStrikes {
		for range 2 {
			put(b, gone, 100)
		}
		b.Flush(1)
	}
	s.Send(gone, []byte("one"))
	if n := s.Counts(); n.Sent != 0 || n.SendErrors != 4*maxStrikes+1 || n.GSO != "" {
		t.Errorf("counts %+v", n)
	}
}

// TestLocalsAreBounded: a machine to which a whole network is routed.
func TestLocalsAreBounded(t *testing.T) {
	l := locals{byAddr: make(map[netip.Addr]local)}
	for i := range 1000 {
		addr := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		if n := l.of(addr); (n != 0) != (i < maxLocals) || n != l.of(addr) {
			t.Fatalf("address %d has number %d", i, n)
		}
	}
	for _, a := range []string{"0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"} {
		empty := locals{byAddr: make(map[netip.Addr]local)}
		if n := empty.of(netip.MustParseAddr(a)); n != 0 {
			t.Errorf("%s is taken for an address to send from", a)
		}
	}
}

func TestMarks(t *testing.T) {
	for _, a := range []string{"192.0.2.1:5", "[2001:db8::1]:5", "[fe80::1%3]:5"} {
		for _, at := range []local{0, 1, maxLocals} {
			from := Route{addr: netip.MustParseAddrPort(a), local: at}
			if got := unmarked(marked(from)); got != from {
				t.Errorf("%v became %v", from, got)
			}
		}
	}
	for _, zone := range []string{"@", "@256", "@-1", "@x", "eth0"} {
		if got := unmarked(&net.UDPAddr{IP: net.ParseIP("fe80::1"), Port: 5, Zone: zone}); got.local != 0 {
			t.Errorf("zone %q has the number %d", zone, got.local)
		}
	}
}

// TestAskedForgets: only the newest checks are remembered, and no answer finds another's.
func TestAskedForgets(t *testing.T) {
	var a asked
	message := func(i int) []byte { return append(bytes.Repeat([]byte{0}, 18), byte(i>>8), byte(i)) }
	for i := range maxAsked + 10 {
		a.note(message(i), local(1+i%3))
	}
	a.note(message(9999), 0)
	for i := range maxAsked + 10 {
		want := local(1 + i%3)
		if i < 10 {
			want = 0
		}
		if got := a.where(message(i)); got != want {
			t.Fatalf("check %d asked %d, want %d", i, got, want)
		}
	}
}
