package peer

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

const (
	checkFirst   = 50 * time.Millisecond // until a check is sent again; twice as long each time
	checkLongest = time.Second
	checkPace    = 5 * time.Millisecond // between the first checks of two candidates (RFC 8445 section 14.2)
	consentEvery = 5 * time.Second      // RFC 7675 section 5.1
	consentLife  = 30 * time.Second
)

// agent is the controlling ICE agent of one peer: one local socket, the candidates of the answer. It has no clock and
// no socket; its owner sends what it gives out.
type agent struct {
	local, remote credentials
	tie           uint64
	prefix        [8]byte // of our transaction ids
	pairs         []pair
	chosen        int // index of the pair that is nominated, -1 before
	heardAt       time.Time
	consentAt     time.Time
}

// pair is a remote candidate.
type pair struct {
	addr  netip.AddrPort
	at    time.Time     // of the next check
	wait  time.Duration // after it
	works bool
	asked bool // to be nominated
}

func newAgent(local, remote credentials, tie uint64, candidates []netip.AddrPort, now time.Time) *agent {
	a := &agent{local: local, remote: remote, tie: tie, chosen: -1}
	binary.BigEndian.PutUint64(a.prefix[:], tie^0x9e3779b97f4a7c15)
	for i, c := range candidates {
		a.pairs = append(a.pairs, pair{addr: c, at: now.Add(time.Duration(i) * checkPace), wait: checkFirst})
	}
	return a
}

// outgoing is a datagram to send.
type outgoing struct {
	to   netip.AddrPort
	data []byte
}

// due returns the checks that are to be sent now. dead is true when consent is gone (RFC 7675).
func (a *agent) due(now time.Time) (out []outgoing, dead bool) {
	if a.chosen >= 0 {
		if now.Sub(a.heardAt) > consentLife {
			return nil, true
		}
		if !now.Before(a.consentAt) {
			a.consentAt = now.Add(consentEvery)
			out = append(out, a.check(a.chosen, false))
		}
		return out, false
	}
	for i := range a.pairs {
		p := &a.pairs[i]
		if now.Before(p.at) {
			continue
		}
		p.at = now.Add(p.wait)
		p.wait = min(2*p.wait, checkLongest)
		out = append(out, a.check(i, p.asked))
	}
	return out, false
}

func (a *agent) check(i int, nominate bool) outgoing {
	var id transaction
	copy(id[:], a.prefix[:])
	id[8] = byte(i)
	if nominate {
		id[9] = 1
	}
	return outgoing{a.pairs[i].addr, check(make([]byte, 0, 160), id, a.local, a.remote, a.tie, nominate)}
}

// take takes a STUN datagram and returns what is to be answered. chosen becomes true with the response that
// nominates.
func (a *agent) take(p []byte, from netip.AddrPort, now time.Time) (out []outgoing, chosen bool) {
	h, ok := listen(p, a.local, a.remote)
	if !ok {
		return nil, false
	}
	if !h.response {
		a.learn(from, now)
		return []outgoing{{from, respond(make([]byte, 0, 96), h.id, from, a.local.password)}}, false
	}
	i := int(h.id[8])
	if [8]byte(h.id[:8]) != a.prefix || i >= len(a.pairs) || a.pairs[i].addr != from {
		return nil, false
	}
	if a.chosen >= 0 {
		if i == a.chosen {
			a.heardAt = now
		}
		return nil, false
	}
	q := &a.pairs[i]
	q.works = true
	switch {
	case h.id[9] == 1:
		a.chosen, a.heardAt, a.consentAt = i, now, now.Add(consentEvery)
		return nil, true
	case !slices.ContainsFunc(a.pairs, func(p pair) bool { return p.asked }):
		q.asked = true
		q.at, q.wait = now.Add(checkFirst), 2*checkFirst
		return []outgoing{a.check(i, true)}, false
	}
	return nil, false
}

// learn notes an address that a check of the far end came from (peer-reflexive, RFC 8445 section 7.3.1.3).
func (a *agent) learn(from netip.AddrPort, now time.Time) {
	known := slices.ContainsFunc(a.pairs, func(p pair) bool { return p.addr == from })
	if !known && a.chosen < 0 && len(a.pairs) < maxCandidates {
		a.pairs = append(a.pairs, pair{addr: from, at: now, wait: checkFirst})
	}
}

// path is the address that is nominated.
func (a *agent) path() netip.AddrPort {
	if a.chosen < 0 {
		return netip.AddrPort{}
	}
	return a.pairs[a.chosen].addr
}

// valid says whether the far end answered a check from that address.
func (a *agent) valid(from netip.AddrPort) bool {
	return slices.ContainsFunc(a.pairs, func(p pair) bool { return p.works && p.addr == from })
}
