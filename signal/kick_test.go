package signal

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"castcode/internal/jointoken"
)

func TestKick(t *testing.T) {
	m := newMint(t)
	st := newStage(t, options{config: m.config(false)})
	caster, created := st.caster()
	st.goLive(created)
	viewer := st.enter()
	joined := viewer.granted("joined", message{"type": "join", "code": roomCode(created)})
	tv, code := st.display("tv")
	caster.granted("added", message{"type": "add", "code": code})
	if st.hub.Kick("p_nobody") {
		t.Fatal("kicked nobody")
	}
	for _, c := range []*client{viewer, tv} {
		if !st.hub.Kick(c.peer) {
			t.Fatal("not kicked")
		}
		c.until("error", func(m message) bool { return m["code"] == CodeRemoved })
		c.closed(closeRemoved)
		if back := st.enter(message{"resume": c.resume}); back.peer == c.peer {
			t.Fatal("it came back")
		}
	}
	st.enter().refused(CodeAuth, message{"type": "join", "ticket": joined["ticket"]})
	seen := caster.until("room", func(m message) bool { r := inner(m, "room"); return r["viewers"] == 0.0 && r["displays"] == 0.0 })
	sameMembers(t, inner(seen, "room"))

	// A guest's resource is gone, and a caster's room with all its proofs.
	path := st.do("POST", "/whep/"+roomCode(created), typeSDP, playerOffer).header.Get("Location")
	peer := ""
	for _, member := range st.hub.Roster()[0].Members {
		if member.Role == "viewer" {
			peer = member.Peer
		}
	}
	if !st.hub.Kick(peer) {
		t.Fatal("the player is not there")
	}
	if got := st.do("DELETE", path, "", ""); got.status != http.StatusNotFound {
		t.Fatalf("%d", got.status)
	}
	watcher := st.viewer(roomCode(created))
	if !st.hub.Kick(caster.peer) {
		t.Fatal("the caster is not there")
	}
	caster.closed(closeRemoved)
	if got := watcher.until("ended"); got["reason"] != endedOnPurpose {
		t.Fatalf("%v", got)
	}
	st.enter().refused(CodeAuth, message{"type": "create", "ticket": created["ticket"]})
	publish := text(inner(created, "encoder")["token"])
	if got := st.do("POST", "/whip/"+text(inner(created, "room")["id"]), typeSDP, encoderOffer, bearer(publish)...); got.status != http.StatusUnauthorized {
		t.Fatalf("%d", got.status)
	}
	if n := st.hub.Counts(); n.Drops[dropRemoved] != 3 || n.Rooms != 0 {
		t.Fatalf("%+v", n)
	}
}

// Somebody whose join waits for the media plane, and who is kicked, is gone; so is one in the lobby.
func TestKickThoseWhoAreNotInYet(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	c := st.enter()
	c.send(message{"type": "join", "code": roomCode(created), "offer": "a=gate\n", "slots": message{"0": "screen"}})
	<-st.media.arrived
	if !st.hub.Kick(c.peer) {
		t.Fatal("not kicked")
	}
	st.media.gate <- struct{}{}
	c.closed(closeRemoved)
	st.eventually("its connection is taken back", func() bool { return len(st.media.calls("leave "+c.peer)) > 0 })
	caster.granted("settings", message{"type": "settings", "waiting": true})
	waits := st.enter()
	waiting := waits.granted("waiting", message{"type": "join", "code": roomCode(created)})
	st.hub.Kick(waits.peer)
	waits.closed(closeRemoved)
	st.enter().refused(CodeDenied, message{"type": "join", "ticket": waiting["ticket"]})
	if n := st.hub.Counts(); n.Sessions != 2 {
		t.Fatalf("%+v", n)
	}
}

func TestEndRoom(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	viewer := st.viewer(roomCode(created))
	if st.hub.EndRoom("r_nothing") || !st.hub.EndRoom(text(inner(created, "room")["id"])) {
		t.Fatal("EndRoom")
	}
	if got := viewer.until("ended"); got["reason"] != endedOnPurpose {
		t.Fatalf("%v", got)
	}
	if got := caster.until("ended"); got["reason"] != endedRemoved {
		t.Fatalf("%v", got)
	}
	caster.refused(CodeAuth, message{"type": "create", "ticket": created["ticket"]})
	caster.granted("created", message{"type": "create"})
}

func TestRevoke(t *testing.T) {
	m := newMint(t)
	st := newStage(t, options{config: m.config(true)})
	_, created := st.hosted(m, "hall")
	token, id := m.token("hall", jointoken.Guest)
	a, b, c := st.enter(), st.enter(), st.enter()
	joined := a.granted("joined", message{"type": "join", "token": token})
	b.granted("opened", message{"type": "open", "token": token})
	other, _ := m.token("hall", jointoken.Viewer)
	c.granted("joined", message{"type": "join", "token": other})
	kicked, ok := st.hub.Revoke(id, time.Time{})
	if kicked != 2 || !ok {
		t.Fatalf("kicked %d, %v", kicked, ok)
	}
	a.closed(closeRemoved)
	b.closed(closeRemoved)
	for _, request := range []message{
		{"type": "join", "token": token}, {"type": "open", "token": token}, {"type": "join", "ticket": joined["ticket"]},
	} {
		st.enter().refused(CodeAuth, request)
	}
	st.goLive(created)
	if got := st.do("POST", "/whep/hall", typeSDP, playerOffer, bearer(token)...); got.status != http.StatusUnauthorized {
		t.Fatalf("%d", got.status)
	}
	if got := c.ask(message{"type": "ping"}); got["type"] != "pong" {
		t.Fatalf("%v", got)
	}
	if list := st.hub.Revocations(); len(list) != 1 || list[0].ID != id || time.Until(list[0].Until) < 24*time.Hour {
		t.Fatalf("%+v", list)
	}
	if _, ok := st.hub.Revoke("", time.Time{}); ok {
		t.Error("revoked nothing")
	}
	if _, ok := st.hub.Revoke("x", time.Now().Add(366*24*time.Hour)); ok {
		t.Error("revoked for a year")
	}
}

func TestRevocationsAreBounded(t *testing.T) {
	l, now := revocations{}, time.Now()
	for i := range maxRevoked {
		if !l.add(time.Duration(i).String(), now.Add(time.Hour), now) {
			t.Fatal("full too early")
		}
	}
	if l.add("more", now.Add(time.Hour), now) {
		t.Fatal("never full")
	}
	first := time.Duration(0).String()
	if !l.add(first, now.Add(30*time.Minute), now) || !l.has(first, now.Add(59*time.Minute)) {
		t.Fatal("a revocation was made shorter")
	}
	if l.has(first, now.Add(time.Hour)) {
		t.Fatal("remembered for too long")
	}
	if !l.add("more", now.Add(3*time.Hour), now.Add(2*time.Hour)) || len(l) != 1 {
		t.Fatalf("%d are kept", len(l))
	}
}

func TestRosterHoldsNoSecrets(t *testing.T) {
	m := newMint(t)
	st := newStage(t, options{config: m.config(false)})
	caster, created := st.hosted(m, "hall", named("Ann"))
	tv, code := st.display("tv")
	caster.granted("added", message{"type": "add", "code": code})
	tv.until("bound")
	rooms := st.hub.Roster()
	if len(rooms) != 1 || len(rooms[0].Members) != 2 || rooms[0].Members[0].Name != "Ann" || rooms[0].Members[0].Token == "" {
		t.Fatalf("%+v", rooms)
	}
	frame := string(encode(rooms))
	for name, secret := range map[string]string{"code": roomCode(created), "link": text(inner(created, "room")["link"]), "address": "192.0.2.1"} {
		if secret == "" || strings.Contains(frame, secret) {
			t.Errorf("%s %q in %s", name, secret, frame)
		}
	}
}
