package signal

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"castcode/internal/jointoken"
)

// joinToken is the kind under which a join token is looked at where a ticket is, too. Nothing is signed under it.
const joinToken ticketKind = "join"

// grant is what a join token has given a session. It travels in the tickets of that session, so that they are not good
// for more, nor for longer.
type grant struct {
	ID      string `json:"i"`           // of the token
	Room    string `json:"r,omitempty"` // display: the room that it shows, by id or name
	Name    string `json:"n,omitempty"` // how the bearer is shown, whatever it calls itself
	Viewers int    `json:"v,omitempty"` // caster: what its room takes
	Bitrate int    `json:"b,omitempty"` // viewer, display: what it is sent at most, in bit/s
	Width   int    `json:"w,omitempty"` // and in pixels
	Height  int    `json:"h,omitempty"`
	Until   int64  `json:"u,omitempty"` // Unix seconds: the place ends; 0: it does not
	Expires int64  `json:"x"`           // Unix seconds: the token does
}

func grantOf(c *jointoken.Claims) *grant {
	g := &grant{
		ID: c.ID, Name: c.Name, Viewers: c.Viewers, Bitrate: c.Bitrate, Width: c.Width, Height: c.Height,
		Expires: c.Expires.Unix(),
	}
	if !c.Until.IsZero() {
		g.Until = c.Until.Unix()
	}
	if c.For(jointoken.Display, jointoken.Guest) {
		g.Room = c.Room
	}
	return g
}

// last is until when proofs that come from the token are good.
func (g *grant) last() time.Time {
	if g.Until > 0 {
		return time.Unix(g.Until, 0)
	}
	return time.Unix(g.Expires, 0)
}

// named says whether the token says how its bearer is shown.
func (g *grant) named() bool { return g != nil && g.Name != "" }

// capacity is what the token lets the room of its bearer take, 0 for any number.
func (g *grant) capacity() int {
	if g == nil {
		return 0
	}
	return g.Viewers
}

// handedOn is what the bearer of a token may hand on to an encoder or player: it falls with the token, and says nothing
// of who has it.
func (g *grant) handedOn() *grant {
	if g == nil {
		return nil
	}
	return &grant{ID: g.ID, Until: g.Until, Expires: g.Expires}
}

// within limits a wish to what the grant gives.
func (g *grant) within(wish Wish) Wish {
	least := func(a, b int) int {
		if a <= 0 || b > 0 && b < a {
			return b
		}
		return a
	}
	if g != nil {
		wish.Width, wish.Height, wish.Bitrate = least(wish.Width, g.Width), least(wish.Height, g.Height), least(wish.Bitrate, g.Bitrate)
	}
	return wish
}

// tokenRequest is the part of a request that may bring a join token.
type tokenRequest struct{ Token string }

func (m *tokenRequest) bearer() string { return m.Token }

// isJoinToken tells a join token, which has two dots, from our own tickets and tokens, which have one or none.
func isJoinToken(text string) bool { return strings.Count(text, ".") == 2 }

// readToken checks a join token. It is called without the lock, for a signature takes its time.
func (h *Hub) readToken(text string, now time.Time) (*jointoken.Claims, *Error) {
	if h.cfg.Tokens == nil {
		return nil, refuse(CodeAuth, "this server takes no join tokens")
	}
	c, err := h.cfg.Tokens.Verify(text, now)
	var fault *jointoken.Fault
	if errors.As(err, &fault) {
		h.tally.tokenRefused(fault.Reason)
		return nil, refuse(CodeAuth, fault.Error())
	}
	var roomOK, nameOK bool
	c.Room, roomOK = cleanName(c.Room)
	c.Name, nameOK = cleanName(c.Name)
	if code, isCode := normaliseCode(c.Room); !roomOK || !nameOK || c.Room == "" || isCode && len(code) == roomDigits {
		h.tally.tokenRefused(jointoken.ReasonClaims) // a room's name that reads as a code leads to another room
		return nil, refuse(CodeAuth, "join token refused: its room or name cannot be used")
	}
	return &c, nil
}

// readTokenOf reads the join token of a request into its turn. What is wrong with it is told when the request is legal.
func (h *Hub) readTokenOf(t *turn, m request) {
	if b, ok := m.(interface{ bearer() string }); ok && b.bearer() != "" {
		t.token, t.badToken = h.readToken(b.bearer(), time.Now())
	}
}

// asTicket is a token as the ticket that it stands for. Called with the lock.
func (h *Hub) asTicket(c *jointoken.Claims) ticket {
	tk := ticket{Kind: joinToken, Grant: grantOf(c)}
	if isRoomID(c.Room) {
		tk.Room = c.Room
		return tk
	}
	tk.Name = c.Room
	if r := h.names[nameKey(c.Room)]; r != nil {
		tk.Room = r.id
	}
	return tk
}

// presented is what the join token of a request proves, if it is for one of these roles.
func (h *Hub) presented(t *turn, roles ...jointoken.Role) (ticket, *Error) {
	if !t.token.For(roles...) {
		return ticket{}, refuse(CodeAuth, "the join token is for another role")
	}
	tk := h.asTicket(t.token)
	if !h.stands(tk, time.Now()) {
		return ticket{}, refuse(CodeAuth, "the join token was revoked")
	}
	return tk, nil
}

// errTokenNeeded is said where nobody comes in without a join token.
func errTokenNeeded() *Error { return refuse(CodeAuth, "this server needs a join token") }

// verify reads a ticket or token of ours that is still good for something. Called with the lock.
func (h *Hub) verify(text string, kind ticketKind, now time.Time) (tk ticket, ok bool) {
	tk, ok = h.tickets.verify(text, kind, now)
	return tk, ok && h.stands(tk, now)
}

// stands says whether what a good ticket proves has not been taken back. Where join tokens are needed, a ticket has to
// come from one, except that of a display, which lets nobody into a room. Called with the lock.
func (h *Hub) stands(tk ticket, now time.Time) bool {
	if tk.Grant != nil && h.revoked.has(revokedToken+tk.Grant.ID, now) {
		return false
	}
	if tk.Room != "" && h.revoked.has(revokedRoom+tk.Room, now) {
		return false
	}
	return !h.cfg.TokensOnly || tk.Grant != nil || tk.Kind == displayTicket || tk.Kind == seatTicket
}

// sign signs a proof; one that comes from a join token is good no longer than what that gives.
func (h *Hub) sign(tk ticket, now time.Time, life time.Duration) string {
	if tk.Grant != nil {
		life = min(life, tk.Grant.last().Sub(now))
	}
	return h.tickets.sign(tk, now, life)
}

// settleGrant gives the session what its join token says, or nothing when g is nil, in the place that it has now.
func (h *Hub) settleGrant(s *Session, g *grant) {
	if s.lease != nil {
		s.lease.Stop()
		s.lease = nil
	}
	s.grant = g
	if g == nil {
		return
	}
	if g.Name != "" {
		s.name = g.Name
		if s.display != nil {
			s.display.device.Name = g.Name
		}
	}
	if g.Until > 0 {
		s.lease = h.after(max(0, time.Until(time.Unix(g.Until, 0))), func(o *outside) {
			if s.grant == g {
				h.evict(o, s, endedExpired)
			}
		})
	}
}

// claim says which room a caster wants, and proves that it may.
func (h *Hub) claim(t *turn, m *createRequest, now time.Time) (tk ticket, refused *Error) {
	switch {
	case m.Ticket != "":
		tk, ok := h.verify(m.Ticket, casterTicket, now)
		if !ok {
			return tk, refuse(CodeAuth, "ticket bad or expired")
		}
		return tk, nil
	case t.token != nil:
		return h.presented(t, jointoken.Caster)
	case h.cfg.TokensOnly:
		return tk, errTokenNeeded()
	case m.Room != "" && !h.cfg.Open:
		return tk, refuse(CodeBadMessage, "this server has no names of rooms")
	}
	return ticket{Name: m.Room}, nil
}

// mayTake says whether the bearer of a join token may take r over: while its caster is there, only another page with the
// same token may.
func (r *Room) mayTake(tk ticket) bool {
	taken := r.caster != nil && r.caster.session.here()
	return !taken || r.grant != nil && r.grant.ID == tk.Grant.ID
}

// arriveByToken finds the room of a join token, whose bearer needs neither PIN nor to be let in: whoever made it has
// decided that.
func (h *Hub) arriveByToken(t *turn) (a arrival, refused *Error) {
	tk, refused := h.presented(t, jointoken.Viewer, jointoken.Guest)
	if refused != nil {
		return a, refused
	}
	a = arrival{room: h.rooms[tk.Room], vouched: true, grant: tk.Grant}
	if a.room != nil && a.room.barred[barredToken+tk.Grant.ID] {
		return a, refuse(CodeAuth, "the bearer of the join token was sent away")
	}
	return a, nil
}

// barredToken is before the id of a token in Room.barred, where holders of tickets stand as well.
const barredToken = "token "

// seatGranted binds a display with a join token to the room that the token is for, as soon as both are there.
func (h *Hub) seatGranted(s *Session, r *Room) {
	g := s.grant
	if g == nil || g.Room == "" || s.display == nil || s.seat != nil || r.rules.Locked || r.full(0) {
		return
	}
	if !time.Now().Before(g.last()) {
		return // it keeps its name and no more
	}
	if g.Room == r.id || r.name != "" && nameKey(g.Room) == nameKey(r.name) {
		h.bind(s, r)
	}
}

// seatInItsRoom does that for a display that has come.
func (h *Hub) seatInItsRoom(s *Session) {
	r := h.rooms[s.grant.Room]
	if r == nil {
		r = h.names[nameKey(s.grant.Room)]
	}
	if r != nil {
		h.seatGranted(s, r)
	}
}

// seatAllGranted does it for a room that has begun.
func (h *Hub) seatAllGranted(r *Room) {
	for _, s := range h.displays {
		h.seatGranted(s, r)
	}
}

// proofOf reads a bearer of WHIP or WHEP: a join token, or a token of the room. It is called without the lock.
func (d *door) proofOf(bearer string, now time.Time) (tk ticket, claims *jointoken.Claims, ok bool) {
	h := d.hub
	if !isJoinToken(bearer) || h.cfg.Tokens == nil {
		tk, ok = d.token(bearer, now)
		return tk, nil, ok
	}
	claims, refused := h.readToken(bearer, now)
	if refused != nil {
		return tk, nil, false
	}
	if d.ingest {
		return tk, claims, claims.For(jointoken.Caster, jointoken.Encoder)
	}
	return tk, claims, claims.For(jointoken.Caster, jointoken.Viewer, jointoken.Guest)
}

// vouchedFor says whether r, which has no Origin and so comes from no browser, brings a good join token.
func (h *Hub) vouchedFor(r *http.Request) bool {
	bearer, given := bearerOf(r)
	if !given || h.cfg.Tokens == nil || len(r.Header.Values("Origin")) > 0 {
		return false
	}
	c, refused := h.readToken(bearer, time.Now())
	if refused != nil {
		return false
	}
	ok := false
	h.section(func() { ok = h.stands(h.asTicket(c), time.Now()) })
	return ok
}
