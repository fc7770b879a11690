package signal

import (
	"encoding/json"
	"log/slog"
	"net/netip"
	"testing"
)

// crowd is some sessions without a network, for a fuzzer that plays all of them.
type crowd struct {
	t        *testing.T
	hub      *Hub
	sessions []*Session
	known    map[string]string // the newest ticket, code, link and peer that anybody was told
}

func newCrowd(t *testing.T, n int) *crowd {
	t.Helper()
	config := Config{Media: newFakeMedia(), Key: testKey, Capacity: 3, Log: slog.New(slog.DiscardHandler)}
	hub, err := newHub(config, protocolTiming, serverBounds)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hub.Close)
	c := &crowd{t: t, hub: hub, known: map[string]string{}}
	for range n {
		s := hub.newSession(newID("p_"), "somebody")
		hub.section(func() { hub.sessions[s.peer] = s })
		c.sessions = append(c.sessions, s)
		c.arrive(s)
	}
	return c
}

// arrive gives a session a socket, if it still is one.
func (c *crowd) arrive(s *Session) {
	k := newSocket(c.hub, netip.MustParseAddr("192.0.2.1"), "cast.test")
	c.hub.section(func() {
		if c.hub.sessions[s.peer] == s && s.sock == nil {
			s.sock, k.session = k, s
		}
	})
}

// ask lets a session send a message, and reads what it is told.
func (c *crowd) ask(s *Session, kind string, m request) {
	k := s.sock
	if k == nil || m.check() != "" {
		return
	}
	c.hub.serve(s, k, 1, verbs[kind], m)
	for _, s := range c.sessions {
		for s.sock != nil && len(s.sock.queue) > 0 {
			c.learn(<-s.sock.queue)
		}
	}
}

func (c *crowd) learn(frame []byte) {
	var m struct {
		Type, Code, Ticket string
		Room               struct {
			Code, Link string
			Lobby      []struct{ Peer string }
			Members    []struct{ Peer string }
		}
	}
	if err := json.Unmarshal(frame, &m); err != nil {
		c.t.Fatalf("%s: %v", frame, err)
	}
	if m.Type == "error" && m.Code == CodeInternal {
		c.t.Fatalf("a fault of the hub: %s", frame)
	}
	peer := ""
	for _, p := range append(m.Room.Members, m.Room.Lobby...) {
		peer = p.Peer
	}
	for name, value := range map[string]string{"ticket " + m.Type: m.Ticket, "code": m.Room.Code, "link": m.Room.Link, "peer": peer} {
		if value != "" {
			c.known[name] = value
		}
	}
}

// play does one step that three bytes choose.
func (c *crowd) play(op, who, arg byte) {
	s := c.sessions[int(who)%len(c.sessions)]
	yes, number, pin := arg%2 == 1, int(arg%4), []string{"", "4711", "0815"}[arg%3]
	later := int64(number) * 1000
	switch op % 14 {
	case 0:
		c.ask(s, "create", &createRequest{Ticket: c.known[[]string{"", "ticket created", "ticket settings", "ticket rotated"}[number]]})
	case 1:
		c.ask(s, "join", &joinRequest{Code: c.known["code"], PIN: pin})
	case 2:
		c.ask(s, "join", &joinRequest{Link: c.known["link"], PIN: pin, Offer: "x", Slots: map[string]string{"0": "screen"}})
	case 3:
		c.ask(s, "join", &joinRequest{Ticket: c.known[[]string{"ticket joined", "ticket waiting", "ticket admitted"}[arg%3]], PIN: pin})
	case 4:
		c.ask(s, "settings", &settingsRequest{Waiting: &yes})
	case 5:
		c.ask(s, "settings", &settingsRequest{Locked: &yes, PIN: &pin})
	case 6:
		c.ask(s, "settings", &settingsRequest{Capacity: &number, Starts: &later})
	case 7:
		c.ask(s, "rotate", &rotateRequest{Code: yes, Link: number > 1})
	case 8:
		c.ask(s, "admit", &admitRequest{All: true, Allow: &yes})
	case 9:
		c.ask(s, "admit", &admitRequest{Peer: c.known["peer"], Allow: &yes})
	case 10:
		c.ask(s, "remove", &removeRequest{Peer: c.known["peer"]})
	case 11:
		c.ask(s, "leave", &leaveRequest{})
	case 12:
		c.ask(s, []string{"end", "open"}[arg%2], []request{&endRequest{}, &openRequest{}}[arg%2])
	default:
		if k := s.sock; k != nil {
			c.hub.detach(s, k)
		} else {
			c.arrive(s)
		}
	}
}

// check looks whether everybody is in one place, and nothing is left of what has ended.
func (c *crowd) check() {
	h, t := c.hub, c.t
	h.section(func() {
		seats, waiting := 0, 0
		for _, r := range h.rooms {
			for _, p := range r.lobby {
				if p.session.held != p || p.session.role != roleWaiting || p.room != r || p.session.seat != nil {
					t.Fatalf("in the lobby: %+v", p)
				}
			}
			for _, p := range r.seats {
				if p.session.seat != p || p.room != r || p.session.held != nil || p.session.role != roleViewer {
					t.Fatalf("in a seat: %+v", p)
				}
			}
			if h.links[hashToken(r.rules.Link)] != r {
				t.Fatalf("room %s has no link", r.id)
			}
			if found := h.codes.active[h.codes.hash(r.code)]; found.room != r {
				t.Fatalf("room %s has no code", r.id)
			}
			seats, waiting = seats+len(r.seats), waiting+len(r.lobby)
		}
		for _, s := range h.sessions {
			switch s.state() {
			case stateViewer:
				seats--
			case stateWaiting:
				waiting--
			case stateIdle:
				if s.seat != nil || s.held != nil {
					t.Fatalf("idle: %+v", s)
				}
			}
		}
		showing := 0
		for _, n := range h.unbound {
			showing += n
		}
		if seats != 0 || waiting != 0 || len(h.links) != len(h.rooms) || showing != h.showing || len(h.codes.active) != len(h.rooms)+h.showing {
			t.Fatalf("%d seats and %d waiting too many, %d rooms, %d links, %d codes, %d and %d displays", seats, waiting, len(h.rooms), len(h.links), len(h.codes.active), showing, h.showing)
		}
	})
}

// FuzzRooms plays four people who come, guard a room, wait, let in, send away, drop and come back, in any order.
func FuzzRooms(f *testing.F) {
	f.Add([]byte{0, 0, 0, 4, 0, 1, 1, 1, 0, 1, 2, 0, 8, 0, 1, 13, 1, 0, 3, 3, 2, 12, 0, 0})
	f.Add([]byte{0, 0, 0, 5, 0, 1, 1, 1, 1, 5, 0, 4, 1, 1, 1, 2, 2, 1, 7, 0, 3, 3, 3, 0, 0, 1, 2, 6, 0, 1, 10, 0, 0})
	f.Add([]byte{0, 0, 0, 6, 0, 3, 1, 1, 0, 2, 2, 0, 13, 1, 0, 9, 0, 1, 3, 3, 1, 9, 0, 0, 3, 3, 1, 13, 1, 0, 11, 1, 0, 12, 2, 1})
	f.Fuzz(func(t *testing.T, steps []byte) {
		c := newCrowd(t, 4)
		for ; len(steps) >= 3 && len(steps) < 600; steps = steps[3:] {
			c.play(steps[0], steps[1], steps[2])
			c.check()
		}
	})
}
