package signal

import "time"

// evict takes the place of s away, whatever it is; its socket stays. A caster's room ends.
func (h *Hub) evict(o *outside, s *Session, reason string) {
	p := s.seat
	switch {
	case s.guest != nil:
		h.dismissGuest(o, s, goneRemoved)
	case s.held != nil:
		s.held.room.bar(s.held.holder)
		h.unhold(s)
		s.role = roleIdle
		s.push(endedMessage{head{"ended", 0}, reason})
	case p == nil:
	case p.role == roleCaster:
		r := p.room
		h.endRoom(o, r, endedOnPurpose)
		s.push(endedMessage{head{"ended", 0}, reason})
	case p.pending:
		h.vacate(o, s) // the answer to its join says it
	default:
		h.sendAway(o, s, reason)
	}
}

// sendAway takes the seat of a viewer or display that is not pending. A viewer's ticket is void from then on, and so is
// its join token in this room if it is a person's own.
func (h *Hub) sendAway(o *outside, s *Session, reason string) {
	p := s.seat
	if s.grant.named() {
		p.room.bar(barredToken + s.grant.ID)
	}
	h.vacate(o, s)
	s.push(endedMessage{head{"ended", 0}, reason})
	switch {
	case s.guest != nil:
		h.endGuest(o, s, goneRemoved)
	case p.role == roleDisplay:
		h.newDisplayCode(s)
		h.showCode(s)
	default:
		s.role = roleIdle
		p.room.bar(p.holder)
	}
}

// kick ends a session for good: its place, its socket and its resume token.
func (h *Hub) kick(o *outside, s *Session) {
	if s.seat != nil && s.seat.role == roleCaster {
		h.forbidRoom(s.seat.room)
	}
	h.evict(o, s, endedRemoved)
	if h.sessions[s.peer] != s {
		return // it was a guest, or its room's end has ended it
	}
	if k := s.sock; k != nil {
		k.refuse(0, refuse(CodeRemoved, "removed by the operator"))
		k.shut(closeRemoved, dropRemoved, "removed")
		s.sock = nil
	}
	h.forget(o, s)
}

// forbidRoom makes all proofs of a room useless, so that nobody opens it anew by a ticket or token of it.
func (h *Hub) forbidRoom(r *Room) {
	now := time.Now()
	if !h.revoked.add(revokedRoom+r.id, now.Add(publishTokenLife), now) {
		h.cfg.Log.Warn("signal: too much is revoked; the room's proofs stay good", "room", r.id)
	}
}

// Kick ends the session of a peer for good, over whatever it came: its socket is told removed and closed with 4403. The
// room of a caster ends, and its tickets and tokens are void. false: there is no such peer.
func (h *Hub) Kick(peer string) (ok bool) {
	var o outside
	h.section(func() {
		s := h.sessions[peer]
		if ok = s != nil && !h.closed; ok {
			h.kick(&o, s)
		}
	})
	o.run()
	return ok
}

// EndRoom ends a room for everybody, and makes its tickets and tokens useless. false: there is no such room.
func (h *Hub) EndRoom(id string) (ok bool) {
	var o outside
	h.section(func() {
		r := h.rooms[id]
		if ok = r != nil && !h.closed; !ok {
			return
		}
		h.forbidRoom(r)
		var caster *Session
		if r.caster != nil {
			caster = r.caster.session
		}
		h.endRoom(&o, r, endedOnPurpose)
		if caster != nil {
			caster.push(endedMessage{head{"ended", 0}, endedRemoved})
		}
	})
	o.run()
	return ok
}
