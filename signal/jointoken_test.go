package signal

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"castcode/internal/jointoken"
)

// mint makes join tokens for a stage.
type mint struct {
	t    *testing.T
	keys *jointoken.Keys
	next int
}

func newMint(t *testing.T) *mint {
	t.Helper()
	data, _, err := jointoken.AddKey(nil, jointoken.HS256)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := jointoken.ParseKeys(data, jointoken.HS256)
	if err != nil {
		t.Fatal(err)
	}
	return &mint{t: t, keys: keys}
}

// config makes the Hub take the tokens; only says whether it takes nothing else.
func (m *mint) config(only bool) func(*Config) {
	return func(c *Config) {
		c.Tokens, c.TokensOnly = jointoken.NewVerifier("castcode", "castcode", m.keys), only
	}
}

// token makes a token; changes may say more. It gives its id, too.
func (m *mint) token(room string, role jointoken.Role, changes ...func(*jointoken.Claims)) (text, id string) {
	m.t.Helper()
	m.next++
	c := jointoken.Claims{ID: "jti-" + string(rune('a'+m.next)), Room: room, Role: role, Expires: time.Now().Add(time.Hour)}
	for _, change := range changes {
		change(&c)
	}
	text, err := m.keys.Sign(c, "castcode", "castcode", time.Now())
	if err != nil {
		m.t.Fatal(err)
	}
	return text, c.ID
}

func named(name string) func(*jointoken.Claims) { return func(c *jointoken.Claims) { c.Name = name } }

// hosted opens a room with a token.
func (st *stage) hosted(m *mint, room string, changes ...func(*jointoken.Claims)) (c *client, created message) {
	st.t.Helper()
	text, _ := m.token(room, jointoken.Caster, changes...)
	c = st.enter()
	return c, c.granted("created", message{"type": "create", "token": text})
}

func TestRoomsByToken(t *testing.T) {
	m := newMint(t)
	st := newStage(t, options{config: m.config(true)})
	caster, created := st.hosted(m, "Hall")
	room := inner(created, "room")
	if room["name"] != "Hall" || room["code"] != nil || room["link"] != nil {
		t.Fatalf("room %v", room)
	}
	ann, _ := m.token("hall", jointoken.Viewer, named("Ann"))
	viewer := st.enter(message{"name": "Mallory"})
	joined := viewer.granted("joined", message{"type": "join", "token": ann})
	byID, _ := m.token(text(room["id"]), jointoken.Guest)
	guest := st.enter(message{"name": "Bob"})
	guest.granted("joined", message{"type": "join", "token": byID})
	seen := caster.until("room", func(got message) bool { return inner(got, "room")["viewers"] == 2.0 })
	sameMembers(t, inner(seen, "room"), "Ann viewer connecting", "Bob viewer connecting")

	// The name stays over a reload by ticket and over a resumed socket, whatever the page says.
	viewer.hangUp()
	st.away(viewer)
	back := st.enter(message{"resume": viewer.resume, "name": "Mallory"})
	back.hangUp()
	st.away(back)
	again := st.enter(message{"name": "Mallory"})
	again.granted("joined", message{"type": "join", "ticket": joined["ticket"]})
	seen = caster.until("room", func(got message) bool {
		list, _ := inner(got, "room")["members"].([]any)
		last, _ := list[len(list)-1].(map[string]any)
		return last["name"] == "Ann" && last["peer"] == again.peer
	})
	sameMembers(t, inner(seen, "room"), "Bob viewer connecting", "Ann viewer connecting")
}

func TestNothingGoesWithoutAToken(t *testing.T) {
	m := newMint(t)
	st := newStage(t, options{config: m.config(true)})
	_, created := st.hosted(m, "Hall")
	var code, link string
	st.hub.section(func() {
		for _, r := range st.hub.rooms {
			code, link = r.code, r.rules.Link
		}
	})
	c := st.enter()
	c.refused(CodeAuth, message{"type": "create"})
	c.refused(CodeBadMessage, message{"type": "join", "room": "hall"})
	c.refused(CodeUnknown, message{"type": "join", "code": code})
	c.refused(CodeUnknown, message{"type": "look", "code": code})
	c.refused(CodeAuth, message{"type": "join", "link": link})
	// A ticket that no token stands behind, as one of the time before the mode was changed.
	old := st.hub.tickets.sign(ticket{Kind: casterTicket, Room: "r_old"}, time.Now(), time.Hour)
	c.refused(CodeAuth, message{"type": "create", "ticket": old})
	old = st.hub.tickets.sign(ticket{Kind: viewerTicket, Room: text(inner(created, "room")["id"]), Holder: "v_x"}, time.Now(), time.Hour)
	c.refused(CodeAuth, message{"type": "join", "ticket": old})

	// Displays open all the same, and are paired by a caster.
	d, shown := st.display("tv")
	host, _ := st.hosted(m, "Other")
	host.granted("added", message{"type": "add", "code": shown})
	d.until("bound")

	st.goLive(created)
	for _, path := range []string{"/whep/" + code, "/whep/Hall", "/whip/Hall", "/whip/" + code} {
		if got := st.do("POST", path, typeSDP, map[bool]string{true: encoderOffer, false: playerOffer}[strings.HasPrefix(path, "/whip")]); got.status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", path, got.status, got.code)
		}
	}
}

func TestTokensAreForTheirRole(t *testing.T) {
	m := newMint(t)
	st := newStage(t, options{config: m.config(true)})
	_, created := st.hosted(m, "hall")
	st.goLive(created)
	ask := func(token, kind string) string {
		c := st.enter()
		got := c.ask(message{"type": kind, "token": token})
		if got["type"] == "error" {
			return text(got["code"])
		}
		return text(got["type"])
	}
	door := func(token, path, offer string) string {
		got := st.do("POST", path, typeSDP, offer, bearer(token)...)
		if got.status == http.StatusCreated {
			return "201"
		}
		return got.code
	}
	const no = CodeAuth
	for role, want := range map[jointoken.Role][5]string{
		//                   create, join, open, WHIP, WHEP
		jointoken.Caster:  {"created", no, no, "201", "201"},
		jointoken.Encoder: {no, no, no, "201", no},
		jointoken.Viewer:  {no, "joined", no, no, "201"},
		jointoken.Display: {no, no, "opened", no, no},
		jointoken.Guest:   {no, "joined", "opened", no, "201"},
	} {
		t.Run(string(role), func(t *testing.T) {
			own := "own-" + string(role)
			token, _ := m.token("hall", role)
			fresh, _ := m.token(own, role)
			got := [5]string{
				ask(fresh, "create"), ask(token, "join"), ask(token, "open"),
				door(fresh, "/whip/"+own, encoderOffer), door(token, "/whep/hall", playerOffer),
			}
			if got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
	wrong, _ := m.token("hall", jointoken.Viewer)
	other, _ := m.token("other", jointoken.Viewer)
	for name, got := range map[string]string{
		"another room's token": door(other, "/whep/hall", playerOffer), "no room": ask(other, "join"),
		"a token broken": ask(wrong[:len(wrong)-4], "join"), "no token": ask("a.b.c", "join"),
	} {
		want := map[string]string{"no room": CodeNotLive}[name]
		if want == "" {
			want = CodeAuth
		}
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if n := st.hub.Counts().Tokens; n[jointoken.ReasonSignature]+n[jointoken.ReasonMalformed] < 2 {
		t.Errorf("counted %v", n)
	}
}

func TestRoomClaimsThatReadAsCodes(t *testing.T) {
	m := newMint(t)
	st := newStage(t, options{config: m.config(false)})
	for room, want := range map[string]string{
		"123456789": "error", "123-456-789": "error", "\u200e": "error", strings.Repeat("x", 65): "error", "Hall 123456": "created",
	} {
		token, _ := m.token(room, jointoken.Caster)
		if got := st.enter().ask(message{"type": "create", "token": token}); got["type"] != want {
			t.Errorf("%q: %v", room, got)
		}
	}
}

func TestTwoCastersOfOneRoom(t *testing.T) {
	m := newMint(t)
	st := newStage(t, options{config: m.config(false)})
	token, _ := m.token("hall", jointoken.Caster)
	other, _ := m.token("Hall", jointoken.Caster)
	first := st.enter()
	created := first.granted("created", message{"type": "create", "token": token})
	if roomCode(created) == "" {
		t.Fatal("no code, where others may come by code")
	}
	c := st.enter()
	c.refused(CodeAlreadyCasting, message{"type": "create", "token": other})
	// The same token is the same person's other page.
	second := st.enter()
	if got := second.granted("created", message{"type": "create", "token": token}); inner(got, "room")["id"] != inner(created, "room")["id"] {
		t.Fatalf("another room: %v", got)
	}
	if got := first.until("ended"); got["reason"] != endedReplaced {
		t.Fatalf("%v", got)
	}
	second.hangUp()
	st.away(second)
	c.granted("created", message{"type": "create", "token": other})
	// Tokens and codes go together here; a token that does not fit the request does not.
	c.granted("ok", message{"type": "end"})
	c.refused(CodeBadMessage, message{"type": "create", "token": token, "ticket": created["ticket"]})
	c.refused(CodeBadMessage, message{"type": "join", "token": token, "code": "123456789"})
	c.refused(CodeBadMessage, message{"type": "open", "token": token, "ticket": "x"})
	plain := newStage(t, options{})
	plain.enter().refused(CodeAuth, message{"type": "create", "token": token})
}

func TestTokenLimits(t *testing.T) {
	m := newMint(t)
	st := newStage(t, options{config: m.config(true)})
	_, created := st.hosted(m, "hall", func(c *jointoken.Claims) { c.Viewers = 2 })
	if got := inner(created, "room")["capacity"]; got != 2.0 {
		t.Fatalf("capacity %v", got)
	}
	small, _ := m.token("hall", jointoken.Viewer, func(c *jointoken.Claims) { c.Width, c.Height, c.Bitrate = 640, 360, 500_000 })
	c := st.enter()
	c.granted("joined", message{"type": "join", "token": small, "offer": "sdp", "slots": message{"0": "screen"}})
	want := "prefer " + c.peer + " screen {RID: Spatial:-1 Temporal:-1 Width:640 Height:360 Bitrate:500000}"
	st.eventually(want, func() bool { return len(st.media.calls(want)) > 0 })
	st.goLive(created)
	path := st.do("POST", "/whep/hall", typeSDP, playerOffer, bearer(small)...).header.Get("Location")
	if got := st.do("POST", path+"/layer", typeJSON, `{"maxWidth":1920,"maxHeight":300}`); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if got := st.media.calls("prefer"); len(got) == 0 || !strings.HasSuffix(got[len(got)-1], "screen {RID: Spatial:-1 Temporal:-1 Width:640 Height:300 Bitrate:500000}") {
		t.Errorf("a player's wish goes beyond its token: %v", got)
	}
	st.enter().refused(CodeRoomFull, message{"type": "join", "token": small})
}

// Who opens rooms by token is counted by whoever made the token.
func TestRoomsByTokenAreNotCounted(t *testing.T) {
	m := newMint(t)
	st := newStage(t, options{config: func(c *Config) { m.config(false)(c); c.RoomsPerDay = 1 }})
	for _, room := range []string{"a", "b", "c"} {
		st.hosted(m, room)
	}
	st.caster()
	st.enter().refused(CodeRateLimited, message{"type": "create"})
}

// A token's bearer passes PIN and lobby, which the caster has made for others, and neither the lock nor the opening hour.
func TestTokensAndRoomSettings(t *testing.T) {
	m := newMint(t)
	st := newStage(t, options{config: m.config(false)})
	caster, _ := st.hosted(m, "hall")
	token, _ := m.token("hall", jointoken.Viewer)
	caster.granted("settings", message{"type": "settings", "waiting": true, "pin": "1234"})
	st.enter().granted("joined", message{"type": "join", "token": token})
	caster.granted("settings", message{"type": "settings", "starts": 3_600_000})
	early := st.enter()
	waiting := early.granted("waiting", message{"type": "join", "token": token})
	if waiting["reason"] != heldForStart {
		t.Fatalf("%v", waiting)
	}
	caster.granted("settings", message{"type": "settings", "starts": 0})
	early.until("admitted")
	caster.granted("settings", message{"type": "settings", "locked": true})
	st.enter().refused(CodeRoomLocked, message{"type": "join", "token": token})
}

func TestDisplaysByToken(t *testing.T) {
	m := newMint(t)
	st := newStage(t, options{config: m.config(true)})
	token, _ := m.token("hall", jointoken.Display, named("Wall"))
	d := st.enter(message{"name": "Chrome"})
	opened := d.granted("opened", message{"type": "open", "token": token, "name": "mine"})
	if opened["name"] != "Wall" {
		t.Fatalf("%v", opened)
	}
	caster, _ := st.hosted(m, "hall")
	d.until("bound")
	seen := caster.room("waiting")
	sameMembers(t, seen, "Wall display connecting")
	late := st.enter()
	late.granted("opened", message{"type": "open", "token": token})
	late.until("bound") // at once
	// It keeps its name and its room by ticket.
	late.hangUp()
	st.away(late)
	back := st.enter()
	if got := back.granted("opened", message{"type": "open", "ticket": opened["ticket"], "name": "mine"}); got["name"] != "Wall" {
		t.Fatalf("%v", got)
	}
	back.until("bound")
}

func TestPlaceEndsWhenTheTokenSays(t *testing.T) {
	m := newMint(t)
	st := newStage(t, options{config: m.config(true)})
	soon := func(c *jointoken.Claims) {
		c.Until = time.Now().Add(time.Second).Truncate(time.Second).Add(time.Second)
	}
	_, created := st.hosted(m, "hall")
	token, _ := m.token("hall", jointoken.Viewer, soon)
	c := st.enter()
	joined := c.granted("joined", message{"type": "join", "token": token})
	if got := c.until("ended"); got["reason"] != endedExpired {
		t.Fatalf("%v", got)
	}
	c.refused(CodeAuth, message{"type": "join", "ticket": joined["ticket"]})
	st.goLive(created)
	brief, _ := st.hosted(m, "brief", soon)
	if got := brief.until("ended"); got["reason"] != endedExpired {
		t.Fatalf("%v", got)
	}
	if rooms := st.hub.Roster(); len(rooms) != 1 || rooms[0].Name != "hall" {
		t.Fatalf("%+v", rooms)
	}
}

// What a caster hands on to an encoder or player is good as long as its token, and no proof outlives it.
func TestProofsEndWithTheToken(t *testing.T) {
	m := newMint(t)
	st := newStage(t, options{config: m.config(true)})
	_, created := st.hosted(m, "hall", named("Ann"))
	now := time.Now()
	for kind, proof := range map[ticketKind]any{
		casterTicket: created["ticket"], publishToken: inner(created, "encoder")["token"], watchToken: inner(created, "player")["token"],
	} {
		tk, ok := st.hub.tickets.verify(text(proof), kind, now)
		left := time.Unix(tk.Expires, 0).Sub(now)
		if !ok || tk.Grant == nil || left > time.Hour || left < 50*time.Minute {
			t.Errorf("%s: %v for %v: %+v", kind, ok, left, tk)
		}
		if handed := kind != casterTicket; handed && tk.Grant.Name != "" {
			t.Errorf("%s: an encoder or player would be called %q", kind, tk.Grant.Name)
		}
	}
	if got := st.do("POST", "/whip/hall", typeSDP, encoderOffer, bearer(text(inner(created, "encoder")["token"]))...); got.status != http.StatusCreated {
		t.Fatalf("%d %s", got.status, got.body)
	}
}

// Programs have no Origin; a join token stands for one.
func TestSocketsWithoutOrigin(t *testing.T) {
	m := newMint(t)
	st := newStage(t, options{config: m.config(true)})
	token, id := m.token("hall", jointoken.Caster)
	if _, _, err := st.try(http.Header{"Authorization": {"Bearer " + token}}); err != nil {
		t.Fatal(err)
	}
	try := func(header http.Header) int {
		c, response, err := st.try(header)
		if err == nil {
			c.hangUp()
			return http.StatusSwitchingProtocols
		}
		return response.StatusCode
	}
	for name, header := range map[string]http.Header{
		"none": {}, "broken": {"Authorization": {"Bearer a.b.c"}},
		"a page": {"Authorization": {"Bearer " + token}, "Origin": {"https://evil.example"}},
	} {
		if got := try(header); got != http.StatusForbidden {
			t.Errorf("%s: %d", name, got)
		}
	}
	if _, ok := st.hub.Revoke(id, time.Time{}); !ok {
		t.Fatal("not revoked")
	}
	if got := try(http.Header{"Authorization": {"Bearer " + token}}); got != http.StatusForbidden {
		t.Errorf("revoked: %d", got)
	}
}

// A guest over HTTP goes on with the token by which it came, though that has expired since.
func TestResourcesOutliveTheirToken(t *testing.T) {
	m := newMint(t)
	st := newStage(t, options{config: m.config(true)})
	// Expired by our clock and not by the skew that is allowed for.
	brief, _ := m.token("hall", jointoken.Encoder, func(c *jointoken.Claims) { c.Expires = time.Now().Add(-jointoken.Skew + 2*time.Second) })
	path := st.do("POST", "/whip/hall", typeSDP, encoderOffer, bearer(brief)...).header.Get("Location")
	st.eventually("the token has expired", func() bool {
		_, refused := st.hub.readToken(brief, time.Now())
		return refused != nil
	})
	if got := st.do("DELETE", path, "", "", bearer("x.y.z")...); got.status != http.StatusUnauthorized {
		t.Fatalf("%d", got.status)
	}
	if got := st.do("DELETE", path, "", "", bearer(brief)...); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
}

func TestTokensInConfig(t *testing.T) {
	m := newMint(t)
	for name, change := range map[string]func(*Config){
		"no keys": func(c *Config) { c.TokensOnly = true },
		"open":    func(c *Config) { m.config(true)(c); c.Open = true },
	} {
		c := Config{Media: newFakeMedia(), Key: testKey}
		change(&c)
		if _, err := NewHub(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestRemovedByTokenStaysOut(t *testing.T) {
	m := newMint(t)
	st := newStage(t, options{config: m.config(true)})
	caster, _ := st.hosted(m, "hall")
	own, _ := m.token("hall", jointoken.Viewer, named("Ann"))
	shared, _ := m.token("hall", jointoken.Viewer)
	for token, want := range map[string]string{own: "error", shared: "joined"} {
		c := st.enter()
		c.granted("joined", message{"type": "join", "token": token})
		caster.granted("ok", message{"type": "remove", "peer": c.peer})
		if got := c.until("ended"); got["reason"] != endedRemoved {
			t.Fatalf("%v", got)
		}
		if got := c.ask(message{"type": "join", "token": token}); got["type"] != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}
