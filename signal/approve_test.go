package signal

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// The whole table of who is asked for.
func TestMustAsk(t *testing.T) {
	for _, c := range []struct {
		approval             string
		remembered, attacked bool
		want                 bool
	}{
		{approveNever, false, false, false},
		{approveNever, true, false, false},
		{approveNever, false, true, true},
		{approveNever, true, true, false},
		{approveUnknown, false, false, true},
		{approveUnknown, true, false, false},
		{approveUnknown, false, true, true},
		{approveUnknown, true, true, false},
		{approveAlways, false, false, true},
		{approveAlways, true, false, true},
		{approveAlways, false, true, true},
		{approveAlways, true, true, true},
	} {
		if got := mustAsk(c.approval, c.remembered, c.attacked); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// guarded makes a display that asks.
func (st *stage) guarded(name, approval string) (c *client, code string) {
	st.t.Helper()
	c, opened := st.keyed(name, name)
	c.granted("ok", message{"type": "configure", "approval": approval})
	return c, text(opened["code"])
}

// ask sends a create or add with the code, and waits until the display asks.
func asks(t *testing.T, caster, tv *client, request message) (prompt message) {
	t.Helper()
	request["id"] = 90
	caster.send(request)
	waiting := caster.until("asking")
	prompt = tv.until("approve")
	if waiting["request"] != prompt["request"] || fmt.Sprint(waiting["caster"]) != fmt.Sprint(prompt["caster"]) || waiting["re"] != nil {
		t.Fatalf("the caster sees %v, the display %v", waiting, prompt)
	}
	return prompt
}

// answered is the answer to the request of asks.
func answered(t *testing.T, caster *client, kind string) message {
	t.Helper()
	got := caster.until(kind)
	if got["re"] != 90.0 {
		t.Fatalf("answer %v", got)
	}
	return got
}

func TestApproveCreate(t *testing.T) {
	st := newStage(t, options{})
	tv, code := st.guarded("Hall 1", approveUnknown)
	caster := st.enterFrom("203.0.113.7", message{"name": "Lin"})
	prompt := asks(t, caster, tv, message{"type": "create", "code": code, "key": keyOf("lin")})
	who := inner(prompt, "caster")
	if who["name"] != "Lin" || who["address"] != "203.0.113.7" || prompt["why"] != "cast" || prompt["remember"] != true || prompt["within"].(float64) > 30_000 {
		t.Fatalf("approve %v", prompt)
	}
	if got := st.stateOf(caster); got != stateAsking {
		t.Fatalf("is %v", got)
	}
	if got := st.hub.Counts(); got.Rooms != 0 {
		t.Fatal("the room is there before the answer")
	}
	tv.refused(CodeRequestUnknown, message{"type": "decide", "request": "a_other", "allow": true})
	tv.send(message{"type": "decide", "request": prompt["request"], "allow": true, "always": true})
	created := answered(t, caster, "created")
	if inner(created, "room")["displays"] != 1.0 {
		t.Fatalf("created %v", created)
	}
	tv.until("bound")
	tv.refused(CodeRequestUnknown, message{"type": "decide", "request": prompt["request"], "allow": true})

	// It is remembered by its key, not by its address or name; the display can take that back.
	caster.granted("ok", message{"type": "end"})
	code = text(tv.until("code")["code"])
	again := st.enterFrom("198.51.100.9", message{"name": "Lin at home"})
	again.granted("created", message{"type": "create", "code": code, "key": keyOf("lin")})
	again.granted("ok", message{"type": "end"})
	tv.until("bound")
	code = text(tv.until("code")["code"])
	stranger := st.enterFrom("203.0.113.7", message{"name": "Lin"})
	prompt = asks(t, stranger, tv, message{"type": "create", "code": code})
	if prompt["remember"] != false {
		t.Fatalf("approve %v", prompt)
	}
	tv.granted("ok", message{"type": "decide", "request": prompt["request"], "allow": false})
	if got := answered(t, stranger, "error"); got["code"] != CodeDenied {
		t.Fatalf("got %v", got)
	}
	if got := st.stateOf(stranger); got != stateIdle {
		t.Fatalf("is %v", got)
	}
	stranger.refused(CodeUnknown, message{"type": "create", "code": code}) // who was sent away needs the next code
	code = st.codeOf(tv)

	var id any
	tv.granted("ok", message{"type": "configure", "show_code": true})
	for _, m := range tv.seen {
		if list, _ := m["allowed"].([]any); len(list) > 0 {
			id = list[0].(map[string]any)["id"]
		}
	}
	tv.granted("ok", message{"type": "forget", "caster": id})
	asks(t, st.enter(), tv, message{"type": "create", "code": code, "key": keyOf("lin")})
}

func TestApproveAdd(t *testing.T) {
	st := newStage(t, options{})
	tv, code := st.guarded("Hall 1", approveAlways)
	caster, created := st.keyedCaster("lin")
	prompt := asks(t, caster, tv, message{"type": "add", "code": code})
	caster.granted("published", offer("publish", "screen")) // it goes on meanwhile
	other, _ := st.caster()
	if got := other.refused(CodeDisplayBusy, message{"type": "add", "code": code}); got["wait"] == nil {
		t.Fatalf("got %v", got)
	}
	tv.send(message{"type": "decide", "request": prompt["request"], "allow": true, "always": true})
	if got := answered(t, caster, "added"); got["peer"] != tv.peer {
		t.Fatalf("added %v", got)
	}
	tv.until("bound")
	// One that wants to be asked always is, also for those whom it remembers.
	caster.granted("ok", message{"type": "remove", "peer": tv.peer})
	code = text(tv.until("code")["code"])
	prompt = asks(t, caster, tv, message{"type": "add", "code": code})

	// Taken back: the display is told, the code stays good.
	caster.send(message{"type": "cancel"})
	if got := answered(t, caster, "error"); got["code"] != CodeCancelled {
		t.Fatalf("got %v", got)
	}
	if got := tv.until("withdrawn"); got["request"] != prompt["request"] {
		t.Fatalf("withdrawn %v", got)
	}
	asks(t, caster, tv, message{"type": "add", "code": code})
	caster.send(message{"type": "end"})
	if got := answered(t, caster, "error"); got["code"] != CodeCancelled {
		t.Fatalf("got %v", got)
	}
	tv.until("withdrawn")
	_ = created
}

func TestNobodyApproves(t *testing.T) {
	st := newStage(t, options{timing: func(t *timing) { t.approval = 50 * time.Millisecond }})
	tv, code := st.guarded("Hall 1", approveUnknown)
	caster := st.enter()
	for range 2 { // the code is still good
		asks(t, caster, tv, message{"type": "create", "code": code})
		if got := answered(t, caster, "error"); got["code"] != CodeApprovalTimeout {
			t.Fatalf("got %v", got)
		}
		tv.until("withdrawn")
	}
	// A third time, and the code is no good any more.
	asks(t, caster, tv, message{"type": "create", "code": code})
	if got := tv.until("code"); got["code"] == code {
		t.Fatalf("code %v", got)
	}
	caster.refused(CodeUnknown, message{"type": "create", "code": code})
	caster.granted("created", message{"type": "create"})
}

// Either side may go, or come back, while the question stands.
func TestApprovalAndSockets(t *testing.T) {
	st := newStage(t, options{})
	tv, code := st.guarded("Hall 1", approveUnknown)
	caster := st.enter()
	prompt := asks(t, caster, tv, message{"type": "create", "code": code})

	// The display's page comes back and still has the question.
	tv.hangUp()
	st.away(tv)
	back := st.enter(message{"resume": tv.resume})
	if got := back.until("approve"); got["request"] != prompt["request"] {
		t.Fatalf("approve %v", got)
	}
	// The caster's socket goes, and its request with it.
	again := st.enter(message{"resume": caster.resume})
	back.until("withdrawn")
	if got := st.stateOf(again); got != stateIdle {
		t.Fatalf("is %v", got)
	}
	back.refused(CodeRequestUnknown, message{"type": "decide", "request": prompt["request"], "allow": true})

	// The display leaves, or another page becomes it.
	asks(t, again, back, message{"type": "create", "code": code})
	st.keyed("Hall 1", "Hall 1")
	if got := answered(t, again, "error"); got["code"] != CodeDisplayGone {
		t.Fatalf("got %v", got)
	}
}

// A group gives no right by itself: its displays are asked once whether they trust the caster.
func TestGroupAsksForTrust(t *testing.T) {
	st := newStage(t, options{})
	caster, _ := st.keyedCaster("lin")
	tv, opened := st.keyed("Hall 1", "tv")
	mute, second := st.keyed("Hall 2", "tv2")
	plain, third := st.display("guest")
	for _, code := range []any{opened["code"], second["code"], third} {
		caster.granted("added", message{"type": "add", "code": code})
	}
	for _, c := range []*client{tv, mute, plain} {
		c.until("bound")
	}
	got := caster.granted("groups", message{"type": "group", "name": "Halls"})
	list := got["groups"].([]any)
	group := list[0].(map[string]any)
	if got["asked"] != 2.0 || group["displays"] != 2.0 || group["ready"] != 0.0 {
		t.Fatalf("groups %v", got)
	}
	prompt := tv.until("approve")
	if prompt["why"] != "group" {
		t.Fatalf("approve %v", prompt)
	}
	tv.granted("ok", message{"type": "decide", "request": prompt["request"], "allow": true, "always": true})
	prompt = mute.until("approve")
	mute.granted("ok", message{"type": "decide", "request": prompt["request"], "allow": false})
	if got := st.stateOf(mute); got != stateBound {
		t.Fatalf("a no to the group has ended the cast: %v", got)
	}

	// While they are in the cast nothing is to be done; then the one that remembers comes, the other does not.
	added := caster.granted("added", message{"type": "add", "group": group["id"]})
	if fmt.Sprint(added["displays"], added["skipped"]) != "[] []" {
		t.Fatalf("added %v", added)
	}
	for _, c := range []*client{tv, mute} {
		caster.granted("ok", message{"type": "remove", "peer": c.peer})
		c.until("code")
	}
	added = caster.granted("added", message{"type": "add", "group": group["id"]})
	if line := fmt.Sprint(added["displays"], added["skipped"]); !strings.Contains(line, "Hall 1") || !strings.Contains(line, "name:Hall 2 why:unknown") {
		t.Fatalf("added %v", added)
	}
	tv.until("bound")
	other, _ := st.caster()
	other.refused(CodeKeyMissing, message{"type": "group", "name": "x"})
	empty, _ := st.keyedCaster("empty")
	empty.refused(CodeGroupEmpty, message{"type": "group", "name": "x"})
	empty.refused(CodeBadMessage, message{"type": "group", "name": " "})
	empty.refused(CodeBadMessage, message{"type": "add", "group": "g_x", "code": "123456"})
}

// While codes are being guessed at, a display that asks for nobody asks for those whom it does not remember.
func TestAttackForcesApproval(t *testing.T) {
	st := newStage(t, options{})
	tv, opened := st.keyed("Hall 1", "tv")
	caster, _ := st.keyedCaster("lin")
	st.hub.section(func() { st.hub.attack[displayCodes].until = time.Now().Add(time.Hour) })
	prompt := asks(t, caster, tv, message{"type": "add", "code": opened["code"]})
	tv.send(message{"type": "decide", "request": prompt["request"], "allow": true, "always": true})
	tv.until("bound")
	caster.granted("ok", message{"type": "remove", "peer": tv.peer})
	tv.until("code")
	caster.granted("added", message{"type": "add", "code": st.codeOf(tv)})
}
