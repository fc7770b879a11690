package signal

import (
	"net/netip"
	"time"
)

// display is what a session has while it is a display.
type display struct {
	untold bool         // what is known of it has changed while it was away
	device *device      // who it is, across sessions
	vain   int          // questions in a row that were not answered
	prompt *ask         // what the people before it are asked; nil for nothing
	from   netip.Prefix // its address, as limits count it

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

// open makes the session a display. One that proves a device key is the display it was before, whatever became of its
// page: another page with the same key is told `replaced`, and its place in a room is taken over. Without a key a ticket
// brings the name back, and the place of a session that has just lost its socket.
func (h *Hub) open(t *turn, m *openRequest) *Error {
	s, now := t.session, time.Now()
	c, refused := h.claimed(t, m, now)
	if refused != nil {
		return refused
	}
	before := c.before
	from := network(t.addr)
	gone, refused := h.mayShow(from, before)
	if refused != nil {
		return refused
	}
	if refused := h.mayIssue(t, before == nil && h.showing >= h.bounds.displays); refused != nil {
		return refused
	}
	var r *Room
	var tuned tuning
	if before != nil {
		if before.seat != nil {
			r, tuned = before.seat.room, before.seat.tuning
		}
		if before.sock != nil {
			before.sock.shut(closeReplaced, dropReplaced, "opened elsewhere")
			before.sock = nil
		}
		h.forget(&t.outside, before)
	}
	if gone != nil && gone != before {
		h.forget(&t.outside, gone)
	}
	h.settleDevice(c, t, m, now)
	d := &display{device: c.device, from: from}
	s.role, s.display = roleDisplay, d
	h.displays[d.device.ID] = s
	h.settleGrant(s, c.grant)
	h.newDisplayCode(s)
	name := d.device.Name
	tk := h.sign(ticket{Kind: displayTicket, Holder: d.device.ID, Name: name, Grant: c.grant}, now, displayTicketLife)
	t.answer(openedMessage{t.head("opened"), name, tk, d.code, d.expires(now), h.approvalForced(), d.device.state()})
	switch {
	case r != nil:
		h.bindTuned(s, r, tuned)
	case m.Seat != "":
		h.rebind(s, m.Seat)
	case c.grant != nil:
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
func (h *Hub) bind(s *Session, r *Room) { h.bindTuned(s, r, tuning{sound: r.sounding()}) }

// bindTuned puts a display into a room, with what the caster has set for it.
func (h *Hub) bindTuned(s *Session, r *Room, as tuning) {
	h.loseAsks(s)
	h.spendCode(s.display)
	p := r.place(s, roleDisplay)
	p.tuning = as
	p.arrived()
	h.touch(r)
	p.seen = r.version
	s.push(boundMessage{head{"bound", 0}, p.view(), h.signSeat(s, r), p.sounds()})
	if d := s.display.device; !d.Bound {
		d.Bound = true
		h.keepDevice(d)
	}
	r.startReports()
}

// closeDisplay is the end of a display as such; its seat is gone before.
func (h *Hub) closeDisplay(s *Session) {
	d := s.display.device
	h.loseAsks(s)
	h.spendCode(s.display)
	if h.displays[d.ID] == s {
		delete(h.displays, d.ID)
	}
	d.Seen = time.Now()
	h.keepDevice(d)
	s.display = nil
	s.role = roleIdle
}
