package signal

import (
	"context"
	"time"
)

// join makes the session a viewer. When it brings an offer the seat is taken first, so that the room cannot be
// overbooked, and nobody is told of it until the media plane has answered.
func (h *Hub) join(t *turn, m *joinRequest) *Error {
	if h.draining {
		return errDraining()
	}
	a, refused := h.arrive(t, m)
	if refused != nil {
		return refused
	}
	if !a.member {
		if refused := h.admits(t, a); refused != nil {
			return refused
		}
		if why := h.holdsBack(a.room, time.Now()); why == heldForStart || why != "" && !a.vouched {
			return h.hold(t, a, why)
		}
	}
	return h.takeSeat(t, a, m)
}

// takeSeat gives somebody who may come in a seat.
func (h *Hub) takeSeat(t *turn, a arrival, m *joinRequest) *Error {
	r, holder := a.room, a.holder
	before := r.awayHolder(holder)
	if before == nil && h.guarded(r, time.Now()) {
		before = r.presentHolder(holder) // in a room that lets nobody in by itself a ticket is good for one page
	}
	if before == nil && r.full(0) {
		return refuse(CodeRoomFull, "")
	}
	if before != nil {
		h.supersede(&t.outside, before.session)
	} else if holder == "" || r.holds(holder) {
		holder = newID("v_") // a second page with the ticket of the first is another viewer
	}
	if p := r.heldBy(holder); p != nil {
		h.supersede(&t.outside, p.session)
	}
	h.settleGrant(t.session, a.grant)
	p := r.place(t.session, roleViewer)
	p.holder = holder
	if m.Offer == "" {
		h.joined(t, p, "")
		return nil
	}
	p.pending = true
	t.then = func(ctx context.Context) *Error { return h.watchToJoin(ctx, t, p, m) }
	return nil
}

// arrival is somebody at the door of a room.
type arrival struct {
	room   *Room
	holder string // of a ticket, "" without one
	member bool   // has had a seat: comes back past lock, PIN and lobby
	pin    string // as typed
	shown  string // hash of the PIN that a waiting viewer's ticket proves, "" without one
	grant  *grant // of the join token by which it comes, or has come; nil without one
	// vouched is for the bearer of a join token: past PIN and lobby, not past the lock.
	vouched bool
}

// arrive finds the room, and for a ticket who its bearer is.
func (h *Hub) arrive(t *turn, m *joinRequest) (a arrival, refused *Error) {
	a.pin = m.PIN
	switch {
	case m.Code != "":
		found, refused := h.find(t, m.Code, onlyRoom)
		a.room = found.room
		return a, refused
	case m.Link != "" && h.cfg.TokensOnly:
		return a, errTokenNeeded()
	case m.Link != "":
		if a.room = h.links[hashToken(m.Link)]; a.room == nil {
			// Not counted as a failure: 128 bits cannot be guessed, and a whole hall may hold a link of yesterday.
			return a, refuse(CodeAuth, "no such link")
		}
		return a, nil
	case m.Ticket != "":
		if refused := h.arriveByTicket(&a, m.Ticket); refused != nil {
			return a, refused
		}
	case t.token != nil:
		if a, refused = h.arriveByToken(t); refused != nil {
			return a, refused
		}
	case !h.cfg.Open:
		return a, refuse(CodeBadMessage, "this server has no names of rooms")
	default:
		a.room = h.names[nameKey(m.Room)]
	}
	if a.room == nil {
		return a, refuse(CodeNotLive, "no such room at the moment")
	}
	return a, nil
}

// arriveByTicket reads a ticket of a viewer, or of somebody who waits to become one.
func (h *Hub) arriveByTicket(a *arrival, text string) *Error {
	now := time.Now()
	tk, member := h.verify(text, viewerTicket, now)
	if !member {
		var waiting bool
		if tk, waiting = h.verify(text, waitTicket, now); !waiting {
			return refuse(CodeAuth, "ticket bad or expired")
		}
	}
	r := h.rooms[tk.Room]
	a.room, a.holder, a.member, a.shown = r, tk.Holder, member, tk.Rules.PIN
	a.grant, a.vouched = tk.Grant, tk.Grant != nil
	switch {
	case r == nil:
	case r.barred[tk.Holder] && member:
		return refuse(CodeAuth, "ticket bad or expired")
	case r.barred[tk.Holder]:
		return refuse(CodeDenied, "the caster has declined")
	case r.admitted[tk.Holder]:
		a.member = true // let in while its page was away
	}
	return nil
}

// presentHolder is the seat of the viewer with that ticket who is there.
func (r *Room) presentHolder(holder string) *seat {
	for _, p := range r.seats {
		if holder != "" && p.holder == holder && !p.pending {
			return p
		}
	}
	return nil
}

// supersede makes the page of s give way to another one with the same ticket.
func (h *Hub) supersede(o *outside, s *Session) {
	if s.sock == nil {
		h.forget(o, s)
		return
	}
	s.push(endedMessage{head{"ended", 0}, endedReplaced})
	if s.seat != nil {
		h.vacate(o, s)
	}
	h.unhold(s)
	s.role = roleIdle
}

// holds says whether somebody with that ticket sits in the room.
func (r *Room) holds(holder string) bool {
	for _, p := range r.seats {
		if holder != "" && p.holder == holder {
			return true
		}
	}
	return false
}

// awayHolder is the seat of the viewer with that ticket, if its socket is gone: a reloaded page takes it.
func (r *Room) awayHolder(holder string) *seat {
	for _, p := range r.seats {
		if holder != "" && p.holder == holder && !p.session.here() && !p.pending {
			return p
		}
	}
	return nil
}

// joined completes a join.
func (h *Hub) joined(t *turn, p *seat, answer string) {
	r := p.room
	p.pending = false
	p.session.role = roleViewer
	p.arrived()
	h.touch(r)
	p.seen = r.version
	t.answer(joinedMessage{t.head("joined"), p.view(), h.signViewer(p), answer})
}

// signViewer gives a viewer the proof of its seat.
func (h *Hub) signViewer(p *seat) string {
	proof := ticket{Kind: viewerTicket, Room: p.room.id, Holder: p.holder, Grant: p.session.grant}
	return h.sign(proof, time.Now(), viewerTicketLife)
}

// watchToJoin completes a join that brought an offer, or takes it back.
func (h *Hub) watchToJoin(ctx context.Context, t *turn, p *seat, m *joinRequest) *Error {
	s := p.session
	answer, refused := h.askWatch(ctx, p, m.Offer, m.Slots)
	h.section(func() {
		switch {
		case s.seat != p && refused == nil: // the room has ended, or the session has
			refused = refuse(CodeNotLive, "the room has ended")
			h.undo(t, p)
		case s.seat == p && refused != nil:
			h.vacate(&t.outside, s)
		case s.seat == p:
			h.joined(t, p, answer)
		}
	})
	return refused
}

// askWatch hands an offer to the media plane, and tells it what the viewer gets at most.
func (h *Hub) askWatch(ctx context.Context, p *seat, offer string, slots map[string]string) (answer string, refused *Error) {
	s := p.session
	var given *grant
	h.section(func() { given = s.grant })
	return h.askMedia(s, func() (string, error) {
		answer, err := h.cfg.Media.Watch(ctx, p.room.cast, s.peer, offer, slots)
		if most := given.within(Automatic); err == nil && most != Automatic {
			for _, slot := range []string{slotScreen, slotCamera} {
				h.cfg.Media.Prefer(s.peer, slot, most)
			}
		}
		return answer, err
	})
}

// watch connects a viewer or bound display anew.
func (h *Hub) watch(t *turn, m *watchRequest) *Error {
	p := t.session.seat
	p.untold = false
	t.then = func(ctx context.Context) *Error {
		s := p.session
		before := h.connecting(p)
		answer, refused := h.askWatch(ctx, p, m.Offer, m.Slots)
		h.section(func() {
			switch {
			case s.seat != p && refused == nil:
				refused = refuse(CodeBadState, "no longer in the room")
				h.undo(t, p)
			case s.seat == p && refused != nil && p.media == "":
				p.media = before // the old connection is still the one
				h.touch(p.room)
			case s.seat == p && refused == nil:
				t.answer(answerMessage{t.head("watching"), answer})
				if p.role == roleDisplay {
					h.limitSize(&t.outside, s)
				}
			}
		})
		return refused
	}
	return nil
}

// connecting marks that the peer of p is about to connect, and returns what was known of its connection before.
func (h *Hub) connecting(p *seat) (before string) {
	h.section(func() {
		if before = p.media; before != "" && p.session.seat == p {
			p.media = ""
			h.touch(p.room)
		}
	})
	return before
}

// leave makes a display or viewer idle again.
func (h *Hub) leave(t *turn) *Error {
	s := t.session
	if s.seat != nil {
		h.vacate(&t.outside, s)
	}
	h.unhold(s)
	if s.display != nil {
		h.closeDisplay(s)
	}
	s.role = roleIdle
	t.ok()
	return nil
}
