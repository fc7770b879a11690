package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/stun"

	"castcode/sfu/udp"
)

// request builds a check as a client would, with another library.
func request(t testing.TB, username, password string, more ...stun.Setter) []byte {
	t.Helper()
	setters := []stun.Setter{stun.BindingRequest, stun.TransactionID, stun.NewUsername(username)}
	setters = append(setters, more...)
	setters = append(setters, stun.NewShortTermIntegrity(password), stun.Fingerprint)
	m, err := stun.Build(setters...)
	if err != nil {
		t.Fatal(err)
	}
	return m.Raw
}

type raw struct {
	kind  stun.AttrType
	value []byte
}

func (a raw) AddTo(m *stun.Message) error { m.Add(a.kind, a.value); return nil }

var useCandidate = raw{stun.AttrUseCandidate, nil}

func priority(n uint32) raw {
	return raw{stun.AttrPriority, binary.BigEndian.AppendUint32(nil, n)}
}

// wireless is a batch that keeps what was committed.
type wireless struct {
	room []byte
	sent [][]byte
	to   []Route
	next Route
}

func (w *wireless) Reserve(to Route, n int) []byte {
	if len(w.room) < n {
		w.room = make([]byte, n)
	}
	w.next = to
	return w.room[:n]
}

func (w *wireless) Commit(n int) {
	if n > 0 {
		w.sent, w.to = append(w.sent, bytes.Clone(w.room[:n])), append(w.to, w.next)
	}
}

func (w *wireless) Send([]byte, Route) {}

// offered is a small offer that Open takes.
const offered = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE v a\r\n" +
	"a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n" +
	"a=ice-ufrag:peer\r\na=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\na=extmap-allow-mixed\r\n" +
	"m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 100\r\na=mid:v\r\na=recvonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\n" +
	"a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 x-other\r\n" +
	"a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n" +
	"a=rtpmap:98 H264/90000\r\na=fmtp:98 packetization-mode=0;profile-level-id=42e01f\r\n" +
	"a=rtpmap:99 H264/90000\r\na=fmtp:99 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c1f\r\n" +
	"a=rtpmap:100 H264/90000\r\na=fmtp:100 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n" +
	"a=extmap:3 " + uriMid + "\r\na=extmap:4/recvonly " + uriSendTime + "\r\na=extmap:5 " + uriTransportSeq + "\r\n" +
	"a=extmap:6 urn:unknown\r\na=extmap:7 " + uriDependency + "\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\na=mid:a\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n" +
	"a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:0 PCMU/8000\r\n"

func newTestServer(t testing.TB, change func(*Config)) *Server {
	t.Helper()
	config := Config{
		Candidates: func() []Candidate {
			return []Candidate{{Addr: netip.MustParseAddrPort("192.0.2.1:443")}, {Addr: netip.MustParseAddrPort("192.0.2.1:443"), TCP: true}}
		},
		Send: &wireless{}, Clock: NewClock(time.Unix(1_800_000_000, 0), 0),
	}
	if change != nil {
		change(&config)
	}
	server, err := NewServer(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

func newTestSession(t testing.TB, server *Server) *Session {
	t.Helper()
	o, err := ParseOffer(offered)
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := server.Open(context.Background(), o, map[string]string{"v": "screen", "a": "audio"}, 0, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func route(n int) Route {
	return udp.RouteTo(netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(n)}), uint16(5000+n)))
}

const second = int64(time.Second)

func TestCheckIsAnswered(t *testing.T) {
	server := newTestServer(t, nil)
	s := newTestSession(t, server)
	local := s.ice.current.local
	for _, from := range []Route{
		udp.RouteTo(netip.MustParseAddrPort("198.51.100.7:5000")), udp.RouteTo(netip.MustParseAddrPort("[2001:db8::7]:6000")),
	} {
		out := &wireless{}
		p := request(t, local.Ufrag+":peer", local.Password, priority(9), useCandidate)
		if lookup(server, p, from) != s {
			t.Fatal("the check is nobody's")
		}
		if lookup(server, []byte{22}, from) != nil {
			t.Fatal("the address is known before its check")
		}
		s.HandleDatagram(nil, p, from, second, out)
		if len(out.sent) != 1 || out.to[0] != from || len(out.sent[0]) > len(p) {
			t.Fatalf("answers: %v", out.sent)
		}
		m := &stun.Message{Raw: out.sent[0]}
		var address stun.XORMappedAddress
		if err := errors.Join(m.Decode(), address.GetFrom(m), stun.NewShortTermIntegrity(local.Password).Check(m), stun.Fingerprint.Check(m)); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(address); got != from.Addr().String() || m.Type != stun.BindingSuccess {
			t.Errorf("answer %v with %s", m.Type, got)
		}
		if s.Route() != from || lookup(server, []byte{22}, from) != s {
			t.Errorf("route is %v", s.Route())
		}
	}
}

func TestBadChecksChangeNothing(t *testing.T) {
	refused := 0
	server := newTestServer(t, func(c *Config) { c.Refused = func(Route) { refused++ } })
	s := newTestSession(t, server)
	local := s.ice.current.local
	good := request(t, local.Ufrag+":peer", local.Password, priority(9), useCandidate)
	damaged := bytes.Clone(good)
	damaged[len(damaged)-1] ^= 1
	for name, c := range map[string]struct {
		p    []byte
		want Drop
	}{
		"wrong password":      {request(t, local.Ufrag+":peer", "x"+local.Password, useCandidate), DropSigned},
		"other peer":          {request(t, local.Ufrag+":reep", local.Password, useCandidate), DropUfrag},
		"one-part user name":  {request(t, local.Ufrag, local.Password, useCandidate), DropSTUN},
		"controlled":          {request(t, local.Ufrag+":peer", local.Password, raw{stun.AttrICEControlled, make([]byte, 8)}), DropRole},
		"damaged fingerprint": {damaged, DropSigned},
		"cut":                 {good[:40], DropSTUN},
	} {
		out := &wireless{}
		before := server.Count(c.want)
		if events := s.HandleDatagram(nil, c.p, route(1), second, out); len(events)+len(out.sent) != 0 {
			t.Errorf("%s: %v, %d answers", name, events, len(out.sent))
		}
		if got := server.Count(c.want) - before; got != 1 {
			t.Errorf("%s: %s counted %d times", name, c.want, got)
		}
	}
	if refused != 3 { // the other faults show without a signature
		t.Errorf("%d were told as refused", refused)
	}
	if s.Route().IsValid() || len(s.ice.remotes) != 0 || routes(server) != 0 {
		t.Errorf("route %v, remotes %v", s.Route(), s.ice.remotes)
	}
	s.HandleDatagram(nil, make([]byte, 30), route(1), second, &wireless{})
	if s.HandleDatagram(nil, []byte{22, 1, 2}, route(1), second, &wireless{}); server.Count(DropRoute) != 1 || s.hand != nil {
		t.Error("DTLS from an address without a check")
	}
}

func (s *Session) testCheck(t testing.TB, c Credentials, peer string, from Route, now int64, more ...stun.Setter) []Event {
	t.Helper()
	return s.HandleDatagram(nil, request(t, c.Ufrag+":"+peer, c.Password, more...), from, now, &wireless{})
}

func TestNomination(t *testing.T) {
	s := newTestSession(t, newTestServer(t, nil))
	local := s.ice.current.local
	for _, c := range []struct {
		from     int
		priority uint32
		nominate bool
		at       time.Duration
		want     int
	}{
		{1, 100, false, 0, 0},
		{1, 100, true, 0, 1},
		{2, 50, true, 10 * time.Millisecond, 1}, // a worse one at once after a better one: aggressive nomination
		{3, 200, true, 20 * time.Millisecond, 3},
		{2, 50, false, 5 * time.Second, 3},
		{2, 50, true, 5 * time.Second, 2}, // the peer has moved
	} {
		more := []stun.Setter{priority(c.priority)}
		if c.nominate {
			more = append(more, useCandidate)
		}
		s.testCheck(t, local, "peer", route(c.from), int64(c.at), more...)
		want := Route{}
		if c.want > 0 {
			want = route(c.want)
		}
		if got := s.Route(); got != want {
			t.Errorf("%+v: route is %v", c, got)
		}
	}
}

func TestReportsShowWhichRouteThePeerUses(t *testing.T) {
	s := newTestSession(t, newTestServer(t, nil))
	local := s.ice.current.local
	s.ice.follow(route(1), 0)
	if got := s.Route(); got != (Route{}) {
		t.Errorf("route is %v before any nomination", got)
	}
	s.testCheck(t, local, "peer", route(1), 0, priority(100), useCandidate)
	s.testCheck(t, local, "peer", route(2), 1, priority(50))
	if got := s.Route(); got != route(1) {
		t.Fatalf("a check without nomination moves the route to %v", got)
	}
	s.ice.follow(route(2), 2)
	if got := s.Route(); got != route(2) {
		t.Errorf("route is %v after a report from another address", got)
	}
	s.testCheck(t, local, "peer", route(1), int64(5*time.Second), priority(100), useCandidate)
	if got := s.Route(); got != route(1) {
		t.Errorf("a nomination after that does not count: %v", got)
	}
}

func TestOnlyTheNewestReportCounts(t *testing.T) {
	var s senders
	for _, c := range []struct {
		index  uint32
		newest bool
	}{{5, true}, {7, true}, {6, false}, {8, true}} {
		if s.take(1, c.index) != Kept || s.newest(1, c.index) != c.newest || s.newest(2, c.index) {
			t.Errorf("index %d: newest is not %v", c.index, c.newest)
		}
	}
}

func TestAPeerHasSixteenAddresses(t *testing.T) {
	server := newTestServer(t, nil)
	s := newTestSession(t, server)
	local := s.ice.current.local
	for i := range 50 {
		more := []stun.Setter{priority(1)}
		if i == 0 {
			more = append(more, useCandidate)
		}
		s.testCheck(t, local, "peer", route(i), int64(i), more...)
		if n := min(i+1, maxRemotes); len(s.ice.remotes) != n || routes(server) != n {
			t.Fatalf("%d addresses and %d entries after %d checks", len(s.ice.remotes), routes(server), i+1)
		}
	}
	if s.Route() != route(0) {
		t.Errorf("the nominated address made way: %v", s.Route())
	}
	for i, want := range map[int]bool{0: true, 1: false, 34: false, 35: true, 49: true} {
		if got := lookup(server, []byte{22}, route(i)) == s; got != want {
			t.Errorf("address %d known: %v, want %v", i, got, want)
		}
	}
}

func TestConsentExpires(t *testing.T) {
	r := newRig(t, nil)
	client := newClient(t, false)
	s := r.join(client, names)
	r.do(func() {
		now := r.now()
		r.mutedIn = func([]byte) bool { return true }
		if events := s.Tick(nil, now+29*second); len(events) != 0 {
			t.Errorf("after 29 s: %v", events)
		}
		events := s.Tick(nil, now+31*second)
		if len(events) != 1 || events[0].Closed != ClosedSilent || !s.Closed() {
			t.Errorf("after 31 s: %v", events)
		}
		if n := routes(r.server) + users(r.server); n != 0 {
			t.Errorf("%d entries left", n)
		}
		if events := s.Tick(nil, now+99*second); len(events) != 0 {
			t.Errorf("events after the end: %v", events)
		}
	})
}

// TestReportsAreConsent: some clients send no checks any more while packets flow both ways.
func TestReportsAreConsent(t *testing.T) {
	r := newRig(t, nil)
	client := newClient(t, false)
	s := r.join(client, names)
	r.do(func() {
		r.mutedIn = func(p []byte) bool { return p[0] < 4 } // STUN, RFC 7983 §7
		r.shift += 20 * second
	})
	var heard int64
	r.do(func() { heard = s.ice.remotes[0].heard })
	report := &rtcp.ReceiverReport{SSRC: 1}
	r.until("a report", func() bool {
		if err := client.WriteRTCP([]rtcp.Packet{report}); err != nil {
			t.Error(err)
		}
		return s.ice.remotes[0].heard >= heard+15*second
	})
	r.do(func() {
		now := r.now()
		if events := s.Tick(nil, now+29*second); len(events) != 0 {
			t.Errorf("29 s after the report: %v", events)
		}
		if events := s.Tick(nil, now+31*second); len(events) != 1 || events[0].Closed != ClosedSilent {
			t.Errorf("31 s after the report: %v", events)
		}
	})
}

func TestConsentMovesToTheAddressThatLives(t *testing.T) {
	s := newTestSession(t, newTestServer(t, nil))
	local := s.ice.current.local
	s.testCheck(t, local, "peer", route(1), 0, useCandidate)
	s.testCheck(t, local, "peer", route(2), 10*second)
	s.testCheck(t, local, "peer", route(3), 15*second)
	s.state = connected // so that it does not end for want of a handshake
	<-s.server.slots
	s.Tick(nil, 31*second)
	if got := s.Route(); got != route(3) {
		t.Errorf("route is %v, want the one heard of last", got)
	}
}

func TestGoodbyeByAlert(t *testing.T) {
	r := newRig(t, nil)
	client := newClient(t, false)
	s := r.join(client, names)
	r.do(func() { r.mutedIn = func(p []byte) bool { return p[0] != recordAlert } })
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	r.until("the alert", func() bool { return s.doomed != 0 })
	r.do(func() {
		if events := s.Tick(nil, s.doomed-1); len(events) != 0 {
			t.Errorf("too early: %v", events)
		}
		if events := s.Tick(nil, s.doomed); len(events) != 1 || events[0].Closed != ClosedSilent {
			t.Errorf("after the alert: %v", events)
		}
	})
}

func TestACheckOutweighsAForgedAlert(t *testing.T) {
	s := newTestSession(t, newTestServer(t, nil))
	s.testCheck(t, s.ice.current.local, "peer", route(1), 0, useCandidate)
	s.state = connected
	<-s.server.slots
	s.HandleDatagram(nil, []byte{recordAlert, 0xFE, 0xFD}, route(1), second, &wireless{})
	if s.doomed == 0 {
		t.Fatal("the alert was not noticed")
	}
	s.testCheck(t, s.ice.current.local, "peer", route(1), 4*second)
	if events := s.Tick(nil, 20*second); len(events) != 0 {
		t.Errorf("closed although the peer lives: %v", events)
	}
}

func TestNotConnectedInTime(t *testing.T) {
	server := newTestServer(t, nil)
	s := newTestSession(t, server)
	if events := s.Tick(nil, 19*second); len(events) != 0 {
		t.Errorf("after 19 s: %v", events)
	}
	events := s.Tick(nil, 20*second)
	if len(events) != 1 || events[0].Closed != ClosedUnready || len(server.slots) != 0 {
		t.Errorf("after 20 s: %v, %d on their way up", events, len(server.slots))
	}
}

func TestHalfOpenLimit(t *testing.T) {
	server := newTestServer(t, func(c *Config) { c.HalfOpen = 2 })
	newTestSession(t, server)
	second := newTestSession(t, server)
	o, err := ParseOffer(offered)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := server.Open(context.Background(), o, map[string]string{"v": "screen"}, 0, nil, nil); !errors.Is(err, ErrBusy) {
		t.Fatalf("the third: %v", err)
	}
	second.Close()
	third, _, err := server.Open(context.Background(), o, map[string]string{"v": "screen"}, 0, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	third.Close()
	server.cancel()
	if _, _, err := server.Open(context.Background(), o, map[string]string{"v": "screen"}, 0, nil, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

func TestHelloFloodEndsTheSession(t *testing.T) {
	server := newTestServer(t, nil)
	s := newTestSession(t, server)
	s.testCheck(t, s.ice.current.local, "peer", route(1), 0, useCandidate)
	var events []Event
	for i := range 100 {
		events = s.HandleDatagram(events, helloFragment(uint16(i)), route(1), second, &wireless{})
	}
	if len(events) != 1 || events[0].Closed != ClosedHandshake || server.Count(DropFlood) != 1 {
		t.Errorf("events %v, flood %d", events, server.Count(DropFlood))
	}
}

// helloFragment is a piece of a ClientHello that is never complete (P7 of the known holes).
func helloFragment(message uint16) []byte {
	const n = 1175
	p := make([]byte, recordHeader+handshakeHeader+n)
	copy(p, []byte{recordHandshake, 0xFE, 0xFD})
	binary.BigEndian.PutUint16(p[11:], handshakeHeader+n)
	b := p[recordHeader:]
	binary.BigEndian.PutUint32(b, clientHello<<24|maxHello)
	binary.BigEndian.PutUint16(b[4:], message)
	binary.BigEndian.PutUint32(b[8:], n) // the offset is 0
	return p
}
