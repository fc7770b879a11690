package tcp

import (
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun"
	"go.uber.org/goleak"

	"castcode/internal/stunwire"
	"castcode/sfu/udp"
)

const (
	user     = "ours"
	password = "a password of the answer"
	patience = 5 * time.Second
)

// request is a connectivity check with pad bytes of ballast.
func request(t testing.TB, user, password string, pad int) []byte {
	t.Helper()
	setters := []stun.Setter{stun.BindingRequest, stun.TransactionID, stun.NewUsername(user + ":theirs")}
	if pad > 0 {
		setters = append(setters, stun.NewSoftware(strings.Repeat("x", pad)))
	}
	m, err := stun.Build(append(setters, stun.NewShortTermIntegrity(password), stun.Fingerprint)...)
	if err != nil {
		t.Fatal(err)
	}
	return m.Raw
}

// answerer answers the checks that reach the agents behind the socket, as they do, and then leads what comes back.
type answerer struct {
	socket *udp.Socket
	mu     sync.Mutex
	got    []string
	last   net.Addr
}

func newSocket(t *testing.T) (*udp.Socket, *answerer) {
	t.Helper()
	socket, err := udp.Listen(netip.MustParseAddrPort("127.0.0.1:0"), nil)
	if err != nil {
		t.Fatal(err)
	}
	socket.Expect(user, password, nil)
	a := &answerer{socket: socket}
	var wg sync.WaitGroup
	wg.Go(a.run)
	t.Cleanup(func() {
		socket.Close()
		wg.Wait()
		goleak.VerifyNone(t)
	})
	return socket, a
}

func (a *answerer) run() {
	p := make([]byte, 2000)
	for {
		n, from, err := a.socket.Media().ReadFrom(p)
		if err != nil {
			return
		}
		a.mu.Lock()
		a.got, a.last = append(a.got, hex.EncodeToString(p[:min(n, 2)])), from
		a.mu.Unlock()
		if p[0] != 0 {
			continue
		}
		m := &stun.Message{Raw: append([]byte(nil), p[:n]...)}
		if m.Decode() != nil {
			continue
		}
		at := from.(*net.UDPAddr)
		answer, err := stun.Build(m, stun.BindingSuccess, &stun.XORMappedAddress{IP: at.IP, Port: at.Port},
			stun.NewShortTermIntegrity(password), stun.Fingerprint)
		if err == nil {
			_, _ = a.socket.Media().WriteTo(answer.Raw, from)
		}
	}
}

func serve(t *testing.T) (*Server, *answerer) {
	t.Helper()
	socket, a := newSocket(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(l, socket, nil)
	t.Cleanup(s.Close)
	return s, a
}

func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// frame reads one.
func frame(t *testing.T, conn net.Conn) []byte {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(patience))
	head := make([]byte, 2)
	if _, err := io.ReadFull(conn, head); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, int(head[0])<<8|int(head[1]))
	if _, err := io.ReadFull(conn, p); err != nil {
		t.Fatal(err)
	}
	return p
}

// closed waits for the other side to close conn.
func closed(t *testing.T, conn net.Conn) bool {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(patience))
	_, err := io.Copy(io.Discard, conn)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// TestACheckOpensTheStream: its answer tells the peer the address of its connection, signed, and then other frames pass.
func TestACheckOpensTheStream(t *testing.T) {
	s, a := serve(t)
	conn := dial(t, s)
	check := request(t, user, password, 0)
	for _, b := range framed(check) { // byte by byte
		conn.Write([]byte{b})
	}
	m := &stun.Message{Raw: frame(t, conn)}
	var mapped stun.XORMappedAddress
	if err := errors.Join(m.Decode(), mapped.GetFrom(m), stun.NewShortTermIntegrity(password).Check(m), stun.Fingerprint.Check(m)); err != nil {
		t.Fatal(err)
	}
	if local := conn.LocalAddr().String(); mapped.String() != local {
		t.Errorf("the peer is told that it is %v, it is %v", mapped, local)
	}
	a.mu.Lock()
	if a.last.String() == conn.LocalAddr().String() {
		t.Errorf("the agents see %v", a.last)
	}
	a.mu.Unlock()

	hello, _ := hex.DecodeString("16fefd0000000000000000000d" + "01000001000000000000000100")
	conn.Write(framed(hello, check, hello))
	until(t, "three frames", func() bool { a.mu.Lock(); defer a.mu.Unlock(); return len(a.got) == 4 })
	if n := s.Counts(); n.Streams != 1 || n.Waiting != 0 || n.Received != 4 || n.Sent != 2 {
		t.Errorf("counts %+v", n)
	}
	conn.Close()
	until(t, "the end of the stream", func() bool { n := s.Counts(); return n.Streams == 0 && len(s.byUser) == 0 && len(s.byAddr) == 0 })
	if n := s.socket.Counts(); n.Paths != 0 || n.Remotes != 0 {
		t.Errorf("the socket keeps %d paths, %d remotes", n.Paths, n.Remotes)
	}
}

// TestFirstFrames: who does not begin with a good check is closed at once, and counted.
func TestFirstFrames(t *testing.T) {
	good := request(t, user, password, 0)
	bytes := func(s string) []byte {
		p, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for name, tc := range map[string]struct {
		stream []byte
		reason string
	}{
		"0000":             {bytes("0000"), "frame"},
		"ffff":             {bytes("ffff"), "frame"},
		"RTP":              {framed(bytes("8060 0001 00000001 11223344 00000000000000000000")), "first_frame"},
		"DTLS":             {framed(bytes("16fefd0000000000000000000d01000001000000000000000100")), "first_frame"},
		"P1":               {framed(bytes("0016000c 2112a442 000102030405060708090a0b 00130004 00000000 00120000")), "first_frame"},
		"P1 in a success":  {framed(bytes("01010004 2112a442 000102030405060708090a0b 00200000")), "first_frame"},
		"P9":               {framed(bytes("0001ffec 2112a442 000102030405060708090a0b")), "first_frame"},
		"runs over":        {framed(bytes("00010004 2112a442 000102030405060708090a0b 0006ffff")), "first_frame"},
		"plain binding":    {framed(bytes("00010000 2112a442 000102030405060708090a0b")), "first_frame"},
		"long check":       {framed(request(t, user, password, 500)), "first_frame"},
		"of nobody":        {framed(request(t, "nobody", password, 0)), "refused"},
		"badly signed":     {framed(request(t, user, "another password", 0)), "refused"},
		"unsigned":         {framed(good[:0:0], good)[:2], "frame"},
		"behind a bad one": {framed(request(t, user, "another password", 0), good), "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := serve(t)
			conn := dial(t, s)
			conn.Write(tc.stream)
			if !closed(t, conn) {
				t.Error("not closed")
			}
			if n := s.Counts(); n.Dropped[tc.reason] != 1 {
				t.Errorf("dropped %v, want one for %s", n.Dropped, tc.reason)
			}
		})
	}
}

// TestRefusedByAShard: whether a viewer's check is good turns out later.
func TestRefusedByAShard(t *testing.T) {
	s, _ := serve(t)
	v := &viewers{route: make(chan udp.Route, 1)}
	s.socket.SetReceiver(v)
	conn := dial(t, s)
	conn.Write(framed(request(t, "viewer", password, 0)))
	s.socket.Refused(<-v.route)
	if !closed(t, conn) || s.Counts().Dropped["refused"] != 1 {
		t.Errorf("dropped %v", s.Counts().Dropped)
	}
}

// TestTooManyFirstChecks: a viewer's shard that does not answer is not asked for ever.
func TestTooManyFirstChecks(t *testing.T) {
	s, _ := serve(t)
	v := &viewers{route: make(chan udp.Route, firstFrames)}
	s.socket.SetReceiver(v)
	conn := dial(t, s)
	for range firstFrames + 1 {
		conn.Write(framed(request(t, "viewer", password, 0)))
	}
	if !closed(t, conn) || s.Counts().Dropped["first_frame"] != 1 || len(v.route) != firstFrames {
		t.Errorf("%d checks went through, dropped %v", len(v.route), s.Counts().Dropped)
	}
}

// viewers own every check.
type viewers struct {
	route chan udp.Route
	ready chan struct{}
}

func (v *viewers) Owns(d *udp.Datagram) bool  { return d.Kind == udp.KindCheck }
func (v *viewers) Receive(all []udp.Datagram) { v.route <- all[0].From }
func (v *viewers) Ready(udp.Route)            { v.ready <- struct{}{} }

// TestStreamsOfOnePeer are bounded, whoever they come from.
func TestStreamsOfOnePeer(t *testing.T) {
	s, _ := serve(t)
	s.socket.Dismiss(user)
	v := &viewers{route: make(chan udp.Route, 1)}
	s.socket.SetReceiver(v)
	answer := make([]byte, stunwire.HeaderSize)
	answer[0], answer[1] = 1, 1
	for i := range maxPerUser + 2 {
		conn := dial(t, s)
		conn.Write(framed(request(t, user, password, 0)))
		if err := s.socket.Send(<-v.route, answer); err != nil {
			t.Fatal(err)
		}
		if i >= maxPerUser && !closed(t, conn) {
			t.Errorf("stream %d is open", i)
		}
	}
	until(t, "the two that are too many", func() bool { n := s.Counts(); return n.Dropped["user_limit"] == 2 && n.Streams == maxPerUser })
}

// TestWaitingStreamsOfOneAddress are bounded.
func TestWaitingStreamsOfOneAddress(t *testing.T) {
	s, _ := serve(t)
	for range maxPerAddr {
		dial(t, s)
	}
	until(t, "all to wait", func() bool { return s.Counts().Waiting == maxPerAddr })
	if !closed(t, dial(t, s)) || s.Counts().Dropped["address_full"] != 1 {
		t.Errorf("dropped %v", s.Counts().Dropped)
	}
	s.Close()
	if n := s.Counts(); n.Streams != 0 || n.Waiting != 0 || len(s.byAddr) != 0 {
		t.Errorf("after Close %+v", n)
	}
}

// pipe is a listener for connections in memory, whose deadlines go by the test's clock.
type pipe struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

type piped struct{ net.Conn }

func (piped) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5000} }

func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipe) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipe) Addr() net.Addr { return &net.TCPAddr{} }

// TestTimes: how long a peer may be silent, in each state.
func TestTimes(t *testing.T) {
	for name, tc := range map[string]struct {
		sent   []byte // before a check was answered
		opened bool
		after  []byte // afterwards
		reads  bool
		reason string
		within time.Duration
	}{
		"says nothing":           {nil, false, nil, true, "silent", answerWithin},
		"half a first frame":     {[]byte{0, 80, 0}, false, nil, true, "silent", answerWithin},
		"nothing after a check":  {nil, true, nil, true, "no_consent", consent},
		"half a frame":           {nil, true, []byte{0, 80, 0}, true, "slow", wholeWithin},
		"does not read":          {nil, true, nil, false, "stuck", writeWithin},
		"whole frames, no check": {nil, true, framed(make([]byte, 100)), true, "no_consent", consent},
	} {
		t.Run(name, func(t *testing.T) {
			socket, _ := newSocket(t)
			socket.Dismiss(user)
			synctest.Test(t, func(t *testing.T) {
				v := &viewers{route: make(chan udp.Route, 1), ready: make(chan struct{}, 1)}
				socket.SetReceiver(v)
				l := &pipe{conns: make(chan net.Conn), done: make(chan struct{})}
				s := Serve(l, socket, nil)
				defer s.Close()
				near, far := net.Pipe()
				defer far.Close()
				begun := time.Now()
				l.conns <- piped{near}
				if tc.opened {
					far.Write(framed(request(t, user, password, 0)))
					answer := make([]byte, stunwire.HeaderSize)
					answer[0], answer[1] = 1, 1
					socket.Send(<-v.route, answer)
				}
				if tc.reads {
					go io.Copy(io.Discard, far)
				}
				far.Write(tc.sent)
				far.Write(tc.after)
				for s.Counts().Dropped[tc.reason] == 0 && time.Since(begun) < time.Minute {
					time.Sleep(100 * time.Millisecond)
				}
				if took := time.Since(begun); took < tc.within || took > tc.within+time.Second {
					t.Errorf("after %v: %v, want %s after %v", took, s.Counts().Dropped, tc.reason, tc.within)
				}
			})
		})
	}
}
