package udp

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"
)

func newRemotes() *remotes { return &remotes{byAddr: make(map[netip.AddrPort]*remote)} }

var alice = netip.MustParseAddrPort("192.0.2.1:5000")

func TestOnlyCheckedAddressesSendMedia(t *testing.T) {
	r, now := newRemotes(), time.Unix(1000, 0)
	for _, k := range []Kind{KindAnswer, KindDTLS, KindRTP, KindRTCP} {
		if got, _ := r.admit(alice, 0, verdict{kind: k}, now); got != dropUnknown {
			t.Errorf("kind %d before a check: %q", k, dropNames[got])
		}
	}
	r.checked(alice, 0, now)
	for _, k := range []Kind{KindAnswer, KindDTLS, KindRTP, KindRTCP} {
		if got, _ := r.admit(alice, 0, verdict{kind: k}, now); got != passed {
			t.Errorf("kind %d after a check: %q", k, dropNames[got])
		}
	}
	r.forget(alice)
	if got, _ := r.admit(alice, 0, verdict{kind: KindRTP}, now); got != dropUnknown {
		t.Errorf("after forget: %q", dropNames[got])
	}
}

func TestSilentRemotesAreForgotten(t *testing.T) {
	r, now := newRemotes(), time.Unix(1000, 0)
	bob := netip.MustParseAddrPort("192.0.2.2:5000")
	r.checked(alice, 0, now)
	r.checked(bob, 0, now)
	now = now.Add(remoteLife)
	r.checked(bob, 0, now)
	now = now.Add(time.Second)
	r.checked(netip.MustParseAddrPort("192.0.2.3:5000"), 0, now)
	if got, _ := r.admit(alice, 0, verdict{kind: KindRTP}, now); got != dropUnknown {
		t.Errorf("silent remote: %q", dropNames[got])
	}
	if got, _ := r.admit(bob, 0, verdict{kind: KindRTP}, now); got != passed {
		t.Errorf("remote with fresh consent: %q", dropNames[got])
	}
}

func TestRemotesAreBounded(t *testing.T) {
	r, now := newRemotes(), time.Unix(1000, 0)
	for i := range maxRemotes + 100 {
		r.checked(netip.AddrPortFrom(alice.Addr(), uint16(i)), 0, now)
		r.checked(netip.AddrPortFrom(netip.IPv6Loopback(), uint16(i)), 0, now)
	}
	if n := r.count(); n != maxRemotes {
		t.Errorf("%d remotes, want %d", n, maxRemotes)
	}
}

// TestSourceLimit is P2: a peer that invents SSRCs costs nothing behind the guard.
func TestSourceLimit(t *testing.T) {
	for k, limit := range map[Kind]int{KindRTP: maxRTPSources, KindRTCP: maxRTCPSources} {
		r, now := newRemotes(), time.Unix(1000, 0)
		r.checked(alice, 0, now)
		let := map[uint32]bool{}
		for range 100_000 {
			id := rand.Uint32()
			switch got, _ := r.admit(alice, 0, verdict{kind: k, ssrc: id}, now); got {
			case passed:
				let[id] = true
			case dropSSRC:
			default:
				t.Fatalf("kind %d: %q", k, dropNames[got])
			}
		}
		if len(let) != limit {
			t.Errorf("kind %d: %d sources passed, want %d", k, len(let), limit)
		}
		for id := range let {
			if got, _ := r.admit(alice, 0, verdict{kind: k, ssrc: id}, now); got != passed {
				t.Errorf("kind %d: a known source was refused: %q", k, dropNames[got])
			}
		}
	}
}

// TestFloodOfSources: who goes on with SSRCs that are too many is given up, once, and nobody else is.
func TestFloodOfSources(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	told := map[string]int{}
	s.Expect("user", password, func() { told["user"]++ })
	s.Expect("other", password, func() { told["other"]++ })
	inject, detach, err := s.Attach(alice, func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	defer detach()
	good, _ := checkFor(t, "user", password)
	inject(good)
	success := unhex(t, "01010018"+transaction+signature)
	if _, err := s.Media().WriteTo(success, net.UDPAddrFromAddrPort(alice)); err != nil { // the agent answers
		t.Fatal(err)
	}
	p := unhex(t, rtp)
	for i := range uint32(maxRTPSources + maxStrangers - 1) {
		binary.BigEndian.PutUint32(p[8:], i)
		inject(p)
	}
	if len(told) != 0 {
		t.Fatalf("told too early: %v", told)
	}
	for i := range uint32(1000) {
		binary.BigEndian.PutUint32(p[8:], 1<<20+i)
		inject(p)
	}
	if told["user"] != 1 || len(told) != 1 {
		t.Errorf("told: %v", told)
	}
	if c := s.Counts(); c.GivenUp != 1 || c.Dropped["ssrc_limit"] != maxStrangers-1+1000 {
		t.Errorf("given up %d, dropped %d", c.GivenUp, c.Dropped["ssrc_limit"])
	}
}

// TestHandshakeLimit is P7: fragments that never become a ClientHello.
func TestHandshakeLimit(t *testing.T) {
	r, now := newRemotes(), time.Unix(1000, 0)
	r.checked(alice, 0, now)
	flood := func() (bytes int) {
		for range 100 {
			if got, _ := r.admit(alice, 0, verdict{kind: KindDTLS, handshake: 1200}, now); got == passed {
				bytes += 1200
			}
		}
		return bytes
	}
	if n := flood(); n == 0 || n > maxHandshake {
		t.Errorf("%d bytes passed, want at most %d", n, maxHandshake)
	}
	if got, _ := r.admit(alice, 0, verdict{kind: KindDTLS}, now); got != passed {
		t.Errorf("application data after the flood: %q", dropNames[got])
	}
	now = now.Add(handshakeWindow + time.Second)
	if n := flood(); n == 0 || n > maxHandshake {
		t.Errorf("%d bytes passed in the next window, want at most %d", n, maxHandshake)
	}
}
