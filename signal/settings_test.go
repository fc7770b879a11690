package signal

import (
	"encoding/base64"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func settingsOf(m message) message {
	return message(inner(message(inner(m, "room")), "settings"))
}

func TestSettings(t *testing.T) {
	st := newStage(t, options{config: func(c *Config) { c.Capacity = 3 }})
	caster, created := st.caster()
	viewer := st.viewer(roomCode(created))
	if got := settingsOf(created); got["waiting"] != false || got["locked"] != false || got["pin"] != false || got["capacity"] != 0.0 || got["forced"] != false {
		t.Fatalf("settings of a new room: %v", got)
	}
	got := caster.set(message{"name": "  Lecture\u202e 4 ", "locked": true, "capacity": 2, "pin": "４711"})
	want := settingsOf(got)
	if want["name"] != "Lecture 4" || want["locked"] != true || want["pin"] != true || want["capacity"] != 2.0 || want["waiting"] != false {
		t.Fatalf("settings %v", want)
	}
	if room := inner(got, "room"); room["name"] != "Lecture 4" || room["capacity"] != 2.0 || room["code"] != roomCode(created) {
		t.Fatalf("room %v", room)
	}
	seen := inner(viewer.until("room", func(m message) bool { return inner(m, "room")["locked"] == true }), "room")
	if seen["name"] != "Lecture 4" || seen["settings"] != nil || seen["link"] != nil || seen["lobby"] != nil {
		t.Fatalf("a viewer sees %v", seen)
	}
	// What is not named stays as it is.
	if got := settingsOf(caster.set(message{"locked": false})); got["pin"] != true || got["name"] != "Lecture 4" || got["locked"] != false {
		t.Fatalf("settings %v", got)
	}
	caster.refused(CodeBadMessage, message{"type": "settings", "capacity": 4, "name": "x"})
	if got := settingsOf(caster.set(message{"pin": "", "capacity": 0})); got["pin"] != false || got["capacity"] != 0.0 || got["name"] != "Lecture 4" {
		t.Fatalf("a refused change has left something: %v", got)
	}
}

func TestLock(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	old := st.enter()
	joined := old.granted("joined", message{"type": "join", "code": roomCode(created)})
	caster.set(message{"locked": true, "pin": "1234"})
	newcomer := st.enter()
	newcomer.refused(CodeRoomLocked, message{"type": "join", "code": roomCode(created)})
	newcomer.refused(CodeRoomLocked, message{"type": "join", "link": inner(created, "room")["link"]})
	_, code := st.display("Hall 1") // whom the caster calls in comes in
	caster.granted("added", message{"type": "add", "code": code})
	old.hangUp()
	st.away(old)
	st.enter().granted("joined", message{"type": "join", "ticket": joined["ticket"]})
	caster.set(message{"locked": false, "pin": ""})
	newcomer.granted("joined", message{"type": "join", "code": roomCode(created)})
}

func TestCapacityOfARoom(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	st.viewer(roomCode(created))
	second := st.viewer(roomCode(created))
	caster.set(message{"capacity": 1}) // nobody loses a seat
	st.enter().refused(CodeRoomFull, message{"type": "join", "code": roomCode(created)})
	_, code := st.display("Hall 1")
	caster.refused(CodeRoomFull, message{"type": "add", "code": code})
	second.granted("ok", message{"type": "leave"})
	second.refused(CodeRoomFull, message{"type": "join", "code": roomCode(created)})
	caster.set(message{"capacity": 0})
	second.granted("joined", message{"type": "join", "code": roomCode(created)})
}

func TestPIN(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		caster, created := st.caster()
		caster.set(message{"pin": "4711"})
		code := roomCode(created)
		c := st.enter()
		c.refused(CodePINRequired, message{"type": "join", "code": code})
		c.refused(CodePINRequired, message{"type": "join", "link": inner(created, "room")["link"]})
		for left := 29; left >= 0; left-- {
			if got := c.refused(CodePINWrong, message{"type": "join", "code": code, "pin": "4712"}); got["tries"] != float64(left) {
				t.Fatalf("got %v, want %d tries", got, left)
			}
			time.Sleep(50 * time.Millisecond)
		}
		if got := st.stateOf(c); got != stateIdle {
			t.Fatalf("is %s", stateNames[got])
		}
		// One count for codes and PINs, over code and link; another address is free, and the right PIN gets in.
		c.refused(CodeLimited, message{"type": "join", "code": code, "pin": "4711"})
		c.refused(CodeLimited, message{"type": "join", "link": inner(created, "room")["link"], "pin": "4711"})
		other := st.enterFrom("192.0.2.9")
		joined := other.granted("joined", message{"type": "join", "code": code, "pin": "47 11"})
		if got := st.hub.Counts().Failures; got != 30 {
			t.Fatalf("%d failures counted, want 30", got)
		}
		// Who was in comes back without it, whatever it is by then.
		caster.set(message{"pin": "999999"})
		other.drop()
		synctest.Wait()
		st.enterFrom("192.0.2.9").granted("joined", message{"type": "join", "ticket": joined["ticket"]})
		if log := st.log.String(); strings.Contains(log, "471") {
			t.Fatalf("the log holds a PIN:\n%s", log)
		}
	})
}

// TestPINAndLobby: the PIN comes first, and a ticket of the lobby stands for the PIN that was shown.
func TestPINAndLobby(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	caster.set(message{"pin": "4711", "waiting": true})
	c := st.enter()
	c.refused(CodePINRequired, message{"type": "join", "code": roomCode(created)})
	ticket := c.granted("waiting", message{"type": "join", "code": roomCode(created), "pin": "4711"})["ticket"]
	c.hangUp()
	st.away(c)
	caster.set(message{"locked": true})
	c = st.enter()
	ticket = c.granted("waiting", message{"type": "join", "ticket": ticket})["ticket"] // it was there before the lock
	c.granted("ok", message{"type": "leave"})
	c.refused(CodeRoomLocked, message{"type": "join", "ticket": ticket})
	caster.set(message{"locked": false})
	c.granted("waiting", message{"type": "join", "ticket": ticket})
	c.granted("ok", message{"type": "leave"})
	caster.set(message{"pin": "0815"})
	c.refused(CodePINRequired, message{"type": "join", "ticket": ticket})
	c.granted("waiting", message{"type": "join", "ticket": ticket, "pin": "0815"})
}

// TestSettingsSurvive a take-over of the room and a restart of the server; no ticket shows the PIN.
func TestSettingsSurvive(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	viewer := st.enter()
	joined := viewer.granted("joined", message{"type": "join", "code": roomCode(created)})
	set := caster.set(message{"name": "Lecture 4", "pin": "4711", "capacity": 7, "waiting": true, "starts": 3_600_000})
	rotated := caster.granted("rotated", message{"type": "rotate", "code": true, "link": true})
	for _, proof := range []string{text(set["ticket"]), text(rotated["ticket"]), text(inner(rotated, "encoder")["token"])} {
		head, _, _ := strings.Cut(proof, ".")
		payload, err := base64.RawURLEncoding.DecodeString(head)
		if err != nil || !strings.Contains(string(payload), "Lecture 4") || strings.Contains(string(payload), "4711") {
			t.Fatalf("%s: %v", payload, err)
		}
	}
	same := func(got message) {
		t.Helper()
		room, before := inner(got, "room"), inner(rotated, "room")
		for _, field := range []string{"id", "name", "code", "link", "capacity"} {
			if room[field] != before[field] {
				t.Errorf("%s is %v, was %v", field, room[field], before[field])
			}
		}
		if s := settingsOf(got); s["pin"] != true || s["waiting"] != true || s["capacity"] != 7.0 {
			t.Errorf("settings %v", s)
		}
		if left, _ := room["starts"].(float64); left < 3_500_000 || left > 3_600_000 {
			t.Errorf("starts in %v", room["starts"])
		}
	}
	// A ticket of before the change is still the owner's, and brings nothing back.
	same(st.enter().granted("created", message{"type": "create", "ticket": created["ticket"]}))

	after := newStage(t, options{})
	// An encoder that has the token of before the change comes first.
	publish, _ := tokens(created)
	after.publish(text(inner(created, "room")["id"]), bearer(publish)...)
	after.enter().refused(CodeUnknown, message{"type": "join", "code": roomCode(rotated)})
	same(after.enter().granted("created", message{"type": "create", "ticket": rotated["ticket"]}))
	newcomer := after.enter()
	newcomer.refused(CodeUnknown, message{"type": "join", "code": roomCode(created)})
	newcomer.refused(CodeAuth, message{"type": "join", "link": inner(created, "room")["link"]})
	newcomer.refused(CodePINWrong, message{"type": "join", "code": roomCode(rotated), "pin": "4712"})
	newcomer.granted("waiting", message{"type": "join", "link": inner(rotated, "room")["link"], "pin": "4711"})
	after.enter().granted("joined", message{"type": "join", "ticket": joined["ticket"]})
}

// TestTitleLeadsNowhere: what a caster calls its room is no name by which rooms are found or taken over.
func TestTitleLeadsNowhere(t *testing.T) {
	st := newStage(t, options{config: openHub})
	owner := st.enter()
	owner.granted("created", message{"type": "create", "room": "hall"})
	other, _ := st.caster()
	set := other.set(message{"name": "hall"})
	other.granted("ok", message{"type": "end"})
	owner.hangUp()
	st.away(owner)
	if got := other.granted("created", message{"type": "create", "ticket": set["ticket"]}); inner(got, "room")["id"] != inner(set, "room")["id"] {
		t.Fatal("a title has taken a room over")
	}
}
