package signal

import "time"

// After a restart of the server the members of a room come back in any order. A caster's ticket makes the room
// again; a display cannot know when, so it says where it sat and waits.

// seatTicketLife is how long a display may prove its seat. It is asked for only in the first minute of a server.
const seatTicketLife = 24 * time.Hour

// seatTicket proves that a display sat in a room.
const seatTicket ticketKind = "seat"

// signSeat gives a bound display the proof of its seat.
func (h *Hub) signSeat(s *Session, r *Room) string {
	return h.tickets.sign(ticket{Kind: seatTicket, Room: r.id, Holder: s.display.device.ID}, time.Now(), seatTicketLife)
}

// rebind brings a display that has just opened back to its room: at once if the room is there, else as soon as its
// caster comes. That is done only for a restarted server, within the grace that a dropped socket has too. A display
// that is nobody's any more by then has its new code all the while.
func (h *Hub) rebind(s *Session, seat string) {
	now := time.Now()
	if now.Sub(h.begun) > h.timing.grace {
		h.awaited = nil
		return
	}
	tk, ok := h.verify(seat, seatTicket, now)
	if !ok || tk.Holder != s.display.device.ID {
		return
	}
	if r := h.rooms[tk.Room]; r != nil {
		if !r.full(0) {
			h.bind(s, r)
		}
		return
	}
	if h.awaited == nil {
		h.awaited = map[string][]*Session{}
	}
	h.awaited[tk.Room] = append(h.awaited[tk.Room], s)
}

// welcomeBack binds the displays that wait for a room which its caster has just made again, or for which they have a join
// token.
func (h *Hub) welcomeBack(r *Room) {
	defer h.seatAllGranted(r)
	waiting := h.awaited[r.id]
	delete(h.awaited, r.id)
	if time.Since(h.begun) > h.timing.grace {
		return
	}
	for _, s := range waiting {
		there := s.role == roleDisplay && s.seat == nil && s.sock != nil && h.displays[s.display.device.ID] == s
		if there && !r.full(0) {
			h.bind(s, r)
		}
	}
}
