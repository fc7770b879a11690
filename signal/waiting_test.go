package signal

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func hasWaiting(n float64) func(message) bool {
	return func(m message) bool {
		got, _ := inner(m, "room")["waiting"].(float64)
		return got == n
	}
}

// inLobby compares a room's lobby with "name state" lines.
func inLobby(t *testing.T, room message, want ...string) {
	t.Helper()
	var got []string
	list, _ := room["lobby"].([]any)
	for _, m := range list {
		one, _ := m.(map[string]any)
		got = append(got, fmt.Sprintf("%v %v", one["name"], one["state"]))
	}
	if strings.Join(got, ",") != strings.Join(want, ",") {
		t.Fatalf("lobby %q, want %q", got, want)
	}
}

// TestWaitingRoom: who comes waits and is told nothing, the caster lets one in and sends one away.
func TestWaitingRoom(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	caster.granted("published", offer("publish", "screen"))
	st.goLive(created)
	before := st.viewer(roomCode(created)) // was there before, and stays
	caster.set(message{"waiting": true, "name": "Lecture 4"})

	look := st.enter().granted("found", message{"type": "look", "code": roomCode(created)})
	if look["name"] != "" || look["live"] != false {
		t.Fatalf("found %v tells what is behind the door", look)
	}
	ann := st.enterFrom("203.0.113.9", message{"name": "Ann"})
	join := offer("join", "ann")
	join["code"] = roomCode(created)
	waiting := ann.granted("waiting", join)
	if waiting["reason"] != "caster" || waiting["address"] != "203.0.113.9" || waiting["room"] != nil || text(waiting["ticket"]) == "" || waiting["starts"] != nil {
		t.Fatalf("waiting %v", waiting)
	}
	for _, secret := range []string{"Lecture", text(inner(created, "room")["id"]), roomCode(created)} {
		if strings.Contains(fmt.Sprint(waiting), secret) {
			t.Fatalf("%v tells %s", waiting, secret)
		}
	}
	bob := st.enterFrom("2001:db8:1:2::7", message{"name": "Bob"})
	bob.granted("waiting", message{"type": "join", "code": roomCode(created)})
	room := inner(caster.until("room", hasWaiting(2)), "room")
	inLobby(t, room, "Ann waiting", "Bob waiting")
	if room["viewers"] != 1.0 || room["lobby"].([]any)[1].(map[string]any)["address"] != "2001:db8:1:2::7" {
		t.Fatalf("room %v", room)
	}
	if got := st.media.calls("watch"); len(got) > 0 {
		t.Fatalf("somebody in the lobby has media: %q", got)
	}
	if got := st.hub.Counts(); got.Waiting != 2 || got.Viewers != 1 {
		t.Fatalf("counts %+v", got)
	}
	for _, m := range []message{offer("watch", "ann"), {"type": "join", "code": roomCode(created)}, {"type": "settings", "waiting": false}} {
		ann.refused(CodeBadState, m)
	}
	before.refused(CodeBadState, message{"type": "admit", "all": true, "allow": true})

	caster.granted("ok", message{"type": "admit", "peer": ann.peer, "allow": true})
	admitted := ann.until("admitted")
	if inner(admitted, "room")["name"] != "Lecture 4" || inner(admitted, "room")["state"] != "live" || inner(admitted, "room")["lobby"] != nil {
		t.Fatalf("admitted %v", admitted)
	}
	ann.granted("watching", offer("watch", "ann"))
	caster.granted("ok", message{"type": "admit", "peer": bob.peer, "allow": false})
	if got := bob.until("ended"); got["reason"] != "denied" {
		t.Fatalf("ended %v", got)
	}
	bob.granted("pong", message{"type": "ping"}) // it is idle, and may ask again
	caster.refused(CodePeerUnknown, message{"type": "admit", "peer": bob.peer, "allow": true})
	caster.refused(CodePeerUnknown, message{"type": "admit", "peer": ann.peer, "allow": true})
	room = inner(caster.until("room", hasWaiting(0)), "room")
	if room["viewers"] != 2.0 {
		t.Fatalf("room %v", room)
	}

	// Who was let in comes back without waiting.
	ann.hangUp()
	st.away(ann)
	back := st.enter(message{"name": "Ann"})
	back.granted("joined", message{"type": "join", "ticket": admitted["ticket"]})
}

// TestLobbyComesBack: by resume, by ticket after a reload, and a declined ticket does not.
func TestLobbyComesBack(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	caster.set(message{"waiting": true})
	first, second := st.waiter(created), st.waiter(created)

	first.hangUp()
	st.away(first)
	caster.until("room", func(m message) bool { return strings.Contains(fmt.Sprint(m), "state:away") })
	resumed := st.connect("")
	resumed.send(message{"type": "hello", "version": 1, "resume": first.resume})
	if got := resumed.want("welcome"); got["resumed"] != true || got["role"] != "waiting" {
		t.Fatalf("welcome %v", got)
	}
	if got := resumed.want("waiting"); got["reason"] != "caster" || got["re"] != nil {
		t.Fatalf("waiting %v", got)
	}

	// A reload, whether or not the server has seen the old page go: the same place, and one of them.
	reloaded := st.enter()
	reloaded.granted("waiting", message{"type": "join", "ticket": first.ticket})
	if got := resumed.until("ended"); got["reason"] != "replaced" {
		t.Fatalf("ended %v", got)
	}
	var order []string
	st.hub.section(func() {
		for _, p := range st.hub.rooms[text(inner(created, "room")["id"])].lobby {
			order = append(order, p.session.peer)
		}
	})
	if fmt.Sprint(order) != fmt.Sprint([]string{reloaded.peer, second.peer}) {
		t.Fatalf("lobby %v", order)
	}

	// Let in while its page is away: it is told when it resumes, or comes with its ticket.
	reloaded.hangUp()
	st.away(reloaded)
	caster.granted("ok", message{"type": "admit", "peer": reloaded.peer, "allow": true})
	again := st.enter(message{"resume": reloaded.resume})
	again.want("admitted")
	again.granted("watching", offer("watch", "v"))
	again.hangUp()
	st.away(again)
	resumedViewer := st.enter(message{"resume": again.resume})
	resumedViewer.want("room") // it knows by now
	resumedViewer.granted("ok", message{"type": "leave"})
	st.enter().granted("joined", message{"type": "join", "ticket": first.ticket})

	caster.granted("ok", message{"type": "admit", "peer": second.peer, "allow": false})
	second.until("ended")
	second.refused(CodeDenied, message{"type": "join", "ticket": second.ticket})
	caster.granted("ok", message{"type": "remove", "peer": memberPeer(t, caster, 1)})
	st.enter().refused(CodeDenied, message{"type": "join", "ticket": first.ticket})
}

// memberPeer waits until a room has that many viewers and gives the first one.
func memberPeer(t *testing.T, caster *client, n float64) any {
	t.Helper()
	room := inner(caster.until("room", hasViewers(n)), "room")
	return room["members"].([]any)[0].(map[string]any)["peer"]
}

// TestLobbyIsBounded: everybody of a hall has a place, the next one does not, and the caster lets in as many as fit.
func TestLobbyIsBounded(t *testing.T) {
	st := newStage(t, options{config: func(c *Config) { c.Capacity = 2 }})
	caster, created := st.caster()
	caster.set(message{"waiting": true})
	first := st.waiter(created)
	st.hub.section(func() {
		r := st.hub.rooms[text(inner(created, "room")["id"])]
		for len(r.lobby) < maxLobby {
			s := st.hub.newSession(newID("p_"), "crowd")
			s.role = roleWaiting
			s.held = &held{room: r, session: s, holder: newID("v_"), why: heldForCaster}
			r.lobby = append(r.lobby, s.held)
			st.hub.sessions[s.peer] = s
		}
		st.hub.touch(r)
	})
	late := st.enter()
	late.refused(CodeRoomFull, message{"type": "join", "code": roomCode(created)})
	if got := st.stateOf(late); got != stateIdle {
		t.Fatalf("is %s", stateNames[got])
	}
	room := inner(caster.until("room", hasWaiting(maxLobby)), "room")
	if got := len(room["lobby"].([]any)); got != lobbyShown {
		t.Fatalf("%d shown", got)
	}
	caster.granted("ok", message{"type": "admit", "all": true, "allow": true})
	first.until("admitted")
	caster.until("room", hasWaiting(maxLobby-2))
	caster.refused(CodeRoomFull, message{"type": "admit", "all": true, "allow": true})
	caster.granted("ok", message{"type": "admit", "all": true, "allow": false})
	caster.until("room", hasWaiting(0))
	caster.granted("ok", message{"type": "admit", "all": true, "allow": false}) // nobody is there any more
}

// TestLobbyOpensAndEnds: switched off, all come in; ended, all are told.
func TestLobbyOpensAndEnds(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	caster.set(message{"waiting": true})
	in, gone := st.waiter(created), st.waiter(created)
	gone.granted("ok", message{"type": "leave"})
	caster.set(message{"waiting": false})
	in.until("admitted")
	if got := st.stateOf(gone); got != stateIdle {
		t.Fatalf("is %s", stateNames[got])
	}
	caster.set(message{"waiting": true})
	last := st.waiter(created)
	caster.granted("ok", message{"type": "end"})
	if got := last.until("ended"); got["reason"] != "ended" {
		t.Fatalf("ended %v", got)
	}
	if got := st.stateOf(last); got != stateIdle {
		t.Fatalf("is %s", stateNames[got])
	}
}

// TestOneTicketOnePage: where nobody comes in by itself, a ticket is not good for a second page.
func TestOneTicketOnePage(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	viewer := st.enter()
	joined := viewer.granted("joined", message{"type": "join", "code": roomCode(created)})
	caster.set(message{"locked": true})
	second := st.enter()
	second.granted("joined", message{"type": "join", "ticket": joined["ticket"]})
	if got := viewer.until("ended"); got["reason"] != "replaced" {
		t.Fatalf("ended %v", got)
	}
	if got := st.hub.Counts().Viewers; got != 1 {
		t.Fatalf("%d viewers", got)
	}
}

// TestScheduledOpening: early viewers learn when it opens, and come in by themselves then.
func TestScheduledOpening(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		caster, created := st.caster()
		set := caster.set(message{"starts": 60_000})
		if got := inner(set, "room")["starts"]; got != 60_000.0 {
			t.Fatalf("starts in %v", got)
		}
		early := st.enter()
		waiting := early.granted("waiting", message{"type": "join", "code": roomCode(created)})
		if waiting["reason"] != "starts" || waiting["starts"] != 60_000.0 {
			t.Fatalf("waiting %v", waiting)
		}
		time.Sleep(20 * time.Second)
		caster.set(message{"starts": 3_600_000}) // it is put off
		if got := early.until("waiting"); got["starts"] != 3_600_000.0 {
			t.Fatalf("waiting %v", got)
		}
		picked := st.waiter(created)
		caster.granted("ok", message{"type": "admit", "peer": picked.peer, "allow": true}) // may come in earlier
		picked.until("admitted")
		time.Sleep(time.Hour - time.Second)
		early.granted("pong", message{"type": "ping"})
		time.Sleep(time.Second)
		early.until("admitted")
		st.viewer(roomCode(created))
		if room := inner(caster.until("room", hasViewers(3)), "room"); room["starts"] != nil {
			t.Fatalf("room %v", room)
		}

		// With a waiting room the time opens the door to it, no more.
		caster.set(message{"starts": 5_000, "waiting": true})
		next := st.waiter(created)
		synctest.Wait()
		time.Sleep(5 * time.Second)
		if got := next.until("waiting"); got["reason"] != "caster" {
			t.Fatalf("waiting %v", got)
		}
	})
}
