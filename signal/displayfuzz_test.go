package signal

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"testing"
)

// hall is some sessions without a network, for a fuzzer that plays displays and casters.
type hall struct {
	t        *testing.T
	hub      *Hub
	sessions []*Session
	known    map[string]string // the newest code, request, group, peer and caster that anybody was told
}

func newHall(t *testing.T, n int) *hall {
	t.Helper()
	limits := serverBounds
	limits.devices = 3
	hub, err := newHub(Config{Media: newFakeMedia(), Key: testKey, Capacity: 3, Log: slog.New(slog.DiscardHandler)}, protocolTiming, limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hub.Close)
	c := &hall{t: t, hub: hub, known: map[string]string{}}
	c.sessions = make([]*Session, n)
	for who := range c.sessions {
		c.arrive(who)
	}
	return c
}

// arrive gives the who-th session a socket, and makes a new one of it when it has ended.
func (c *hall) arrive(who int) *Session {
	who %= len(c.sessions)
	s := c.sessions[who]
	k := newSocket(c.hub, netip.MustParseAddr("192.0.2.1"), "cast.test")
	c.hub.section(func() {
		if s == nil || c.hub.sessions[s.peer] != s {
			s = c.hub.newSession(newID("p_"), "somebody")
			c.hub.sessions[s.peer] = s
		}
		if s.sock == nil {
			s.sock, k.session = k, s
		}
	})
	c.sessions[who] = s
	return s
}

// ask lets a session send a message, and reads what everybody is told.
func (c *hall) ask(s *Session, kind string, m request) {
	k := s.sock
	if k == nil || m.check() != "" {
		return
	}
	c.hub.serve(s, k, 1, verbs[kind], m)
	for _, k := range append([]*Session{s}, c.sessions...) {
		for k != nil && k.sock != nil && len(k.sock.queue) > 0 {
			c.learn(<-k.sock.queue)
		}
	}
}

func (c *hall) learn(frame []byte) {
	var m struct {
		Type, Code, Ticket, Request, Peer string
		Groups                            []struct{ ID string }
		Allowed                           []struct{ ID string }
	}
	if err := json.Unmarshal(frame, &m); err != nil {
		c.t.Fatalf("%s: %v", frame, err)
	}
	if m.Type == "error" {
		if m.Code == CodeInternal {
			c.t.Fatalf("a fault of the hub: %s", frame)
		}
		return
	}
	for name, value := range map[string]string{"code": m.Code, "ticket " + m.Type: m.Ticket, "request": m.Request, "peer": m.Peer} {
		if value != "" {
			c.known[name] = value
		}
	}
	for _, g := range m.Groups {
		c.known["group"] = g.ID
	}
	for _, a := range m.Allowed {
		c.known["caster"] = a.ID
	}
}

// play does one step that three bytes choose.
func (c *hall) play(op, who, arg byte) {
	s := c.arriveIfGone(int(who))
	yes, number := arg%2 == 1, int(arg%4)
	key := ""
	if number > 0 {
		key = keyOf(fmt.Sprint("key", number))
	}
	approval := []string{approveNever, approveUnknown, approveAlways, approveUnknown}[number]
	switch op % 16 {
	case 0, 1:
		c.ask(s, "open", &openRequest{Key: key, Ticket: c.known[[]string{"", "ticket opened"}[arg%2]]})
	case 2:
		c.ask(s, "configure", &configureRequest{deviceChange{Approval: &approval, Sound: &yes, Width: &number}})
	case 3:
		c.ask(s, "create", &createRequest{Key: key})
	case 4:
		c.ask(s, "create", &createRequest{Key: key, Code: c.known["code"]})
	case 5:
		c.ask(s, "create", &createRequest{Key: key, Code: c.known["code"], Ticket: c.known["ticket created"]})
	case 6, 7:
		c.ask(s, "add", &addRequest{Code: c.known["code"]})
	case 8:
		c.ask(s, "add", &addRequest{Group: c.known["group"]})
	case 9, 10:
		c.ask(s, "decide", &decideRequest{Request: c.known["request"], Allow: &yes, Always: number > 1})
	case 11:
		c.ask(s, []string{"cancel", "end"}[arg%2], []request{&cancelRequest{}, &endRequest{}}[arg%2])
	case 12:
		c.ask(s, "group", &groupRequest{Name: []string{"a", "b"}[arg%2]})
	case 13:
		c.ask(s, []string{"ungroup", "display", "forget", "remove"}[number], []request{
			&ungroupRequest{Group: c.known["group"]}, &displayRequest{Sound: &yes, Identify: true}, &forgetRequest{Caster: c.known["caster"]},
			&removeRequest{Peer: c.known["peer"]},
		}[number])
	case 14:
		c.ask(s, "leave", &leaveRequest{})
	default:
		if k := s.sock; k != nil {
			c.hub.detach(s, k)
		} else {
			c.arrive(int(who))
		}
	}
}

// arriveIfGone is the who-th session, a new one if it has been forgotten.
func (c *hall) arriveIfGone(who int) *Session {
	s, gone := c.sessions[who%len(c.sessions)], false
	c.hub.section(func() { gone = s == nil || c.hub.sessions[s.peer] != s })
	if gone {
		return c.arrive(who)
	}
	return s
}

// check looks whether questions have two sides, displays one session, and nothing is left of what has ended.
func (c *hall) check() {
	h, t := c.hub, c.t
	h.section(func() {
		showing := 0
		for _, s := range h.sessions {
			for _, a := range s.asks {
				if a.caster != s || a.turn == nil || a.turn.sock != s.sock || a.display.display == nil || a.display.display.prompt != a {
					t.Fatalf("asks nobody: %+v", a)
				}
			}
			d := s.display
			if (d != nil) != (s.role == roleDisplay) {
				t.Fatalf("is %s and has %+v", s.role, d)
			}
			if d == nil {
				continue
			}
			if h.displays[d.device.ID] != s || (d.code == "") != (s.seat != nil) {
				t.Fatalf("display %+v is not where it should be", d.device)
			}
			if d.code != "" {
				showing++
			}
			if a := d.prompt; a != nil && (a.display != s || a.why == askCast && (s.seat != nil || !slices.Contains(a.caster.asks, a))) {
				t.Fatalf("nobody asks: %+v", a)
			}
			if d.device.kept != (h.devices[d.device.ID] == d.device) {
				t.Fatalf("kept: %+v", d.device)
			}
		}
		for id, s := range h.displays {
			if h.sessions[s.peer] != s || s.display.device.ID != id {
				t.Fatalf("display %s has no session", id)
			}
		}
		for key, d := range h.keys {
			if h.devices[d.ID] != d || string(d.Key) != string(key[:]) {
				t.Fatalf("key of %+v", d)
			}
		}
		for _, g := range h.groups {
			for _, id := range g.Displays {
				if h.devices[id] == nil {
					t.Fatalf("group %+v holds a stranger", g)
				}
			}
		}
		if len(h.keys) != len(h.devices) || len(h.devices) > h.bounds.devices || showing != h.showing {
			t.Fatalf("%d keys, %d devices, %d of %d codes", len(h.keys), len(h.devices), showing, h.showing)
		}
	})
}

// FuzzDisplays plays displays and casters who open, ask, decide, group, drop and come back, in any order.
func FuzzDisplays(f *testing.F) {
	f.Add([]byte{0, 0, 1, 2, 0, 1, 4, 1, 2, 9, 0, 3, 12, 1, 0, 11, 1, 1, 3, 1, 2, 8, 1, 0})
	f.Add([]byte{0, 0, 1, 2, 0, 2, 4, 1, 2, 15, 1, 0, 15, 1, 0, 4, 1, 2, 0, 2, 1, 9, 2, 3})
	f.Add([]byte{0, 0, 1, 0, 2, 2, 0, 3, 3, 3, 1, 1, 6, 1, 0, 12, 1, 0, 9, 3, 3, 13, 1, 0, 14, 3, 0, 0, 3, 0})
	f.Add([]byte{0, 0, 1, 2, 0, 2, 3, 1, 1, 6, 1, 0, 5, 2, 3, 11, 1, 0, 9, 0, 1, 15, 0, 0, 0, 2, 1})
	f.Fuzz(func(t *testing.T, steps []byte) {
		c := newHall(t, 4)
		for ; len(steps) >= 3 && len(steps) < 600; steps = steps[3:] {
			c.play(steps[0], steps[1], steps[2])
			c.check()
		}
	})
}
