package turn

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun"
	pionturn "github.com/pion/turn/v2"
)

var networks = []string{"udp", "tcp", "tls"}

// TestLibraryClient relays with the library's own client: Send indications first, then channels.
func TestLibraryClient(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			f := serve(t, nil)
			user, password := Credentials(secret, "peer", time.Now(), time.Minute)
			client, err := pionturn.NewClient(&pionturn.ClientConfig{
				STUNServerAddr: f.addr.String(), TURNServerAddr: f.addr.String(), Conn: f.dial(t, network, "", "").conn,
				Username: user, Password: password, Realm: "example.org",
			})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if err := client.Listen(); err != nil {
				t.Fatal(err)
			}
			conn, err := client.Allocate()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			// The client opens a channel in the background, so some of these go as indications and some as data.
			for i := range 30 {
				to := []netip.AddrPort{media4, other4}[i%2]
				sent := []byte(fmt.Sprintf("datagram %d", i))
				if _, err := conn.WriteTo(sent, net.UDPAddrFromAddrPort(to)); err != nil {
					t.Fatal(err)
				}
				conn.SetReadDeadline(time.Now().Add(patience))
				p := make([]byte, 100)
				n, from, err := conn.ReadFrom(p)
				if err != nil || !bytes.Equal(p[:n], sent) || from.String() != to.String() {
					t.Fatalf("sent %q to %v, got %q from %v, %v", sent, to, p[:n], from, err)
				}
			}
			sources := f.media.seen()
			if sources[0].String() != conn.LocalAddr().String() {
				t.Errorf("the first source is %v, the relay %v", sources[0], conn.LocalAddr())
			}
			for i, source := range sources {
				if source != sources[i%2] || i > 0 && source == sources[0] != (i%2 == 0) {
					t.Errorf("datagram %d came from %v; the first ones from %v", i, source, sources[:2])
				}
				if port := source.Port(); source.Addr() != relayIP || port < minPort || port > maxPort {
					t.Errorf("source %v", source)
				}
			}
			if n := f.Counts(); n.Relays != 1 || n.Opened != 1 || n.ToMedia != 30 || n.FromMedia != 30 {
				t.Errorf("counts %+v", n)
			}
		})
	}
}

// TestStreamClosesRelays: the relays of a stream go with it.
func TestStreamClosesRelays(t *testing.T) {
	f := serve(t, nil)
	c := f.client(t, "tcp", "peer")
	if _, code := c.allocate(); code != 0 {
		t.Fatal(code)
	}
	if n := f.Counts(); n.Relays != 1 || n.Streams != 1 {
		t.Fatalf("counts %+v", n)
	}
	c.conn.Close()
	until(t, "no relay", func() bool { n := f.Counts(); return n.Relays == 0 && n.Streams == 0 })
}

// TestPeers has the forms that coturn's client does not send.
func TestPeers(t *testing.T) {
	f := serve(t, nil)
	c := f.client(t, "udp", "peer")
	if _, code := c.allocate(); code != 0 {
		t.Fatal(code)
	}
	for address, want := range map[string]int{
		"127.0.0.1:5004":         0,
		"127.0.0.1:1":            0, // a permission is for an IP, the relay looks at the port
		"[::ffff:127.0.0.1]:1":   0,
		"[2001:db8::7]:5004":     0,
		"[2001:db8::8]:5004":     403,
		"[::1]:5004":             403,
		"[::]:5004":              403,
		"[::127.0.0.1]:5004":     403,
		"[::ffff:10.0.0.1]:5004": 403,
		"[2002:7f00:1::]:5004":   403,
		"[64:ff9b::7f00:1]:5004": 403,
		"[64:ff9b:1::1]:5004":    403,
		"[2001:0:7f00:1::]:5004": 403,
		"[fe80::1]:5004":         403,
		"[ff02::1]:5004":         403,
		"169.254.169.254:80":     403,
		"0.0.0.0:5004":           403,
	} {
		if _, code := c.do(stun.MethodCreatePermission, toPeer(netip.MustParseAddrPort(address))); code != want {
			t.Errorf("permission for %s: %d, want %d", address, code, want)
		}
	}
	for i, tc := range []struct {
		peer netip.AddrPort
		n    uint16
		want int
	}{
		{media4, 0x4000, 0},
		{media6, 0x4fff, 0},
		{netip.MustParseAddrPort("127.0.0.1:1"), 0x4001, 403},
		{other4, 0x5000, 400},
		{other4, 0x7fff, 400},
	} {
		if _, code := c.do(stun.MethodChannelBind, channel(tc.n), toPeer(tc.peer)); code != tc.want {
			t.Errorf("channel %d: %d, want %d", i, code, tc.want)
		}
	}
	// There is a permission for the IP of this one, but it is no media address.
	send, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication),
		toPeer(netip.MustParseAddrPort("127.0.0.1:1")), raw{Type: stun.AttrData, Value: []byte("data")})
	if err != nil {
		t.Fatal(err)
	}
	before := f.dropped(dropPeer)
	c.send(send.Raw)
	until(t, "a refusal", func() bool { return f.dropped(dropPeer) == before+1 })
	if f.media.attached() != 0 {
		t.Error("a path was opened")
	}
}

// TestIPv6Media: the source that the media side sees has the family of the media address.
func TestIPv6Media(t *testing.T) {
	f := serve(t, nil)
	c := f.client(t, "udp", "peer")
	if _, code := c.allocate(); code != 0 {
		t.Fatal(code)
	}
	if _, code := c.do(stun.MethodChannelBind, channel(0x4001), toPeer(media6)); code != 0 {
		t.Fatal(code)
	}
	c.send([]byte{0x40, 1, 0, 4, 1, 2, 3, 4})
	p := make([]byte, 100)
	c.conn.SetReadDeadline(time.Now().Add(patience))
	if n, _, err := c.conn.ReadFrom(p); err != nil || !bytes.Equal(p[:n], []byte{0x40, 1, 0, 4, 1, 2, 3, 4}) {
		t.Fatalf("got %x, %v", p[:n], err)
	}
	if source := f.media.seen()[0]; !netip.MustParsePrefix("100::/64").Contains(source.Addr()) {
		t.Errorf("source %v", source)
	}
}

// TestExpiry: who has opened a relay in time may refresh it, and nothing else.
func TestExpiry(t *testing.T) {
	var ahead atomic.Int64
	f := serve(t, func(c *Config) {
		c.now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	c := f.client(t, "udp", "peer")
	if _, code := c.allocate(); code != 0 {
		t.Fatal(code)
	}
	ahead.Store(int64(2 * time.Minute))
	if _, code := c.do(stun.MethodRefresh, lifetime(600)); code != 0 {
		t.Errorf("refresh after expiry: %d", code)
	}
	if _, code := c.do(stun.MethodCreatePermission, toPeer(media4)); code != 0 {
		t.Errorf("permission after expiry: %d", code)
	}
	if _, code := f.dial(t, "udp", c.user, c.password).allocate(); code != 401 {
		t.Errorf("another relay after expiry: %d, want 401", code)
	}
	if _, code := c.allocate(); code != 401 {
		t.Errorf("the same relay again after expiry: %d, want 401", code)
	}
	if _, code := c.do(stun.MethodRefresh, lifetime(0)); code != 0 {
		t.Errorf("close: %d", code)
	}
	until(t, "no relay", func() bool { return f.Counts().Relays == 0 })
	if _, code := c.do(stun.MethodRefresh, lifetime(600)); code != 401 {
		t.Errorf("refresh without a relay: %d, want 401", code)
	}
}

// TestRevoke: when a session ends, so do its credentials, for new relays and for those that are open; those of others,
// and of a name that only begins like it, do not.
func TestRevoke(t *testing.T) {
	f := serve(t, nil)
	for _, network := range networks {
		c, other := f.client(t, network, "p_"+network), f.client(t, network, "p_"+network+"2")
		for _, client := range []*rawClient{c, other} {
			if _, code := client.allocate(); code != 0 {
				t.Fatal(code)
			}
		}
		f.Revoke("p_" + network)
		if _, code := f.dial(t, network, c.user, c.password).allocate(); code != 401 {
			t.Errorf("%s: a new relay: %d, want 401", network, code)
		}
		if _, code := c.do(stun.MethodRefresh, lifetime(600)); code != 401 {
			t.Errorf("%s: refresh: %d, want 401", network, code)
		}
		if _, code := other.do(stun.MethodRefresh, lifetime(600)); code != 0 {
			t.Errorf("%s: another's refresh: %d", network, code)
		}
	}
	if n := f.dropped(dropRevoked); n < 4 {
		t.Errorf("%d were counted, want one for each request", n)
	}
}

func TestRevocationsAreForgotten(t *testing.T) {
	var r revocations
	now := time.Unix(1000, 0)
	r.add("p", now)
	now = now.Add(revokedLife + time.Second)
	r.add("q", now)
	if !r.has("p") || !r.has("q") {
		t.Error("forgotten too early")
	}
	now = now.Add(revokedLife + time.Second)
	r.add("r", now)
	if r.has("p") || !r.has("q") || !r.has("r") {
		t.Error("the oldest generation is to be forgotten, and no other")
	}
	for i := range 5 * maxRevoked {
		r.add(fmt.Sprint(i), now)
	}
	if n := len(r.now) + len(r.old); n > 2*maxRevoked {
		t.Errorf("%d are remembered", n)
	}
}

func TestBothSecrets(t *testing.T) {
	f := serve(t, nil)
	for _, s := range f.cfg.Secrets() {
		user, password := Credentials(s, "peer", time.Now(), time.Minute)
		if _, code := f.dial(t, "udp", user, password).allocate(); code != 0 {
			t.Errorf("%d", code)
		}
	}
}

func TestQuotas(t *testing.T) {
	f := serve(t, func(c *Config) { c.MaxRelays = 15 })
	user, password := Credentials(secret, "peer", time.Now(), time.Minute)
	var first *rawClient
	for i := range 13 {
		c := f.dial(t, networks[i%2], user, password)
		if first == nil {
			first = c
		}
		if _, code := c.allocate(); code != 0 && i < 12 || code != 486 && i == 12 {
			t.Errorf("relay %d of one user name: %d", i+1, code)
		}
	}
	for i := range 4 {
		if _, code := f.client(t, "udp", fmt.Sprint("peer", i)).allocate(); code != 0 && i < 3 || code != 486 && i == 3 {
			t.Errorf("relay %d of all: %d", i+13, code)
		}
	}
	if n := f.dropped(dropQuota); n != 2 {
		t.Errorf("%d were counted, want 2", n)
	}
	if _, code := first.do(stun.MethodRefresh, lifetime(0)); code != 0 {
		t.Fatal(code)
	}
	until(t, "a free place", func() bool { return f.Counts().Relays == 14 })
	if _, code := f.dial(t, "udp", user, password).allocate(); code != 0 {
		t.Errorf("after one was closed: %d", code)
	}
}

func TestManyAtOnce(t *testing.T) {
	f := serve(t, nil)
	var wait sync.WaitGroup
	var mu sync.Mutex
	seen := map[netip.AddrPort]bool{}
	for i := range 400 { // the first answers to more of one address would be limited
		c := f.client(t, networks[i%2], fmt.Sprint("peer", i))
		wait.Go(func() {
			relayed, code := c.allocate()
			mu.Lock()
			defer mu.Unlock()
			if code != 0 || seen[relayed] {
				t.Errorf("client %d: relay %v, %d", i, relayed, code)
			}
			seen[relayed] = true
		})
	}
	wait.Wait()
	if n := f.Counts().Relays; n != 400 {
		t.Errorf("%d relays", n)
	}
}

func TestEvenPort(t *testing.T) {
	f := serve(t, func(c *Config) { c.MaxPerUser = 1000; c.now = fixedNow() })
	even := raw{Type: stun.AttrEvenPort, Value: []byte{0x80}}
	refused := 0
	for range evenPortBurst + 5 {
		relayed, code := f.client(t, "udp", "peer").allocate(even)
		if code == 508 {
			refused++
		} else if code != 0 || relayed.Port()%2 != 0 {
			t.Fatalf("relay %v, %d", relayed, code)
		}
	}
	if refused != 5 {
		t.Errorf("%d were refused, want 5", refused)
	}
}

func fixedNow() func() time.Time {
	now := time.Now()
	return func() time.Time { return now }
}

// TestOverTCP: a relay over TCP is not offered, and the library is not asked: it would give one over UDP.
func TestOverTCP(t *testing.T) {
	f := serve(t, nil)
	c := f.client(t, "udp", "peer")
	request, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest),
		raw{Type: stun.AttrRequestedTransport, Value: []byte{6, 0, 0, 0}})
	if err != nil {
		t.Fatal(err)
	}
	c.send(request.Raw)
	until(t, "a drop", func() bool { return f.dropped(dropMessage) == 1 })
}

// TestAnswerLimit: the answers that need no credentials stop after a burst.
func TestAnswerLimit(t *testing.T) {
	f := serve(t, func(c *Config) { c.now = fixedNow() })
	c := f.client(t, "udp", "peer")
	request, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest), overUDP)
	if err != nil {
		t.Fatal(err)
	}
	for i := range answerBurst {
		c.send(request.Raw)
		if c.receive(patience) == nil {
			t.Fatalf("no answer to request %d", i)
		}
	}
	for i := range uint64(100) {
		c.send(request.Raw)
		until(t, "a drop", func() bool { return f.dropped(dropAnswer) == i+1 })
	}
	if m := c.receive(10 * time.Millisecond); m != nil {
		t.Errorf("one more answer: %v", m)
	}
}

// TestBindingLimit: so does the STUN service, and a second later it has 50 answers again.
func TestBindingLimit(t *testing.T) {
	var ahead atomic.Int64
	now := time.Now()
	f := serve(t, func(c *Config) { c.now = func() time.Time { return now.Add(time.Duration(ahead.Load())) } })
	c := f.client(t, "udp", "peer")
	ask := func() bool {
		before := f.dropped(dropAnswer)
		c.send(unhex(t, "00010000"+transaction))
		if f.dropped(dropAnswer) == before && c.receive(200*time.Millisecond) != nil {
			return true
		}
		until(t, "a drop", func() bool { return f.dropped(dropAnswer) == before+1 })
		return false
	}
	for i := range answerBurst {
		if !ask() {
			t.Fatalf("no answer to request %d", i)
		}
	}
	if ask() {
		t.Error("an answer too many")
	}
	ahead.Store(int64(time.Second))
	for i := range answerRate {
		if !ask() {
			t.Fatalf("no answer to request %d of the next second", i)
		}
	}
	if ask() {
		t.Error("an answer too many in the next second")
	}
}

// TestLogsKeepSecrets writes everything there is to log and looks for what must not be in it.
func TestLogsKeepSecrets(t *testing.T) {
	var log bytes.Buffer
	f := serve(t, func(c *Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	good := f.client(t, "tcp", "a-peer-by-name")
	bad := f.dial(t, "udp", good.user, "a wrong password")
	if _, code := good.allocate(); code != 0 {
		t.Fatal(code)
	}
	if _, code := bad.allocate(); code != 401 {
		t.Fatal(code)
	}
	f.Close()
	text := log.String()
	if !strings.Contains(text, "relay opened") {
		t.Errorf("the log is not that of this server: %q", text)
	}
	for _, word := range []string{"a-peer-by-name", good.user, good.password, "password", string(secret)} {
		if strings.Contains(text, word) {
			t.Errorf("%q is in the log", word)
		}
	}
}

func TestConfig(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"no socket":    func(c *Config) { c.Streams = nil },
		"no media":     func(c *Config) { c.Media = nil },
		"no addresses": func(c *Config) { c.MediaAddrs = nil },
		"no secrets":   func(c *Config) { c.Secrets = nil },
		"no realm":     func(c *Config) { c.Realm = "" },
		"no relay IP":  func(c *Config) { c.RelayIP = netip.Addr{} },
		"a zone":       func(c *Config) { c.RelayIP = netip.MustParseAddr("fe80::1%eth0") },
		"unspecified":  func(c *Config) { c.RelayIP = netip.IPv6Unspecified() },
	} {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		cfg := Config{
			Streams: []net.Listener{l}, Media: newEcho(), MediaAddrs: func() []netip.AddrPort { return nil },
			Secrets: func() [][]byte { return nil }, Realm: "r", RelayIP: relayIP,
		}
		spoil(&cfg)
		if s, err := NewServer(cfg); err == nil {
			t.Errorf("%s: no error", name)
			s.Close()
		}
		l.Close()
	}
}
