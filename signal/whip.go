package signal

import (
	"context"
	"time"
)

const (
	slotScreen = "screen"
	slotCamera = "camera"
	slotAudio  = "audio"
)

// slotsToPublish gives the m-lines of an encoder's offer their slots: at most one picture and one sound, all of it sent
// (RFC 9725 section 4.4).
func slotsToPublish(lines []MediaLine) (map[string]string, *Error) {
	slots := map[string]string{}
	for _, l := range lines {
		slot := map[string]string{"video": slotScreen, "audio": slotAudio}[l.Kind]
		switch {
		case slot == "":
			return nil, refuse(CodeBadOffer, "an m-line is neither video nor audio; data channels are not supported")
		case l.Inactive || !l.Sends:
			return nil, refuse(CodeBadOffer, "an m-line is inactive or recvonly; an encoder sends on all of them")
		case taken(slots, slot):
			return nil, refuse(CodeBadOffer, "two m-lines of "+l.Kind+"; send one picture and one sound")
		}
		slots[l.Mid] = slot
	}
	if len(slots) == 0 {
		return nil, refuse(CodeBadOffer, "no m-line")
	}
	return slots, nil
}

func taken(slots map[string]string, slot string) bool {
	for _, s := range slots {
		if s == slot {
			return true
		}
	}
	return false
}

// admitVisitor says whether v may come in as far as its token and its address go, and notes what its token proves.
// Nothing of the room is told before.
func (h *Hub) admitVisitor(d *door, v *visitor) (refused *Error) {
	now := time.Now()
	tk, claims, ok := d.proofOf(v.bearer, now)
	h.section(func() {
		if claims != nil {
			tk = h.asTicket(claims)
		}
		if ok && h.stands(tk, now) && h.fits(tk, v.to, !d.ingest) {
			v.proof = &tk
			return
		}
		if wait := h.guestFailures.wait(v.addr, now); wait > 0 {
			refused = refuseFor(CodeRateLimited, "too many refused requests", wait)
			return
		}
		switch {
		case h.cfg.Open: // whatever token it has, it needs none
		case v.given || d.ingest || v.to.code == "" || h.cfg.TokensOnly:
			refused = refuse(CodeAuth, "this needs the room's token as Bearer")
		}
	})
	return refused
}

// fits says whether a good token is one for the room at to. A watch token does not say what its room is called; if that
// is not there, nothing about it can be told either.
func (h *Hub) fits(tk ticket, to target, watching bool) bool {
	if r := h.rooms[tk.Room]; r != nil {
		// A publish token goes with the code of its time as well: it is what is believed, and an encoder need not be told
		// that the room's code was rotated.
		return to.is(r) || tk.Kind == publishToken && to.of(tk)
	}
	return to.of(tk) || watching && tk.Kind == watchToken && (to.id == "" || to.id == tk.Room)
}

// ingest makes v the source of its room, which is opened if need be. When it is refused everything is as it was.
func (h *Hub) ingest(d *door, v *visitor) (res *resource, answer string, refused *Error) {
	s := h.newSession(newID("p_"), v.agent)
	t := &turn{hub: h, session: s, addr: v.addr}
	var p *seat
	opened := false
	h.section(func() {
		var r *Room
		if r, opened, refused = h.roomToIngest(t, v); refused == nil {
			h.sessions[s.peer], s.role = s, roleEncoder
			h.settleGrant(s, v.grant())
			p = r.place(s, roleEncoder)
		}
	})
	if refused != nil {
		s.cancel()
		return nil, "", refused
	}
	t.then = func(ctx context.Context) *Error {
		if err := p.room.holdIngest(ctx); err != nil {
			return h.refusal(s, err)
		}
		defer p.room.releaseIngest()
		answer, refused = h.askIngest(ctx, v, p)
		h.section(func() {
			if refused == nil && p.room.ended {
				refused = refuseFor(CodeNotLive, "the room has ended", castingWait)
				h.undo(t, p)
			}
			if refused == nil {
				res = h.openResource(d, s, v)
				h.castFrom(&t.outside, p)
			}
		})
		return refused
	}
	t.run()
	if refused = t.ask(); refused != nil {
		h.section(func() {
			s.seat = nil
			h.forget(&t.outside, s)
			if r := p.room; opened && !r.ended && r.caster == nil && r.encoder == nil && len(r.seats) == 0 {
				h.endRoom(&t.outside, r, endedGone)
			}
		})
	}
	t.run()
	return res, answer, refused
}

// askIngest hands an encoder's offer to the media plane, if the encoder still may cast now that it is its turn.
func (h *Hub) askIngest(ctx context.Context, v *visitor, p *seat) (answer string, refused *Error) {
	h.section(func() {
		if refused = p.room.mayCast(v.owns(p.room)); p.room.ended {
			refused = refuseFor(CodeNotLive, "the room has ended", castingWait)
		}
	})
	if refused != nil {
		return "", refused
	}
	return h.askMedia(p.session, func() (string, error) {
		return h.cfg.Media.Publish(ctx, p.room.cast, p.session.peer, v.offer, v.slots)
	})
}

// grant is what the join token of v gives, nil without one.
func (v *visitor) grant() *grant {
	if v.proof == nil {
		return nil
	}
	return v.proof.Grant
}

// owns says whether v has the publish token of r.
func (v *visitor) owns(r *Room) bool { return v.proof != nil && v.proof.Room == r.id }

// roomToIngest finds or opens the room of an encoder.
func (h *Hub) roomToIngest(t *turn, v *visitor) (r *Room, opened bool, refused *Error) {
	if refused := h.roomForGuest(); refused != nil {
		return nil, false, refused
	}
	tk := ticket{Name: v.to.name}
	switch {
	case v.proof != nil:
		tk = *v.proof
		if r = h.rooms[tk.Room]; r == nil && tk.Name != "" {
			r = h.names[nameKey(tk.Name)]
		}
	case v.to.code != "":
		found, refused := h.find(t, v.to.code, onlyRoom)
		if refused != nil {
			return nil, false, refused
		}
		r = found.room
	case v.to.id != "":
		if r = h.rooms[v.to.id]; r == nil {
			return nil, false, refuse(CodeUnknown, "no such room")
		}
	default:
		r = h.names[nameKey(v.to.name)]
	}
	if r != nil {
		if !v.owns(r) {
			if refused := r.keepsOut(); refused != nil {
				return nil, false, refused
			}
		}
		return r, false, r.mayCast(v.owns(r))
	}
	if refused := h.mayOpen(t, nil, tk); refused != nil {
		return nil, false, refused
	}
	r = h.newRoom(tk)
	h.keepVigil(r)
	h.welcomeBack(r)
	return r, true, nil
}

// roomForGuest says whether the server takes one more guest.
func (h *Hub) roomForGuest() *Error {
	switch {
	case h.draining || h.closed:
		return refuseFor(CodeDraining, "the server is leaving", drainingWait)
	case len(h.resources) >= h.bounds.guests || len(h.sessions) >= h.bounds.sessions:
		return refuseFor(CodeServerBusy, "too many sessions", mediaBusyWait)
	}
	return nil
}
