package linksim

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// listen opens a UDP socket inside a namespace.
func listen(t *testing.T, n *Namespace, addr netip.Addr) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	err := n.Do(func() (err error) {
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// arrival is a datagram at the far end.
type arrival struct {
	number int
	took   time.Duration
	from   netip.AddrPort
}

// across sends n datagrams of 1,000 bytes, one every step, and returns what came until quiet has passed without any.
func across(t *testing.T, from, to *net.UDPConn, n int, step, quiet time.Duration) (got []arrival) {
	t.Helper()
	begun := time.Now()
	go func() {
		p := make([]byte, 1000)
		for i := range n {
			for time.Since(begun) < time.Duration(i)*step {
				time.Sleep(step / 4)
			}
			binary.BigEndian.PutUint64(p, uint64(i))
			binary.BigEndian.PutUint64(p[8:], uint64(time.Since(begun)))
			if _, err := from.WriteTo(p, to.LocalAddr()); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	buf := make([]byte, 2000)
	for {
		_ = to.SetReadDeadline(time.Now().Add(quiet))
		_, addr, err := to.ReadFromUDPAddrPort(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		sent := time.Duration(binary.BigEndian.Uint64(buf[8:]))
		got = append(got, arrival{int(binary.BigEndian.Uint64(buf)), time.Since(begun) - sent, addr})
	}
}

func TestPacketsOfALinkMeetItsConditions(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	lab := New(t)
	a, b := lab.Namespace("a"), lab.Namespace("b")
	link, atA, atB := lab.Link(a, b, Conditions{}, Conditions{})
	from, to := listen(t, a, atA.Addr), listen(t, b, atB.Addr)
	send := func(c Conditions) []arrival {
		link.Set(c, Conditions{})
		return across(t, from, to, 500, time.Millisecond, 700*time.Millisecond)
	}

	if got := send(Conditions{}); len(got) != 500 {
		t.Errorf("%d of 500 packets passed an unimpaired link", len(got))
	}
	got := send(Conditions{Delay: 100 * time.Millisecond})
	for _, p := range got {
		if p.took < 100*time.Millisecond {
			t.Fatalf("packet %d took %v, want 100 ms at least", p.number, p.took)
		}
	}
	if len(got) != 500 {
		t.Errorf("%d of 500 packets were only delayed", len(got))
	}
	if got := send(Conditions{Loss: 0.2}); len(got) < 350 || len(got) > 450 {
		t.Errorf("%d of 500 packets passed a link that loses one in five", len(got))
	}
	if got := send(Conditions{Duplicate: 0.2}); len(got) < 550 || len(got) > 650 {
		t.Errorf("%d packets came of 500 when one in five comes twice", len(got))
	}
	overtaken, last := 0, -1
	for _, p := range send(Conditions{Reorder: 0.1, ReorderBy: 10 * time.Millisecond}) {
		if p.number < last {
			overtaken++
		}
		last = max(last, p.number)
	}
	if overtaken < 20 || overtaken > 90 {
		t.Errorf("%d of 500 packets were overtaken, want about 50", overtaken)
	}
	if got := send(Conditions{Down: true}); len(got) != 0 {
		t.Errorf("%d packets passed a link that is down", len(got))
	}
	// 1,028 bytes a millisecond are 8.2 Mbit/s; a quarter of that passes.
	if got := send(Conditions{Rate: 2_056_000, Queue: 10_280}); len(got) < 115 || len(got) > 160 {
		t.Errorf("%d of 500 packets passed at a quarter of the rate with room for ten", len(got))
	}
	if there, _ := link.Counts(); there.Lost < 550 || there.Overflowed < 300 || there.Duplicated == 0 || there.Reordered == 0 {
		t.Errorf("the link counted %+v", there)
	}
}

func TestBothDirectionsHaveTheirOwnConditions(t *testing.T) {
	lab := New(t)
	a, b := lab.Namespace("a"), lab.Namespace("b")
	_, atA, atB := lab.Link(a, b, Conditions{}, Conditions{Down: true})
	ca, cb := listen(t, a, atA.Addr), listen(t, b, atB.Addr)
	if got := across(t, ca, cb, 10, time.Millisecond, 300*time.Millisecond); len(got) != 10 {
		t.Errorf("%d of 10 passed there", len(got))
	}
	if got := across(t, cb, ca, 10, time.Millisecond, 300*time.Millisecond); len(got) != 0 {
		t.Errorf("%d passed back", len(got))
	}
}

func TestCableBehindATokenBucketAndNAT(t *testing.T) {
	lab := New(t)
	inside, router, outside := lab.Namespace("inside"), lab.Namespace("router"), lab.Namespace("outside")
	atInside, atInner := lab.Cable(inside, router)
	atOuter, atOutside := lab.Cable(router, outside)
	inside.Route(netip.Prefix{}, atInner.Addr)
	router.NAT(atOuter)
	from, to := listen(t, inside, atInside.Addr), listen(t, outside, atOutside.Addr)
	got := across(t, from, to, 200, time.Millisecond, 500*time.Millisecond)
	if len(got) != 200 {
		t.Fatalf("%d of 200 packets passed the router", len(got))
	}
	if got[0].from.Addr() != atOuter.Addr {
		t.Errorf("the packets come from %v, want the router's %v", got[0].from, atOuter.Addr)
	}
	router.Limit(atOuter, 2_000_000, 3000, 20*time.Millisecond)
	if got := across(t, from, to, 500, time.Millisecond, 500*time.Millisecond); len(got) < 100 || len(got) > 170 {
		t.Errorf("%d of 500 packets passed at a quarter of their rate", len(got))
	}
	router.Filter(`table ip test {
		chain forward {
			type filter hook forward priority 0
			ip protocol udp drop
		}
	}`)
	if got := across(t, from, to, 20, time.Millisecond, 300*time.Millisecond); len(got) != 0 {
		t.Errorf("%d packets passed a filter that drops all", len(got))
	}
}

// routed is three namespaces in a row, with routes through the one in the middle, which is a router.
func routed(lab *Lab) (inside, router, outside *Namespace, atInside, atInner, atOuter, atOutside End) {
	inside, router, outside = lab.Namespace("inside"), lab.Namespace("router"), lab.Namespace("outside")
	atInside, atInner = lab.Cable(inside, router)
	atOuter, atOutside = lab.Cable(router, outside)
	router.Router()
	for _, way := range []struct {
		from *Namespace
		via  End
	}{{inside, atInner}, {outside, atOuter}} {
		way.from.Route(netip.Prefix{}, way.via.Addr)
		way.from.Route(netip.Prefix{}, way.via.Addr6)
	}
	return inside, router, outside, atInside, atInner, atOuter, atOutside
}

func TestSymmetricNATHasAPortForEachDestination(t *testing.T) {
	lab := New(t)
	inside, router, outside, atInside, _, atOuter, atOutside := routed(lab)
	ports := func() (seen map[uint16]bool) {
		from, seen := listen(t, inside, atInside.Addr), map[uint16]bool{}
		for range 4 {
			got := across(t, from, listen(t, outside, atOutside.Addr), 1, time.Millisecond, 200*time.Millisecond)
			if len(got) != 1 || got[0].from.Addr() != atOuter.Addr {
				t.Fatalf("outside came %+v, want one packet from %v", got, atOuter.Addr)
			}
			seen[got[0].from.Port()] = true
		}
		return seen
	}
	router.NAT(atOuter)
	if seen := ports(); len(seen) != 1 {
		t.Errorf("one port behind NAT is seen as %v", seen)
	}
	router.Open()
	router.SymmetricNAT(atOuter)
	if seen := ports(); len(seen) != 4 {
		t.Errorf("one port behind symmetric NAT is seen by four others as %v", seen)
	}
}

func TestIPv6AloneAndAShortMTU(t *testing.T) {
	lab := New(t)
	inside, _, outside, atInside, atInner, _, atOutside := routed(lab)
	from4 := listen(t, inside, atInside.Addr)
	inside.Take(atInside, atInside.Addr)
	if _, err := from4.WriteTo([]byte{0}, listen(t, outside, atOutside.Addr).LocalAddr()); err == nil {
		t.Error("a packet left from an address that was taken away")
	}
	from, to := listen(t, inside, atInside.Addr6), listen(t, outside, atOutside.Addr6)
	if got := across(t, from, to, 20, time.Millisecond, 2*time.Second); len(got) != 20 { // a neighbour is asked for once a second
		t.Errorf("%d of 20 packets passed over IPv6", len(got))
	}
	inside.Give(atInside, atInside.Addr)
	inside.Route(netip.Prefix{}, atInner.Addr)
	back := listen(t, inside, atInside.Addr)
	if got := across(t, back, listen(t, outside, atOutside.Addr), 5, time.Millisecond, 200*time.Millisecond); len(got) != 5 {
		t.Errorf("%d of 5 packets passed over IPv4 when it was back", len(got))
	}

	inside.MTU(atInside, 1280)
	out, err := inside.Command(t.Context(), "ip", "link", "show", atInside.Device).Output()
	if err != nil || !strings.Contains(string(out), "mtu 1280") {
		t.Errorf("the device is %s, %v", out, err)
	}
}

func TestConnectionsAndCommandsBeginInside(t *testing.T) {
	lab := New(t)
	inside, _, outside, _, _, _, atOutside := routed(lab)
	var l net.Listener
	err := outside.Do(func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(atOutside.Addr6, 0).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := inside.Dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if _, err := inside.Dial(t.Context(), "tcp", "localhost:1"); err == nil {
		t.Error("a name was looked up")
	}

	inside.Hosts(map[string][]netip.Addr{"far.test": {atOutside.Addr6}})
	out, err := inside.Command(t.Context(), "getent", "hosts", "far.test").Output()
	if err != nil || !strings.HasPrefix(string(out), atOutside.Addr6.String()) {
		t.Errorf("inside far.test is %s, %v", out, err)
	}
	for name, want := range map[string]string{"far.test": atOutside.Addr6.String(), "FAR.test": atOutside.Addr6.String(), "nobody.test": ""} {
		resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return inside.Dial(ctx, network, "127.0.0.1:53")
		}}
		got, err := resolver.LookupNetIP(t.Context(), "ip", name+".")
		if (err == nil) != (want != "") || err == nil && (len(got) != 1 || got[0].String() != want) {
			t.Errorf("DNS says that %s is %v, %v; want %q", name, got, err, want)
		}
	}
	cmd := exec.Command("cat", "/proc/self/stat")
	if err := inside.Enter(cmd); err != nil {
		t.Fatal(err)
	}
	there, err := inside.Command(t.Context(), "ip", "link").Output()
	if err != nil {
		t.Fatal(err)
	}
	links := exec.Command("ip", "link")
	if err := inside.Enter(links); err != nil {
		t.Fatal(err)
	}
	if got, err := links.Output(); err != nil || string(got) != string(there) {
		t.Errorf("inside there are %s, want %s; %v", got, there, err)
	}
	out, err = cmd.Output()
	if err != nil || !strings.HasPrefix(string(out), strconv.Itoa(cmd.Process.Pid)+" (cat)") {
		t.Errorf("the process %d says that it is %s, %v", cmd.Process.Pid, out, err)
	}
}

func TestCommandsRunInsideAndNothingIsLeft(t *testing.T) {
	var name string
	t.Run("a lab", func(t *testing.T) {
		lab := New(t)
		a, b := lab.Namespace("a"), lab.Namespace("b")
		name = a.name
		lab.Link(a, b, Conditions{}, Conditions{})
		ctx, cancel := context.WithTimeout(context.Background(), allowed)
		defer cancel()
		out, err := a.Command(ctx, "ip", "-brief", "link").Output()
		if err != nil || !strings.Contains(string(out), "link0a") || strings.Contains(string(out), "link0b") {
			t.Errorf("in the namespace there are %q, %v", out, err)
		}
		if err := a.Do(func() error { return errors.ErrUnsupported }); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Do returns %v", err)
		}
	})
	out, err := exec.Command("ip", "netns", "list").Output()
	if name != "" && (err != nil || strings.Contains(string(out), name)) {
		t.Errorf("%s is still there: %q, %v", name, out, err)
	}
}
