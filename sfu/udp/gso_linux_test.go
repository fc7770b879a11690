package udp

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// needGSO fails where the kernel has no UDP GSO: all that these tests run on have.
func needGSO(t *testing.T, s *Socket) *linuxWire {
	t.Helper()
	w, ok := s.wire.(*linuxWire)
	if !ok || w.gso() != "" {
		if ok {
			t.Log(w.gso())
		}
		t.Fatal("this kernel has no UDP GSO")
	}
	return w
}

// outcome of one message in a scripted kernel.
type outcome struct {
	take  int           // messages at most, when errno is 0
	errno syscall.Errno // the answer for the first message
	ever  bool          // and for all that follow
}

// scripted makes the kernel under b answer by the script, and then take everything. What it takes it writes down as
// "2x1200" for a run and "1200" for a single datagram.
func scripted(b *Batch, script ...outcome) (taken *[]string) {
	taken = new([]string)
	o, _ := b.outbox.(*linuxOutbox)
	o.kernel = func(_ int, msgs []mmsghdr) (int, syscall.Errno) {
		n := len(msgs)
		if len(script) > 0 {
			next := script[0]
			if !next.ever {
				script = script[1:]
			}
			if next.errno != 0 {
				return 0, next.errno
			}
			n = min(n, next.take)
		}
		for i := range msgs[:n] {
			h := &msgs[i].hdr
			msgs[i].n = uint32(h.Iov.Len)
			word := fmt.Sprint(h.Iov.Len)
			if o.whole[o.next+i] {
				size := o.controls[o.next+i].size
				word = fmt.Sprintf("%dx%d", (int(h.Iov.Len)+int(size)-1)/int(size), size)
			}
			*taken = append(*taken, word)
		}
		return n, 0
	}
	return taken
}

// TestKernelAnswers sends three runs of four datagrams of 1,000, 1,100 and 1,200 bytes and a single one of 7 to a
// real peer, with a kernel that answers as the script says.
func TestKernelAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		script        []outcome
		taken         string
		alone         int // datagrams that went by a system call of their own
		sent, refused uint64
		full, retried uint64
		gso           gsoVerdict
	}{
		"everything at once":  {nil, "4x1000 4x1100 4x1200 7", 0, 13, 0, 0, 0, gsoOn},
		"piece by piece":      {[]outcome{{take: 1}, {take: 2}}, "4x1000 4x1100 4x1200 7", 0, 13, 0, 0, 0, gsoOn},
		"EIO":                 {[]outcome{{errno: unix.EIO}}, "4x1100 4x1200 7", 4, 13, 0, 0, 1, gsoHardware},
		"EIO for the second":  {[]outcome{{take: 1}, {errno: unix.EIO}}, "4x1000 4x1200 7", 4, 13, 0, 0, 1, gsoHardware},
		"EINVAL":              {[]outcome{{errno: unix.EINVAL}}, "4x1100 4x1200 7", 4, 13, 0, 0, 1, gsoOn},
		"EINVAL for the last": {[]outcome{{take: 3}, {errno: unix.EINVAL}}, "4x1000 4x1100 4x1200", 0, 12, 1, 0, 0, gsoOn},
		"EMSGSIZE":            {[]outcome{{errno: unix.EMSGSIZE}}, "4x1100 4x1200 7", 4, 13, 0, 0, 1, gsoOn},
		"one peer is gone":    {[]outcome{{take: 1}, {errno: unix.ECONNREFUSED}}, "4x1000 4x1200 7", 0, 9, 4, 0, 0, gsoOn},
		"a firewall":          {[]outcome{{errno: unix.EPERM}, {errno: unix.EPERM}}, "4x1200 7", 0, 5, 8, 0, 0, gsoOn},
		"room after a wait":   {[]outcome{{take: 1}, {errno: unix.EAGAIN}}, "4x1000 4x1100 4x1200 7", 0, 13, 0, 0, 0, gsoOn},
		"no room": {
			[]outcome{{take: 1}, {errno: unix.EAGAIN, ever: true}}, "4x1000", 0, 4, 0, 9, 0, gsoOn,
		},
	} {
		s := listen(t, "127.0.0.1:0")
		w := needGSO(t, s)
		peer := newSink(t, "127.0.0.1", tc.alone)
		b := s.NewBatch()
		taken := scripted(b, tc.script...)
		for _, size := range []int{1000, 1100, 1200} {
			for range 4 {
				put(b, peer.route(t, s), size)
			}
			put(b, s.Route(netip.MustParseAddrPort("[2001:db8::1]:9")), 9) // the other family, refused by ourselves
		}
		put(b, peer.route(t, s), 7)
		began := time.Now()
		b.Flush(1)
		if took := time.Since(began); took > patience {
			t.Errorf("%s: flush took %v", name, took)
		}
		if got := strings.Join(*taken, " "); got != tc.taken {
			t.Errorf("%s: the kernel took %s, want %s", name, got, tc.taken)
		}
		if got := <-peer.got; len(got) != tc.alone {
			t.Errorf("%s: %d datagrams came alone, want %d", name, len(got), tc.alone)
		}
		n := s.Counts()
		if n.Sent != tc.sent || n.SendErrors != tc.refused+3 || n.Dropped["send_full"] != tc.full ||
			n.GSORetries != tc.retried || n.GSO != gsoReasons[tc.gso] {
			t.Errorf("%s: counts %+v", name, n)
		}
		if w.out.works() != (tc.gso == gsoOn) {
			t.Errorf("%s: GSO works: %v", name, w.out.works())
		}
	}
}

// TestFallbackIsPermanent: after EIO all datagrams go one by one, those of batches that exist among them.
func TestFallbackIsPermanent(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	needGSO(t, s)
	peer := newSink(t, "127.0.0.1", 3)
	b, other := s.NewBatch(), s.NewBatch()
	scripted(b, outcome{errno: unix.EIO})
	for range 3 {
		put(b, peer.route(t, s), 100)
	}
	b.Flush(1)
	<-peer.got
	for _, b := range []*Batch{b, other, s.NewBatch()} {
		taken := scripted(b)
		for range 3 {
			put(b, peer.route(t, s), 100)
		}
		b.Flush(2)
		if got := strings.Join(*taken, " "); got != "100 100 100" {
			t.Errorf("the kernel took %s", got)
		}
	}
	if n := s.Counts(); n.GSO != gsoReasons[gsoHardware] || n.GSORuns != 0 || n.Sent != 12 {
		t.Errorf("counts %+v", n)
	}
}

func TestStrikes(t *testing.T) {
	var g gsoState
	for range 10 { // one peer behind a small path MTU among others
		for range maxStrikes - 1 {
			g.failed(unix.EINVAL)
		}
		g.worked()
	}
	if !g.works() {
		t.Error("a single peer turned GSO off")
	}
	for range maxStrikes {
		g.failed(unix.EINVAL)
	}
	if v := gsoVerdict(g.verdict.Load()); v != gsoRefused {
		t.Errorf("verdict %d", v)
	}
	g.failed(unix.EIO)
	if v := gsoVerdict(g.verdict.Load()); v != gsoRefused {
		t.Errorf("the first verdict did not stay, it is %d", v)
	}
}

// TestRealRefusal makes the kernel refuse runs: it computes no checksum for a socket that wants none, and without
// one there is no GSO.
func TestRealRefusal(t *testing.T) {
	s := listen(t, "[::]:0")
	w := needGSO(t, s)
	if err := unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1); err != nil {
		t.Fatal(err)
	}
	peer := newSink(t, "127.0.0.1", 9*(maxStrikes+2))
	b := s.NewBatch()
	for f := range maxStrikes + 2 {
		for i := range 9 {
			p := b.Reserve(peer.route(t, s), 200)
			p[0], p[1] = byte(f), byte(i)
			b.Commit(200 - i/8)
		}
		b.Flush(int64(f))
	}
	got := <-peer.got
	for k, p := range got {
		if len(p) != 200-k%9/8 || p[0] != byte(k/9) || p[1] != byte(k%9) {
			t.Fatalf("datagram %d is number %d of frame %d, %d bytes", k, p[1], p[0], len(p))
		}
	}
	if n := s.Counts(); len(got) != 9*(maxStrikes+2) || n.GSO != gsoReasons[gsoRefused] || n.GSORetries != maxStrikes || n.GSORuns != 0 {
		t.Errorf("%d arrived, counts %+v", len(got), n)
	}
}

func TestProbe(t *testing.T) {
	near, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	if v := probeRun(near, far, []int{100, 100, 50}); v != gsoOn {
		t.Errorf("verdict %q", gsoReasons[v])
	}
	// A run that the kernel cuts otherwise than it was told arrives as something else.
	if v := probeRun(near, far, []int{100, 50, 100}); v != gsoCorrupts {
		t.Errorf("verdict %q of a run that does not arrive as it should", gsoReasons[v])
	}
}

func TestAddresses(t *testing.T) {
	six, four := &linuxWire{}, &linuxWire{v4: true}
	in := &inbox{zones: map[uint32]string{}}
	for _, text := range []string{"192.0.2.1:5000", "[2001:db8::1]:443", "[fe80::1%7]:1"} {
		want := netip.MustParseAddrPort(text)
		for _, w := range []*linuxWire{six, four} {
			var name sockaddr
			length := w.encode(&name, want)
			if w.v4 && want.Addr().Is6() {
				if length != 0 {
					t.Errorf("%s: %d bytes for an IPv4 socket", text, length)
				}
				continue
			}
			if got := in.source(&name); got != want {
				t.Errorf("%s became %s", want, got)
			}
		}
	}
	if n := six.encode(new(sockaddr), netip.AddrPort{}); n != 0 {
		t.Errorf("no address became %d bytes", n)
	}
}
