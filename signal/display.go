package signal

import (
	"net/netip"
	"time"

	"castcode/internal/jointoken"
)

// display is what a session has while it is a display.
type display struct {
	id   string // across sessions; its ticket holds it
	name string
	from netip.Prefix // its address, as limits count it

	code     string // "" while bound
	previous string
	renewal  time.Time
	timer    *time.Timer
}

func (d *display) stopTimer() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

// open makes the session a display. With a ticket it keeps the name it had; if the display of that ticket has
// just lost its socket, as a reloaded page has, the new session takes its place in the room, too.
func (h *Hub) open(t *turn, m *openRequest) *Error {
	s, now := t.session, time.Now()
	d := &display{id: newID("d_"), name: s.name, from: network(t.addr)}
	var before *Session
	var given *grant
	if t.token != nil {
		tk, refused := h.presented(t, jointoken.Display, jointoken.Guest)
		if refused != nil {
			return refused
		}
		given = tk.Grant
	}
	if m.Ticket != "" {
		tk, ok := h.verify(m.Ticket, displayTicket, now)
		if !ok {
			return refuse(CodeAuth, "ticket bad or expired")
		}
		d.name, given = tk.Name, tk.Grant
		if before = h.displays[tk.Holder]; before == nil || before.sock == nil {
			d.id = tk.Holder
		} else {
			before = nil // a second page with the ticket of the first: another display of that name
		}
	}
	if m.Name != "" {
		d.name = m.Name
	}
	gone, refused := h.mayShow(d.from, before)
	if refused != nil {
		return refused
	}
	if refused := h.mayIssue(t, before == nil && h.showing >= h.bounds.displays); refused != nil {
		return refused
	}
	var r *Room
	if before != nil && before.seat != nil {
		r = before.seat.room
	}
	if gone != nil {
		h.forget(&t.outside, gone)
	}
	s.role, s.display = roleDisplay, d
	h.displays[d.id] = s
	h.settleGrant(s, given)
	h.newDisplayCode(s)
	tk := h.sign(ticket{Kind: displayTicket, Holder: d.id, Name: d.name, Grant: given}, now, displayTicketLife)
	t.answer(openedMessage{t.head("opened"), d.name, tk, d.code, d.expires(now), h.approvalForced()})
	switch {
	case r != nil:
		h.bind(s, r)
	case m.Seat != "":
		h.rebind(s, m.Seat)
	case given != nil:
		h.seatInItsRoom(s)
	}
	return nil
}

// mayIssue says whether the session's address may cause one more code to be made, and counts it if so.
func (h *Hub) mayIssue(t *turn, busy bool) *Error {
	now := time.Now()
	switch {
	case h.draining:
		return errDraining()
	case busy:
		return refuseFor(CodeServerBusy, "too many of them", mediaBusyWait)
	}
	if wait := h.issues.wait(t.addr, now); wait > 0 {
		return refuseFor(CodeServerBusy, "too many codes for one address", wait)
	}
	h.issues.take(t.addr, now)
	return nil
}

// expires is how long the code is shown, in milliseconds.
func (d *display) expires(now time.Time) int64 { return milliseconds(d.renewal.Sub(now)) }

// newDisplayCode gives a display without a seat a code, and renews it from then on. The code that it had stays
// good for 60 s.
func (h *Hub) newDisplayCode(s *Session) {
	d, now := s.display, time.Now()
	d.stopTimer()
	h.codes.retire(d.previous, now)
	digits := h.displayDigits()
	switch {
	case d.code == "":
		h.showing++
		h.unbound[d.from]++
	case len(d.code) < digits:
		h.codes.retire(d.code, now) // it is being guessed at
	default:
		h.codes.limit(d.code, now.Add(h.timing.previous))
	}
	d.previous = d.code
	d.code = h.codes.issue(digits, holder{display: s}, now)
	d.renewal = now.Add(h.timing.renew)
	code := d.code
	d.timer = h.after(h.timing.renew, func(*outside) {
		if s.display == d && d.code == code {
			h.newDisplayCode(s)
			h.showCode(s)
		}
	})
}

// showCode tells a display its code.
func (h *Hub) showCode(s *Session) {
	s.push(codeMessage{head{"code", 0}, s.display.code, s.display.expires(time.Now()), h.approvalForced()})
}

// spendCode takes a display's codes out of service.
func (h *Hub) spendCode(d *display) {
	if d.code == "" {
		return
	}
	now := time.Now()
	d.stopTimer()
	h.codes.retire(d.previous, now)
	h.codes.retire(d.code, now)
	d.code, d.previous = "", ""
	h.showing--
	if h.unbound[d.from]--; h.unbound[d.from] == 0 {
		delete(h.unbound, d.from)
	}
}

// bind puts a display into a room.
func (h *Hub) bind(s *Session, r *Room) {
	h.spendCode(s.display)
	p := r.place(s, roleDisplay)
	p.arrived()
	h.touch(r)
	p.seen = r.version
	s.push(boundMessage{head{"bound", 0}, p.view(), h.signSeat(s, r)})
}

// closeDisplay is the end of a display as such; its seat is gone before.
func (h *Hub) closeDisplay(s *Session) {
	h.spendCode(s.display)
	if h.displays[s.display.id] == s {
		delete(h.displays, s.display.id)
	}
	s.display = nil
	s.role = roleIdle
}
