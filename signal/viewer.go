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
	r, holder, refused := h.roomToJoin(t, m)
	if refused != nil {
		return refused
	}
	before := r.awayHolder(holder)
	if before == nil && r.full(0) {
		return refuse(CodeRoomFull, "")
	}
	if before != nil {
		h.forget(&t.outside, before.session)
	} else if holder == "" || r.holds(holder) {
		holder = newID("v_") // a second page with the ticket of the first is another viewer
	}
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

// roomToJoin finds the room, and for a ticket who its bearer is.
func (h *Hub) roomToJoin(t *turn, m *joinRequest) (r *Room, holder string, refused *Error) {
	switch {
	case m.Code != "":
		found, refused := h.find(t, m.Code, onlyRoom)
		return found.room, "", refused
	case m.Ticket != "":
		tk, ok := h.tickets.verify(m.Ticket, viewerTicket, time.Now())
		if !ok {
			return nil, "", refuse(CodeAuth, "ticket bad or expired")
		}
		r, holder = h.rooms[tk.Room], tk.Holder
		if r != nil && r.barred[holder] {
			return nil, "", refuse(CodeAuth, "ticket bad or expired")
		}
	case !h.cfg.Open:
		return nil, "", refuse(CodeBadMessage, "this server has no names of rooms")
	default:
		r = h.names[nameKey(m.Room)]
	}
	if r == nil {
		return nil, "", refuse(CodeNotLive, "no such room at the moment")
	}
	return r, holder, nil
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
	h.touch(r)
	p.seen = r.version
	proof := ticket{Kind: viewerTicket, Room: r.id, Holder: p.holder}
	tk := h.tickets.sign(proof, time.Now(), viewerTicketLife)
	t.answer(joinedMessage{t.head("joined"), p.view(), tk, answer})
}

// watchToJoin completes a join that brought an offer, or takes it back.
func (h *Hub) watchToJoin(ctx context.Context, t *turn, p *seat, m *joinRequest) *Error {
	s := p.session
	answer, refused := h.askMedia(s, func() (string, error) {
		return h.cfg.Media.Watch(ctx, p.room.cast, s.peer, m.Offer, m.Slots)
	})
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

// watch connects a viewer or bound display anew.
func (h *Hub) watch(t *turn, m *watchRequest) *Error {
	p := t.session.seat
	t.then = func(ctx context.Context) *Error {
		s := p.session
		before := h.connecting(p)
		answer, refused := h.askMedia(s, func() (string, error) {
			return h.cfg.Media.Watch(ctx, p.room.cast, s.peer, m.Offer, m.Slots)
		})
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
	if s.display != nil {
		h.closeDisplay(s)
	}
	s.role = roleIdle
	t.ok()
	return nil
}
