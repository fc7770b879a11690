package signal

import "testing"

func TestLink(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	link := text(inner(created, "room")["link"])
	if len(link) != 26 {
		t.Fatalf("link %q", link)
	}
	viewer := st.enter()
	joined := viewer.granted("joined", message{"type": "join", "link": link})
	if inner(joined, "room")["link"] != nil {
		t.Fatalf("joined %v", joined)
	}

	// The link alone, the code alone, and who is in stays in.
	first := caster.granted("rotated", message{"type": "rotate", "link": true})
	if roomCode(first) != roomCode(created) || inner(first, "room")["link"] == link {
		t.Fatalf("rotated %v", first)
	}
	st.enter().refused(CodeAuth, message{"type": "join", "link": link})
	st.enter().granted("joined", message{"type": "join", "code": roomCode(created)})
	second := caster.granted("rotated", message{"type": "rotate", "code": true})
	if roomCode(second) == roomCode(created) || inner(second, "room")["link"] != inner(first, "room")["link"] {
		t.Fatalf("rotated %v", second)
	}
	c := st.enter()
	c.refused(CodeUnknown, message{"type": "join", "code": roomCode(created)})
	c.granted("joined", message{"type": "join", "code": roomCode(second)})
	viewer.until("room", hasViewers(3))
	viewer.granted("pong", message{"type": "ping"})
	st.enter().granted("joined", message{"type": "join", "ticket": joined["ticket"]})

	if got := st.hub.Counts().Failures; got != 1 {
		t.Fatalf("%d failures: a link that is no more is not counted", got)
	}
	caster.granted("ok", message{"type": "end"})
	st.enter().refused(CodeAuth, message{"type": "join", "link": inner(second, "room")["link"]})
	st.hub.section(func() {
		if len(st.hub.links) != 0 || len(st.hub.codes.active) != 0 {
			t.Errorf("%d links, %d codes left", len(st.hub.links), len(st.hub.codes.active))
		}
	})
}

// TestDoorsHonourTheRules: lock, PIN, waiting room and opening over WHIP and WHEP.
func TestDoorsHonourTheRules(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	publish, watch := tokens(created)
	code, id := roomCode(created), text(inner(created, "room")["id"])
	at, _ := st.publish(code, bearer(publish)...)
	st.goLive(created)
	st.play(code)
	for _, c := range []struct {
		set                message
		byCode, byToken    int
		codeSays, wantWait string
	}{
		{message{"pin": "4711"}, 401, 201, CodePINRequired, ""},
		{message{"pin": "", "waiting": true}, 409, 201, CodeRoomWaiting, "5"},
		{message{"waiting": false, "starts": 3_600_000}, 409, 409, CodeNotLive, "3600"},
		{message{"starts": 0, "locked": true}, 403, 403, CodeRoomLocked, ""},
		{message{"locked": false}, 201, 201, "", ""},
	} {
		caster.set(c.set)
		got := st.do("POST", "/whep/"+code, typeSDP, playerOffer)
		if got.status != c.byCode || got.code != c.codeSays || got.header.Get("Retry-After") != c.wantWait {
			t.Errorf("%v, code: %d %s", c.set, got.status, got.body)
		}
		if got := st.do("POST", "/whep/"+id, typeSDP, playerOffer, bearer(watch)...); got.status != c.byToken {
			t.Errorf("%v, token: %d %s", c.set, got.status, got.body)
		}
	}

	// The encoder is the caster's: no rule keeps it out, and its URL of before goes on.
	caster.set(message{"locked": true, "pin": "4711", "waiting": true, "starts": 3_600_000})
	st.do("DELETE", at, "", "")
	caster.granted("rotated", message{"type": "rotate", "code": true})
	st.publish(code, bearer(publish)...)
	if got := st.do("POST", "/whep/"+code, typeSDP, playerOffer); got.status != 404 || got.code != CodeUnknown {
		t.Errorf("the old code: %d %s", got.status, got.body)
	}
}

// TestOpenDoorsHonourTheRules: where anybody may publish, a locked room is its caster's alone.
func TestOpenDoorsHonourTheRules(t *testing.T) {
	st := newStage(t, options{config: openHub})
	caster := st.enter()
	created := caster.granted("created", message{"type": "create", "room": "hall"})
	publish, _ := tokens(created)
	for _, c := range []struct {
		set    message
		status int
		code   string
	}{
		{message{"locked": true}, 403, CodeRoomLocked},
		{message{"locked": false, "pin": "4711"}, 401, CodePINRequired},
	} {
		caster.set(c.set)
		if got := st.do("POST", "/whip/hall", typeSDP, encoderOffer); got.status != c.status || got.code != c.code {
			t.Errorf("%v: %d %s", c.set, got.status, got.body)
		}
	}
	st.publish("hall", bearer(publish)...)
	caster.refused(CodeBadState, message{"type": "join", "room": "hall"})
	st.enter().refused(CodePINRequired, message{"type": "join", "room": "hall"})
	st.enter().granted("joined", message{"type": "join", "room": "hall", "pin": "4711"})
}
