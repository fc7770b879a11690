package udp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"castcode/internal/stunwire"
)

// checkFor is a check for the user fragment user, signed with password.
func checkFor(t testing.TB, user, password string) ([]byte, verdict) {
	t.Helper()
	name := user + ":peer"
	p := unhex(t, "00010000"+transaction)
	p = append(p, 0, 6, 0, byte(len(name)))
	p = append(p, name...)
	for len(p)%4 != 0 {
		p = append(p, 0)
	}
	p[3] = byte(len(p) + 24 - stunwire.HeaderSize)
	sum := stunwire.Integrity(p, []byte(password))
	p = append(append(p, 0, 8, 0, 20), sum[:]...)
	v := inspect(p)
	if v.drop != passed || v.kind != KindCheck {
		t.Fatalf("the guard says %q", dropNames[v.drop])
	}
	return p, v
}

func newAgents() *agents { return &agents{byUser: make(map[string]*agent)} }

func numberedAddr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 1000)
}

func TestOnlySignedChecksReachAnAgent(t *testing.T) {
	a, now := newAgents(), time.Unix(1000, 0)
	good, v := checkFor(t, "user", password)
	if got := a.admit(good, RouteTo(alice), v, now); got != dropUser {
		t.Errorf("before Expect: %q", dropNames[got])
	}
	a.expect("user", password, nil)
	if got := a.admit(good, RouteTo(alice), v, now); got != passed {
		t.Errorf("a good check: %q", dropNames[got])
	}
	forged, w := checkFor(t, "user", "another password 012345")
	if got := a.admit(forged, RouteTo(alice), w, now); got != dropIntegrity {
		t.Errorf("another password: %q", dropNames[got])
	}
	for i := range good {
		changed := append([]byte(nil), good...)
		changed[i] ^= 1
		if v := inspect(changed); v.drop == passed && v.kind == KindCheck {
			if got := a.admit(changed, RouteTo(alice), v, now.Add(time.Duration(i)*time.Second)); got == passed {
				t.Errorf("byte %d was changed, and it passed", i)
			}
		}
	}
	a.expect("user", "a new password 0123456789", nil) // the name of somebody else now
	if got := a.admit(good, RouteTo(alice), v, now.Add(time.Hour)); got != dropIntegrity {
		t.Errorf("the password of before: %q", dropNames[got])
	}
	a.dismiss("user")
	if got := a.admit(good, RouteTo(alice), v, now.Add(time.Hour)); got != dropUser || a.count() != 0 {
		t.Errorf("after Dismiss: %q, %d agents", dropNames[got], a.count())
	}
}

// TestFingerprintOfACheck: it need not be there, but it must not be wrong.
func TestFingerprintOfACheck(t *testing.T) {
	a, now := newAgents(), time.Unix(1000, 0)
	a.expect("user", password, nil)
	p, _ := checkFor(t, "user", password)
	p[3] += 8 // the signature does not count what follows it
	sum := stunwire.Fingerprint(p)
	p = binary.BigEndian.AppendUint32(append(p, 0x80, 0x28, 0, 4), sum)
	if got := a.admit(p, RouteTo(alice), inspect(p), now); got != passed {
		t.Errorf("a right one: %q", dropNames[got])
	}
	p[len(p)-1] ^= 1
	if got := a.admit(p, RouteTo(alice), inspect(p), now); got != dropIntegrity {
		t.Errorf("a wrong one: %q", dropNames[got])
	}
}

// TestAddressesOfAnAgent is P10: the library lists every address that it answers.
func TestAddressesOfAnAgent(t *testing.T) {
	a, now := newAgents(), time.Unix(1000, 0)
	a.expect("user", password, nil)
	p, v := checkFor(t, "user", password)
	for i := range 10 * maxAgentAddrs {
		want := passed
		if i >= maxAgentAddrs {
			want = dropAddresses
		}
		if got := a.admit(p, RouteTo(numberedAddr(i)), v, now); got != want {
			t.Fatalf("address %d: %q, want %q", i, dropNames[got], dropNames[want])
		}
		now = now.Add(time.Second / 100)
	}
	if got := a.admit(p, RouteTo(numberedAddr(3)), v, now.Add(time.Hour)); got != passed {
		t.Errorf("a known address: %q", dropNames[got])
	}
	a.expect("user2", password, nil) // an ICE restart
	p, v = checkFor(t, "user2", password)
	if got := a.admit(p, RouteTo(numberedAddr(99)), v, now); got != passed {
		t.Errorf("a new address after a restart: %q", dropNames[got])
	}
}

// TestChecksOfAnAgent: strangers cannot take the place of an address that is known, nor cost more than so many
// signatures a second.
func TestChecksOfAnAgent(t *testing.T) {
	a, now := newAgents(), time.Unix(1000, 0)
	a.expect("user", password, nil)
	good, v := checkFor(t, "user", password)
	a.admit(good, RouteTo(alice), v, now)
	forged, w := checkFor(t, "user", "another password 012345")
	got := map[drop]int{}
	for i := range 10_000 {
		got[a.admit(forged, RouteTo(numberedAddr(i)), w, now)]++
	}
	if got[dropIntegrity] != maxChecks-1 || got[dropChecks] != 10_000-maxChecks+1 {
		t.Errorf("strangers: %v", got)
	}
	got = map[drop]int{}
	for range 2 * maxChecks {
		got[a.admit(good, RouteTo(alice), v, now)]++
	}
	if got[passed] != maxChecks || got[dropChecks] != maxChecks {
		t.Errorf("the known address: %v", got)
	}
	if got := a.admit(good, RouteTo(alice), v, now.Add(time.Second)); got != passed {
		t.Errorf("a second later: %q", dropNames[got])
	}
}

func TestAdmitAllocatesNothing(t *testing.T) {
	a, now := newAgents(), time.Unix(1000, 0)
	a.expect("user", password, nil)
	p, v := checkFor(t, "user", password)
	q, w := checkFor(t, "nobody", password)
	if n := testing.AllocsPerRun(1000, func() {
		now = now.Add(time.Second)
		a.admit(p, RouteTo(alice), v, now)
		a.admit(q, RouteTo(alice), w, now)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestFloods(t *testing.T) {
	f, now := &floods{bySrc: map[netip.AddrPort]int{}, byAddr: map[netip.Addr]int{}}, time.Unix(1000, 0)
	bob := netip.AddrPortFrom(alice.Addr(), alice.Port()+1)
	for i := range maxWrong {
		if f.over(alice, now) {
			t.Fatalf("over after %d", i)
		}
		f.note(alice, now)
	}
	if !f.over(alice, now) || f.over(bob, now) || f.over(alice, now.Add(time.Second)) {
		t.Error("only who sent the wrong ones is dropped, and only for the second")
	}
	now = now.Add(time.Second)
	for i := range maxWrongIP {
		f.note(netip.AddrPortFrom(alice.Addr(), uint16(i)), now)
	}
	other := netip.AddrPortFrom(alice.Addr().Next(), 1)
	if !f.over(bob, now) || f.over(other, now) {
		t.Error("the IP address is over, and no other")
	}
	one, same, next := netip.MustParseAddrPort("[2001:db8:0:1::1]:1"), netip.MustParseAddrPort("[2001:db8:0:1:2::9]:9"), netip.MustParseAddrPort("[2001:db8:0:2::1]:1")
	for range maxWrongIP {
		f.note(one, now)
	}
	if !f.over(same, now) || f.over(next, now) {
		t.Error("an IPv6 subscriber is 64 bits")
	}
	for i := range 3 * maxFlooders {
		f.note(numberedAddr(i), now)
	}
	if len(f.bySrc) > maxFlooders || len(f.byAddr) > maxFlooders {
		t.Errorf("%d and %d are remembered", len(f.bySrc), len(f.byAddr))
	}
}

// TestCheckFloodAtTheSocket: nothing of a flood without the password reaches Media(), whoever it says it is for, and
// a good check in the middle of it does.
func TestCheckFloodAtTheSocket(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	s.Expect("user", password, nil)
	var injects []func([]byte)
	for i := range 20 {
		inject, detach, err := s.Attach(numberedAddr(i), func([]byte) {})
		if err != nil {
			t.Fatal(err)
		}
		defer detach()
		injects = append(injects, inject)
	}
	forged, _ := checkFor(t, "user", "another password 012345")
	const n = 20_000
	for i := range n {
		p := forged
		if i%2 == 1 {
			p, _ = checkFor(t, fmt.Sprint("nobody", i), password)
		}
		injects[i%(len(injects)-1)](p)
	}
	c := s.Counts()
	if c.Checks != 0 || c.Dropped["check_flood"] < n/2 || c.Dropped["unknown_user"] == 0 || c.Dropped["bad_integrity"] == 0 {
		t.Errorf("counts %+v", c)
	}
	if sum := c.Dropped["check_flood"] + c.Dropped["unknown_user"] + c.Dropped["bad_integrity"] + c.Dropped["check_limit"]; sum != n {
		t.Errorf("%d of %d are counted", sum, n)
	}
	good, _ := checkFor(t, "user", password)
	until(t, "a good check", func() bool { // strangers are looked at again in the next second at the latest
		injects[len(injects)-1](good)
		return s.Counts().Checks > 0
	})
	if got, _ := receive(t, s.Media()); string(got) != string(good) {
		t.Errorf("got %x", got)
	}
}
