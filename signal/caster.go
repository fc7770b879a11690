package signal

import (
	"context"
	"time"
)

// create makes the session the caster of a room: a new one, or one that its ticket, its join token or (with --open) its
// name stands for. With a code the display of that code is bound at once.
func (h *Hub) create(t *turn, m *createRequest) *Error {
	s := t.session
	tk, refused := h.claim(t, m, time.Now())
	if refused != nil {
		return refused
	}
	r, refused := h.roomToTake(tk)
	if refused != nil {
		return refused
	}
	key, known := hashKey(roleCaster, m.Key)
	if m.Code == "" {
		return h.makeRoom(t, tk, key, known, nil)
	}
	found, refused := h.find(t, m.Code, onlyDisplay)
	switch {
	case refused != nil:
		return refused
	case r != nil && r.full(0):
		return refuse(CodeRoomFull, "")
	case h.draining:
		return errDraining()
	case !h.mustApprove(found.display.display.device, key):
		return h.makeRoom(t, tk, key, known, found.display)
	}
	s.key, s.known = key, known
	return h.askDisplay(t, found.display, func(t *turn) *Error { return h.makeRoom(t, tk, key, known, found.display) })
}

// makeRoom gives the session its room, with a display in it if shown is not nil. Where that has taken a while, because
// people had to be asked, everything is looked at once more.
func (h *Hub) makeRoom(t *turn, tk ticket, key deviceKey, known bool, shown *Session) *Error {
	s, now := t.session, time.Now()
	r, refused := h.roomToTake(tk)
	switch {
	case refused != nil:
		return refused
	case s.role != roleIdle:
		return refuse(CodeBadState, "no longer idle")
	case shown != nil && !free(shown):
		return refuse(CodeDisplayGone, "the display is not free any more")
	case shown != nil && r != nil && r.full(0):
		return refuse(CodeRoomFull, "")
	}
	if refused := h.mayOpen(t, r, tk); refused != nil {
		return refused
	}
	if r == nil {
		r = h.newRoom(tk)
		defer h.welcomeBack(r) // after the caster has its place and its answer
	} else {
		h.dismissCaster(t, r)
		h.adopt(r, tk)
	}
	s.role, s.key, s.known = roleCaster, key, known
	r.grant = tk.Grant
	h.settleGrant(s, tk.Grant)
	p := r.place(s, roleCaster)
	h.touch(r)
	p.arrived()
	if shown != nil {
		h.bind(shown, r)
	}
	t.answer(h.created(t, p, now))
	r.tellEncoder()
	return nil
}

// created is the answer to create: the room, and the proofs of who may cast and watch there.
func (h *Hub) created(t *turn, p *seat, now time.Time) createdMessage {
	proof := ticket{Kind: watchToken, Room: p.room.id, Grant: p.session.grant.handedOn()}
	watch := h.sign(proof, now, watchTokenLife)
	return createdMessage{h.proved(t, "created", p, now), tokenState{watch}}
}

// proved is an answer that tells the caster its room, and gives it the proofs that the room is its own as it is now.
func (h *Hub) proved(t *turn, kind string, p *seat, now time.Time) provedMessage {
	r := p.room
	p.seen = r.version
	proof := ticket{Kind: casterTicket, Room: r.id, Code: r.code, Name: r.name, Rules: r.rules, Grant: p.session.grant}
	publish := proof
	publish.Kind, publish.Grant = publishToken, proof.Grant.handedOn()
	return provedMessage{
		t.head(kind), p.view(), h.sign(proof, now, casterTicketLife),
		tokenState{h.sign(publish, now, publishTokenLife)},
	}
}

// roomToTake finds the room that a ticket or a name stands for; nil when there is none and it can be made. A
// ticket is its room's for as long as it is good; a name is anybody's while nobody casts under it.
func (h *Hub) roomToTake(tk ticket) (*Room, *Error) {
	if r := h.rooms[tk.Room]; r != nil {
		if tk.Kind == joinToken && !r.mayTake(tk) {
			return nil, refuse(CodeAlreadyCasting, "")
		}
		return r, nil
	}
	r := h.names[nameKey(tk.Name)]
	if r != nil && r.attended() {
		return nil, refuse(CodeAlreadyCasting, "")
	}
	return r, nil
}

// dismissCaster makes the place of a room's caster free for another page of the same person.
func (h *Hub) dismissCaster(t *turn, r *Room) {
	r.endVigil()
	if r.caster == nil {
		return
	}
	r.caster.departed()
	old := r.caster.session
	h.withdrawAsks(old, refuse(CodeCancelled, "the room was taken over"))
	old.push(endedMessage{head{"ended", 0}, endedReplaced})
	old.role, old.seat = roleIdle, nil
	h.leaveMedia(&t.outside, old)
	if r.source == nil || r.source == r.caster {
		r.source, r.lost = nil, true
	}
	r.frozen = false
}

// publish hands the caster's offer to the media plane. When that fails the room is as it was.
func (h *Hub) publish(t *turn, m *publishRequest) *Error {
	p := t.session.seat
	t.then = func(ctx context.Context) *Error {
		s, cast := p.session, p.room.cast
		if err := p.room.holdIngest(ctx); err != nil {
			return h.refusal(s, err)
		}
		defer p.room.releaseIngest()
		answer, refused := h.askMedia(s, func() (string, error) {
			return h.cfg.Media.Publish(ctx, cast, s.peer, m.Offer, m.Slots)
		})
		if refused != nil {
			return refused
		}
		h.section(func() {
			if s.seat != p {
				refused = refuse(CodeBadState, "the room is no longer yours")
				h.undo(t, p)
				return
			}
			t.answer(answerMessage{t.head("published"), answer})
			h.castFrom(&t.outside, p)
		})
		return refused
	}
	return nil
}

// unpublish ends what the caster's page sends, so that an encoder may take its place. The room goes on, and viewers keep
// the last picture. A page that sends nothing may say so too.
func (h *Hub) unpublish(t *turn) *Error {
	p := t.session.seat
	h.leaveMedia(&t.outside, t.session)
	if r := p.room; r.source == p {
		r.source, r.lost, r.frozen = nil, true, false
		h.touch(r)
	}
	t.ok()
	return nil
}

// undo takes back a connection that the media plane made for a seat which was lost meanwhile.
func (h *Hub) undo(t *turn, p *seat) {
	h.leaveMedia(&t.outside, p.session)
	if p.room.ended {
		h.endMedia(&t.outside, p.room.cast, nil) // Publish and Watch may have begun the cast anew
	}
}

// status tells the members that the picture stands still on purpose.
func (h *Hub) status(t *turn, m *statusRequest) *Error {
	r := t.session.seat.room
	if r.frozen != *m.Frozen {
		r.frozen = *m.Frozen
		h.touch(r)
	}
	t.ok()
	return nil
}

// addDisplay binds one more display.
func (h *Hub) addDisplay(t *turn, m *addRequest) *Error {
	r := t.session.seat.room
	if h.draining {
		return errDraining()
	}
	if m.Group != "" {
		return h.addGroup(t, m.Group)
	}
	found, refused := h.find(t, m.Code, onlyDisplay)
	if refused != nil {
		return refused
	}
	shown, p := found.display, t.session.seat
	add := func(t *turn) *Error {
		switch {
		case t.session.seat != p || r.caster != p:
			return refuse(CodeBadState, "the room is no longer yours")
		case !free(shown):
			return refuse(CodeDisplayGone, "the display is not free any more")
		case r.full(0):
			return refuse(CodeRoomFull, "")
		}
		h.bind(shown, r)
		t.answer(addedMessage{t.head("added"), addedState{shown.peer, shown.shownName()}})
		return nil
	}
	if r.full(0) {
		return refuse(CodeRoomFull, "")
	}
	if h.mustApprove(shown.display.device, t.session.key) {
		return h.askDisplay(t, shown, add)
	}
	return add(t)
}

// remove sends a viewer or display away. A viewer's ticket is void from then on.
func (h *Hub) remove(t *turn, m *removeRequest) *Error {
	r := t.session.seat.room
	s := h.sessions[m.Peer]
	if s == nil || s.seat == nil || s.seat.room != r || s.seat.role == roleCaster || s.seat.role == roleEncoder || s.seat.pending {
		return refuse(CodePeerUnknown, "not in this room")
	}
	h.sendAway(&t.outside, s, endedRemoved)
	t.ok()
	return nil
}

// endByCaster ends the room on purpose.
func (h *Hub) endByCaster(t *turn) *Error {
	h.endRoom(&t.outside, t.session.seat.room, endedOnPurpose)
	t.ok()
	return nil
}
