package signal

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// record is a Sink that writes down.
type record struct {
	mu     sync.Mutex
	events []Event
}

func (r *record) Happened(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// lines are the events so far: kind, role and name of the peer, reason.
func (r *record) lines() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		out = append(out, strings.Join(strings.Fields(e.Kind+" "+e.Role+" "+e.PeerName+" "+e.Reason), " "))
	}
	return out
}

func (r *record) stage(t *testing.T, o options) *stage {
	t.Helper()
	before := o.config
	o.config = func(c *Config) {
		c.Sink = r
		if before != nil {
			before(c)
		}
	}
	return newStage(t, o)
}

func TestSinkIsToldInOrder(t *testing.T) {
	r := &record{}
	m := newMint(t)
	st := r.stage(t, options{config: m.config(false)})
	caster, created := st.hosted(m, "Hall", named("Ann"))
	tv, code := st.display("Wall")
	caster.granted("added", message{"type": "add", "code": code})
	st.goLive(created)
	viewer := st.enter(message{"name": "Bob"})
	joined := viewer.granted("joined", message{"type": "join", "code": roomCode(created), "offer": "sdp", "slots": message{"0": "screen"}})
	viewer.hangUp()
	st.away(viewer)
	back := st.enter(message{"name": "Bob"})
	back.granted("joined", message{"type": "join", "ticket": joined["ticket"]})
	back.granted("ok", message{"type": "leave"})
	path := st.do("POST", "/whep/"+roomCode(created), typeSDP, playerOffer).header.Get("Location")
	st.do("DELETE", path, "", "")
	caster.granted("ok", message{"type": "remove", "peer": tv.peer})
	st.hub.CastChanged(text(inner(created, "room")["id"]), false, nil)
	caster.granted("ok", message{"type": "end"})
	want := []string{
		"room_begin", "join caster Ann", "display_bound display Wall", "cast_start", "join viewer Bob", "leave viewer Bob",
		"join viewer Bob", "leave viewer Bob", "join viewer player", "leave viewer player", "display_unbound display Wall",
		"cast_end", "leave caster Ann", "room_end ended",
	}
	if got := r.lines(); !slices.Equal(got, want) {
		t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	id := text(inner(created, "room")["id"])
	for _, e := range r.events {
		if e.Room != id || e.Name != "Hall" || time.Since(e.Time) > time.Minute || (e.Peer == "") != (e.Role == "") {
			t.Errorf("%+v", e)
		}
		if text := fmt.Sprintf("%+v", e); strings.Contains(text, roomCode(created)) || strings.Contains(text, "192.0.2.1") {
			t.Errorf("a code or an address: %s", text)
		}
	}
}

// Who was refused, or waits, has not come; and every coming has its going.
func TestSinkOfEncodersLobbiesAndTheEnd(t *testing.T) {
	r := &record{}
	st := r.stage(t, options{})
	caster, created := st.caster()
	st.enter().refused(CodeBadOffer, message{"type": "join", "link": inner(created, "room")["link"], "offer": "refuse bad_offer", "slots": message{"0": "screen"}})
	caster.granted("settings", message{"type": "settings", "waiting": true})
	waits := st.enter(message{"name": "Eve"})
	waits.granted("waiting", message{"type": "join", "code": roomCode(created)})
	caster.granted("ok", message{"type": "admit", "peer": waits.peer, "allow": true})
	token := text(inner(created, "encoder")["token"])
	first := st.do("POST", "/whip/"+roomCode(created), typeSDP, encoderOffer, bearer(token)...)
	second := st.do("POST", "/whip/"+roomCode(created), typeSDP, encoderOffer, bearer(token)...)
	if first.status != http.StatusCreated || second.status != http.StatusCreated {
		t.Fatal(first.status, second.status)
	}
	st.hub.Close()
	got := r.lines()
	want := []string{"room_begin", "join caster", "join viewer Eve", "join encoder encoder", "leave encoder encoder", "join encoder encoder"}
	if n := len(want); len(got) < n || !slices.Equal(got[:n], want) {
		t.Fatalf("got %q, want %q first", got, want)
	}
	rest := got[len(want):]
	if len(rest) != 4 || rest[3] != "room_end closing" {
		t.Fatalf("at the end: %q", rest)
	}
	slices.Sort(rest)
	if !slices.Equal(rest[:3], []string{"leave caster", "leave encoder encoder", "leave viewer Eve"}) {
		t.Fatalf("at the end: %q", rest)
	}
}
