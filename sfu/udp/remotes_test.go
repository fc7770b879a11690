package udp

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

func newRemotes() *remotes { return &remotes{byAddr: make(map[netip.AddrPort]*remote)} }

var alice = netip.MustParseAddrPort("192.0.2.1:5000")

func TestOnlyCheckedAddressesSendMedia(t *testing.T) {
	r, now := newRemotes(), time.Unix(1000, 0)
	for _, k := range []Kind{KindAnswer, KindDTLS, KindRTP, KindRTCP} {
		if got := r.admit(alice, 0, verdict{kind: k}, now); got != dropUnknown {
			t.Errorf("kind %d before a check: %q", k, dropNames[got])
		}
	}
	r.checked(alice, 0, now)
	for _, k := range []Kind{KindAnswer, KindDTLS, KindRTP, KindRTCP} {
		if got := r.admit(alice, 0, verdict{kind: k}, now); got != passed {
			t.Errorf("kind %d after a check: %q", k, dropNames[got])
		}
	}
	r.forget(alice)
	if got := r.admit(alice, 0, verdict{kind: KindRTP}, now); got != dropUnknown {
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
	if got := r.admit(alice, 0, verdict{kind: KindRTP}, now); got != dropUnknown {
		t.Errorf("silent remote: %q", dropNames[got])
	}
	if got := r.admit(bob, 0, verdict{kind: KindRTP}, now); got != passed {
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
			switch got := r.admit(alice, 0, verdict{kind: k, ssrc: id}, now); got {
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
			if got := r.admit(alice, 0, verdict{kind: k, ssrc: id}, now); got != passed {
				t.Errorf("kind %d: a known source was refused: %q", k, dropNames[got])
			}
		}
	}
}

// TestHandshakeLimit is P7: fragments that never become a ClientHello.
func TestHandshakeLimit(t *testing.T) {
	r, now := newRemotes(), time.Unix(1000, 0)
	r.checked(alice, 0, now)
	flood := func() (bytes int) {
		for range 100 {
			if r.admit(alice, 0, verdict{kind: KindDTLS, handshake: 1200}, now) == passed {
				bytes += 1200
			}
		}
		return bytes
	}
	if n := flood(); n == 0 || n > maxHandshake {
		t.Errorf("%d bytes passed, want at most %d", n, maxHandshake)
	}
	if got := r.admit(alice, 0, verdict{kind: KindDTLS}, now); got != passed {
		t.Errorf("application data after the flood: %q", dropNames[got])
	}
	now = now.Add(handshakeWindow + time.Second)
	if n := flood(); n == 0 || n > maxHandshake {
		t.Errorf("%d bytes passed in the next window, want at most %d", n, maxHandshake)
	}
}
