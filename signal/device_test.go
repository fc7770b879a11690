package signal

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"castcode/internal/store"
)

// openStore opens a store that ends with the test.
func openStore(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func keyOf(name string) string {
	return strings.ReplaceAll(name, " ", "_") + strings.Repeat("k", minDeviceKey)
}

// keyed makes a display with a device key.
func (st *stage) keyed(name, key string) (c *client, opened message) {
	st.t.Helper()
	c = st.enter()
	return c, c.granted("opened", message{"type": "open", "name": name, "key": keyOf(key)})
}

// keyedCaster makes a room for a caster with a device key.
func (st *stage) keyedCaster(key string) (c *client, created message) {
	st.t.Helper()
	c = st.enter(message{"name": "Lin"})
	return c, c.granted("created", message{"type": "create", "key": keyOf(key)})
}

func deviceID(opened message) string { return text(inner(opened, "device")["id"]) }

// A display is the same one after its page, and after the server: name, settings, groups, remembered casters.
func TestDisplaySurvivesTheServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	var id string
	t.Run("before", func(t *testing.T) {
		st := newStage(t, options{config: func(c *Config) { c.Store = openStore(t, path) }})
		tv, opened := st.keyed("Chrome on Linux", "tv")
		id = deviceID(opened)
		if d := inner(opened, "device"); d["kept"] != true || d["approval"] != "never" || d["sound"] != true || id == "" {
			t.Fatalf("device %v", d)
		}
		tv.granted("ok", message{
			"type": "configure", "name": "Hall 1", "approval": "unknown", "sound": false, "width": 1280, "height": 720, "show_code": true,
			"off": message{"from": "20:00", "to": "07:00"},
		})
		caster, _ := st.keyedCaster("laptop")
		caster.send(message{"type": "add", "code": opened["code"], "id": 50})
		tv.granted("ok", message{"type": "decide", "request": tv.until("approve")["request"], "allow": true, "always": true})
		caster.until("added")
		got := caster.granted("groups", message{"type": "group", "name": "Halls"})
		if list := fmt.Sprint(got["groups"]); !strings.Contains(list, "name:Halls") || got["asked"] != nil {
			t.Fatalf("groups %v", got)
		}
	})
	st := newStage(t, options{config: func(c *Config) { c.Store = openStore(t, path) }})
	tv, opened := st.keyed("Chrome on Linux", "tv")
	d := inner(opened, "device")
	if deviceID(opened) != id || opened["name"] != "Hall 1" || d["approval"] != "unknown" || d["sound"] != false || d["width"] != 1280.0 ||
		d["show_code"] != true || fmt.Sprint(d["off"]) != "map[from:20:00 to:07:00]" {
		t.Fatalf("opened %v", opened)
	}
	if list, _ := d["allowed"].([]any); len(list) != 1 {
		t.Fatalf("allowed %v", d["allowed"])
	}
	caster, created := st.keyedCaster("laptop")
	list := caster.granted("groups", message{"type": "groups"})["groups"].([]any)
	group := list[0].(map[string]any)
	if len(list) != 1 || group["ready"] != 1.0 || group["own"] != true {
		t.Fatalf("groups %v", list)
	}
	added := caster.granted("added", message{"type": "add", "group": group["id"]})
	if fmt.Sprint(added["skipped"]) != "[]" || !strings.Contains(fmt.Sprint(added["displays"]), "Hall 1") {
		t.Fatalf("added %v", added)
	}
	tv.until("bound")
	sameMembers(t, caster.until("room", func(m message) bool { return inner(m, "room")["displays"] == 1.0 })["room"].(map[string]any), "Hall 1 display connecting")
	_ = created

	// Another caster neither sees nor may use the group.
	other, _ := st.keyedCaster("other")
	if list := other.granted("groups", message{"type": "groups"})["groups"].([]any); len(list) != 0 {
		t.Fatalf("groups %v", list)
	}
	other.refused(CodeGroupUnknown, message{"type": "add", "group": group["id"]})
	other.refused(CodeGroupUnknown, message{"type": "ungroup", "group": group["id"]})
	caster.granted("groups", message{"type": "ungroup", "group": group["id"]})
	if got := st.hub.Counts(); got.Kept != 1 || got.Groups != 0 {
		t.Fatalf("counts %+v", got)
	}
}

// Another page with the same key is the display from then on, in its room too; the first is told so. A name comes back by
// the key and by nothing else.
func TestSameKeyTwice(t *testing.T) {
	st := newStage(t, options{})
	tv, opened := st.keyed("Hall 1", "tv")
	caster, _ := st.caster()
	caster.granted("added", message{"type": "add", "code": opened["code"]})
	tv.until("bound")
	caster.granted("ok", message{"type": "display", "sound": false})
	again, reopened := st.keyed("Hall 1", "tv")
	tv.closed(closeReplaced)
	if deviceID(reopened) != deviceID(opened) {
		t.Fatalf("opened %v after %v", reopened, opened)
	}
	if got := again.until("bound"); got["sound"] != false {
		t.Fatalf("bound %v", got)
	}
	// With the ticket alone nobody is that display; a page without storage keeps its name by a ticket of its own.
	st.enter().refused(CodeAuth, message{"type": "open", "ticket": opened["ticket"]})
	plain, _ := st.display("Hall 2")
	plain.hangUp()
	st.away(plain)
	if got := st.enter().granted("opened", message{"type": "open", "ticket": plain.ticket}); got["name"] != "Hall 2" || inner(got, "device")["kept"] != false {
		t.Fatalf("opened %v", got)
	}
	// A page that had a ticket and now shows a key stays who it was.
	older, _ := st.display("Hall 3")
	older.hangUp()
	st.away(older)
	got := st.enter().granted("opened", message{"type": "open", "ticket": older.ticket, "key": keyOf("three")})
	if got["name"] != "Hall 3" || inner(got, "device")["kept"] != true {
		t.Fatalf("opened %v", got)
	}
	for _, key := range []string{"short", strings.Repeat("x", maxDeviceKey+1), strings.Repeat("ü", 32)} {
		st.enter().refused(CodeBadMessage, message{"type": "open", "key": key})
		st.enter().refused(CodeBadMessage, message{"type": "create", "key": key})
	}
}

// The caster's list: sound on the first display only, one switch for all, limits, names, identify.
func TestDisplaysOfACast(t *testing.T) {
	st := newStage(t, options{timing: func(t *timing) { t.report = 20 * time.Millisecond; t.gather = 0 }})
	caster, created := st.caster()
	first, one := st.keyed("one", "1")
	second, two := st.keyed("two", "2")
	caster.granted("added", message{"type": "add", "code": one["code"]})
	caster.granted("added", message{"type": "add", "code": two["code"]})
	if a, b := first.until("bound"), second.until("bound"); a["sound"] != true || b["sound"] != false {
		t.Fatalf("bound %v and %v", a, b)
	}
	caster.granted("ok", message{"type": "display", "sound": true})
	if got := second.until("sound"); got["on"] != true {
		t.Fatalf("sound %v", got)
	}
	second.send(message{"type": "configure", "sound": false})
	if got := second.until("sound"); got["on"] != false {
		t.Fatalf("sound %v", got)
	}
	caster.granted("ok", message{"type": "display", "sound": false})
	third, three := st.keyed("three", "3")
	caster.granted("added", message{"type": "add", "code": three["code"]})
	if got := third.until("bound"); got["sound"] != false {
		t.Fatalf("the caster has switched all off: %v", got)
	}

	second.granted("watching", offer("watch", "sdp"))
	caster.granted("ok", message{"type": "display", "peer": second.peer, "width": 1920, "height": 1080})
	second.granted("ok", message{"type": "configure", "width": 1280})
	want := "prefer " + second.peer + " screen {RID: Spatial:-1 Temporal:-1 Width:1280 Height:1080 Bitrate:0}"
	st.eventually("the size reaches the media plane", func() bool { return slices.Contains(st.media.calls("prefer"), want) })
	n := len(st.media.calls("prefer"))
	second.granted("watching", offer("watch", "again")) // a new connection begins without limits
	st.eventually("the size is told again", func() bool { return len(st.media.calls("prefer")) >= n+2 })

	caster.granted("ok", message{"type": "display", "peer": first.peer, "identify": true})
	if got := first.until("identify"); got["name"] != "one" || got["within"] != 5000.0 {
		t.Fatalf("identify %v", got)
	}
	caster.send(message{"type": "display", "peer": first.peer, "name": "Front"})
	if got := first.until("device"); got["name"] != "Front" {
		t.Fatalf("device %v", got)
	}
	caster.until("room", func(m message) bool { return strings.Contains(fmt.Sprint(inner(m, "room")["members"]), "Front") })
	caster.refused(CodePeerUnknown, message{"type": "display", "peer": "p_nobody", "identify": true})
	caster.refused(CodePeerUnknown, message{"type": "display", "peer": st.viewer(roomCode(created)).peer, "sound": true})
	caster.refused(CodeBadMessage, message{"type": "display", "name": "all of you"})
	caster.refused(CodeBadMessage, message{"type": "display", "width": 7})

	st.media.sees(second.peer, View{Width: 1280, Height: 720, Loss: 0.0127, RoundTrip: 40 * time.Millisecond})
	got := caster.until("displays", func(m message) bool { return len(m["displays"].([]any)) == 1 })
	if line := fmt.Sprint(got["displays"]); !strings.Contains(line, "loss:0.013") || !strings.Contains(line, "round_trip:40") || !strings.Contains(line, second.peer) {
		t.Fatalf("displays %s", line)
	}
}

func TestConfigureIsChecked(t *testing.T) {
	st := newStage(t, options{})
	tv, _ := st.keyed("tv", "tv")
	for _, bad := range []message{
		{"approval": "sometimes"},
		{"width": -1},
		{"height": 1 << 20},
		{"off": message{"from": "25:00", "to": "07:00"}},
		{"off": message{"from": "20:00", "to": ""}},
		{"off": message{"from": "8:00", "to": "20:00"}},
		{"name": strings.Repeat("n", 65)},
		{"sound": "loud"},
	} {
		bad["type"] = "configure"
		tv.refused(CodeBadMessage, bad)
	}
	tv.refused(CodePeerUnknown, message{"type": "forget", "caster": "c_nobody"})
}

// Many displays come and go: the file stays bounded, and those that nobody has named or used go first.
func TestOldDisplaysGiveWay(t *testing.T) {
	st := newStage(t, options{bounds: func(b *bounds) { b.devices = 3 }})
	for _, name := range []string{"named", "used", "plain"} {
		c, opened := st.keyed(name, name)
		switch name {
		case "named":
			c.granted("ok", message{"type": "configure", "name": "Hall"})
		case "used":
			caster, _ := st.caster()
			caster.granted("added", message{"type": "add", "code": opened["code"]})
			c.until("bound")
		}
		c.granted("ok", message{"type": "leave"})
	}
	known := func() (names []string) {
		st.hub.section(func() {
			for _, d := range st.hub.devices {
				names = append(names, d.Name)
			}
		})
		slices.Sort(names)
		return names
	}
	first, _ := st.keyed("first", "first")
	if got := known(); !slices.Equal(got, []string{"Hall", "first", "used"}) {
		t.Fatalf("kept %q", got)
	}
	second, _ := st.keyed("second", "second")
	third, _ := st.keyed("third", "third")
	if got := known(); !slices.Equal(got, []string{"first", "second", "third"}) {
		t.Fatalf("kept %q", got)
	}
	// All are here: the next one works, and is not kept.
	_, opened := st.keyed("fourth", "fourth")
	if inner(opened, "device")["kept"] != false {
		t.Fatalf("opened %v", opened)
	}
	for _, c := range []*client{first, second, third} {
		c.granted("ok", message{"type": "leave"})
	}
}

func TestLeastMissed(t *testing.T) {
	at := time.Unix(1000, 0)
	all := map[string]*device{}
	for i, d := range []store.Display{{ID: "old named", Named: true}, {ID: "old used", Bound: true}, {ID: "here"}, {ID: "plain"}, {ID: "newer plain"}} {
		d.Seen = at.Add(time.Duration(i) * time.Second)
		all[d.ID] = &device{Display: d}
	}
	for _, want := range []string{"plain", "newer plain", "old named", "old used", ""} {
		got := leastMissed(all, func(id string) bool { return id == "here" })
		if got == nil {
			if want != "" {
				t.Errorf("nobody, want %s", want)
			}
			continue
		}
		if got.ID != want {
			t.Errorf("%s, want %s", got.ID, want)
		}
		delete(all, got.ID)
	}
}

// fullStore is one whose disk takes nothing.
type fullStore struct{ nowhere }

func (fullStore) Put(kept func(error), _ ...store.Record) error {
	if kept != nil {
		kept(fmt.Errorf("no space left on device"))
	}
	return nil
}

// With a full disk everything works, and whoever asked for something that lasts is told that it may not.
func TestFullDiskIsTold(t *testing.T) {
	st := newStage(t, options{config: func(c *Config) { c.Store = fullStore{} }})
	tv, opened := st.keyed("tv", "tv")
	if got := tv.refused(CodeNotKept, message{"type": "configure", "name": "Hall 1"}); got["wait"] == nil {
		t.Fatalf("%v", got)
	}
	caster, _ := st.caster()
	if got := caster.granted("added", message{"type": "add", "code": opened["code"]}); got["name"] != "Hall 1" {
		t.Fatalf("added %v", got)
	}
}

// What was changed while a display was away it hears when it is back.
func TestChangedWhileAway(t *testing.T) {
	st := newStage(t, options{})
	tv, opened := st.keyed("Hall 1", "tv")
	tv.hangUp()
	st.away(tv)
	name := "Front"
	if err := st.hub.ChangeDisplay(t.Context(), deviceID(opened), DisplayChange{deviceChange{Name: &name}}); err != nil {
		t.Fatal(err)
	}
	back := st.enter(message{"resume": tv.resume})
	if got := back.until("device"); got["name"] != "Front" {
		t.Fatalf("device %v", got)
	}
	again := st.enter(message{"resume": back.resume})
	again.want("code")
	again.granted("pong", message{"type": "ping"})
	for _, m := range again.seen {
		if m["type"] == "device" {
			t.Fatal("told twice")
		}
	}
}
