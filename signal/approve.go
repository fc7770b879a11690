package signal

import (
	"time"
)

// Why a display is asked for a caster.
const (
	askCast  = "cast"  // it wants to show something now
	askGroup = "group" // it wants to come back without a code: only "always" changes anything
)

// maxVain is how many questions may come to nothing until the display gets another code.
const maxVain = 3

// maxAsks is for how many displays a caster may wait at once.
const maxAsks = 8

// ask is a question to a display about a caster that has not been answered. It is guarded by Hub.mu.
type ask struct {
	id      string
	why     string
	display *Session
	caster  *Session
	until   time.Time
	timer   *time.Timer
	// turn is the caster's request that waits for the answer, and grant what it does when that is yes. Both are nil for
	// askGroup, of which the caster is not told.
	turn  *turn
	grant func(*turn) *Error
}

// mustAsk says whether a caster that knows the code has to be approved on the display: what the display is set to,
// whether it remembers the caster, and whether codes are being guessed at (attack mode), when a code proves less.
func mustAsk(approval string, remembered, attacked bool) bool {
	switch approval {
	case approveAlways:
		return true
	case approveUnknown:
		return !remembered
	default:
		return attacked && !remembered
	}
}

// mustApprove is mustAsk for a display and the caster that has this key, if any.
func (h *Hub) mustApprove(d *device, key deviceKey) bool {
	remembered := key != deviceKey{} && d.remembers(key)
	return mustAsk(d.Approval, remembered, h.approvalForced())
}

// askDisplay asks the people before a display whether the caster may. The turn's request is answered when they have:
// grant answers it, or it is refused.
func (h *Hub) askDisplay(t *turn, display *Session, grant func(*turn) *Error) *Error {
	s := t.session
	if len(s.asks) >= maxAsks {
		return refuse(CodeBadState, "too many displays have not answered yet")
	}
	if other := display.display.prompt; other != nil {
		if other.why != askGroup {
			return refuseFor(CodeDisplayBusy, "the display is being asked for somebody else", time.Until(other.until))
		}
		h.settleAsk(other, nil)
	}
	later := &turn{hub: h, session: s, sock: t.sock, addr: t.addr, re: t.re, token: t.token}
	a := h.prompt(askCast, s, display, later, grant)
	s.push(askingMessage{
		head{"asking", 0}, a.id, display.shownName(), a.visitor(), milliseconds(h.timing.approval),
	})
	return nil
}

// prompt puts a question to a display.
func (h *Hub) prompt(why string, caster, display *Session, later *turn, grant func(*turn) *Error) *ask {
	a := &ask{id: newID("a_"), why: why, display: display, caster: caster, turn: later, grant: grant}
	a.until = time.Now().Add(h.timing.approval)
	a.timer = h.after(h.timing.approval, func(*outside) {
		if display.display != nil && display.display.prompt == a {
			h.settleAsk(a, refuse(CodeApprovalTimeout, "nobody has answered"))
			h.tire(display)
		}
	})
	display.display.prompt = a
	if later != nil {
		caster.asks = append(caster.asks, a)
	}
	h.showPrompt(display)
	return a
}

// visitor is the caster as people at the display see it, and as it is told that they do.
func (a *ask) visitor() visitorState {
	v := visitorState{Name: a.caster.shownName()}
	if k := a.caster.sock; k != nil {
		v.Address, v.Device, v.Program = k.addr.Unmap().String(), deviceKind(k.agent), agentName(k.agent, "")
	}
	return v
}

// showPrompt shows a display the question that it has not answered, if any, and before it what it has missed of itself.
func (h *Hub) showPrompt(s *Session) {
	if s.display.untold {
		h.tellDevice(s)
	}
	a := s.display.prompt
	if a == nil {
		return
	}
	s.push(approveMessage{
		head{"approve", 0},
		a.id, a.why, a.visitor(), a.caster.known && s.display.device.kept,
		milliseconds(time.Until(a.until)),
	})
}

// settleAsk takes a question back. With an error it is the answer to the caster's request; the display is told unless it
// has answered itself.
func (h *Hub) settleAsk(a *ask, refused *Error) {
	h.closeAsk(a)
	a.display.push(withdrawnMessage{head{"withdrawn", 0}, a.id})
	if refused != nil && a.turn != nil && a.caster.sock == a.turn.sock {
		a.turn.sock.refuseRequest(a.turn.re, refused)
	}
}

// closeAsk ends a question on both sides.
func (h *Hub) closeAsk(a *ask) {
	a.timer.Stop()
	if d := a.display.display; d != nil && d.prompt == a {
		d.prompt = nil
	}
	for i, other := range a.caster.asks {
		if other == a {
			a.caster.asks = append(a.caster.asks[:i:i], a.caster.asks[i+1:]...)
			break
		}
	}
}

// withdrawAsks takes back all questions of a caster that has gone, or has thought better of it.
func (h *Hub) withdrawAsks(s *Session, refused *Error) {
	for len(s.asks) > 0 {
		a := s.asks[0]
		h.settleAsk(a, refused)
		h.tire(a.display)
	}
}

// tire counts a question that came to nothing. With the same code people are not bothered for ever.
func (h *Hub) tire(display *Session) {
	d := display.display
	if d == nil || display.seat != nil {
		return
	}
	if d.vain++; d.vain >= maxVain {
		h.replaceCode(display)
	}
}

// replaceCode makes void the code that a caster knows; whoever wants to cast has to come and look for another one.
func (h *Hub) replaceCode(display *Session) {
	h.newDisplayCode(display)
	h.codes.retire(display.display.previous, time.Now())
	display.display.vain = 0
	h.showCode(display)
}

// loseAsks ends the question of a display that is not there any more, or is somebody else's.
func (h *Hub) loseAsks(s *Session) {
	if a := s.display.prompt; a != nil {
		h.settleAsk(a, refuse(CodeDisplayGone, "the display is not free any more"))
	}
}

// cancelAsks takes back what the caster has asked for.
func (h *Hub) cancelAsks(t *turn) *Error {
	h.withdrawAsks(t.session, refuse(CodeCancelled, ""))
	t.ok()
	return nil
}

// decide is the answer of the people before a display.
func (h *Hub) decide(t *turn, m *decideRequest) *Error {
	s, d := t.session, t.session.display
	a := d.prompt
	if a == nil || a.id != m.Request {
		return refuse(CodeRequestUnknown, "it was taken back, or answered already")
	}
	h.closeAsk(a)
	var r receipt
	if *m.Allow && m.Always && a.caster.known {
		r = h.remember(d.device, a.caster.key, a.caster.shownName(), time.Now())
	}
	switch {
	case a.turn == nil:
	case !*m.Allow:
		a.turn.sock.refuseRequest(a.turn.re, refuse(CodeDenied, ""))
		if s.seat == nil {
			h.replaceCode(s)
		}
	case a.caster.sock != a.turn.sock:
		// Its socket has just gone, and with it the request.
	default:
		if refused := a.grant(a.turn); refused != nil {
			a.turn.sock.refuseRequest(a.turn.re, refused)
		}
		t.add(a.turn.run)
	}
	if r != nil {
		t.whenKept(r, t.head("ok"))
		return nil
	}
	t.ok()
	return nil
}

// free says whether a display may be bound to a room now.
func free(s *Session) bool {
	return s.role == roleDisplay && s.seat == nil && s.sock != nil && s.display != nil
}
