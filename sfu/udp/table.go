package udp

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// chains of a Table, a power of two: one or two entries each in a node of thousands of peers.
const chains = 4096

// Table says whose a datagram is: by its route, and for a connectivity check by our own ICE user fragment. Looking
// up takes no lock and allocates nothing, whatever the bytes are; changes take a lock for the time of a few entries.
// All methods may be called from any goroutine. It holds what it was given until it is told to forget: who claims,
// bounds how much (sfu/transport: 16 per peer). T is a pointer or another small value.
type Table[T comparable] struct {
	seed    maphash.Seed
	byRoute [chains]atomic.Pointer[link[Route, T]]
	byUser  [chains]atomic.Pointer[link[string, T]]

	mu     sync.Mutex // held by those who change something
	routes int        // guarded by mu
	users  int        // guarded by mu
}

// link is an entry of a chain. It never changes; a chain is changed by making its links anew.
type link[K, T comparable] struct {
	key   K
	owner T
	next  *link[K, T]
}

// find returns the entry of key, or nil.
func (l *link[K, T]) find(key K) *link[K, T] {
	for ; l != nil; l = l.next {
		if l.key == key {
			return l
		}
	}
	return nil
}

// without returns the chain without key.
func (l *link[K, T]) without(key K) (rest *link[K, T]) {
	for ; l != nil; l = l.next {
		if l.key != key {
			rest = &link[K, T]{key: l.key, owner: l.owner, next: rest}
		}
	}
	return rest
}

// NewTable returns an empty table of 64 KiB.
func NewTable[T comparable]() *Table[T] { return &Table[T]{seed: maphash.MakeSeed()} }

// routeChain goes by the address alone: few routes share one.
func (t *Table[T]) routeChain(route Route) *atomic.Pointer[link[Route, T]] {
	var p [18]byte
	ip := route.addr.Addr().As16()
	copy(p[:], ip[:])
	binary.LittleEndian.PutUint16(p[16:], route.addr.Port())
	return &t.byRoute[maphash.Bytes(t.seed, p[:])%chains]
}

// ByRoute returns who claimed the route.
func (t *Table[T]) ByRoute(route Route) (owner T, ok bool) {
	if l := t.routeChain(route).Load().find(route); l != nil {
		return l.owner, true
	}
	return owner, false
}

// ByUser returns who claimed the user fragment.
func (t *Table[T]) ByUser(fragment []byte) (owner T, ok bool) {
	for l := t.byUser[maphash.Bytes(t.seed, fragment)%chains].Load(); l != nil; l = l.next {
		if l.key == string(fragment) { // compares without a copy, which find could not
			return l.owner, true
		}
	}
	return owner, false
}

// ClaimRoute makes owner the one that ByRoute returns, instead of whoever was. Claim a route only after a check with
// good MESSAGE-INTEGRITY came by it.
func (t *Table[T]) ClaimRoute(route Route, owner T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	chain := t.routeChain(route)
	head := chain.Load()
	if head.find(route) == nil {
		t.routes++
	}
	chain.Store(&link[Route, T]{key: route, owner: owner, next: head.without(route)})
}

// ClaimUser makes owner the one that ByUser returns. It is false, and nothing has changed, if the fragment is
// somebody's already.
func (t *Table[T]) ClaimUser(fragment string, owner T) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	chain := &t.byUser[maphash.String(t.seed, fragment)%chains]
	head := chain.Load()
	if head.find(fragment) != nil {
		return false
	}
	t.users++
	chain.Store(&link[string, T]{key: fragment, owner: owner, next: head})
	return true
}

// ForgetRoute makes the route nobody's, if it is owner's.
func (t *Table[T]) ForgetRoute(route Route, owner T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	chain := t.routeChain(route)
	if l := chain.Load().find(route); l != nil && l.owner == owner {
		t.routes--
		chain.Store(chain.Load().without(route))
	}
}

// ForgetUser makes the user fragment nobody's, if it is owner's.
func (t *Table[T]) ForgetUser(fragment string, owner T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	chain := &t.byUser[maphash.String(t.seed, fragment)%chains]
	if l := chain.Load().find(fragment); l != nil && l.owner == owner {
		t.users--
		chain.Store(chain.Load().without(fragment))
	}
}

// Len is how many routes and how many user fragments are claimed.
func (t *Table[T]) Len() (routes, users int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.routes, t.users
}
