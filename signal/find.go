package signal

import "time"

// find says whom a code leads to; want tells which kinds of holder will do. A code that does not, for whatever
// reason, is a failure of its address, and all reasons have one answer. Which failures are counted together
// depends on the length of what was typed: that is what a guesser chooses.
func (h *Hub) find(t *turn, input string, want func(holder) bool) (holder, *Error) {
	code, ok := normaliseCode(input)
	if !ok {
		return holder{}, refuse(CodeFormat, "a code has 6 to 9 digits")
	}
	failures, kind := h.displayFailures, displayCodes
	if len(code) == roomDigits {
		failures, kind = h.roomFailures, roomCodes
	}
	now := time.Now()
	if wait := failures.wait(t.addr, now); wait > 0 {
		return holder{}, refuseFor(CodeLimited, "", wait)
	}
	found, ok := h.codes.find(code, now)
	if ok && found.room != nil && h.cfg.TokensOnly {
		ok = false // rooms have codes, which lead nowhere
	}
	if !ok || !want(found) {
		tries := failures.take(t.addr, now)
		h.failed(kind, h.codes.hash(code), now)
		return holder{}, &Error{code: CodeUnknown, tries: &tries}
	}
	if found.display != nil && found.display.sock == nil {
		return holder{}, refuse(CodeDisplayGone, "the display has no connection at the moment")
	}
	return found, nil
}

func anything(holder) bool      { return true }
func onlyDisplay(f holder) bool { return f.display != nil }
func onlyRoom(f holder) bool    { return f.room != nil }

// look says what a code is for, without spending it.
func (h *Hub) look(t *turn, m *lookRequest) *Error {
	found, refused := h.find(t, m.Code, anything)
	if refused != nil {
		return refused
	}
	if found.display != nil {
		t.answer(foundMessage{head: t.head("found"), Kind: "display", Name: found.display.shownName()})
		return nil
	}
	r := found.room
	answer := foundMessage{t.head("found"), "room", "", new(bool)}
	if !h.guarded(r, time.Now()) { // else nothing of it is told to those who are not in
		state := r.state()
		*answer.Live = state == "live" || state == "frozen"
		answer.Name = r.shownName()
	}
	t.answer(answer)
	return nil
}
