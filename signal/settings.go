package signal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"time"
)

const (
	minPIN = 4
	maxPIN = 8
	// maxStarts is how far ahead a room may be opened, in milliseconds: 30 days.
	maxStarts = 30 * 24 * 60 * 60 * 1000
	// maxRoomCapacity is the largest number that is taken for a room's capacity; the server's own is usually lower.
	maxRoomCapacity = 1_000_000
)

// rules is what the caster has set for its room. They travel in its tickets, so that a room which is made again after a
// restart of the server is not open to more people than before. Tickets are readable: the PIN is a keyed hash.
type rules struct {
	Revision uint32 `json:"v,omitempty"` // counts changes, of the code and link too: a later ticket knows better
	Title    string `json:"n,omitempty"` // shown instead of the name; unlike that it leads nowhere
	Waiting  bool   `json:"w,omitempty"`
	Locked   bool   `json:"l,omitempty"`
	PIN      string `json:"p,omitempty"` // Hub.hashPIN, "" without one
	Capacity int    `json:"m,omitempty"` // 0: the server's
	Starts   int64  `json:"s,omitempty"` // Unix milliseconds; 0 when it is open
	Link     string `json:"t,omitempty"` // secret of the room's link
}

type (
	settingsRequest struct {
		Name     *string
		Waiting  *bool
		Locked   *bool
		PIN      *string // "" takes it away
		Capacity *int    // 0: the server's
		Starts   *int64  // milliseconds from now; 0 opens the room
	}
	// settingsState is what the caster has set, as the caster alone sees it.
	settingsState struct {
		Name     string `json:"name"`
		Waiting  bool   `json:"waiting"`
		Forced   bool   `json:"forced"` // attack mode: newcomers wait, whatever is set
		Locked   bool   `json:"locked"`
		PIN      bool   `json:"pin"` // there is one
		Capacity int    `json:"capacity"`
	}
)

func (m *settingsRequest) check() string {
	if m.Name != nil {
		if why := checkName(m.Name); why != "" {
			return why
		}
	}
	if m.PIN != nil && *m.PIN != "" {
		pin, ok := normalisePIN(*m.PIN)
		if !ok {
			return "a PIN has 4 to 8 digits"
		}
		*m.PIN = pin
	}
	switch {
	case m.Name == nil && m.Waiting == nil && m.Locked == nil && m.PIN == nil && m.Capacity == nil && m.Starts == nil:
		return "nothing is set"
	case m.Capacity != nil && (*m.Capacity < 0 || *m.Capacity > maxRoomCapacity):
		return "capacity is a number of people"
	case m.Starts != nil && (*m.Starts < 0 || *m.Starts > maxStarts):
		return "a room opens within 30 days"
	}
	return ""
}

// normalisePIN reads a PIN as people type it, like normaliseCode. ok is false unless 4 to 8 digits remain.
func normalisePIN(input string) (pin string, ok bool) {
	if len(input) > maxCodeInput {
		return "", false
	}
	pin, ok = onlyDigits(input, maxPIN)
	return pin, ok && len(pin) >= minPIN
}

// hashPIN is how the PIN of a room is remembered and compared. 128 bits; keyed, for a PIN has few digits, and with the
// room's id, so that two rooms with one PIN do not show it.
func (h *Hub) hashPIN(room, pin string) string {
	mac := hmac.New(sha256.New, h.pins)
	mac.Write([]byte(room + "\n" + pin))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// changeSettings does what the caster wants of its room, and gives it new proofs that know it. Nobody loses a seat by it.
func (h *Hub) changeSettings(t *turn, m *settingsRequest) *Error {
	p, now := t.session.seat, time.Now()
	r := p.room
	if m.Capacity != nil && h.cfg.Capacity >= 0 && *m.Capacity > h.cfg.Capacity {
		return refuse(CodeBadMessage, "capacity is beyond that of the server")
	}
	set(&r.rules.Title, m.Name)
	set(&r.rules.Waiting, m.Waiting)
	set(&r.rules.Locked, m.Locked)
	set(&r.rules.Capacity, m.Capacity)
	if m.PIN != nil {
		r.rules.PIN = ""
		if *m.PIN != "" {
			r.rules.PIN = h.hashPIN(r.id, *m.PIN)
		}
	}
	if m.Starts != nil {
		r.rules.Starts = 0
		if *m.Starts > 0 {
			r.rules.Starts = now.UnixMilli() + *m.Starts
		}
		h.awaitOpening(r)
	}
	r.rules.Revision++
	h.touch(r)
	if m.Waiting != nil || m.Starts != nil {
		h.sweepLobby(r, m.Waiting != nil && !*m.Waiting)
	}
	t.answer(h.proved(t, "settings", p, now))
	return nil
}

func set[T any](into *T, value *T) {
	if value != nil {
		*into = *value
	}
}

// adopt takes over what a ticket knows better than the room that is there: an encoder with an older proof may have made
// it again before its caster came back.
func (h *Hub) adopt(r *Room, tk ticket) {
	if tk.Room != r.id || tk.Rules.Revision <= r.rules.Revision {
		return
	}
	if tk.Code != r.code && h.codes.restore(tk.Code, r) {
		h.codes.retire(r.code, time.Now())
		r.code = tk.Code
	}
	link := r.rules.Link
	r.rules = tk.Rules
	if r.rules.Link != link {
		delete(h.links, hashToken(link))
		h.linkTo(r, r.rules.Link)
	}
	h.awaitOpening(r)
	h.touch(r)
}

// awaitOpening opens the room when it is time.
func (h *Hub) awaitOpening(r *Room) {
	if r.opening != nil {
		r.opening.Stop()
		r.opening = nil
	}
	wait := r.opensIn(time.Now())
	if wait == 0 {
		return
	}
	var mine *time.Timer
	mine = h.after(wait, func(*outside) {
		if r.opening == mine && !r.ended {
			r.opening, r.rules.Starts = nil, 0
			h.touch(r)
			h.sweepLobby(r, false)
		}
	})
	r.opening = mine
}

// opensIn is how long the room stays closed to viewers; 0 when it is open.
func (r *Room) opensIn(now time.Time) time.Duration {
	if r.rules.Starts == 0 {
		return 0
	}
	return max(0, time.UnixMilli(r.rules.Starts).Sub(now))
}

// shownName is what the room is called.
func (r *Room) shownName() string {
	if r.rules.Title != "" {
		return r.rules.Title
	}
	return r.name
}

// capacity is how many viewers and displays the room takes, -1 for any number.
func (r *Room) capacity() int {
	limit := r.hub.cfg.Capacity
	for _, own := range []int{r.rules.Capacity, r.grant.capacity()} {
		if own > 0 && (limit < 0 || own < limit) {
			limit = own
		}
	}
	return limit
}

func (r *Room) settings() *settingsState {
	s := r.rules
	return &settingsState{
		Name: s.Title, Waiting: s.Waiting, Forced: r.hub.attacked(roomCodes), Locked: s.Locked, PIN: s.PIN != "", Capacity: s.Capacity,
	}
}

// guarded says whether a code does not suffice to come in.
func (h *Hub) guarded(r *Room, now time.Time) bool {
	return r.rules.Locked || r.rules.PIN != "" || h.holdsBack(r, now) != ""
}

// admits says whether a newcomer may come in, or into the lobby: lock first, then the PIN. A wrong PIN is a failure of
// its address, as a wrong code is.
func (h *Hub) admits(t *turn, a arrival) *Error {
	r := a.room
	if r.rules.Locked && r.heldBy(a.holder) == nil {
		return refuse(CodeRoomLocked, "the caster lets nobody new in")
	}
	if r.rules.PIN == "" || a.vouched || hmac.Equal([]byte(a.shown), []byte(r.rules.PIN)) {
		return nil
	}
	now := time.Now()
	if wait := h.roomFailures.wait(t.addr, now); wait > 0 {
		return refuseFor(CodeLimited, "", wait)
	}
	if a.pin == "" {
		return refuse(CodePINRequired, "the room has a PIN")
	}
	if hmac.Equal([]byte(h.hashPIN(r.id, a.pin)), []byte(r.rules.PIN)) {
		return nil
	}
	tries := h.roomFailures.take(t.addr, now)
	h.failed(roomCodes, h.codes.hash(r.id+a.pin), now)
	return &Error{code: CodePINWrong, tries: &tries}
}

// keepsOut says whether somebody without any token is kept out of an encoder's door.
func (r *Room) keepsOut() *Error {
	switch {
	case r.rules.Locked:
		return refuse(CodeRoomLocked, "the room is locked")
	case r.rules.PIN != "":
		return refuse(CodePINRequired, "the room has a PIN; this needs its token as Bearer")
	}
	return nil
}

// turnsAway says why a player may not come in now. The caster has handed out the token: it stands for the PIN and for
// being let in, and opens neither the lock nor the room before its time.
func (h *Hub) turnsAway(r *Room, token bool) *Error {
	now := time.Now()
	switch why := h.holdsBack(r, now); {
	case r.rules.Locked:
		return refuse(CodeRoomLocked, "the room is locked")
	case r.rules.PIN != "" && !token:
		return refuse(CodePINRequired, "the room has a PIN; a player needs the room's watch token as Bearer")
	case why == heldForStart:
		return refuseFor(CodeNotLive, "the room is not open yet", r.opensIn(now))
	case why == heldForCaster && !token:
		return refuseFor(CodeRoomWaiting, "the caster lets people in one by one; a player needs the room's watch token", lobbyWait)
	}
	return nil
}
