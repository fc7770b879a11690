package signal

import (
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func TestOrigins(t *testing.T) {
	for _, c := range []struct {
		name           string
		scheme, host   string // as the browser reached us
		origin         []string
		allowed        []string
		open, admitted bool
	}{
		{"own", "https", "cast.test", []string{"https://cast.test"}, nil, false, true},
		{"own, port written out", "https", "cast.test:443", []string{"https://cast.test"}, nil, false, true},
		{"own, port written out there", "https", "cast.test", []string{"https://cast.test:443"}, nil, false, true},
		{"own, other port", "https", "cast.test:8443", []string{"https://cast.test:8443"}, nil, false, true},
		{"own, case", "https", "Cast.Test", []string{"https://cast.test"}, nil, false, true},
		{"own, IPv6", "http", "[2001:db8::1]:8080", []string{"http://[2001:db8::1]:8080"}, nil, false, true},
		{"own, IPv6, no port", "http", "[2001:db8::1]", []string{"http://[2001:db8::1]"}, nil, false, true},
		{"scheme differs", "https", "cast.test", []string{"http://cast.test"}, nil, false, false},
		{"scheme differs, port alike", "https", "cast.test:80", []string{"http://cast.test:80"}, nil, false, false},
		{"port differs", "https", "cast.test", []string{"https://cast.test:8443"}, nil, false, false},
		{"host differs", "https", "cast.test", []string{"https://evil.test"}, nil, false, false},
		{"host differs, open", "https", "cast.test", []string{"https://evil.test"}, nil, true, false},
		{"host is longer", "https", "cast.test", []string{"https://cast.test.evil.test"}, nil, false, false},
		{"user part", "https", "cast.test", []string{"https://cast.test@evil.test"}, nil, false, false},
		{"path", "https", "cast.test", []string{"https://cast.test/x"}, nil, false, false},
		{"null", "https", "cast.test", []string{"null"}, nil, false, false},
		{"null, open", "https", "cast.test", []string{"null"}, nil, true, false},
		{"file", "https", "cast.test", []string{"file://"}, nil, true, false},
		{"empty", "https", "cast.test", []string{""}, nil, true, false},
		{"two", "https", "cast.test", []string{"https://cast.test", "https://evil.test"}, nil, false, false},
		{"none", "https", "cast.test", nil, nil, false, false},
		{"none, open", "https", "cast.test", nil, nil, true, true},
		{"listed", "https", "cast.test", []string{"https://wiki.test"}, []string{"https://wiki.test"}, false, true},
		{"listed with its port", "https", "cast.test", []string{"https://wiki.test"}, []string{"https://WIKI.test:443"}, false, true},
		{"listed, other port", "https", "cast.test", []string{"https://wiki.test:1"}, []string{"https://wiki.test"}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := newStage(t, options{config: func(cfg *Config) {
				cfg.Origins, cfg.Open = c.allowed, c.open
				cfg.External = func(*http.Request) (string, string) { return c.scheme, c.host }
			}})
			got, response, err := st.try(http.Header{"Origin": c.origin})
			if (err == nil) != c.admitted {
				t.Fatalf("admitted %v, want %v (%v)", err == nil, c.admitted, response)
			}
			if err != nil {
				if response.StatusCode != http.StatusForbidden || st.hub.Counts().Drops[dropOrigin] != 1 {
					t.Fatalf("refused with %d, counts %+v", response.StatusCode, st.hub.Counts())
				}
				return
			}
			got.send(message{"type": "hello", "version": 1})
			ice := inner(got.want("welcome"), "ice")
			if url := ice["servers"].([]any)[0].(map[string]any)["urls"].([]any)[0]; strings.Contains(text(url), ":443") ||
				ice["ttl"] != 300.0 {
				t.Fatalf("ICE servers %v: the host has no port", ice)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	good := Config{Media: newFakeMedia(), Key: testKey}
	for name, spoil := range map[string]func(*Config){
		"no media plane": func(c *Config) { c.Media = nil },
		"short key":      func(c *Config) { c.Key = c.Key[:31] },
		"capacity":       func(c *Config) { c.Capacity = -2 },
		"origin":         func(c *Config) { c.Origins = []string{"cast.test"} },
		"origin, path":   func(c *Config) { c.Origins = []string{"https://cast.test/"} },
	} {
		c := good
		spoil(&c)
		if _, err := NewHub(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	h, err := NewHub(good)
	if err != nil {
		t.Fatal(err)
	}
	h.Close()
	h.Close()
}

func TestDefaultsOfConfig(t *testing.T) {
	c, err := Config{Media: newFakeMedia(), Key: testKey}.complete()
	if err != nil || c.Capacity != 500 {
		t.Fatalf("%+v, %v", c, err)
	}
	r := &http.Request{RemoteAddr: "[2001:db8::1]:99", Host: "cast.test:8080"}
	if got := c.ClientAddr(r); got != netip.MustParseAddr("2001:db8::1") {
		t.Errorf("address %v", got)
	}
	if scheme, host := c.External(r); scheme != "http" || host != "cast.test:8080" {
		t.Errorf("external %s %s", scheme, host)
	}
	if got := c.ClientAddr(&http.Request{RemoteAddr: "@"}); got.IsValid() {
		t.Errorf("address %v of nothing", got)
	}
	if servers, ttl := c.ICE("p", "h", 0); servers != nil || ttl != 0 {
		t.Errorf("servers %v", servers)
	}
}

func TestHello(t *testing.T) {
	st := newStage(t, options{})
	for _, version := range []message{{"version": 2}, {"version": 0}, {}} {
		c := st.connect("")
		version["type"], version["id"] = "hello", 3
		c.send(version)
		if got := c.want("error"); got["code"] != CodeVersion || got["re"] != 3.0 {
			t.Fatalf("got %v", got)
		}
		c.closed(4426)
	}
	c := st.connect("")
	c.raw(`{"type":"hello","version":1,"resume":"no such token","future":{"a":[1]}}`)
	if got := c.want("welcome"); got["resumed"] != false || got["role"] != "idle" || got["version"] != 1.0 {
		t.Fatalf("welcome %v", got)
	}
	c.refused(CodeBadState, message{"type": "hello", "version": 1})
	got := c.granted("ice", message{"type": "ice"})
	if servers := got["servers"].([]any); len(servers) != 2 || got["ttl"] != 300.0 {
		t.Fatalf("ice %v", got)
	}
}

func TestTenthBadMessageCloses(t *testing.T) {
	st := newStage(t, options{})
	c := st.enter()
	for i, frame := range []string{
		`no json`, `[]`, `{}`, `{"type":"fly"}`, `{"type":5}`, `{"type":"ping","id":-1}`, `{"type":"ping","id":0}`,
		`{"type":"look","code":5}`, "{\"type\":\"\xff\"}",
	} {
		c.raw(frame)
		if got := c.want("error"); got["code"] != CodeBadMessage || text(got["reason"]) == "" {
			t.Fatalf("message %d: got %v", i, got)
		}
	}
	c.granted("pong", message{"type": "ping"})
	if err := c.conn.WriteMessage(websocket.BinaryMessage, []byte(`{"type":"ping"}`)); err != nil {
		t.Fatal(err)
	}
	c.until("error")
	c.closed(1008)
	if got := st.hub.Counts(); got.Drops[dropBadMessages] != 1 || got.Refusals[CodeBadMessage] != 10 {
		t.Fatalf("counts %+v", got)
	}
}

func TestFrameOf64KiB(t *testing.T) {
	st := newStage(t, options{})
	c := st.enter()
	frame := `{"type":"ping","x":"` + strings.Repeat("x", maxFrame-22) + `"}`
	if len(frame) != maxFrame {
		t.Fatalf("the test's frame has %d bytes", len(frame))
	}
	c.raw(frame)
	c.want("pong")
	_ = c.conn.WriteMessage(websocket.TextMessage, make([]byte, 8<<20)) // fails when the server is quicker
	if got := c.want("error"); got["code"] != CodeBadMessage {
		t.Fatalf("got %v", got)
	}
	c.closed(1008)
	st.eventually("counted", func() bool { return st.hub.Counts().Drops[dropOversized] == 1 })
}

func TestFlood(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		c := st.enter() // one token
		for range 59 {
			c.granted("pong", message{"type": "ping"})
		}
		c.refused(CodeRateLimited, message{"type": "ping"})
		time.Sleep(time.Second)
		for range 30 {
			c.granted("pong", message{"type": "ping"})
		}
		for range 30 {
			c.refused(CodeRateLimited, message{"type": "ping"})
		}
		c.send(message{"type": "ping"})
		c.closed(1008)
		if got := st.hub.Counts(); got.Drops[dropFlood] != 1 || got.Refusals[CodeRateLimited] != 32 {
			t.Fatalf("counts %+v", got)
		}
	})
}

// A client that is a little too fast is told so, and stays.
func TestALittleTooFast(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		c := st.enter()
		for range 300 {
			for range 31 {
				c.send(message{"type": "ping"})
			}
			time.Sleep(time.Second)
			for len(c.frames) > 0 {
				<-c.frames
			}
		}
		c.granted("pong", message{"type": "ping"})
	})
}

// Control frames cost as much as messages.
func TestPingFlood(t *testing.T) {
	st := newStage(t, options{})
	c := st.enter()
	for range 10_000 {
		if c.conn.WriteControl(websocket.PingMessage, []byte("x"), time.Now().Add(time.Second)) != nil {
			break
		}
	}
	c.closed(1008)
}

// A client that does not read is shut out with 1013 when its queue is full, and may resume.
func TestSlowReader(t *testing.T) {
	st := newStage(t, options{timing: func(c *timing) { c.queue, c.write = 8, patience }})
	caster, created := st.caster()
	_ = caster
	viewer := st.viewer(roomCode(created))
	viewer.hangUp()
	st.away(viewer)

	// Nobody reads its next socket for a while.
	header := http.Header{"Origin": {"http://" + st.host}}
	d := websocket.Dialer{NetDialContext: st.dial}
	conn, _, err := d.Dial("ws://"+st.host+"/ws", header)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	slow := &client{t: t, conn: conn, frames: make(chan message, 1<<16)}
	slow.send(message{"type": "hello", "version": 1, "resume": viewer.resume})
	st.eventually("resumed", func() (there bool) {
		st.hub.section(func() { there = st.hub.sessions[viewer.peer].sock != nil })
		return there
	})
	big := []byte(`{"type":"room","filler":"` + strings.Repeat("x", 1<<20) + `"}`)
	st.eventually("queue is full", func() bool {
		st.hub.section(func() { st.hub.sessions[viewer.peer].sock.push(big) })
		return st.hub.Counts().Drops[dropSlow] == 1
	})
	go slow.read()
	var resume string
	for m := slow.next(patience); m != nil; m = slow.next(patience) {
		if m["type"] == "welcome" {
			resume = text(m["resume"])
		}
	}
	if slow.code != 1013 {
		t.Fatalf("closed with %d", slow.code)
	}
	again := st.enter(message{"resume": resume})
	if again.peer != viewer.peer {
		t.Fatal("not resumed")
	}
	again.want("room")
}

func TestServerBounds(t *testing.T) {
	st := newStage(t, options{bounds: func(b *bounds) { *b = bounds{sockets: 5, sessions: 4, rooms: 1, displays: 1} }})
	_, created := st.caster()
	second := st.enter()
	if got := second.refused(CodeServerBusy, message{"type": "create"}); got["wait"] != 5.0 {
		t.Fatalf("got %v", got)
	}
	second.granted("opened", message{"type": "open"})
	third := st.enter()
	third.refused(CodeServerBusy, message{"type": "open"})
	third.granted("joined", message{"type": "join", "code": roomCode(created)})
	st.enter()
	fifth := st.connect("")
	fifth.send(message{"type": "hello", "version": 1})
	if got := fifth.want("error"); got["code"] != CodeServerBusy {
		t.Fatalf("got %v", got)
	}
	_, response, err := st.try(http.Header{"Origin": {"http://" + st.host}})
	if err == nil || response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		t.Fatalf("sixth socket: %v %v", response, err)
	}
	if got := st.hub.Counts().Drops[dropBusy]; got != 1 {
		t.Fatalf("%d sockets counted as refused", got)
	}
}

// One address cannot use up the codes of everybody.
func TestCodesPerAddress(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		st.hub.section(func() { st.hub.issues = newAddressLimit(issuesPerMinute, 2) })
		c := st.enter()
		for range 2 {
			c.granted("opened", message{"type": "open"})
			c.granted("ok", message{"type": "leave"})
		}
		if got := c.refused(CodeServerBusy, message{"type": "create"}); got["wait"] != 1.0 {
			t.Fatalf("got %v", got)
		}
		st.enterFrom("192.0.2.2").granted("created", message{"type": "create"})
		time.Sleep(time.Second)
		c.granted("created", message{"type": "create"})
	})
}

// A bug in what the Hub calls ends neither the process nor the session.
func TestFaults(t *testing.T) {
	var broken atomic.Bool
	st := newStage(t, options{config: func(c *Config) {
		ice := c.ICE
		c.ICE = func(peer, host string, _ time.Duration) ([]ICEServer, time.Duration) {
			if broken.Load() {
				panic("a bug of ICE")
			}
			return ice(peer, host, 0)
		}
	}})
	c := st.enter()
	broken.Store(true)
	got := c.refused(CodeInternal, message{"type": "ice"})
	if reason := text(got["reason"]); reason == "" || !strings.Contains(st.log.String(), reason) {
		t.Fatalf("reference %q does not stand in the log", reason)
	}
	c.granted("pong", message{"type": "ping"})
	late := st.connect("")
	late.send(message{"type": "hello", "version": 1, "resume": c.resume})
	late.closed(1001)
	if got := st.hub.Counts(); got.Drops[dropFault] != 1 || got.Sessions != 1 {
		t.Fatalf("counts %+v", got)
	}
	c.granted("pong", message{"type": "ping"})
}

func TestNotAWebSocket(t *testing.T) {
	st := newStage(t, options{})
	client := http.Client{Transport: &http.Transport{DialContext: st.dial, DisableKeepAlives: true}}
	request, err := http.NewRequest(http.MethodGet, "http://"+st.host+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Origin", "http://"+st.host)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusBadRequest || st.hub.Counts().Drops[dropUpgrade] != 1 {
		t.Fatalf("answered %d", response.StatusCode)
	}
}

func TestClose(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	viewer := st.viewer(roomCode(created))
	silent := st.connect("") // has not said hello
	hanging := st.enter()
	join := offer("join", "hang")
	join["code"] = roomCode(created)
	hanging.send(join)
	st.eventually("in the media plane", func() bool { return len(st.media.calls("watch")) == 1 })
	st.hub.Close()
	for _, c := range []*client{caster, viewer, silent, hanging} {
		c.closed(1001)
	}
	_, response, err := st.try(http.Header{"Origin": {"http://" + st.host}})
	if err == nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("a closed hub answered %v", response)
	}
	st.hub.CastChanged(text(inner(created, "room")["id"]), false, nil) // the media plane may be later
	st.hub.PeerChanged(viewer.peer, "closed")
}

// Nothing that grants anything stands in the log, whatever happens.
func TestLogHoldsNoSecrets(t *testing.T) {
	st := newStage(t, options{})
	tv := st.enter(message{"name": "Hall 1"})
	opened := tv.granted("opened", message{"type": "open"})
	caster := st.enter()
	created := caster.granted("created", message{"type": "create", "code": opened["code"]})
	caster.granted("published", offer("publish", "v=0 secret-ufrag"))
	caster.refused(CodeInternal, offer("publish", "fail"))
	caster.refused(CodeInternal, offer("publish", "panic"))
	viewer := st.enter()
	joined := viewer.granted("joined", message{"type": "join", "code": roomCode(created)})
	viewer.refused(CodeBadState, message{"type": "join", "ticket": joined["ticket"]})
	caster.granted("ok", message{"type": "end"})
	st.hub.Drain(0)
	log := st.log.String()
	if !strings.Contains(log, text(inner(created, "room")["id"])) {
		t.Fatal("the log says nothing at all")
	}
	secrets := []any{
		opened["code"], opened["ticket"], created["ticket"], joined["ticket"], roomCode(created),
		tv.resume, caster.resume, viewer.resume, "secret-ufrag", "turn-password",
	}
	for _, secret := range secrets {
		// As a word of its own: six digits may well be part of an address in a stack trace.
		whole := regexp.MustCompile(`(^|[^0-9A-Za-z])` + regexp.QuoteMeta(text(secret)) + `($|[^0-9A-Za-z])`)
		if text(secret) == "" || whole.MatchString(log) {
			t.Errorf("%q stands in the log, or is none", secret)
		}
	}
}

func TestCounts(t *testing.T) {
	st := newStage(t, options{})
	_, code := st.display("Hall 1")
	caster, created := st.caster()
	caster.granted("added", message{"type": "add", "code": code})
	st.viewer(roomCode(created))
	st.enter()
	c := st.hub.Counts()
	if got := []int{c.Sockets, c.Sessions, c.Displays, c.Rooms, c.Casters, c.Viewers}; !slices.Equal(got, []int{4, 4, 1, 1, 1, 1}) {
		t.Fatalf("counts %+v", c)
	}
	c.Drops["x"], c.Refusals["x"] = 1, 1 // ours to keep
	if got := st.hub.Counts(); len(got.Drops) != 0 || len(got.Refusals) != 0 {
		t.Fatalf("counts %+v", got)
	}
}
