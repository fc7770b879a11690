package signal

import (
	"context"
	"time"
)

// A room has up to two who may cast: the page that owns it and an encoder over WHIP. One of them is its source at a
// time, the one whose offer the media plane took last.

// holdIngest waits until nobody else is about to become the source of the room: the media plane and the room must agree
// on who came last. It is called without the lock, by the turn of a session, and followed by releaseIngest when it
// returns nil.
func (r *Room) holdIngest(ctx context.Context) error {
	select {
	case r.ingest <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Room) releaseIngest() { <-r.ingest }

// mayCast says whether an encoder may become the source of r. A page that casts is never put out by an encoder, and an
// encoder by another one only if that has the room's token.
func (r *Room) mayCast(token bool) *Error {
	switch {
	case r.source != nil && r.source == r.caster && !r.lost:
		return refuseFor(CodeAlreadyCasting, "the room's page is casting", castingWait)
	case token || r.encoder == nil:
		return nil
	case r.encoder.media == "" || r.encoder.media == "connected":
		return refuseFor(CodeAlreadyCasting, "another encoder is casting", castingWait)
	default:
		return nil
	}
}

// castFrom makes p the source of its room, now that the media plane has taken its offer. The encoder that was there is
// out, whoever p is.
func (h *Hub) castFrom(o *outside, p *seat) {
	r := p.room
	r.endVigil()
	if old := r.encoder; old != nil && old != p {
		old.departed()
		r.encoder, old.session.seat = nil, nil // the media plane has closed its connection
		h.endGuest(o, old.session, goneReplaced)
		r.health.went(time.Now())
	}
	r.source = p
	if p.role == roleEncoder {
		r.encoder, r.frozen = p, false
		p.arrived()
		r.health.came(p.session.name, time.Now())
		h.reportEncoder(o, r, p)
	} else {
		r.tellEncoder()
	}
	r.lost = false
	h.touch(r)
}

// encoderGone is the end of the encoder p as its room's source. Viewers keep their places; a room without a page waits
// for the next encoder as long as a page's room waits for its page.
func (h *Hub) encoderGone(p *seat) {
	r := p.room
	if r.encoder != p {
		return
	}
	p.departed()
	r.encoder, r.source, r.lost = nil, nil, true
	r.health.went(time.Now())
	r.tellEncoder()
	if r.caster == nil {
		h.keepVigil(r)
	}
	h.touch(r)
}

// keepVigil ends r after the time of grace, unless a page or an encoder comes.
func (h *Hub) keepVigil(r *Room) {
	r.endVigil()
	var mine *time.Timer
	mine = h.after(h.timing.grace, func(o *outside) {
		if r.vigil == mine && !r.ended {
			h.endRoom(o, r, endedGone)
		}
	})
	r.vigil = mine
}

func (r *Room) endVigil() {
	if r.vigil != nil {
		r.vigil.Stop()
		r.vigil = nil
	}
}

// endGuest removes the session of a guest. An encoder has to have lost its place before.
func (h *Hub) endGuest(o *outside, s *Session, reason string) {
	h.tally.left(reason)
	h.forget(o, s)
}

// dismissGuest removes a guest from its room and from everywhere.
func (h *Hub) dismissGuest(o *outside, s *Session, reason string) {
	if s.seat != nil && s.seat.role == roleEncoder {
		h.encoderGone(s.seat)
	}
	h.endGuest(o, s, reason)
}

// loseGuest removes a guest whose connection has failed; its client has to come anew.
func (h *Hub) loseGuest(o *outside, s *Session) {
	if s.guest != nil && s.seat != nil && (s.seat.media == "failed" || s.seat.media == "closed") {
		h.dismissGuest(o, s, goneLost)
	}
}
