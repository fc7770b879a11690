package signal

import "time"

// Kinds of Event.
const (
	EventRoomBegin      = "room_begin"
	EventRoomEnd        = "room_end"
	EventJoin           = "join"  // a caster, viewer or encoder has its place
	EventLeave          = "leave" // it has lost it
	EventCastStart      = "cast_start"
	EventCastEnd        = "cast_end"
	EventDisplayBound   = "display_bound"
	EventDisplayUnbound = "display_unbound"
)

// Event is something that other systems may want to know. It holds no code, token or address.
type Event struct {
	Kind string // one of the constants
	Time time.Time
	Room string // its id
	Name string // of the room
	// Peer is whom it concerns, with role and name as others see them; empty for events of the room.
	Peer, Role, PeerName string
	// Reason says why a room has ended: "ended", "gone", or "closing" when the server has.
	Reason string
}

// Sink takes events. Happened is called with the Hub's lock held, in the order in which things happen: it has to return
// at once, and must not call the Hub.
type Sink interface{ Happened(e Event) }

// endedClosing is why rooms end when the Hub is closed.
const endedClosing = "closing"

// tell tells the sink what has happened in r.
func (r *Room) tell(kind string, p *seat, reason string) {
	sink := r.hub.cfg.Sink
	if sink == nil || r.hub.closed {
		return
	}
	e := Event{Kind: kind, Time: time.Now(), Room: r.id, Name: r.shownName(), Reason: reason}
	if p != nil {
		e.Peer, e.Role, e.PeerName = p.session.peer, string(p.role), p.session.shownName()
	}
	sink.Happened(e)
}

// arrived tells that p has its place, once.
func (p *seat) arrived() {
	if p.told {
		return
	}
	p.told = true
	if p.role == roleDisplay {
		p.room.tell(EventDisplayBound, p, "")
	} else {
		p.room.tell(EventJoin, p, "")
	}
}

// departed tells that p has lost its place, if it was told that it had one.
func (p *seat) departed() {
	if !p.told {
		return
	}
	p.told = false
	if p.role == roleDisplay {
		p.room.tell(EventDisplayUnbound, p, "")
	} else {
		p.room.tell(EventLeave, p, "")
	}
}

// tellCast tells when the cast of r has begun or ended.
func (r *Room) tellCast() {
	if live := r.casting(); live != r.toldLive {
		r.toldLive = live
		r.tell(map[bool]string{true: EventCastStart, false: EventCastEnd}[live], nil, "")
	}
}

// tellEnd tells that r has ended, after everything else about it.
func (r *Room) tellEnd(reason string) {
	if r.toldLive {
		r.toldLive = false
		r.tell(EventCastEnd, nil, "")
	}
	for _, p := range append([]*seat{r.encoder, r.caster}, r.seats...) {
		if p != nil {
			p.departed()
		}
	}
	r.tell(EventRoomEnd, nil, reason)
}
