package signal

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestResume(t *testing.T) {
	st := newStage(t, options{})
	tv, code := st.display("Hall 1")
	caster, created := st.caster()
	viewer := st.viewer(roomCode(created))

	// An idle display gets its code again.
	tv.hangUp()
	st.away(tv)
	back := st.connect("")
	back.send(message{"type": "hello", "version": 1, "resume": tv.resume})
	welcome := back.want("welcome")
	if welcome["resumed"] != true || welcome["role"] != "display" || welcome["bound"] != false || welcome["peer"] != tv.peer {
		t.Fatalf("welcome %v", welcome)
	}
	if welcome["resume"] == tv.resume {
		t.Fatal("the token was not renewed")
	}
	back.note(welcome)
	if got := back.want("code"); got["code"] != code || got["expires"].(float64) > 600_000 {
		t.Fatalf("code %v, want %s", got, code)
	}

	// A bound one, a viewer and a caster get the room.
	caster.granted("added", message{"type": "add", "code": code})
	back.want("bound")
	for _, c := range []struct {
		c    *client
		role string
	}{{back, "display"}, {viewer, "viewer"}, {caster, "caster"}} {
		c.c.hangUp()
		st.away(c.c)
		again := st.connect("")
		again.send(message{"type": "hello", "version": 1, "resume": c.c.resume, "id": 5})
		welcome := again.want("welcome")
		if welcome["resumed"] != true || welcome["role"] != c.role || welcome["bound"] != (c.role == "display") || welcome["re"] != 5.0 {
			t.Fatalf("%s: welcome %v", c.role, welcome)
		}
		room := inner(again.want("room"), "room")
		if (room["code"] != nil) != (c.role == "caster") || room["viewers"] != 1.0 || room["displays"] != 1.0 {
			t.Fatalf("%s: room %v", c.role, room)
		}
	}
	if got := st.media.calls(""); len(got) > 0 {
		t.Fatalf("media was touched: %q", got)
	}

	// The old tokens are used up.
	other := st.enter(message{"resume": viewer.resume})
	if other.peer == viewer.peer {
		t.Fatal("a token resumed twice")
	}
}

// A session that is resumed while its old socket still hangs: the old one is closed with 4409 and changes nothing
// any more.
func TestResumeElsewhere(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	_ = caster
	viewer := st.viewer(roomCode(created))
	again := st.enter(message{"resume": viewer.resume})
	if again.peer != viewer.peer {
		t.Fatal("not resumed")
	}
	viewer.closed(4409)
	again.granted("ok", message{"type": "leave"})
	if c := st.hub.Counts(); c.Drops[dropReplaced] != 1 || c.Sessions != 2 {
		t.Fatalf("counts %+v", c)
	}
}

// welcome waits for the request that the old socket left in work, so that what it says still holds after it.
func TestResumeWaitsForTheRequestInWork(t *testing.T) {
	st := newStage(t, options{})
	_, created := st.caster()
	viewer := st.enter()
	join := offer("join", "gate")
	join["code"] = roomCode(created)
	viewer.send(join)
	<-st.media.arrived
	again := st.connect("")
	again.send(message{"type": "hello", "version": 1, "resume": viewer.resume})
	st.media.gate <- struct{}{}
	if welcome := again.want("welcome"); welcome["role"] != "viewer" {
		t.Fatalf("welcome %v", welcome)
	}
	again.want("room")
	viewer.closed(4409)
}

// A caster's page is reloaded: the old socket closes, the new page has a new session and the ticket.
func TestReloadTakeover(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	caster.granted("published", offer("publish", "screen"))
	st.goLive(created)
	viewer := st.viewer(roomCode(created))
	caster.granted("ok", message{"type": "status", "frozen": true})
	caster.hangUp()
	viewer.room("away")

	page := st.enter()
	again := page.granted("created", message{"type": "create", "ticket": created["ticket"]})
	room := inner(again, "room")
	if room["id"] != inner(created, "room")["id"] || roomCode(again) != roomCode(created) || room["state"] != "away" {
		t.Fatalf("created %v after %v", again, created)
	}
	sameMembers(t, room, " viewer connecting")
	page.granted("published", offer("publish", "screen"))
	viewer.room("live") // and not frozen: a new page does not stand still
	id := text(room["id"])
	if got := st.media.calls(""); !slices.Equal(got, []string{
		"publish " + id + " " + caster.peer, "leave " + caster.peer, "publish " + id + " " + page.peer,
	}) {
		t.Fatalf("media plane was told %q", got)
	}

	// The second page is still there when a third comes.
	third := st.enter()
	third.granted("created", message{"type": "create", "ticket": again["ticket"]})
	if got := page.until("ended"); got["reason"] != "replaced" {
		t.Fatalf("ended %v", got)
	}
	page.refused(CodeBadState, offer("publish", "screen"))
	page.granted("opened", message{"type": "open"})
	third.granted("ok", message{"type": "end"})
	viewer.until("ended")
}

func TestReloadedViewerKeepsItsPlace(t *testing.T) {
	st := newStage(t, options{config: func(c *Config) { c.Capacity = 1 }})
	caster, created := st.caster()
	viewer := st.enter(message{"name": "Bob"})
	joined := viewer.granted("joined", message{"type": "join", "code": roomCode(created)})
	other := st.enter()
	other.refused(CodeRoomFull, message{"type": "join", "ticket": joined["ticket"]}) // while Bob is there
	viewer.hangUp()
	st.away(viewer)
	other.refused(CodeRoomFull, message{"type": "join", "code": roomCode(created)})
	again := st.enter(message{"name": "Bob, reloaded"})
	again.granted("joined", message{"type": "join", "ticket": joined["ticket"]})
	room := caster.until("room", func(m message) bool {
		list := inner(m, "room")["members"].([]any)
		return len(list) == 1 && list[0].(map[string]any)["name"] == "Bob, reloaded"
	})
	sameMembers(t, inner(room, "room"), "Bob, reloaded viewer connecting")
	if got := st.media.calls("leave"); !slices.Equal(got, []string{"leave " + viewer.peer}) {
		t.Fatalf("media plane was told %q", got)
	}
}

func TestReloadedDisplayKeepsNameAndPlace(t *testing.T) {
	st := newStage(t, options{})
	tv := st.enter()
	opened := tv.granted("opened", message{"type": "open", "name": "Hall 1"})
	caster, created := st.caster()
	_ = created

	// A second page with the same ticket while the first is there is another display of that name.
	twin := st.enter()
	if got := twin.granted("opened", message{"type": "open", "ticket": opened["ticket"]}); got["name"] != "Hall 1" {
		t.Fatalf("opened %v", got)
	}
	caster.granted("added", message{"type": "add", "code": opened["code"]})
	tv.until("bound")
	tv.hangUp()
	st.away(tv)
	page := st.enter()
	again := page.granted("opened", message{"type": "open", "ticket": opened["ticket"]})
	if again["name"] != "Hall 1" || again["code"] == opened["code"] {
		t.Fatalf("opened %v", again)
	}
	if got := inner(page.want("bound"), "room"); got["displays"] != 1.0 {
		t.Fatalf("bound %v", got)
	}
	page.granted("watching", offer("watch", "tv"))
	if lost := st.enter(message{"resume": tv.resume}); lost.peer == tv.peer {
		t.Fatal("the old session is still there")
	}
}

// Two pages with one ticket at the same time are two viewers.
func TestTicketOfAPresentViewer(t *testing.T) {
	st := newStage(t, options{})
	_, created := st.caster()
	viewer := st.enter()
	joined := viewer.granted("joined", message{"type": "join", "code": roomCode(created)})
	again := st.enter().granted("joined", message{"type": "join", "ticket": joined["ticket"]})
	if inner(again, "room")["viewers"] != 2.0 {
		t.Fatalf("joined %v", again)
	}
	viewer.granted("pong", message{"type": "ping"})
}

// A server with the same key that knows nothing any more: casters bring rooms back, viewers wait for them.
func TestRestart(t *testing.T) {
	st := newStage(t, options{})
	tv := st.enter()
	opened := tv.granted("opened", message{"type": "open", "name": "Hall 1"})
	_, created := st.caster()
	joined := st.enter().granted("joined", message{"type": "join", "code": roomCode(created)})
	st.hub.Close()
	tv.closed(1001)

	st = newStage(t, options{})
	if got := st.enter().granted("opened", message{"type": "open", "ticket": opened["ticket"]}); got["name"] != "Hall 1" {
		t.Fatalf("opened %v", got)
	}
	viewer := st.enter()
	viewer.refused(CodeNotLive, message{"type": "join", "ticket": joined["ticket"]})
	again := st.enter().granted("created", message{"type": "create", "ticket": created["ticket"]})
	id := text(inner(created, "room")["id"])
	if inner(again, "room")["id"] != id || roomCode(again) != roomCode(created) {
		t.Fatalf("created %v, was %v", again, created)
	}
	viewer.granted("joined", message{"type": "join", "ticket": joined["ticket"]})

	st = newStage(t, options{config: func(c *Config) { c.Key = append([]byte{1}, testKey...) }})
	st.enter().refused(CodeAuth, message{"type": "create", "ticket": created["ticket"]})
	st.enter().refused(CodeAuth, message{"type": "join", "ticket": joined["ticket"]})
	st.enter().refused(CodeAuth, message{"type": "open", "ticket": opened["ticket"]})
}

// A room that was ended may come back by its ticket. The media plane then knows it by another name, so that the
// end of the old cast, which may take a while, does not hit the new one.
func TestRoomComesBackByTicket(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	caster.granted("ok", message{"type": "end"})
	again := caster.granted("created", message{"type": "create", "ticket": created["ticket"]})
	if roomCode(again) != roomCode(created) {
		t.Fatalf("created %v, was %v", again, created)
	}
	caster.granted("published", offer("publish", "screen"))
	id := text(inner(created, "room")["id"])
	end, publish := st.media.calls("end"), st.media.calls("publish")
	if !slices.Equal(end, []string{"end " + id}) || len(publish) != 1 || !strings.HasPrefix(publish[0], "publish "+id+".") {
		t.Fatalf("media plane was told %q, %q", end, publish)
	}
	st.hub.CastChanged(strings.Fields(publish[0])[1], true, nil)
	caster.room("live")
}

func TestOpenServer(t *testing.T) {
	st := newStage(t, options{config: func(c *Config) { c.Open = true }})
	viewer := st.enter()
	viewer.refused(CodeNotLive, message{"type": "join", "room": "Physics"})
	caster := st.enter()
	created := caster.granted("created", message{"type": "create", "room": " Physics "})
	if inner(created, "room")["name"] != "Physics" {
		t.Fatalf("created %v", created)
	}
	joined := viewer.granted("joined", message{"type": "join", "room": "physics"})
	if inner(joined, "room")["name"] != "Physics" {
		t.Fatalf("joined %v", joined)
	}
	second := st.enter()
	second.refused(CodeAlreadyCasting, message{"type": "create", "room": "physics"})
	caster.hangUp()
	st.away(caster)
	taken := second.granted("created", message{"type": "create", "room": "PHYSICS"}) // nobody casts: it is anybody's
	if inner(taken, "room")["id"] != inner(created, "room")["id"] {
		t.Fatalf("created %v", taken)
	}
	second.granted("ok", message{"type": "end"})
	viewer.until("ended")
	viewer.refused(CodeNotLive, message{"type": "join", "room": "physics"})

	// The name has another room by the time the first caster comes back.
	third := st.enter()
	third.granted("created", message{"type": "create", "room": "physics"})
	st.enter().refused(CodeAlreadyCasting, message{"type": "create", "ticket": created["ticket"]})
}

func TestNamesNeedOpen(t *testing.T) {
	st := newStage(t, options{})
	c := st.enter()
	c.refused(CodeBadMessage, message{"type": "create", "room": "physics"})
	c.refused(CodeBadMessage, message{"type": "join", "room": "physics"})
}

// Displays come back to their room after a restart, whoever is first.
func TestRestartBringsDisplaysBack(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	before := map[string]message{}
	for _, name := range []string{"early", "late", "removed"} {
		tv, code := st.display(name)
		added := caster.granted("added", message{"type": "add", "code": code})
		bound := tv.want("bound")
		before[name] = message{"type": "open", "ticket": tv.ticket, "seat": bound["seat"]}
		if name == "removed" {
			caster.granted("ok", message{"type": "remove", "peer": added["peer"]})
		}
	}
	delete(before["removed"], "seat") // its page has dropped it with `ended`
	st.hub.Close()

	st = newStage(t, options{})
	early := st.enter()
	early.granted("opened", before["early"])
	removed := st.enter()
	removed.granted("opened", before["removed"])
	caster = st.enter()
	again := caster.granted("created", message{"type": "create", "ticket": created["ticket"]})
	early.want("bound")
	late := st.enter()
	opened := late.granted("opened", before["late"])
	late.want("bound")
	caster.until("room", func(m message) bool { return inner(m, "room")["displays"] == 2.0 })
	if roomCode(again) != roomCode(created) {
		t.Errorf("the room has code %s, had %s", roomCode(again), roomCode(created))
	}
	st.enter().refused(CodeUnknown, message{"type": "look", "code": opened["code"]}) // spent by the seat
	forged := st.enter()
	forged.granted("opened", message{"type": "open", "seat": before["late"]["seat"]})
	if room := forged.ask(message{"type": "leave"}); room["type"] != "ok" {
		t.Errorf("a display with the seat of another one was told %v", room)
	}
}

func TestSeatsAreKeptForTheFirstMinuteOnly(t *testing.T) {
	bubble(t, options{}, func(_ *testing.T, st *stage) {
		tv, code := st.display("Hall 1")
		caster, created := st.caster()
		caster.granted("added", message{"type": "add", "code": code})
		seat := tv.want("bound")["seat"]
		caster.granted("ok", message{"type": "end"})
		tv.until("code")
		tv.granted("ok", message{"type": "leave"})
		tv.granted("opened", message{"type": "open", "ticket": tv.ticket, "seat": seat})
		time.Sleep(61 * time.Second)
		caster.granted("created", message{"type": "create", "ticket": created["ticket"]})
		tv.granted("pong", message{"type": "ping"}) // and no "bound" before it
	})
}
