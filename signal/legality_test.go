package signal

import (
	"fmt"
	"maps"
	"testing"
)

// legal is the table of docs/protocol.md, written once more: the states in which each message is legal.
var legal = map[string]state{
	"hello":     stateNew,
	"ping":      stateIdle | stateDisplay | stateBound | stateCaster | stateViewer | stateAsking | stateWaiting,
	"ice":       stateIdle | stateDisplay | stateBound | stateCaster | stateViewer | stateAsking | stateWaiting,
	"open":      stateIdle,
	"look":      stateIdle | stateCaster,
	"create":    stateIdle,
	"publish":   stateCaster,
	"unpublish": stateCaster,
	"status":    stateCaster,
	"add":       stateCaster,
	"remove":    stateCaster,
	"settings":  stateCaster,
	"rotate":    stateCaster,
	"admit":     stateCaster,
	"end":       stateCaster,
	"join":      stateIdle,
	"watch":     stateViewer | stateBound,
	"restart":   stateCaster | stateViewer | stateBound,
	"leave":     stateDisplay | stateBound | stateViewer | stateWaiting,
	"configure": stateDisplay | stateBound,
	"decide":    stateDisplay | stateBound,
	"forget":    stateDisplay | stateBound,
	"cancel":    stateAsking | stateCaster,
	"display":   stateCaster,
	"group":     stateCaster,
	"ungroup":   stateCaster,
	"groups":    stateCaster,
}

var stateNames = map[state]string{
	stateNew: "new", stateIdle: "idle", stateDisplay: "display", stateBound: "bound", stateCaster: "caster",
	stateViewer: "viewer", stateAsking: "asking", stateWaiting: "waiting",
}

// TestLegality sends every message in every state. What is refused leaves the session as it was, what is legal is
// answered with the type that the protocol names, and ends in the state that it names.
func TestLegality(t *testing.T) {
	st := newStage(t, options{config: func(c *Config) { c.Capacity = -1 }})
	host, created := st.caster()
	_, freeCode := st.display("free")
	doorkeeper, guarded := st.caster()
	doorkeeper.granted("settings", message{"type": "settings", "waiting": true})
	answers := map[string]string{
		"hello": "welcome", "ping": "pong", "ice": "ice", "open": "opened", "look": "found", "create": "created",
		"publish": "published", "unpublish": "ok", "status": "ok", "add": "added", "remove": "ok", "end": "ok", "join": "joined",
		"watch": "watching", "restart": "restarted", "leave": "ok", "settings": "settings", "rotate": "rotated", "admit": "ok",
		"configure": "ok", "decide": "ok", "forget": "ok", "cancel": "ok", "display": "ok", "group": "groups", "ungroup": "groups",
		"groups": "groups",
	}
	becomes := map[string]state{
		"hello": stateIdle, "open": stateDisplay, "create": stateCaster, "end": stateIdle, "join": stateViewer,
		"leave": stateIdle,
	}
	tvs, casters := 0, 0
	// keyed makes a display that remembers a caster, and is asked about another one, if it is asked for.
	keyed := func() *client {
		tvs++
		c, opened := st.keyed("tv", fmt.Sprint("tv", tvs))
		c.granted("ok", message{"type": "configure", "approval": "unknown"})
		friend := st.enter()
		prompt := asks(t, friend, c, message{"type": "create", "code": opened["code"], "key": keyOf("friend")})
		c.send(message{"type": "decide", "request": prompt["request"], "allow": true, "always": true})
		c.until("bound")
		friend.granted("ok", message{"type": "end"})
		c.until("code")
		return c
	}
	// bring makes a client in that state, and fresh what it may ask for: codes and peers of its own.
	bring := func(t *testing.T, in state) *client {
		t.Helper()
		switch in {
		case stateNew:
			return st.connect("")
		case stateDisplay:
			return keyed()
		case stateBound:
			c := keyed()
			c.granted("ok", message{"type": "configure", "approval": "never"})
			host.granted("added", message{"type": "add", "code": st.codeOf(c)})
			c.until("bound")
			return c
		case stateCaster:
			casters++
			c, _ := st.keyedCaster(fmt.Sprint("caster", casters))
			return c
		case stateAsking:
			tv, code := st.guarded(fmt.Sprint("guarded", st.hub.Counts().Kept), approveAlways)
			c := st.enter()
			asks(t, c, tv, message{"type": "create", "code": code})
			return c
		case stateViewer:
			return st.viewer(roomCode(created))
		case stateWaiting:
			return st.waiter(guarded)
		default:
			return st.enter()
		}
	}
	request := func(t *testing.T, kind string, c *client, in state) message {
		t.Helper()
		m := message{"type": kind}
		switch kind {
		case "hello":
			m["version"] = 1
		case "look":
			m["code"] = freeCode
		case "publish", "watch", "restart":
			maps.Copy(m, offer(kind, "sdp"))
		case "status":
			m["frozen"] = true
		case "settings":
			m["locked"] = true
		case "rotate":
			m["code"] = true
		case "admit":
			m["allow"], m["all"] = true, true
		case "add":
			_, code := st.display("more")
			m["code"] = code
		case "join":
			m["code"] = roomCode(created)
		case "configure":
			m["approval"] = "always"
		case "display":
			m["sound"] = true
		case "decide":
			m["request"], m["allow"] = "a_nothing", true
			if in == stateDisplay {
				asks(t, st.enter(), c, message{"type": "create", "code": st.codeOf(c), "key": keyOf("stranger")})
			}
			if in == stateBound {
				st.hub.section(func() { st.hub.prompt(askGroup, st.hub.sessions[host.peer], st.hub.sessions[c.peer], nil, nil) })
			}
			st.hub.section(func() {
				if s := st.hub.sessions[c.peer]; s != nil && s.display != nil {
					m["request"] = s.display.prompt.id
				}
			})
			m["allow"] = false // in these states it changes nothing
		case "forget":
			m["caster"] = "c_nobody"
			st.hub.section(func() {
				if s := st.hub.sessions[c.peer]; s != nil && s.display != nil {
					m["caster"] = s.display.device.Allowed[0].ID
				}
			})
		case "group", "ungroup":
			m["name"], m["group"] = "Halls", "g_nobody"
			if in == stateCaster {
				tvs++
				_, opened := st.keyed("more", fmt.Sprint("more", tvs))
				c.granted("added", message{"type": "add", "code": opened["code"]})
				if kind == "ungroup" {
					m["group"] = c.granted("groups", message{"type": "group", "name": "Halls"})["groups"].([]any)[0].(map[string]any)["id"]
				}
			}
		case "remove":
			m["peer"] = "p_nobody"
			if in == stateCaster {
				_, code := st.display("more")
				m["peer"] = c.granted("added", message{"type": "add", "code": code})["peer"]
			}
		}
		return m
	}
	if len(legal) != len(verbs) {
		t.Fatalf("the table has %d messages, the server knows %d", len(legal), len(verbs))
	}
	for kind, where := range legal {
		for in, name := range stateNames {
			t.Run(kind+" when "+name, func(t *testing.T) {
				c := bring(t, in)
				m := request(t, kind, c, in)
				after := in
				if where&in == 0 {
					c.refused(CodeBadState, m)
				} else {
					got := c.granted(answers[kind], m)
					if next, ok := becomes[kind]; ok {
						after = next
					}
					if kind == "cancel" && in == stateAsking {
						after = stateIdle
					}
					if kind == "hello" {
						c.note(got)
					}
				}
				if got := st.stateOf(c); got != after {
					t.Fatalf("is %s, want %s", stateNames[got], stateNames[after])
				}
			})
		}
	}
}

func (st *stage) stateOf(c *client) (in state) {
	in = stateNew
	st.hub.section(func() {
		if s := st.hub.sessions[c.peer]; s != nil {
			in = s.state()
		}
	})
	return in
}

// TestRefusedChangesNothing takes the refusals that could have done half of their work.
func TestRefusedChangesNothing(t *testing.T) {
	st := newStage(t, options{config: func(c *Config) { c.Capacity = 1 }})
	caster, created := st.caster()
	st.viewer(roomCode(created))
	_, code := st.display("Hall 1")
	caster.hangUp()
	st.away(caster)
	c := st.enter()
	for _, m := range []message{
		{"type": "create", "ticket": created["ticket"], "code": code}, // the room is full
		{"type": "create", "ticket": created["ticket"], "code": "1"},
		{"type": "create", "ticket": created["ticket"], "code": roomCode(created)},
		{"type": "create", "code": code, "ticket": "bad"},
		{"type": "open", "ticket": "bad"},
		{"type": "join", "code": roomCode(created)},
	} {
		if got := c.ask(m); got["type"] != "error" {
			t.Fatalf("%v: %v", m, got)
		}
		if got := st.stateOf(c); got != stateIdle {
			t.Fatalf("%v: is %s", m, stateNames[got])
		}
	}
	if back := st.enter(message{"resume": caster.resume}); back.peer != caster.peer || st.stateOf(back) != stateCaster {
		t.Fatal("the caster lost its room")
	}
	c.granted("created", message{"type": "create", "code": code}) // the code was not spent
}
