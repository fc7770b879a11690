package udp

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// patience bounds every wait for something that must come.
const patience = 5 * time.Second

var discard = slog.New(slog.DiscardHandler)

func listen(t *testing.T, addr string) *Socket {
	t.Helper()
	s, err := Listen(netip.MustParseAddrPort(addr), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.Expect("a", password, nil)
	s.Expect("x", password, nil)
	return s
}

// dial gives a socket of a peer that talks to s over the loopback address host.
func dial(t *testing.T, s *Socket, host string) *net.UDPConn {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: net.ParseIP(host), Port: s.LocalAddr().Port})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func addrPort(t *testing.T, a net.Addr) netip.AddrPort {
	t.Helper()
	udp, ok := a.(*net.UDPAddr)
	if !ok {
		t.Fatalf("address is a %T", a)
	}
	return netip.AddrPortFrom(udp.AddrPort().Addr().Unmap(), udp.AddrPort().Port())
}

// receive waits for the next datagram of conn.
func receive(t *testing.T, conn net.PacketConn) ([]byte, net.Addr) {
	t.Helper()
	type result struct {
		p    []byte
		from net.Addr
		err  error
	}
	got := make(chan result, 1)
	go func() {
		p := make([]byte, 2048)
		n, from, err := conn.ReadFrom(p)
		got <- result{p[:n], from, err}
	}()
	select {
	case r := <-got:
		if r.err != nil {
			t.Fatal(r.err)
		}
		return r.p, r.from
	case <-time.After(patience):
		t.Fatal("nothing received")
		return nil, nil
	}
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestSorting(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	peer := dial(t, s, "127.0.0.1")
	for _, tc := range []struct {
		hex string
		at  net.PacketConn
	}{{check, s.Media()}, {allocate, s.TURN()}, {"4001 0004 00000000", s.TURN()}} {
		sent := unhex(t, tc.hex)
		peer.Write(sent)
		got, from := receive(t, tc.at)
		if !bytes.Equal(got, sent) {
			t.Errorf("sent %x, got %x", sent, got)
		}
		if addrPort(t, from) != addrPort(t, peer.LocalAddr()) {
			t.Errorf("from %v, want %v", from, peer.LocalAddr())
		}
	}
}

func TestMediaOnlyAfterCheck(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	peer := dial(t, s, "127.0.0.1")
	peer.Write(unhex(t, clientHello))
	peer.Write(unhex(t, serverHello))
	peer.Write(unhex(t, rtp))
	until(t, "three drops", func() bool { return s.Counts().Dropped["unknown_source"] == 3 })

	peer.Write(unhex(t, check))
	_, from := receive(t, s.Media())
	answer := unhex(t, "01010000"+transaction)
	if n, err := s.Media().WriteTo(answer, from); n != len(answer) || err != nil {
		t.Fatal(n, err)
	}
	peer.SetReadDeadline(time.Now().Add(patience))
	p := make([]byte, 100)
	if n, err := peer.Read(p); err != nil || !bytes.Equal(p[:n], answer) {
		t.Fatalf("peer got %x, %v", p[:n], err)
	}
	for _, hex := range []string{clientHello, serverHello, rtp, rtcp} {
		peer.Write(unhex(t, hex))
		if got, _ := receive(t, s.Media()); !bytes.Equal(got, unhex(t, hex)) {
			t.Errorf("got %x", got)
		}
	}
	n := s.Counts()
	if n.Checks != 1 || n.DTLS != 2 || n.RTP != 1 || n.RTCP != 1 || n.Received != 8 || n.Sent != 1 || n.Remotes != 1 {
		t.Errorf("counts %+v", n)
	}
}

// TestSourceFlood is P2 at the socket: 100,000 invented SSRCs of a peer that is connected.
func TestSourceFlood(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	virtual := netip.MustParseAddrPort("192.0.2.9:2000")
	inject, detach, err := s.Attach(virtual, func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	defer detach()
	s.Media().WriteTo(unhex(t, "01010000"+transaction), net.UDPAddrFromAddrPort(virtual))

	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	p := make([]byte, 52)
	for i := range 200_000 {
		for j := range p {
			p[j] = byte(rand.Uint32())
		}
		if p[0], p[1] = 0x80, 0x60; i%2 == 1 {
			p[1], p[2], p[3] = 0xc8, 0, 1
		}
		inject(p)
	}
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if n := s.Counts(); n.RTP != maxRTPSources || n.RTCP != maxRTCPSources ||
		n.Dropped["ssrc_limit"] != 200_000-maxRTPSources-maxRTCPSources {
		t.Errorf("counts %+v", n)
	}
}

func TestDualStack(t *testing.T) {
	s := listen(t, "[::]:0")
	for _, host := range []string{"127.0.0.1", "::1"} {
		peer := dial(t, s, host)
		peer.Write(unhex(t, allocate))
		_, from := receive(t, s.TURN())
		if client, ok := from.(*net.UDPAddr); !ok || unmarked(client).addr != addrPort(t, peer.LocalAddr()) {
			t.Errorf("from %v, want %v", from, peer.LocalAddr())
		}
		if udp, _ := from.(*net.UDPAddr); host == "127.0.0.1" && len(udp.IP) != net.IPv4len {
			t.Errorf("IPv4 source in %d bytes", len(udp.IP))
		}
		s.TURN().WriteTo([]byte("answer"), from)
		peer.SetReadDeadline(time.Now().Add(patience))
		p := make([]byte, 10)
		if n, err := peer.Read(p); err != nil || string(p[:n]) != "answer" {
			t.Errorf("%s: got %q, %v", host, p[:n], err)
		}
	}
}

func TestAttach(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	virtual := netip.MustParseAddrPort("192.0.2.9:2000")
	delivered := make(chan string, 10)
	deliver := func(p []byte) { delivered <- string(p) }
	// The mapped form is the same address.
	mapped := netip.AddrPortFrom(netip.AddrFrom16(virtual.Addr().As16()), virtual.Port())
	inject, detach, err := s.Attach(mapped, deliver)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Attach(virtual, deliver); !errors.Is(err, ErrAttached) {
		t.Errorf("attached twice: %v", err)
	}
	for _, bad := range []netip.AddrPort{{}, netip.AddrPortFrom(virtual.Addr(), 0), netip.MustParseAddrPort("0.0.0.0:1")} {
		if _, _, err := s.Attach(bad, deliver); err == nil {
			t.Errorf("attached %v", bad)
		}
	}

	inject(unhex(t, check))
	got, from := receive(t, s.Media())
	if !bytes.Equal(got, unhex(t, check)) || addrPort(t, from) != virtual {
		t.Errorf("got %x from %v", got, from)
	}
	s.Media().WriteTo([]byte("to the path"), from)
	if got := <-delivered; got != "to the path" {
		t.Errorf("delivered %q", got)
	}
	inject(unhex(t, allocate))
	inject(unhex(t, rtp)) // no check was answered yet
	n := s.Counts()
	if n.Sent != 0 || n.Delivered != 1 || n.Injected != 3 || n.Paths != 1 || n.Dropped["injected"] != 1 ||
		n.Dropped["unknown_source"] != 1 {
		t.Errorf("counts %+v", n)
	}

	detach()
	detach()
	inject(unhex(t, check))
	if n := s.Counts(); n.Injected != 3 || n.Paths != 0 {
		t.Errorf("after detach: %+v", n)
	}
	if _, detach, err := s.Attach(virtual, deliver); err != nil {
		t.Errorf("attach again: %v", err)
	} else {
		detach()
	}
}

func TestSpoofedVirtualSource(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	peer := dial(t, s, "127.0.0.1")
	_, detach, err := s.Attach(addrPort(t, peer.LocalAddr()), func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	peer.Write(unhex(t, check))
	until(t, "a drop", func() bool { return s.Counts().Dropped["spoofed"] == 1 })
	detach()
	peer.Write(unhex(t, check))
	receive(t, s.Media())
}

func TestFullQueueDrops(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	inject, detach, err := s.Attach(netip.MustParseAddrPort("192.0.2.9:2000"), func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	defer detach()
	s.Media().WriteTo(unhex(t, "01010000"+transaction), net.UDPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.9:2000")))
	for range mediaQueue + 7 {
		inject(unhex(t, rtp))
	}
	if n := s.Counts().Dropped["media_queue"]; n != 7 {
		t.Errorf("%d dropped, want 7", n)
	}
}

// faultyWire cannot receive while it is broken.
type faultyWire struct {
	wire
	broken atomic.Bool
}

func (w *faultyWire) receive(into []*datagram) (int, error) {
	if w.broken.Load() {
		return 0, errors.New("broken")
	}
	return w.wire.receive(into)
}

// TestReadErrorsAreSwallowed makes the kernel socket fail for a while.
func TestReadErrorsAreSwallowed(t *testing.T) {
	conn, local, err := listenUDP(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	w := &faultyWire{wire: newWire(conn, discard)}
	w.broken.Store(true)
	s := open(w, local, discard)
	t.Cleanup(func() { s.Close() })
	s.Expect("a", password, nil)
	until(t, "errors", func() bool { return s.Counts().ReadErrors > loudRun })
	w.broken.Store(false)
	peer := dial(t, s, "127.0.0.1")
	peer.Write(unhex(t, check))
	receive(t, s.Media())
}

func TestSendErrorsAreSwallowed(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	// An IPv4 socket cannot reach this, and no datagram is that long.
	for _, to := range []string{"[2001:db8::1]:9", "127.0.0.1:9"} {
		p := make([]byte, 70_000)
		if n, err := s.Media().WriteTo(p, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to))); n != len(p) || err != nil {
			t.Errorf("%s: %d, %v", to, n, err)
		}
	}
	if n := s.Counts().SendErrors; n != 2 {
		t.Errorf("%d send errors, want 2", n)
	}
	if _, err := s.Media().WriteTo([]byte("x"), &net.TCPAddr{}); err == nil {
		t.Error("wrote to a TCP address")
	}
}

func TestClose(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	inject, detach, err := s.Attach(netip.MustParseAddrPort("192.0.2.9:2000"), func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []net.PacketConn{s.Media(), s.TURN()} {
		if err := end.SetReadDeadline(time.Now()); !errors.Is(err, os.ErrNoDeadline) {
			t.Errorf("deadline: %v", err)
		}
	}
	ended := make(chan error, 2)
	for _, end := range []net.PacketConn{s.Media(), s.TURN()} {
		go func() {
			_, _, err := end.ReadFrom(make([]byte, 100))
			ended <- err
		}()
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("ReadFrom: %v", err)
		}
	}
	inject(unhex(t, check))
	detach()
	if _, err := s.Media().WriteTo([]byte("x"), s.LocalAddr()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("WriteTo: %v", err)
	}
	if _, _, err := s.Attach(netip.MustParseAddrPort("192.0.2.9:2000"), func([]byte) {}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Attach: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// TestOneEndCloses: closing the end for media leaves TURN alone.
func TestOneEndCloses(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	s.Media().Close()
	peer := dial(t, s, "127.0.0.1")
	peer.Write(unhex(t, check))
	peer.Write(unhex(t, allocate))
	receive(t, s.TURN())
	if n := s.Counts().Dropped["media_closed"]; n != 1 {
		t.Errorf("%d dropped, want 1", n)
	}
}

func TestPathAllocatesNothing(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	virtual := netip.MustParseAddrPort("192.0.2.9:2000")
	inject, detach, err := s.Attach(virtual, func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	defer detach()
	p, buf, to := unhex(t, rtp), make([]byte, 1500), net.UDPAddrFromAddrPort(virtual)
	s.Media().WriteTo(unhex(t, "01010000"+transaction), to)
	if n := testing.AllocsPerRun(1000, func() {
		inject(p)
		s.Media().ReadFrom(buf)
		s.Media().WriteTo(p, to)
	}); n != 0 {
		t.Errorf("%v allocations per datagram", n)
	}
}
