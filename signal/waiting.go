package signal

import (
	"net/netip"
	"slices"
	"time"
)

const (
	// maxLobby bounds those who wait in one room: as many as a hall that comes all at once.
	maxLobby = 500
	// lobbyShown is how many of them the caster sees at a time.
	lobbyShown = 100
	// lobbyWait is what a player is told to wait that cannot be let in by hand.
	lobbyWait = 5 * time.Second
)

// Reasons of "waiting".
const (
	heldForCaster = "caster" // has to let them in
	heldForStart  = "starts" // the room opens later
)

// held is the place of one session in the lobby of a room. Nothing of the room is told to it.
type held struct {
	room    *Room
	session *Session
	holder  string // who it is across sessions
	address string // what the caster compares with what the page shows
	since   time.Time
	why     string
	forced  bool // by attack mode alone
}

type (
	admitRequest struct {
		Peer  string // or
		All   bool
		Allow *bool
	}
	waitingMessage struct {
		head
		Reason  string `json:"reason"`
		Starts  int64  `json:"starts,omitempty"` // milliseconds until the room opens
		Address string `json:"address"`
		Ticket  string `json:"ticket"`
	}
	admittedMessage struct {
		head
		Room   roomState `json:"room"`
		Ticket string    `json:"ticket"`
	}
	lobbyState struct {
		Peer    string `json:"peer"`
		Name    string `json:"name"`
		Address string `json:"address"`
		Since   int64  `json:"since"` // milliseconds that it has waited
		State   string `json:"state"` // waiting or away
	}
)

func (m *admitRequest) check() string {
	switch {
	case m.Allow == nil:
		return "allow is missing"
	case m.All == (m.Peer != ""):
		return "either peer or all is needed"
	case len(m.Peer) > maxPeer:
		return "peer is too long"
	}
	return ""
}

// holdsBack says why newcomers have to wait, "" when they need not.
func (h *Hub) holdsBack(r *Room, now time.Time) string {
	switch {
	case r.opensIn(now) > 0:
		return heldForStart
	case r.rules.Waiting || h.attacked(roomCodes):
		return heldForCaster
	}
	return ""
}

// shownAddress is how an address is shown to people who compare.
func shownAddress(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	return addr.Unmap().WithZone("").String()
}

// hold puts a newcomer into the lobby. One that comes back by its ticket takes the place that it has there.
func (h *Hub) hold(t *turn, a arrival, why string) *Error {
	r, s := a.room, t.session
	p := r.heldBy(a.holder)
	switch {
	case p != nil:
		old := p.session
		old.held = nil
		h.supersede(&t.outside, old)
	case len(r.lobby) >= maxLobby:
		return refuse(CodeRoomFull, "too many people are waiting")
	default:
		p = &held{room: r, holder: a.holder, since: time.Now()}
		if p.holder == "" {
			p.holder = newID("v_")
		}
		r.lobby = append(r.lobby, p)
	}
	p.session, p.address = s, shownAddress(t.addr)
	p.because(why)
	h.settleGrant(s, a.grant)
	s.role, s.held = roleWaiting, p
	h.touch(r)
	t.answer(h.waitingMessage(t.head("waiting"), p))
	return nil
}

func (p *held) because(why string) {
	p.why = why
	p.forced = why == heldForCaster && !p.room.rules.Waiting
}

// waitingMessage is all that somebody in a lobby is told. The ticket brings a reloaded page back to its place.
func (h *Hub) waitingMessage(head head, p *held) waitingMessage {
	now := time.Now()
	m := waitingMessage{head: head, Reason: p.why, Address: p.address}
	if p.why == heldForStart {
		m.Starts = milliseconds(p.room.opensIn(now))
	}
	proof := ticket{Kind: waitTicket, Room: p.room.id, Holder: p.holder, Rules: rules{PIN: p.room.rules.PIN}, Grant: p.session.grant}
	m.Ticket = h.sign(proof, now, viewerTicketLife)
	return m
}

// heldBy is the place in the lobby of the bearer of a ticket.
func (r *Room) heldBy(holder string) *held {
	for _, p := range r.lobby {
		if holder != "" && p.holder == holder {
			return p
		}
	}
	return nil
}

// unhold takes the session out of the lobby, if it is in one. Its role is left to the caller.
func (h *Hub) unhold(s *Session) {
	p := s.held
	if p == nil {
		return
	}
	s.held = nil
	if i := slices.Index(p.room.lobby, p); i >= 0 {
		p.room.lobby = slices.Delete(p.room.lobby, i, i+1)
	}
	h.touch(p.room)
}

// letIn makes a viewer of somebody in the lobby; false when the room is full. It is told when it is there again, should
// it be away.
func (h *Hub) letIn(p *held) bool {
	r, s := p.room, p.session
	if r.full(0) {
		return false
	}
	h.unhold(s)
	if len(r.admitted) >= maxBarred {
		clear(r.admitted)
	}
	r.admitted[p.holder] = true
	seat := r.place(s, roleViewer)
	seat.holder, seat.untold = p.holder, true
	s.role = roleViewer
	seat.arrived()
	h.touch(r)
	seat.seen = r.version
	s.push(h.admittedMessage(seat))
	return true
}

func (h *Hub) admittedMessage(p *seat) admittedMessage {
	return admittedMessage{head{"admitted", 0}, p.view(), h.signViewer(p)}
}

// decline sends somebody in the lobby away; its ticket is void from then on.
func (h *Hub) decline(p *held) {
	s := p.session
	h.unhold(s)
	s.role = roleIdle
	p.room.bar(p.holder)
	s.push(endedMessage{head{"ended", 0}, endedDenied})
}

// bar keeps the tickets of a holder from coming back.
func (r *Room) bar(holder string) {
	if len(r.barred) >= maxBarred {
		clear(r.barred)
	}
	r.barred[holder] = true
	delete(r.admitted, holder)
}

// admitWaiting lets one or all of the lobby in, or sends them away. Of all of them as many come in as there are places.
func (h *Hub) admitWaiting(t *turn, m *admitRequest) *Error {
	r := t.session.seat.room
	chosen := slices.Clone(r.lobby)
	if !m.All {
		s := h.sessions[m.Peer]
		if s == nil || s.held == nil || s.held.room != r {
			return refuse(CodePeerUnknown, "not in this lobby")
		}
		chosen = []*held{s.held}
	}
	for i, p := range chosen {
		if !*m.Allow {
			h.decline(p)
		} else if !h.letIn(p) {
			if i == 0 {
				return refuse(CodeRoomFull, "")
			}
			break
		}
	}
	t.ok()
	return nil
}

// sweepLobby looks at everybody in the lobby again after a change. Those whom only attack mode has held back stay for the
// caster to decide, unless it has just opened the room on purpose.
func (h *Hub) sweepLobby(r *Room, onPurpose bool) {
	why := h.holdsBack(r, time.Now())
	for _, p := range slices.Clone(r.lobby) {
		switch {
		case why == heldForCaster && p.session.grant != nil && h.letIn(p):
			continue // who has a join token waits for the opening alone
		case why == "" && (!p.forced || onPurpose) && h.letIn(p):
			continue
		case why == "" && p.why == heldForStart: // no place is left
			p.because(heldForCaster)
		case why != "":
			p.because(why)
		default:
			continue
		}
		p.session.push(h.waitingMessage(head{"waiting", 0}, p))
	}
}

// closeLobby tells those who wait that the room has ended.
func (h *Hub) closeLobby(r *Room, reason string) {
	for _, p := range r.lobby {
		p.session.held, p.session.role = nil, roleIdle
		p.session.push(endedMessage{head{"ended", 0}, reason})
	}
	r.lobby = nil
}

// state is the state of somebody in the lobby as the caster sees it.
func (p *held) state() string {
	if p.session.here() {
		return "waiting"
	}
	return "away"
}

// lobbyState is the lobby as the caster sees it.
func (r *Room) lobbyState() []lobbyState {
	now := time.Now()
	list := make([]lobbyState, 0, min(len(r.lobby), lobbyShown))
	for _, p := range r.lobby[:min(len(r.lobby), lobbyShown)] {
		list = append(list, lobbyState{p.session.peer, p.session.shownName(), p.address, milliseconds(now.Sub(p.since)), p.state()})
	}
	return list
}
