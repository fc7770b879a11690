package signal

import (
	"encoding/hex"
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

// Limits of one address do not protect six digits from many addresses: 1,000 of them find one of 20 codes within the
// hour. So the failures of all are counted together, for codes of displays and of rooms each; above the budget the
// server is in attack mode for that kind of code, until there has been none above it for timing.attack.
const (
	failuresPerMinute = 60
	// attackDigits is the length of a display's code in attack mode.
	attackDigits = 8
)

// Kinds of codes, as failures are counted. A PIN counts as a room's code.
const (
	displayCodes = "display"
	roomCodes    = "room"
)

// alarm is the attack mode of one kind of code. It is guarded by Hub.mu.
type alarm struct {
	budget *rate.Limiter
	until  time.Time // zero: never was
	timer  *time.Timer
}

func newAlarm() *alarm {
	return &alarm{budget: rate.NewLimiter(failuresPerMinute/60.0, failuresPerMinute)}
}

func (a *alarm) active(now time.Time) bool { return now.Before(a.until) }

func (a *alarm) stopTimer() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

// attacked says whether the server is in attack mode for that kind of code.
func (h *Hub) attacked(kind string) bool { return h.attack[kind].active(time.Now()) }

// approvalForced says whether a cast to a display has to be approved there, whatever the display is set to.
func (h *Hub) approvalForced() bool { return h.attacked(displayCodes) }

// displayDigits is the length of the next display's code.
func (h *Hub) displayDigits() int {
	if h.attacked(displayCodes) {
		return attackDigits
	}
	return displayDigits
}

// failed counts a wrong code or PIN, whose keyed hash is key. A success never counts.
func (h *Hub) failed(kind string, key codeKey, now time.Time) {
	h.tally.failed()
	a, shown := h.attack[kind], hex.EncodeToString(key[:4])
	h.cfg.Log.Debug("signal: wrong code", "kind", kind, "hash", shown)
	if a.budget.AllowN(now, 1) {
		return
	}
	begins := !a.active(now)
	a.until = now.Add(h.timing.attack)
	if !begins {
		return
	}
	h.tally.attacked(kind)
	h.cfg.Log.Warn("signal: attack mode begins", "kind", kind, "hash", shown, "for", h.timing.attack)
	h.awaitPeace(kind, a, h.timing.attack)
	if kind == roomCodes {
		h.tellCasters()
		return
	}
	for _, s := range h.displays {
		if s.display.code != "" {
			h.newDisplayCode(s)
			h.showCode(s)
		}
	}
}

// awaitPeace says when attack mode is over. Codes of displays get their usual length when they are renewed.
func (h *Hub) awaitPeace(kind string, a *alarm, wait time.Duration) {
	a.stopTimer()
	var mine *time.Timer
	mine = h.after(wait, func(*outside) {
		if a.timer != mine {
			return // it began anew meanwhile
		}
		if left := time.Until(a.until); left > 0 {
			h.awaitPeace(kind, a, left)
			return
		}
		h.cfg.Log.Info("signal: attack mode ends", "kind", kind)
		if kind == roomCodes {
			h.tellCasters()
		}
	})
	a.timer = mine
}

// tellCasters shows all rooms that newcomers have to wait, or no longer.
func (h *Hub) tellCasters() {
	for _, r := range h.rooms {
		h.touch(r)
	}
}

// mayShow says whether one more display of an address may show a code, and which one has to give way to it: before,
// which it replaces, or one that has lost its socket. nil when none has to.
func (h *Hub) mayShow(from netip.Prefix, before *Session) (gone *Session, refused *Error) {
	most := h.cfg.DisplaysPerAddress
	if most < 0 || before != nil || h.unbound[from] < most {
		return before, nil
	}
	for _, s := range h.displays {
		// The one that is away for longest is the one whose session ends first; all have the same grace.
		away := s.sock == nil && s.display.code != "" && s.display.from == from
		if away && (gone == nil || s.lost.Before(gone.lost)) {
			gone = s
		}
	}
	if gone == nil {
		return nil, refuseFor(CodeServerBusy, "too many displays of one address", h.timing.grace)
	}
	return gone, nil
}

// mayOpen says whether r may be taken over, or made when it is nil, and counts it. A room that a ticket proves is not a new
// one, for after a restart of the server all come back at once; and whoever makes join tokens counts by himself.
func (h *Hub) mayOpen(t *turn, r *Room, tk ticket) *Error {
	now := time.Now()
	fresh := r == nil && tk.Room == "" && tk.Grant == nil && h.newRooms != nil
	if fresh {
		if wait := h.newRooms.wait(t.addr, now); wait > 0 {
			return refuseFor(CodeRateLimited, "too many new rooms for one address", wait)
		}
	}
	if refused := h.mayIssue(t, r == nil && len(h.rooms) >= h.bounds.rooms); refused != nil {
		return refused
	}
	if fresh {
		h.newRooms.take(t.addr, now)
	}
	return nil
}
