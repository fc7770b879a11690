package signal

import (
	"slices"
	"strings"
	"time"

	"castcode/internal/jointoken"
)

const (
	// maxRevoked bounds the list of what was revoked. Beyond it nothing more is taken: changing the key revokes all.
	maxRevoked = 10_000
	// revokedFor is how long a token is remembered of which nobody has said when it expires: a good one is at most that
	// far ahead, and so are the tickets that came from it.
	revokedFor = jointoken.MaxLife + jointoken.Skew
	// longestRevoked bounds what may be asked for.
	longestRevoked = 31 * 24 * time.Hour

	revokedToken = "token "
	revokedRoom  = "room "
)

// revocations is what was revoked, until when that has to be remembered. It is guarded by Hub.mu.
type revocations map[string]time.Time

func (l revocations) has(key string, now time.Time) bool {
	until, ok := l[key]
	return ok && now.Before(until)
}

// add remembers key; false when there is no place.
func (l revocations) add(key string, until, now time.Time) bool {
	if before, ok := l[key]; ok && before.After(until) {
		return true
	}
	if _, ok := l[key]; !ok && len(l) >= maxRevoked {
		for old, end := range l {
			if !now.Before(end) {
				delete(l, old)
			}
		}
		if len(l) >= maxRevoked {
			return false
		}
	}
	l[key] = until
	return true
}

// Revocation is a join token that was revoked.
type Revocation struct {
	ID    string    `json:"jti"`
	Until time.Time `json:"until"` // when it is forgotten: the token is no longer good by then
}

// Revoke makes the join token with that id useless from now on, with all tickets that came from it, and sends everybody
// away who came by it. until is when the token expires; zero stands for the longest that a good one can have. kicked is
// how many had to go; ok is false when the list is full, or id or until out of range.
func (h *Hub) Revoke(id string, until time.Time) (kicked int, ok bool) {
	now := time.Now()
	if id == "" || len(id) > jointoken.MaxID || until.After(now.Add(longestRevoked)) {
		return 0, false
	}
	if least := now.Add(revokedFor); until.Before(least) {
		until = least
	}
	var o outside
	h.section(func() {
		if ok = h.revoked.add(revokedToken+id, until, now); !ok {
			return
		}
		var gone []*Session
		for _, s := range h.sessions {
			if s.grant != nil && s.grant.ID == id {
				gone = append(gone, s)
			}
		}
		for _, s := range gone {
			h.kick(&o, s)
		}
		kicked = len(gone)
	})
	o.run()
	if ok {
		h.cfg.Log.Info("signal: join token revoked", "jti", plain(id), "kicked", kicked)
	}
	return kicked, ok
}

// Revocations lists the join tokens that are revoked, by id.
func (h *Hub) Revocations() []Revocation {
	list, now := []Revocation{}, time.Now()
	h.section(func() {
		for key, until := range h.revoked {
			if id, ok := strings.CutPrefix(key, revokedToken); ok && now.Before(until) {
				list = append(list, Revocation{id, until.UTC().Truncate(time.Second)})
			}
		}
	})
	slices.SortFunc(list, func(a, b Revocation) int { return strings.Compare(a.ID, b.ID) })
	return list
}
