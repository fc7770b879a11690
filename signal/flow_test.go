package signal

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// The flows of docs/protocol.md, each as the messages that cross the sockets.

func TestDisplayCast(t *testing.T) {
	st := newStage(t, options{})
	tv, code := st.display("Hall 1")
	if len(code) != 6 {
		t.Fatalf("code %q has not 6 digits", code)
	}
	caster := st.enter(message{"name": "Ann"})
	found := caster.granted("found", message{"type": "look", "code": code[:3] + " " + code[3:]})
	if found["kind"] != "display" || found["name"] != "Hall 1" || found["live"] != nil {
		t.Fatalf("found %v", found)
	}
	created := caster.granted("created", message{"type": "create", "code": code})
	room := inner(created, "room")
	if room["state"] != "waiting" || room["displays"] != 1.0 || len(roomCode(created)) != 9 || room["capacity"] != 500.0 {
		t.Fatalf("created %v", created)
	}
	sameMembers(t, room, "Hall 1 display connecting")

	bound := inner(tv.want("bound"), "room")
	if bound["id"] != room["id"] || bound["code"] != nil || bound["members"] != nil {
		t.Fatalf("bound %v: code and members are the caster's alone", bound)
	}
	if got := tv.granted("watching", offer("watch", "tv")); got["answer"] != "answer to tv" {
		t.Fatalf("watching %v", got)
	}
	if got := caster.granted("published", offer("publish", "screen")); got["answer"] != "answer to screen" {
		t.Fatalf("published %v", got)
	}
	st.goLive(created)
	if slots := inner(tv.room("live"), "slots"); slots["screen"] != "video/VP8" || len(slots) != 1 {
		t.Fatalf("slots %v", slots)
	}
	st.hub.PeerChanged(tv.peer, "connected")
	if got := tv.until("media"); got["state"] != "connected" {
		t.Fatalf("media %v", got)
	}
	live := caster.until("room", func(m message) bool {
		list := inner(m, "room")["members"].([]any)
		return list[0].(map[string]any)["state"] == "live"
	})
	sameMembers(t, inner(live, "room"), "Hall 1 display live")
	st.hub.PeerChanged(tv.peer, "unsupported") // it learns why it sees nothing, and its connection stands
	if got := tv.until("media"); got["state"] != "unsupported" {
		t.Fatalf("media %v", got)
	}

	caster.granted("ok", message{"type": "status", "frozen": true})
	tv.room("frozen")
	caster.granted("ok", message{"type": "status", "frozen": false})
	tv.room("live")

	caster.granted("ok", message{"type": "end"})
	if got := tv.until("ended"); got["reason"] != "ended" {
		t.Fatalf("ended %v", got)
	}
	next := tv.want("code")
	if next["code"] == code || next["expires"].(float64) < 590_000 {
		t.Fatalf("code %v after %s", next, code)
	}
	cast := text(room["id"])
	if got := st.media.calls("end"); !slices.Equal(got, []string{"end " + cast}) {
		t.Fatalf("media plane was told %q", got)
	}
	caster.granted("created", message{"type": "create", "code": text(next["code"])}) // both are free for the next
	tv.until("bound")
}

func TestRoomWatch(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	caster.granted("published", offer("publish", "screen"))
	st.goLive(created)

	viewer := st.enter(message{"name": "Bob"})
	found := viewer.granted("found", message{"type": "look", "code": roomCode(created)})
	if found["kind"] != "room" || found["live"] != true {
		t.Fatalf("found %v", found)
	}
	join := offer("join", "viewer")
	join["code"] = roomCode(created)
	joined := viewer.granted("joined", join)
	if joined["answer"] != "answer to viewer" || inner(joined, "room")["viewers"] != 1.0 || inner(joined, "room")["code"] != nil {
		t.Fatalf("joined %v", joined)
	}
	sameMembers(t, inner(caster.until("room", hasViewers(1)), "room"), "Bob viewer connecting")

	second := st.viewer(roomCode(created))
	viewer.until("room", hasViewers(2))
	second.granted("ok", message{"type": "leave"})
	viewer.until("room", hasViewers(1))
	if got := st.media.calls("leave"); !slices.Equal(got, []string{"leave " + second.peer}) {
		t.Fatalf("media plane was told %q", got)
	}
	second.granted("joined", message{"type": "join", "code": roomCode(created)})

	caster.granted("ok", message{"type": "remove", "peer": viewer.peer})
	if got := viewer.until("ended"); got["reason"] != "removed" {
		t.Fatalf("ended %v", got)
	}
	caster.refused(CodePeerUnknown, message{"type": "remove", "peer": viewer.peer})
	caster.refused(CodePeerUnknown, message{"type": "remove", "peer": caster.peer})
	viewer.refused(CodeAuth, message{"type": "join", "ticket": joined["ticket"]})
}

func hasViewers(n float64) func(message) bool {
	return func(m message) bool { return inner(m, "room")["viewers"] == n }
}

func TestSecondDisplay(t *testing.T) {
	st := newStage(t, options{})
	first, code := st.display("Hall 1")
	caster := st.enter()
	created := caster.granted("created", message{"type": "create", "code": code})
	first.want("bound")
	second, code2 := st.display("Hall 2")
	added := caster.granted("added", message{"type": "add", "code": code2})
	if added["peer"] != second.peer || added["name"] != "Hall 2" {
		t.Fatalf("added %v", added)
	}
	if got := inner(second.want("bound"), "room"); got["displays"] != 2.0 || got["id"] != inner(created, "room")["id"] {
		t.Fatalf("bound %v", got)
	}
	caster.granted("ok", message{"type": "remove", "peer": first.peer})
	if got := first.until("ended"); got["reason"] != "removed" {
		t.Fatalf("ended %v", got)
	}
	again := text(first.want("code")["code"])
	sameMembers(t, inner(caster.until("room", func(m message) bool { return inner(m, "room")["displays"] == 1.0 }), "room"),
		"Hall 2 display connecting")
	caster.granted("added", message{"type": "add", "code": again})
	first.until("bound")

	second.granted("ok", message{"type": "leave"})
	second.granted("opened", message{"type": "open"})
}

func TestSpentCodeIsUnknown(t *testing.T) {
	st := newStage(t, options{})
	_, code := st.display("Hall 1")
	st.enter().granted("created", message{"type": "create", "code": code})
	other := st.enter()
	other.refused(CodeUnknown, message{"type": "create", "code": code})
	other.refused(CodeUnknown, message{"type": "look", "code": code})

	gone, code := st.display("Hall 2")
	gone.granted("ok", message{"type": "leave"})
	other.refused(CodeUnknown, message{"type": "create", "code": code})
}

func TestCodeOfTheWrongKindIsUnknown(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	_, code := st.display("Hall 1")
	other := st.enter()
	if got := other.refused(CodeUnknown, message{"type": "create", "code": roomCode(created)}); got["tries"] != 29.0 {
		t.Fatalf("a room's code given to create: %v", got)
	}
	if got := other.refused(CodeUnknown, message{"type": "join", "code": code}); got["tries"] != 9.0 {
		t.Fatalf("a display's code given to join: %v", got)
	}
	caster.granted("added", message{"type": "add", "code": code}) // none of that has spent it
}

func TestFullRoom(t *testing.T) {
	st := newStage(t, options{config: func(c *Config) { c.Capacity = 2 }})
	caster, created := st.caster()
	first := st.viewer(roomCode(created))
	_, code := st.display("Hall 1")
	caster.granted("added", message{"type": "add", "code": code})
	late := st.enter()
	late.refused(CodeRoomFull, message{"type": "join", "code": roomCode(created)})
	_, code = st.display("Hall 2")
	caster.refused(CodeRoomFull, message{"type": "add", "code": code})
	first.granted("ok", message{"type": "leave"})
	caster.granted("added", message{"type": "add", "code": code}) // was not spent
	late.refused(CodeRoomFull, message{"type": "join", "code": roomCode(created)})
}

func TestNoCap(t *testing.T) {
	st := newStage(t, options{config: func(c *Config) { c.Capacity = -1 }})
	_, created := st.caster()
	if got := inner(created, "room")["capacity"]; got != 0.0 {
		t.Fatalf("capacity %v", got)
	}
	st.viewer(roomCode(created))
}

// A room that takes one viewer is not overbooked by two who wait for the media plane at the same time, and a
// place that the media plane refuses is free again.
func TestSeatWhileWaitingForTheAnswer(t *testing.T) {
	st := newStage(t, options{config: func(c *Config) { c.Capacity = 1 }})
	caster, created := st.caster()
	slow, other := st.enter(), st.enter()
	join := offer("join", "gate")
	join["code"] = roomCode(created)
	slow.send(join)
	<-st.media.arrived
	other.refused(CodeRoomFull, message{"type": "join", "code": roomCode(created)})
	caster.refused(CodePeerUnknown, message{"type": "remove", "peer": slow.peer})
	st.media.gate <- struct{}{}
	slow.want("joined")
	slow.granted("ok", message{"type": "leave"})

	join = offer("join", "refuse codec_unsupported")
	join["code"] = roomCode(created)
	if got := slow.refused(CodeCodecUnsupported, join); got["reason"] != "because" {
		t.Fatalf("reason %v", got)
	}
	other.granted("joined", message{"type": "join", "code": roomCode(created)})
	slow.granted("opened", message{"type": "open"}) // it is idle
}

func TestMediaErrors(t *testing.T) {
	st := newStage(t, options{timing: func(c *timing) { c.media = 50 * time.Millisecond }})
	caster, created := st.caster()
	caster.granted("published", offer("publish", "screen"))
	st.goLive(created)
	viewer := st.viewer(roomCode(created))
	viewer.granted("watching", offer("watch", "viewer"))
	for _, c := range []struct{ offer, code string }{
		{"refuse bad_offer", CodeBadOffer},
		{"refuse bad_sdp", CodeBadOffer},
		{"refuse codec_unsupported", CodeCodecUnsupported},
		{"refuse server_busy", CodeServerBusy},
		{"refuse not_live", CodeNotLive},
		{"refuse auth", CodeInternal}, // not for the media plane to say
		{"fail", CodeInternal},
		{"panic", CodeInternal},
		{"hang", CodeInternal},
	} {
		got := caster.refused(c.code, offer("publish", c.offer))
		if reason := text(got["reason"]); c.code == CodeInternal && !strings.Contains(st.log.String(), reason) || reason == "" {
			t.Errorf("%s: reference %q does not stand in the log", c.offer, reason)
		}
		if c.code == CodeServerBusy && got["wait"] != 5.0 {
			t.Errorf("wait is missing: %v", got)
		}
		viewer.refused(c.code, offer("watch", c.offer))
	}
	late := st.enter()
	joined := late.granted("joined", message{"type": "join", "code": roomCode(created)})
	if got := inner(joined, "room"); got["state"] != "live" || got["viewers"] != 2.0 {
		t.Fatalf("the room is not as it was: %v", got)
	}
	if got := st.media.calls("end"); len(got) > 0 {
		t.Fatalf("media plane was told %q", got)
	}
}

// A caster whose connection fails keeps its room: the viewers wait.
func TestCasterMediaFails(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	caster.granted("published", offer("publish", "screen"))
	st.goLive(created)
	viewer := st.viewer(roomCode(created))
	for _, end := range []string{"failed", "closed"} {
		st.hub.PeerChanged(caster.peer, end)
		viewer.room("away")
		caster.granted("published", offer("publish", "again"))
		viewer.room("live")
	}
	st.hub.CastChanged(text(inner(created, "room")["id"]), false, nil)
	if room := viewer.room("away"); len(inner(room, "slots")) != 0 {
		t.Fatalf("slots of a dead cast: %v", room)
	}
	st.goLive(created)
	viewer.room("live")
	st.hub.PeerChanged(viewer.peer, "disconnected")
	state := func(m message) bool {
		list := inner(m, "room")["members"].([]any)
		return list[0].(map[string]any)["state"] == "away"
	}
	caster.until("room", state)
	st.hub.PeerChanged(viewer.peer, "bored") // no state
	st.hub.PeerChanged("p_nobody", "failed")
	st.hub.CastChanged("r_nothing", true, nil)
}

// An offer that is refused leaves the connection that was there; one that is accepted begins a new one.
func TestWatchAgain(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	viewer := st.viewer(roomCode(created))
	viewer.granted("watching", offer("watch", "one"))
	st.hub.PeerChanged(viewer.peer, "connected")
	in := func(state string) func(message) bool {
		return func(m message) bool {
			list := inner(m, "room")["members"].([]any)
			return len(list) == 1 && list[0].(map[string]any)["state"] == state
		}
	}
	caster.until("room", in("live"))
	viewer.send(offer("watch", "gate"))
	<-st.media.arrived
	caster.until("room", in("connecting"))
	st.media.gate <- struct{}{}
	viewer.until("watching")
	st.hub.PeerChanged(viewer.peer, "connected")
	caster.until("room", in("live"))
	viewer.refused(CodeBadOffer, offer("watch", "refuse bad_offer"))
	joined := st.enter().granted("joined", message{"type": "join", "code": roomCode(created)})
	if inner(joined, "room")["viewers"] != 2.0 {
		t.Fatalf("joined %v", joined)
	}
	both := caster.until("room", hasViewers(2))
	sameMembers(t, inner(both, "room"), " viewer live", " viewer connecting")
}

// The room ends while the media plane makes an answer: the connection is taken back, and the cast with it.
func TestEndDuringWatch(t *testing.T) {
	for _, kind := range []string{"join", "watch"} {
		t.Run(kind, func(t *testing.T) {
			st := newStage(t, options{})
			caster, created := st.caster()
			viewer, code := st.enter(), CodeNotLive
			request := offer(kind, "gate")
			if kind == "join" {
				request["code"] = roomCode(created)
			} else {
				viewer.granted("joined", message{"type": "join", "code": roomCode(created)})
				code = CodeBadState
			}
			request["id"] = 99
			viewer.send(request)
			<-st.media.arrived
			caster.granted("ok", message{"type": "end"})
			st.media.gate <- struct{}{}
			if got := viewer.until("error"); got["code"] != code || got["re"] != 99.0 {
				t.Fatalf("answer %v", got)
			}
			if kind == "join" && len(viewer.seen) != 2 { // welcome, error
				t.Fatalf("something of the room was sent before joined: %v", viewer.seen)
			}
			cast := text(inner(created, "room")["id"])
			st.eventually("undone", func() bool { return len(st.media.calls("end "+cast)) == 2 })
			if got := st.media.calls("leave"); !slices.Equal(got, []string{"leave " + viewer.peer}) {
				t.Fatalf("media plane was told %q", got)
			}
			viewer.granted("opened", message{"type": "open"})
		})
	}
}

func TestEndDuringPublish(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	request := offer("publish", "gate")
	caster.send(request)
	<-st.media.arrived
	second := st.enter()
	second.granted("created", message{"type": "create", "ticket": created["ticket"]})
	if got := caster.until("ended"); got["reason"] != "replaced" {
		t.Fatalf("ended %v", got)
	}
	st.media.gate <- struct{}{}
	if got := caster.until("error"); got["code"] != CodeBadState {
		t.Fatalf("answer %v", got)
	}
	st.eventually("undone", func() bool { return len(st.media.calls("leave "+caster.peer)) == 2 })
	if got := st.media.calls("end"); len(got) > 0 {
		t.Fatalf("the room of the second page was ended: %q", got)
	}
}

// A viewer that is removed and joins again at once is not hit by the Leave that belongs to the first time.
func TestLeaveBeforeWatch(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	viewer := st.viewer(roomCode(created))
	release := st.media.hold()
	caster.send(message{"type": "remove", "peer": viewer.peer})
	<-st.media.arrived
	viewer.until("ended")
	join := offer("join", "again")
	join["code"] = roomCode(created)
	viewer.send(join)
	var pending bool
	st.eventually("the join waits", func() bool {
		st.hub.section(func() { pending = st.hub.sessions[viewer.peer].seat != nil })
		return pending
	})
	if got := st.media.calls("watch"); len(got) > 0 {
		t.Fatalf("Watch overtook Leave: %q", got)
	}
	close(release)
	viewer.until("joined")
	if got := st.media.calls(""); !slices.Equal(got, []string{
		"leave " + viewer.peer, "watch " + text(inner(created, "room")["id"]) + " " + viewer.peer,
	}) {
		t.Fatalf("media plane was told %q", got)
	}
	caster.until("ok")
}
