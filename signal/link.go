package signal

import (
	"crypto/rand"
	"time"
)

// maxLink is the longest text that is looked at as the secret of a link, in bytes; ours have 26.
const maxLink = 64

type rotateRequest struct{ Code, Link bool }

func (m *rotateRequest) check() string {
	if !m.Code && !m.Link {
		return "neither code nor link is to be rotated"
	}
	return ""
}

// linkTo gives the room the link with that secret, or a fresh one (of 130 bits) when it is "" or somebody else's.
func (h *Hub) linkTo(r *Room, secret string) {
	if secret == "" || h.links[hashToken(secret)] != nil {
		secret = rand.Text()
	}
	r.rules.Link = secret
	h.links[hashToken(secret)] = r
}

// unlink takes the room's link out of service.
func (h *Hub) unlink(r *Room) {
	if key := hashToken(r.rules.Link); h.links[key] == r {
		delete(h.links, key)
	}
}

// rotate gives the room another code, another link, or both. The old ones lead nowhere from then on; members stay.
func (h *Hub) rotate(t *turn, m *rotateRequest) *Error {
	p, now := t.session.seat, time.Now()
	r := p.room
	if refused := h.mayIssue(t, false); refused != nil {
		return refused
	}
	if m.Code {
		h.codes.retire(r.code, now)
		r.code = h.codes.issue(roomDigits, holder{room: r}, now)
	}
	if m.Link {
		h.unlink(r)
		h.linkTo(r, "")
	}
	r.rules.Revision++
	h.touch(r)
	t.answer(h.proved(t, "rotated", p, now))
	return nil
}
