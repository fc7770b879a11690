package signal

import (
	"maps"
	"slices"
	"time"
)

// Room is where members meet around one cast. It is guarded by Hub.mu.
//
//	waiting --media--> live <--> frozen; any of them <--caster or its media gone / back--> away; then ended
type Room struct {
	hub     *Hub
	id      string
	cast    string // what the media plane calls it: the id, or the id and a suffix when the room was restored
	name    string
	code    string
	rules   rules       // what the caster has set
	grant   *grant      // of the join token by which the room was opened or taken over, nil without one
	opening *time.Timer // until rules.Starts, nil when none is due

	caster  *seat         // the page that owns the room; nil in a room that an encoder opened
	encoder *seat         // who casts over WHIP, nil without one
	source  *seat         // whose media the cast is: caster or encoder; nil before the first one
	ingest  chan struct{} // holds one value while somebody is about to become the source
	seats   []*seat       // viewers and displays, in the order in which they came
	lobby   []*held       // those who wait to be let in, in the order in which they came

	ended  bool
	begun  bool // media has arrived once
	live   bool // media arrives
	lost   bool // the source's connection failed or is gone, or a new caster has not published yet
	frozen bool
	hushed bool // the caster has switched the displays' sound off
	slots  map[string]string

	toldLive bool // the sink knows that media arrives

	barred   map[string]bool // holders of viewer tickets that the caster has removed or declined
	admitted map[string]bool // holders that the caster has let in from the lobby

	version uint64 // counts changes
	flushed time.Time
	timer   *time.Timer // of the next flush, nil when none is due
	queued  bool        // stands in Hub.dirty
	vigil   *time.Timer // ends a room that has neither caster nor encoder, nil while none is due
	health  health      // of the encoder
	reports reports     // about displays, to the caster

	layers   []Layer // as the media plane said it last
	layersAt time.Time
}

// maxBarred bounds what a room remembers of removed viewers; with more of them the oldest knowledge goes, all at
// once. They know the room's code anyway: the rule only keeps a page from coming back by itself.
const maxBarred = 1024

// seat is the place of one session in a room.
type seat struct {
	room    *Room
	session *Session
	role    role   // caster, encoder, viewer or display
	holder  string // viewer: who it is across sessions
	pending bool   // a viewer whose first offer is with the media plane: it counts, but nobody is told yet
	untold  bool   // let in from the lobby, and nothing shows yet that its page knows
	media   string // what PeerChanged said last, "" before
	seen    uint64 // version of the room that it was told
	told    bool   // the sink knows of it
	tuning  tuning // of a display
}

// newRoom makes the room that tk tells of; what tk leaves open is fresh.
func (h *Hub) newRoom(tk ticket) *Room {
	r := &Room{
		hub: h, id: tk.Room, cast: tk.Room, name: tk.Name, rules: tk.Rules, slots: map[string]string{},
		grant: tk.Grant, barred: map[string]bool{}, admitted: map[string]bool{}, ingest: make(chan struct{}, 1),
	}
	if r.id == "" {
		r.id = newID("r_")
		r.cast = r.id
	} else {
		// The media plane may still be closing the cast of the room that had this id: the new one must not be it.
		r.cast = newID(r.id + ".")
	}
	if r.code = tk.Code; r.code == "" || !h.codes.restore(r.code, r) {
		r.code = h.codes.issue(roomDigits, holder{room: r}, time.Now())
	}
	h.linkTo(r, tk.Rules.Link)
	h.rooms[r.id], h.casts[r.cast] = r, r
	if r.name != "" {
		h.names[nameKey(r.name)] = r
	}
	h.awaitOpening(r)
	h.cfg.Log.Info("signal: room begins", "room", r.id)
	r.tell(EventRoomBegin, nil, "")
	return r
}

func (r *Room) stopTimer() {
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	if r.vigil != nil {
		r.vigil.Stop()
		r.vigil = nil
	}
	if r.opening != nil {
		r.opening.Stop()
		r.opening = nil
	}
	r.health.stop()
	r.stopReports()
}

// place gives s a seat. An encoder gets none of the room's places before its media is accepted.
func (r *Room) place(s *Session, as role) *seat {
	p := &seat{room: r, session: s, role: as}
	s.seat = p
	switch as {
	case roleCaster:
		r.caster = p
	case roleEncoder:
	default:
		r.seats = append(r.seats, p)
	}
	return p
}

// full says whether the room takes nobody more; less is how many seats are about to be given back.
func (r *Room) full(less int) bool {
	limit := r.capacity()
	return limit >= 0 && len(r.seats)-less >= limit
}

// setLive takes over what the media plane says of the cast.
func (r *Room) setLive(live bool, slots map[string]string) {
	r.live = live
	if r.slots = maps.Clone(slots); r.slots == nil {
		r.slots = map[string]string{}
	}
	if live {
		r.begun, r.lost = true, false
	}
}

// sourceMedia takes over what the media plane says of the connection of whoever casts.
func (r *Room) sourceMedia(p *seat, state string) {
	if p != r.caster && p != r.encoder || r.source != nil && r.source != p {
		return
	}
	switch state {
	case "failed", "closed":
		r.lost = true
	case "connected":
		r.lost = false
	}
}

// attended says whether somebody is there who casts or may.
func (r *Room) attended() bool {
	return r.encoder != nil || r.caster != nil && r.caster.session.here()
}

// casting says whether media arrives from a source that is still there.
func (r *Room) casting() bool { return r.live && !r.lost }

// state is the room's state as members see it. That it has ended they learn by "ended", which says why, too.
func (r *Room) state() string {
	switch {
	case !r.attended():
		return "away"
	case !r.begun:
		return "waiting"
	case !r.live || r.lost:
		return "away"
	case r.frozen:
		return "frozen"
	default:
		return "live"
	}
}

// state is a member's state as the caster sees it.
func (p *seat) state() string {
	switch {
	case !p.session.here():
		return "away"
	case p.media == "":
		return "connecting"
	case p.media == "connected":
		return "live"
	default:
		return "away"
	}
}

// view is the room as the holder of the seat may see it.
func (p *seat) view() roomState { return p.room.view(p.role == roleCaster) }

func (r *Room) view(asCaster bool) roomState {
	var key deviceKey
	if asCaster {
		key = r.caster.session.key
	}
	v := roomState{
		ID: r.id, Name: r.shownName(), State: r.state(), Slots: maps.Clone(r.slots), Capacity: max(0, r.capacity()),
		Locked: r.rules.Locked, Starts: milliseconds(r.opensIn(time.Now())),
	}
	if asCaster {
		v.Members = make([]memberState, 0, len(r.seats))
		if !r.hub.cfg.TokensOnly { // else they let nobody in
			v.Code, v.Link = r.code, r.rules.Link
		}
		v.Settings, v.Waiting, v.Lobby = r.settings(), len(r.lobby), r.lobbyState()
	}
	for _, p := range r.seats {
		switch {
		case p.pending:
			continue
		case p.role == roleDisplay:
			v.Displays++
		default:
			v.Viewers++
		}
		if asCaster {
			m := memberState{Peer: p.session.peer, Role: p.role, Name: p.session.shownName(), State: p.state()}
			if p.role == roleDisplay {
				m.Display = p.placeState(key)
			}
			v.Members = append(v.Members, m)
		}
	}
	return v
}

// touch marks a change of the room. Members are told at the end of the section, or when 200 ms have passed since
// they were told the last time.
func (h *Hub) touch(r *Room) {
	r.version++
	if !r.queued {
		r.queued = true
		h.dirty = append(h.dirty, r)
	}
}

// flushDirty tells the members of all rooms that changed in this section.
func (h *Hub) flushDirty() {
	for _, r := range h.dirty {
		r.queued = false
		if !r.ended && !h.closed {
			r.tellCast()
		}
		if r.ended || r.timer != nil || h.closed {
			continue
		}
		if wait := time.Until(r.flushed.Add(h.timing.gather)); wait > 0 {
			r.timer = h.after(wait, func(*outside) {
				if !r.ended {
					r.timer = nil
					r.flush()
				}
			})
			continue
		}
		r.flush()
	}
	h.dirty = h.dirty[:0]
}

// flush sends the room to all members who have not seen its present version.
func (r *Room) flush() {
	var forCaster, forOthers []byte
	for _, p := range append(slices.Clip(r.seats), r.caster) {
		if p == nil || p.seen == r.version || p.pending || !p.session.here() {
			continue
		}
		if p.session.guest != nil {
			p.session.guest.wake() // it has events instead of messages
			p.seen = r.version
			r.flushed = time.Now()
			continue
		}
		frame := &forOthers
		if p.role == roleCaster {
			frame = &forCaster
		}
		if *frame == nil {
			*frame = encode(roomMessage{head{"room", 0}, p.view()})
		}
		p.session.sock.push(*frame)
		p.seen = r.version
		r.flushed = time.Now()
	}
}

// vacate takes the seat of a viewer or display away, and closes its connection. The session's role is left to the
// caller.
func (h *Hub) vacate(o *outside, s *Session) {
	p := s.seat
	p.departed()
	s.seat = nil
	if i := slices.Index(p.room.seats, p); i >= 0 {
		p.room.seats = slices.Delete(p.room.seats, i, i+1)
	}
	h.touch(p.room)
	h.leaveMedia(o, s)
}

// endRoom ends the room for everybody: viewers and its caster are idle again, displays get a new code.
func (h *Hub) endRoom(o *outside, r *Room, reason string) {
	r.ended = true
	r.tellEnd(reason)
	r.stopTimer()
	delete(h.rooms, r.id)
	delete(h.casts, r.cast)
	if h.names[nameKey(r.name)] == r {
		delete(h.names, nameKey(r.name))
	}
	h.codes.retire(r.code, time.Now())
	h.unlink(r)
	h.closeLobby(r, reason)

	var members []*Session
	if r.caster != nil {
		s := r.caster.session
		h.withdrawAsks(s, refuse(CodeCancelled, "the room has ended"))
		s.seat, s.role = nil, roleIdle
		members = append(members, s)
	}
	if r.encoder != nil {
		s := r.encoder.session
		s.seat = nil
		members = append(members, s)
		h.endGuest(o, s, goneRoom)
	}
	for _, p := range r.seats {
		s := p.session
		members = append(members, s)
		s.seat = nil
		if p.pending {
			continue // the answer to its join says it
		}
		s.push(endedMessage{head{"ended", 0}, reason})
		switch {
		case s.guest != nil:
			h.endGuest(o, s, goneRoom)
		case p.role == roleDisplay:
			h.newDisplayCode(s)
			h.showCode(s)
		default:
			s.role = roleIdle
		}
	}
	h.endMedia(o, r.cast, members)
	h.cfg.Log.Info("signal: room ends", "room", r.id, "reason", reason, "members", len(r.seats))
}

// endMedia closes everything of a cast in the media plane, later.
func (h *Hub) endMedia(o *outside, cast string, members []*Session) {
	for _, s := range members {
		h.unsettle(s)
	}
	o.add(func() {
		defer h.section(func() {
			for _, s := range members {
				h.settle(s)
			}
		})
		defer h.caught("Media.End")
		h.cfg.Media.End(cast)
	})
}
