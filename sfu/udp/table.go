package udp

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
)

// chains of a Table, a power of two: one or two entries each in a node of thousands of peers.
const chains = 4096

// Table says whose a datagram is: by its address, and for a connectivity check by our own ICE user fragment. Looking
// up takes no lock and allocates nothing, whatever the bytes are; changes take a lock for the time of a few entries.
// All methods may be called from any goroutine. It holds what it was given until it is told to forget: who claims,
// bounds how much (security.md: 8 addresses per peer).
type Table[T any] struct {
	seed   maphash.Seed
	byAddr [chains]atomic.Pointer[link[netip.AddrPort, T]]
	byUser [chains]atomic.Pointer[link[string, T]]

	mu    sync.Mutex // held by those who change something
	addrs int        // guarded by mu
	users int        // guarded by mu
}

// link is an entry of a chain. It never changes; a chain is changed by making its links anew.
type link[K comparable, T any] struct {
	key   K
	owner T
	next  *link[K, T]
}

// without returns the chain without key, and whether it was there.
func (l *link[K, T]) without(key K) (rest *link[K, T], found bool) {
	for ; l != nil; l = l.next {
		if l.key == key {
			found = true
			continue
		}
		rest = &link[K, T]{key: l.key, owner: l.owner, next: rest}
	}
	return rest, found
}

// NewTable returns an empty table of 64 KiB.
func NewTable[T any]() *Table[T] { return &Table[T]{seed: maphash.MakeSeed()} }

func (t *Table[T]) addrChain(addr netip.AddrPort) *atomic.Pointer[link[netip.AddrPort, T]] {
	var p [18]byte
	ip := addr.Addr().As16()
	copy(p[:], ip[:])
	binary.LittleEndian.PutUint16(p[16:], addr.Port())
	return &t.byAddr[maphash.Bytes(t.seed, p[:])%chains]
}

// ByAddr returns who claimed addr, which is unmapped as Route.Addr is.
func (t *Table[T]) ByAddr(addr netip.AddrPort) (owner T, ok bool) {
	for l := t.addrChain(addr).Load(); l != nil; l = l.next {
		if l.key == addr {
			return l.owner, true
		}
	}
	return owner, false
}

// ByUser returns who claimed the user fragment.
func (t *Table[T]) ByUser(fragment []byte) (owner T, ok bool) {
	for l := t.byUser[maphash.Bytes(t.seed, fragment)%chains].Load(); l != nil; l = l.next {
		if l.key == string(fragment) {
			return l.owner, true
		}
	}
	return owner, false
}

// ClaimAddr makes owner the one that ByAddr returns, instead of whoever was. Claim an address only after a check with
// good MESSAGE-INTEGRITY came from it.
func (t *Table[T]) ClaimAddr(addr netip.AddrPort, owner T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	chain := t.addrChain(addr)
	rest, found := chain.Load().without(addr)
	if !found {
		t.addrs++
	}
	chain.Store(&link[netip.AddrPort, T]{key: addr, owner: owner, next: rest})
}

// ClaimUser makes owner the one that ByUser returns, instead of whoever was.
func (t *Table[T]) ClaimUser(fragment string, owner T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	chain := &t.byUser[maphash.String(t.seed, fragment)%chains]
	rest, found := chain.Load().without(fragment)
	if !found {
		t.users++
	}
	chain.Store(&link[string, T]{key: fragment, owner: owner, next: rest})
}

// ForgetAddr makes the address nobody's.
func (t *Table[T]) ForgetAddr(addr netip.AddrPort) {
	t.mu.Lock()
	defer t.mu.Unlock()
	chain := t.addrChain(addr)
	if rest, found := chain.Load().without(addr); found {
		t.addrs--
		chain.Store(rest)
	}
}

// ForgetUser makes the user fragment nobody's.
func (t *Table[T]) ForgetUser(fragment string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	chain := &t.byUser[maphash.String(t.seed, fragment)%chains]
	if rest, found := chain.Load().without(fragment); found {
		t.users--
		chain.Store(rest)
	}
}

// Len is how many addresses and how many user fragments are claimed.
func (t *Table[T]) Len() (addrs, users int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.addrs, t.users
}
