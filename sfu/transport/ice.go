package transport

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"time"
)

const (
	maxRemotes = 16               // addresses of one peer, each by the address of ours that it asks
	consent    = 30 * time.Second // RFC 7675 §5.1
	// farewell is how long a session waits for the next check after a DTLS alert. The alert cannot be told from a
	// forged one any more, so it only shortens the wait: Chromium checks every 2.5 s, Firefox every 4 to 6 s.
	farewell = 10 * time.Second
	// settle is how long a nomination holds against one of lower priority: clients with aggressive nomination
	// (RFC 5245 §8.1.1.2) nominate everything at first and mean the best.
	settle       = time.Second
	restartsKept = 2 // per minute
)

// Credentials are one side's ICE user fragment and password.
type Credentials struct {
	Ufrag, Password string
}

// newCredentials draws 48 bits of user fragment and 144 bits of password; RFC 8445 §5.3 wants 24 and 128.
func newCredentials() Credentials {
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	// The URL alphabet is not ice-char; the standard one is ("+" and "/").
	return Credentials{base64.StdEncoding.EncodeToString(b[:6]), base64.StdEncoding.EncodeToString(b[6:])}
}

// remote is an address of the peer that has passed a check.
type remote struct {
	route Route
	heard int64 // the last check or report
}

// identity is one generation of ICE: RFC 8445 §2.4 starts a new one at a restart.
type identity struct {
	local       Credentials
	remoteUfrag string
	sign        *signer
}

// agent is the ICE-lite state of a session.
type agent struct {
	current  identity
	previous *identity // until the first check of a restart

	remotes   []remote
	selected  Route
	priority  uint32 // of the check that selected it
	nominated int64  // when it was selected or confirmed
	restarts  Restarts
}

// identify finds the generation that a check names, or nil.
func (a *agent) identify(c check) *identity {
	if string(c.local) == a.current.local.Ufrag && string(c.remote) == a.current.remoteUfrag {
		return &a.current
	}
	if a.previous != nil && string(c.local) == a.previous.local.Ufrag && string(c.remote) == a.previous.remoteUfrag {
		return a.previous
	}
	return nil
}

// find returns the entry of a route, or nil.
func (a *agent) find(route Route) *remote {
	for i := range a.remotes {
		if a.remotes[i].route == route {
			return &a.remotes[i]
		}
	}
	return nil
}

// note books an authenticated check from route. If the route is new it is returned in fresh; evicted is a route
// that made way for it, the one not heard of for the longest time.
func (a *agent) note(route Route, now int64) (fresh bool, evicted Route) {
	if r := a.find(route); r != nil {
		r.heard = now
		return false, Route{}
	}
	if len(a.remotes) == maxRemotes {
		oldest := -1
		for i, r := range a.remotes {
			if r.route != a.selected && (oldest < 0 || r.heard < a.remotes[oldest].heard) {
				oldest = i
			}
		}
		evicted = a.remotes[oldest].route
		a.remotes = slices.Delete(a.remotes, oldest, oldest+1)
	}
	a.remotes = append(a.remotes, remote{route, now})
	return true, evicted
}

// nominate selects the route that a check with USE-CANDIDATE came from.
func (a *agent) nominate(route Route, priority uint32, now int64) {
	if a.selected.IsValid() && a.selected != route && priority < a.priority && now-a.nominated < int64(settle) {
		return
	}
	a.selected, a.priority, a.nominated = route, priority, now
}

// follow selects the route of the newest report. A peer sends on the pair that it has selected itself, so this shows
// its choice where it does not nominate again: many clients' later checks say nothing of it, and when a NAT gives such
// a one another address, media would go to the old one until consent expires. Call it for a route that has passed a
// check and a report that was authenticated and is not a replay.
//
// Such a report is consent as well: whoever sends it holds the keys, is at that address and still wants what comes.
// RFC 7675 §4.1 wants checks of a full agent, but some clients send none while packets flow both ways (pion ICE v2),
// and they would be cut off in mid-picture.
func (a *agent) follow(route Route, now int64) {
	if r := a.find(route); r != nil {
		r.heard = now
	}
	if a.selected.IsValid() && a.selected != route {
		a.selected, a.nominated = route, now
	}
}

// expire drops the routes without consent and returns them, and those that lead nowhere any more as long as there are
// others: who has none needs the time of consent to find one. If the selected one is among them, the route heard of last
// takes its place.
func (a *agent) expire(now int64) (gone []Route) {
	for i := 0; i < len(a.remotes); {
		if dead := a.remotes[i].route.Gone() && len(a.remotes) > 1; !dead && now-a.remotes[i].heard < int64(consent) {
			i++
			continue
		}
		gone = append(gone, a.remotes[i].route)
		a.remotes = slices.Delete(a.remotes, i, i+1)
	}
	if len(gone) == 0 || !slices.Contains(gone, a.selected) {
		return gone
	}
	a.selected, a.priority = Route{}, 0
	var last int64
	for _, r := range a.remotes {
		if !a.selected.IsValid() || r.heard > last {
			a.selected, last = r.route, r.heard
		}
	}
	return gone
}

// Restarts bounds the ICE restarts of one peer. The zero value is ready to use; it has no lock.
type Restarts struct{ at []int64 }

// Allow counts a restart now, in nanoseconds of any clock, and says whether it may be; two a minute may.
func (r *Restarts) Allow(now int64) bool {
	r.at = slices.DeleteFunc(r.at, func(at int64) bool { return now-at >= int64(time.Minute) })
	if len(r.at) >= restartsKept {
		return false
	}
	r.at = append(r.at, now)
	return true
}
