package signal

import (
	"context"
	"fmt"
	"time"

	"github.com/gorilla/websocket"
)

// protocolVersion is the one version of docs/protocol.md that there is.
const protocolVersion = 1

// role is what a session is in the eyes of a client.
type role string

const (
	roleIdle    role = "idle"
	roleDisplay role = "display"
	roleCaster  role = "caster"
	roleViewer  role = "viewer"
	roleWaiting role = "waiting" // in the lobby of a room
	roleEncoder role = "encoder" // casts over WHIP
)

// Session is one peer. It has one socket at a time, and none for up to 60 s between two; or, as a guest over WHIP or
// WHEP, a resource and never a socket.
//
//	idle --open--> display <--bound / ended--> display with a seat --leave--> idle
//	idle --create--> caster --end--> idle
//	idle --join--> viewer --leave / ended--> idle
//	idle --join--> waiting --admitted--> viewer, or --leave / ended--> idle
type Session struct {
	// fixed
	peer   string
	ctx    context.Context // ends with the session
	cancel context.CancelFunc
	turn   chan struct{} // holds one value while a request of this session is in work

	// guarded by Hub.mu
	name    string
	sock    *socket // nil while away
	resume  token
	expiry  *time.Timer // while away
	away    int         // counts the times that it went away, so that an old expiry does nothing
	lost    time.Time   // when it went away last
	role    role
	seat    *seat       // its place in a room, nil without one
	held    *held       // its place in the lobby of a room, nil without one
	guest   *resource   // what it is to HTTP, nil for those with a socket; gone with the session
	display *display    // a display's code and name, nil for other roles
	grant   *grant      // of the join token by which it has its place, nil without one
	lease   *time.Timer // until that place ends, nil when it does not
	key     deviceKey   // a caster's, when known
	known   bool        // it has shown a device key as a caster
	asks    []*ask      // what it has asked displays and waits for
	leaving int         // Leave and End calls on their way that may close this peer's connection
	settled chan struct{}
}

func (h *Hub) newSession(peer, name string) *Session {
	s := &Session{peer: peer, name: name, role: roleIdle, turn: make(chan struct{}, 1)}
	s.ctx, s.cancel = context.WithCancel(h.ctx)
	return s
}

// state is what the session may do now.
func (s *Session) state() state {
	switch {
	case s.role == roleCaster:
		return stateCaster
	case s.role == roleViewer:
		return stateViewer
	case s.role == roleWaiting:
		return stateWaiting
	case s.role == roleDisplay && s.seat != nil:
		return stateBound
	case s.role == roleDisplay:
		return stateDisplay
	case len(s.asks) > 0:
		return stateAsking
	default:
		return stateIdle
	}
}

// shownName is how others see the session.
func (s *Session) shownName() string {
	if s.display != nil {
		return s.display.device.Name
	}
	return s.name
}

// here says whether the session's client is there: a guest is as long as its resource is.
func (s *Session) here() bool { return s.sock != nil || s.guest != nil }

// push sends a message on whatever socket the session has.
func (s *Session) push(message any) {
	if s.sock != nil {
		s.sock.push(encode(message))
	}
}

// begin waits for the session's turn; false when the Hub is closed first.
func (s *Session) begin(ctx context.Context) bool {
	select {
	case s.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Session) end() { <-s.turn }

func (s *Session) stopTimers() {
	if s.expiry != nil {
		s.expiry.Stop()
	}
	if s.lease != nil {
		s.lease.Stop()
	}
	if s.display != nil {
		s.display.stopTimer()
	}
}

// hello opens or resumes the session of k, on k's reader.
func (k *socket) hello(re uint64, m *helloRequest) {
	if m.Version != protocolVersion {
		k.refuse(re, refuse(CodeVersion, fmt.Sprintf("this server speaks version %d", protocolVersion)))
		k.shut(closeVersion, dropVersion, "version")
		return
	}
	h := k.hub
	if s := h.resumable(m.Resume); s != nil && k.resume(re, s, m) {
		return
	}
	peer := newID("p_")
	ice := h.ice(peer, k.host)
	var refused *Error
	h.section(func() {
		if h.closed || h.draining {
			refused = errDraining()
			return
		}
		if len(h.sessions) >= h.bounds.sessions {
			refused = refuseFor(CodeServerBusy, "too many sessions", mediaBusyWait)
			return
		}
		s := h.newSession(peer, m.Name)
		h.sessions[peer] = s
		h.attach(s, k)
		s.push(h.welcome(s, re, false, ice))
	})
	if refused != nil {
		k.refuseRequest(re, refused)
	}
}

// resume takes s over from its old socket. A request of that socket may still be in work; what welcome says has to
// hold after it.
func (k *socket) resume(re uint64, s *Session, m *helloRequest) bool {
	if !s.begin(k.hub.ctx) {
		return false
	}
	defer s.end()
	return k.hub.resumeSession(k, re, s, m, k.hub.ice(s.peer, k.host))
}

// resumable finds the session of a resume token, without using it up.
func (h *Hub) resumable(text string) (s *Session) {
	if text == "" {
		return nil
	}
	h.section(func() { s = h.resumes[hashToken(text)] })
	return s
}

// resumeSession gives s to socket k and tells it all it has to know; false when the token was used or the session
// ended in the meantime.
func (h *Hub) resumeSession(k *socket, re uint64, s *Session, m *helloRequest, ice iceState) (ok bool) {
	h.section(func() {
		if h.closed || h.resumes[hashToken(m.Resume)] != s {
			return
		}
		ok = true
		if s.sock != nil {
			s.sock.shut(closeReplaced, dropReplaced, "resumed elsewhere")
		}
		if m.Name != "" && !s.grant.named() {
			s.name = m.Name
		}
		h.attach(s, k)
		s.push(h.welcome(s, re, true, ice))
		switch s.state() {
		case stateDisplay:
			h.showCode(s)
			h.showPrompt(s)
		case stateWaiting:
			h.touch(s.held.room) // it is back
			s.push(h.waitingMessage(head{"waiting", 0}, s.held))
		case stateBound, stateViewer, stateCaster:
			h.touch(s.seat.room)
			s.seat.seen = s.seat.room.version
			if s.seat.untold {
				s.push(h.admittedMessage(s.seat))
			} else {
				s.push(roomMessage{head{"room", 0}, s.seat.view()})
			}
			switch s.role {
			case roleCaster:
				s.seat.room.tellEncoder()
			case roleDisplay:
				h.tellSound(s.seat)
				h.showPrompt(s)
			default:
			}
		}
	})
	return ok
}

// attach makes k the socket of s.
func (h *Hub) attach(s *Session, k *socket) {
	if s.expiry != nil {
		s.expiry.Stop()
		s.expiry = nil
	}
	s.away++
	h.withdrawAsks(s, nil) // whoever has asked was on the socket before
	s.sock = k
	k.session = s
	k.extend(h.timing.silence)
}

// welcome gives s a new resume token; the one before is void.
func (h *Hub) welcome(s *Session, re uint64, resumed bool, ice iceState) welcomeMessage {
	delete(h.resumes, s.resume)
	text, hash := newToken()
	s.resume = hash
	h.resumes[hash] = s
	return welcomeMessage{
		head: head{"welcome", re}, Version: protocolVersion, Peer: s.peer, Resume: text, Resumed: resumed,
		Role: s.role, Bound: s.state() == stateBound, ICE: ice,
	}
}

// detach is the end of k. The session waits for the next socket, unless it has one already.
func (h *Hub) detach(s *Session, k *socket) {
	h.section(func() {
		if s.sock != k || h.closed {
			return
		}
		h.withdrawAsks(s, nil)
		s.sock = nil
		s.away++
		s.lost = time.Now()
		epoch := s.away
		s.expiry = h.after(h.timing.grace, func(o *outside) {
			if s.away == epoch {
				h.expire(o, s)
			}
		})
		if s.seat != nil {
			h.touch(s.seat.room)
		}
		if s.held != nil {
			h.touch(s.held.room)
		}
	})
}

// expire ends a session whose socket did not come back, and the room of a caster unless an encoder casts in it.
func (h *Hub) expire(o *outside, s *Session) {
	if s.seat != nil && s.seat.role == roleCaster {
		if r := s.seat.room; r.encoder == nil {
			h.endRoom(o, r, endedGone)
		} else {
			s.seat.departed()
			s.seat, r.caster = nil, nil
			h.leaveMedia(o, s)
			h.touch(r)
		}
	}
	h.forget(o, s)
}

// forget removes a session from everywhere. A caster has to have lost its room before.
func (h *Hub) forget(o *outside, s *Session) {
	s.stopTimers()
	h.withdrawAsks(s, nil)
	if s.seat != nil {
		h.vacate(o, s)
	}
	h.unhold(s)
	if s.guest != nil {
		h.closeResource(s.guest)
	}
	if s.display != nil {
		h.closeDisplay(s)
	}
	delete(h.sessions, s.peer)
	o.add(func() { h.cfg.Gone(s.peer) })
	delete(h.resumes, s.resume)
	s.away++
	s.role = roleIdle
	s.cancel()
}

// leaveMedia closes the connection of s in the media plane, later.
func (h *Hub) leaveMedia(o *outside, s *Session) {
	h.unsettle(s)
	o.add(func() {
		defer h.section(func() { h.settle(s) })
		defer h.caught("Media.Leave")
		h.cfg.Media.Leave(s.peer)
	})
}

// unsettle marks that a call is on its way which may close the connection of s.
func (h *Hub) unsettle(s *Session) {
	if s.leaving == 0 {
		s.settled = make(chan struct{})
	}
	s.leaving++
}

// settle marks that such a call has returned.
func (h *Hub) settle(s *Session) {
	s.leaving--
	if s.leaving == 0 {
		close(s.settled)
		s.settled = nil
	}
}

// awaitSettled waits until no call is on its way that may close the connection of s.
func (h *Hub) awaitSettled(ctx context.Context, s *Session) error {
	for {
		var settled chan struct{}
		h.section(func() { settled = s.settled })
		if settled == nil {
			return nil
		}
		select {
		case <-settled:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (h *Hub) isDraining() (yes bool) {
	h.section(func() { yes = h.draining })
	return yes
}

func errDraining() *Error { return refuse(CodeDraining, "the server is leaving") }

// refuseRequest answers a request with an error, and closes the socket where the protocol says so.
func (k *socket) refuseRequest(re uint64, e *Error) {
	k.refuse(re, e)
	if e.code == CodeDraining {
		k.shut(websocket.CloseServiceRestart, dropDraining, "server is leaving")
	}
}
