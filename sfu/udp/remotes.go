package udp

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	maxRTPSources  = 32
	maxRTCPSources = 16
	// maxStrangers is how many packets of further SSRCs are dropped before the peer that sends them is given up: no
	// client has so many, and a few may have been on their way when somebody else had the address.
	maxStrangers = 100
	// maxHandshake bytes of DTLS handshake within handshakeWindow: a handshake needs about 5 KiB, resends
	// and all 20, and the library holds what it cannot assemble yet.
	maxHandshake    = 64 << 10
	handshakeWindow = time.Minute

	// remoteLife: browsers check consent every 5 s and the ICE agent gives up after 30 s without it.
	remoteLife  = time.Minute
	sweepEvery  = 10 * time.Second
	maxRemotes  = 16384
	evictSample = 8
)

// remote is what the books say about one sender of media.
type remote struct {
	checked   time.Time // its newest authenticated check
	window    time.Time // when the handshake window began
	handshake int       // bytes in that window
	rtp, rtcp []uint32  // SSRCs that it has used, at most maxRTPSources and maxRTCPSources
	local     local     // which of our addresses it sends media to
	strangers int       // packets of other SSRCs
}

// stranger counts a packet of an SSRC too many. excess says that it is the one after which the peer is given up.
func (r *remote) stranger() (reason drop, excess bool) {
	r.strangers++
	return dropSSRC, r.strangers == maxStrangers
}

// admitSource says whether id is among known, and adds it while there is room.
func admitSource(known *[]uint32, id uint32, room int) bool {
	if slices.Contains(*known, id) {
		return true
	}
	if len(*known) >= room {
		return false
	}
	*known = append(*known, id)
	return true
}

// remotes are the addresses whose connectivity check an ICE agent has answered: the agent answers only checks
// with good MESSAGE-INTEGRITY, so nobody gets into the books without having seen an offer's answer. Others may
// send checks and nothing else. This also bounds what the SRTP and DTLS libraries keep per SSRC and per fragment
// before they have authenticated anything.
type remotes struct {
	mu     sync.Mutex
	byAddr map[netip.AddrPort]*remote
	swept  time.Time
}

// checked notes that the check of addr, which had asked our address at, was answered with success.
func (r *remotes) checked(addr netip.AddrPort, at local, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.byAddr[addr]; known != nil {
		known.checked = now
		return
	}
	if now.Sub(r.swept) >= sweepEvery {
		r.swept = now
		for other, known := range r.byAddr {
			if now.Sub(known.checked) > remoteLife {
				delete(r.byAddr, other)
			}
		}
	}
	if len(r.byAddr) >= maxRemotes {
		r.evict()
	}
	r.byAddr[addr] = &remote{checked: now, local: at}
}

// evict forgets the longest silent one of a few. The caller holds mu.
func (r *remotes) evict() {
	var oldest netip.AddrPort
	var since time.Time
	looked := 0
	for addr, known := range r.byAddr {
		if looked == 0 || known.checked.Before(since) {
			oldest, since = addr, known.checked
		}
		if looked++; looked == evictSample {
			break
		}
	}
	delete(r.byAddr, oldest)
}

// forget removes addr, whose path was detached.
func (r *remotes) forget(addr netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byAddr, addr)
}

func (r *remotes) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.byAddr)
}

// asks says which of our addresses addr sends to, as far as it is known.
func (r *remotes) asks(addr netip.AddrPort) local {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.byAddr[addr]; known != nil {
		return known.local
	}
	return 0
}

// admit says whether addr may send what the guard let pass as v, which is no check, to our address at. excess is true
// once for an address that floods: its peer is to be given up.
func (r *remotes) admit(addr netip.AddrPort, at local, v verdict, now time.Time) (reason drop, excess bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.byAddr[addr]
	if known == nil {
		return dropUnknown, false
	}
	switch v.kind {
	case KindRTP:
		if !admitSource(&known.rtp, v.ssrc, maxRTPSources) {
			return known.stranger()
		}
	case KindRTCP:
		if !admitSource(&known.rtcp, v.ssrc, maxRTCPSources) {
			return known.stranger()
		}
	case KindDTLS:
		if v.handshake == 0 {
			break
		}
		if now.Sub(known.window) > handshakeWindow {
			known.window, known.handshake = now, 0
		}
		if known.handshake += v.handshake; known.handshake > maxHandshake {
			return dropHandshake, false
		}
	}
	known.local = at
	return passed, false
}
