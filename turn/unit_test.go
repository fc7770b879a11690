package turn

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestCredentials(t *testing.T) {
	user, password := Credentials([]byte("north"), "p_1", time.Unix(1_700_000_000, 999_999_999), 5*time.Minute)
	// printf 1700000300:p_1 | openssl dgst -sha1 -hmac north -binary | base64
	if user != "1700000300:p_1" || password != "RgLlXRC4QrMhGJBEPGalh9lNIoY=" {
		t.Errorf("%q %q", user, password)
	}
}

func TestParseUserName(t *testing.T) {
	for name, want := range map[string]int64{
		"1700000000:peer": 1700000000, "1:p": 1, "1700000000:a:b": 1700000000, "1700000000000:peer": 1700000000000,
		"1700000000:" + strings.Repeat("p", 128): 1700000000,
		"":                                       -1, "1700000000": -1, "1700000000:": -1, ":peer": -1, "peer:1700000000": -1, " 1700000000:peer": -1,
		"+1700000000:peer": -1, "-1:peer": -1, "0x10:peer": -1, "1e9:peer": -1, "01700000000:peer": -1,
		"１７:peer": -1, "1700000000:pe er": -1, "1700000000:p\x00": -1, "1700000000:pé": -1,
		"9999999999999999999:peer":               -1,
		"1700000000:" + strings.Repeat("p", 129): -1,
	} {
		expires, ok := parseUserName(name)
		if ok != (want >= 0) || ok && expires.Unix() != want {
			t.Errorf("%q: %v %v, want %d", name, expires.Unix(), ok, want)
		}
	}
}

func FuzzParseUserName(f *testing.F) {
	f.Add("1700000000:peer")
	f.Add(":")
	f.Fuzz(func(t *testing.T, name string) {
		if expires, ok := parseUserName(name); ok && !strings.HasPrefix(name, fmt.Sprintf("%d:", expires.Unix())) {
			t.Errorf("%q became %d", name, expires.Unix())
		}
	})
}

func TestPolicyIsExact(t *testing.T) {
	p := policy{func() []netip.AddrPort {
		// The owner may have the mapped form in the list.
		return []netip.AddrPort{netip.MustParseAddrPort("[::ffff:192.0.2.1]:443"), media6}
	}}
	for address, want := range map[string]bool{
		"192.0.2.1:443": true, "[::ffff:192.0.2.1]:443": true, "[2001:db8::7]:5004": true,
		"192.0.2.1:444": false, "192.0.2.2:443": false, "[::192.0.2.1]:443": false, "[2001:db8::7]:443": false,
		"[2001:db8::7%eth0]:5004": false, "[64:ff9b::192.0.2.1]:443": false, "[2002:c000:201::]:443": false,
	} {
		peer := netip.MustParseAddrPort(address)
		got, ok := p.allows(peer)
		if ok != want || ok && got.Addr() != peer.Addr().Unmap() {
			t.Errorf("%s: %v %v", address, got, ok)
		}
	}
	if p.allowsIP(netip.Addr{}) {
		t.Error("allowed no address at all")
	}
}

func TestAnswerBudgetIsBounded(t *testing.T) {
	a, now := newAnswerBudget(), time.Unix(1000, 0)
	address := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	for i := range 3 * maxBuckets {
		a.take(address(i), now)
	}
	if len(a.byAddr) != maxBuckets {
		t.Errorf("%d buckets, want %d", len(a.byAddr), maxBuckets)
	}
	// All have recovered a second later, so a newcomer finds room.
	now = now.Add(time.Second)
	newcomer := netip.MustParseAddr("192.0.2.1")
	for i := range answerBurst {
		if !a.take(newcomer, now) {
			t.Fatalf("answer %d refused", i)
		}
	}
	if a.take(newcomer, now) {
		t.Error("one answer too many")
	}
	if now = now.Add(time.Second / answerRate); !a.take(newcomer, now) || a.take(newcomer, now) {
		t.Error("it does not recover by one")
	}
	// One /64 is one client.
	for range answerBurst {
		a.take(netip.MustParseAddr("2001:db8::1"), now)
	}
	if a.take(netip.MustParseAddr("2001:db8::2"), now) {
		t.Error("another address of the same /64 has a budget of its own")
	}
}

// TestRelayLimits: a relay drops what is over its rate and what the client does not take.
func TestRelayLimits(t *testing.T) {
	now := time.Unix(1000, 0)
	s := &Server{
		cfg: Config{
			MaxRelays: 1, MaxPerUser: 1, MaxRate: 8_000_000, RelayIP: relayIP, Media: newEcho(),
			now: func() time.Time { return now },
		},
		policy: policy{func() []netip.AddrPort { return []netip.AddrPort{media4} }},
		ports:  map[uint16]struct{}{}, users: map[string]int{}, grants: map[grant]int{},
	}
	s.cfg.Log = discard
	d := &door{server: s}
	d.grant = grant{door: d}
	r, err := s.openRelay(d, 0)
	if err != nil {
		t.Fatal(err)
	}
	to := media4.Addr().AsSlice()
	p := make([]byte, 1000)
	now = now.Add(time.Second) // the bucket is full: 250,000 bytes
	for range 250 {
		if n, err := r.WriteTo(p, udpAddr(to, media4.Port())); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
	}
	// Half were sent, and as much came back; then the bucket was empty.
	if sent := s.counters.toMedia.Load(); sent != 125 {
		t.Errorf("%d sent, want 125", sent)
	}
	for range 100 {
		now = now.Add(100 * time.Millisecond)
		for range 10 {
			r.WriteTo(p[:100], udpAddr(to, media4.Port()))
		}
	}
	if queued := len(r.queue); queued != relayQueue {
		t.Errorf("%d queued, want %d", queued, relayQueue)
	}
	if got := s.counters.drops[dropRelayQueue].Load(); got != 125+1000-relayQueue {
		t.Errorf("%d dropped, want %d", got, 125+1000-relayQueue)
	}
	r.WriteTo(make([]byte, 1600), udpAddr(to, media4.Port()))
	if got := s.counters.drops[dropSize].Load(); got != 1 {
		t.Errorf("%d of wrong size, want 1", got)
	}
	r.Close()
	r.Close()
	if len(s.ports)+len(s.users)+len(s.grants)+s.relays != 0 {
		t.Errorf("left over: %v %v %v %d", s.ports, s.users, s.grants, s.relays)
	}
}
