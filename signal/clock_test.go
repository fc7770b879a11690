package signal

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Everything that takes time, with the numbers of the protocol, in bubbles where time costs nothing.

// bubble runs f with a server in memory.
func bubble(t *testing.T, o options, f func(t *testing.T, st *stage)) {
	t.Helper()
	o.pipe = true
	synctest.Test(t, func(t *testing.T) { f(t, newStage(t, o)) })
}

// quiet checks that nothing comes to c within d.
func (c *client) quiet(d time.Duration) {
	c.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	select {
	case m := <-c.frames:
		c.t.Fatalf("got %v", m)
	default:
	}
}

// drop cuts the connection.
func (c *client) drop() { _ = c.conn.Close() }

func TestCasterGoneFor60s(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		tv, code := st.display("Hall 1")
		caster, created := st.caster()
		caster.granted("added", message{"type": "add", "code": code})
		viewer := st.viewer(roomCode(created))
		viewer.granted("watching", offer("watch", "viewer"))
		gone := time.Now()
		caster.drop()
		viewer.room("away")
		tv.room("away")
		viewer.quiet(59900*time.Millisecond - time.Since(gone))
		if got := viewer.until("ended"); got["reason"] != "gone" {
			t.Fatalf("ended %v", got)
		}
		if got := time.Since(gone).Round(time.Second); got != 60*time.Second {
			t.Fatalf("the room ended after %v", got)
		}
		tv.until("ended")
		tv.want("code")
		synctest.Wait()
		if got := st.media.calls("end"); len(got) != 1 {
			t.Fatalf("media plane was told %q", got)
		}
		viewer.refused(CodeUnknown, message{"type": "join", "code": roomCode(created)})
		if c := st.hub.Counts(); c.Rooms != 0 || c.Sessions != 2 || c.Displays != 1 || c.Casters != 0 {
			t.Fatalf("counts %+v", c)
		}
	})
}

func TestViewerAndDisplayGoneFor60s(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		tv, code := st.display("Hall 1")
		caster, created := st.caster()
		caster.granted("added", message{"type": "add", "code": code})
		viewer := st.enter(message{"name": "Bob"})
		viewer.granted("joined", message{"type": "join", "code": roomCode(created)})
		viewer.drop()
		tv.drop()
		bothAway := func(m message) bool {
			list := inner(m, "room")["members"].([]any)
			return len(list) == 2 && list[0].(map[string]any)["state"] == "away" && list[1].(map[string]any)["state"] == "away"
		}
		caster.until("room", bothAway)
		time.Sleep(59 * time.Second)
		back := st.enter(message{"resume": viewer.resume}) // in time
		if back.peer != viewer.peer {
			t.Fatal("not resumed after 59 s")
		}
		room := caster.until("room", func(m message) bool { return inner(m, "room")["displays"] == 0.0 })
		sameMembers(t, inner(room, "room"), "Bob viewer connecting")
		synctest.Wait()
		if got := st.media.calls("leave"); !slices.Equal(got, []string{"leave " + tv.peer}) {
			t.Fatalf("media plane was told %q", got)
		}
		if got := st.departed(); !slices.Equal(got, []string{tv.peer}) {
			t.Fatalf("gone: %q", got)
		}
		late := st.enter(message{"resume": tv.resume})
		if late.peer == tv.peer {
			t.Fatal("resumed after 60 s")
		}
	})
}

func TestDisplayCodeIsRenewed(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		tv, first := st.display("Hall 1")
		start := time.Now()
		time.Sleep(10*time.Minute - time.Second)
		caster := st.enter()
		caster.granted("found", message{"type": "look", "code": first})
		next := tv.next(11 * time.Minute)
		if got := time.Since(start); got < 10*time.Minute || got > 10*time.Minute+time.Second {
			t.Fatalf("renewed after %v", got)
		}
		second := text(next["code"])
		if second == first || next["expires"] != 600_000.0 {
			t.Fatalf("code %v after %s", next, first)
		}
		time.Sleep(59 * time.Second)
		caster.granted("found", message{"type": "look", "code": first}) // the one before
		time.Sleep(time.Second)
		caster.refused(CodeUnknown, message{"type": "look", "code": first})
		caster.granted("created", message{"type": "create", "code": second})
		tv.want("bound")
		tv.quiet(11 * time.Minute) // a bound display has no code to renew
		caster.refused(CodeUnknown, message{"type": "look", "code": second})
	})
}

func TestPreviousCodeIsSpentWithTheNewOne(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		tv, first := st.display("Hall 1")
		second := text(tv.next(11 * time.Minute)["code"])
		caster := st.enter()
		caster.granted("created", message{"type": "create", "code": first})
		caster.refused(CodeUnknown, message{"type": "look", "code": second})
	})
}

func TestDetachedDisplay(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		tv, code := st.display("Hall 1")
		caster := st.enter()
		time.Sleep(9*time.Minute + 30*time.Second)
		tv.drop()
		synctest.Wait()
		caster.refused(CodeDisplayGone, message{"type": "look", "code": code})
		caster.refused(CodeDisplayGone, message{"type": "create", "code": code})
		if c := st.hub.Counts(); c.Failures != 0 {
			t.Fatalf("a right code counted as wrong: %+v", c)
		}
		time.Sleep(45 * time.Second) // the code runs out meanwhile
		back := st.enter(message{"resume": tv.resume})
		fresh := back.want("code")
		if fresh["code"] == code || fresh["expires"].(float64) < 580_000 {
			t.Fatalf("code %v after %s", fresh, code)
		}
		caster.granted("created", message{"type": "create", "code": code}) // good for 60 s more, and was not spent
		back.want("bound")
	})
}

// Members are told at once after a quiet time, and then every 200 ms at most.
func TestRoomIsCoalesced(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		caster, created := st.caster()
		caster.quiet(time.Second)
		start := time.Now()
		for range 10 {
			st.viewer(roomCode(created))
		}
		if got := inner(caster.want("room"), "room")["viewers"]; got != 1.0 || time.Since(start) != 0 {
			t.Fatalf("%v viewers after %v", got, time.Since(start))
		}
		if got := inner(caster.want("room"), "room")["viewers"]; got != 10.0 || time.Since(start) != 200*time.Millisecond {
			t.Fatalf("%v viewers after %v", got, time.Since(start))
		}
		caster.quiet(time.Second)
	})
}

func TestHelloWithin10s(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		c := st.connect("")
		start := time.Now()
		time.Sleep(9 * time.Second)
		if err := c.conn.WriteControl(9, nil, time.Now().Add(time.Second)); err != nil { // a ping is no hello
			t.Fatal(err)
		}
		c.send(message{"type": "ping"})
		if got := c.want("error"); got["code"] != CodeBadState {
			t.Fatalf("ping before hello: %v", got)
		}
		c.closed(1008)
		if got := time.Since(start); got != 10*time.Second {
			t.Fatalf("closed after %v", got)
		}
		if c := st.hub.Counts(); c.Drops[dropNoHello] != 1 || c.Sockets != 0 {
			t.Fatalf("counts %+v", c)
		}
	})
}

// So many sockets of one address may have nothing said, one more waits, and a hello makes room; other addresses do not
// notice.
func TestNewcomers(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		first := st.connect("")
		for range maxNewcomers - 1 {
			st.connect("")
		}
		type result struct {
			status int
			after  time.Duration
		}
		results := make(chan result)
		dial := func() {
			start := time.Now()
			_, response, _ := st.try(http.Header{"Origin": {"http://" + st.host}})
			results <- result{response.StatusCode, time.Since(start)}
		}
		go dial()
		if got := <-results; got.status != http.StatusServiceUnavailable || got.after != newcomerWait {
			t.Fatalf("one too many: %+v", got)
		}
		other := st.connect("203.0.113.9")
		other.send(message{"type": "hello", "version": 1})
		other.want("welcome")
		go dial()
		time.Sleep(time.Second)
		first.send(message{"type": "hello", "version": 1})
		first.want("welcome")
		if got := <-results; got.status != http.StatusSwitchingProtocols || got.after != time.Second {
			t.Fatalf("after a hello: %+v", got)
		}
		time.Sleep(30 * time.Second) // all who said nothing are closed by now
		synctest.Wait()
		st.hub.fresh.mu.Lock()
		defer st.hub.fresh.mu.Unlock()
		if n := len(st.hub.fresh.byAddr); n != 0 {
			t.Errorf("%d addresses are remembered", n)
		}
		if c := st.hub.Counts(); c.Drops[dropNewcomers] != 1 {
			t.Errorf("counts %+v", c.Drops)
		}
	})
}

func TestSilence(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		healthy := st.enter() // its library answers pings
		st.deaf = true
		dead := st.enter()
		start := time.Now()
		if m := dead.next(time.Minute); m != nil || dead.code != 1001 {
			t.Fatalf("got %v, closed with %d", m, dead.code)
		}
		if got := time.Since(start); got != 45*time.Second {
			t.Fatalf("given up after %v", got)
		}
		time.Sleep(time.Hour)
		healthy.granted("pong", message{"type": "ping"})
		if c := st.hub.Counts(); c.Drops[dropSilent] != 1 || c.Sessions != 1 {
			t.Fatalf("counts %+v", c)
		}
	})
}

func TestFailuresOfOneAddress(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		_, code := st.display("Hall 1")
		_, created := st.caster()
		wrong := "000000"
		if code == wrong {
			wrong = "000001"
		}
		c := st.enter()
		for left := 9; left >= 0; left-- {
			c.granted("found", message{"type": "look", "code": code}) // successes never count
			if got := c.refused(CodeUnknown, message{"type": "look", "code": wrong}); got["tries"] != float64(left) {
				t.Fatalf("got %v, want %d tries", got, left)
			}
			time.Sleep(100 * time.Millisecond)
		}
		c.refused(CodeFormat, message{"type": "look", "code": "12345"})
		limited := c.refused(CodeLimited, message{"type": "look", "code": code}) // the right one is not told either
		wait := limited["wait"].(float64)
		if wait < 10 || wait > 12 {
			t.Fatalf("wait %v", limited)
		}
		// Another socket of the address does not help; another kind of code and another address are free.
		st.enter().refused(CodeLimited, message{"type": "create", "code": code})
		c.granted("found", message{"type": "look", "code": roomCode(created)})
		st.enterFrom("192.0.2.2").granted("found", message{"type": "look", "code": code})

		time.Sleep(time.Duration(wait) * time.Second)
		if got := c.refused(CodeUnknown, message{"type": "look", "code": wrong}); got["tries"] != 0.0 {
			t.Fatalf("after the wait: %v", got)
		}
		time.Sleep(2 * time.Minute)
		if got := c.refused(CodeUnknown, message{"type": "look", "code": wrong}); got["tries"] != 9.0 {
			t.Fatalf("after two minutes: %v", got)
		}
		if got := st.hub.Counts().Failures; got != 12 {
			t.Fatalf("%d failures counted, want 12", got)
		}
	})
}

func TestFailuresOfRoomCodes(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		_, created := st.caster()
		wrong := "000000000"
		if roomCode(created) == wrong {
			wrong = "000000001"
		}
		c := st.enterFrom("2001:db8:1:2::1")
		for left := 29; left >= 0; left-- {
			if got := c.refused(CodeUnknown, message{"type": "join", "code": wrong}); got["tries"] != float64(left) {
				t.Fatalf("got %v, want %d tries", got, left)
			}
		}
		// The rest of its /64 shares that; the next /64 does not.
		limited := st.enterFrom("2001:db8:1:2:ffff::9").refused(CodeLimited, message{"type": "join", "code": roomCode(created)})
		if limited["wait"] != 6.0 {
			t.Fatalf("wait %v", limited)
		}
		st.enterFrom("2001:db8:1:3::1").granted("joined", message{"type": "join", "code": roomCode(created)})
	})
}

func TestDrain(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		caster, created := st.caster()
		clients := []*client{caster}
		for range 9 {
			clients = append(clients, st.viewer(roomCode(created)))
		}
		start := time.Now()
		drained := make(chan struct{})
		go func() { defer close(drained); st.hub.Drain(22 * time.Second) }()
		synctest.Wait()

		// Nobody new gets in, and what is there goes on.
		late := st.connect("")
		if got := late.want("error"); got["code"] != CodeDraining {
			t.Fatalf("late: %v", got)
		}
		late.closed(1012)
		caster.granted("published", offer("publish", "screen"))

		within := map[string]bool{}
		for _, c := range clients[1:] {
			var own float64
			for own == 0 {
				if m := c.next(patience); m["type"] == "draining" {
					own = m["within"].(float64)
				}
			}
			within[fmt.Sprint(own)] = true
			if own > 22_000 {
				t.Fatalf("draining within %v", own)
			}
			for m := c.next(30 * time.Second); m != nil; m = c.next(30 * time.Second) {
				continue
			}
			if c.code != 1012 {
				t.Fatalf("closed with %d", c.code)
			}
		}
		if len(within) != 9 {
			t.Fatalf("not each another number: %v", within)
		}
		<-drained
		if got := time.Since(start); got < 20*time.Second || got > 22*time.Second {
			t.Fatalf("drained after %v", got)
		}
		caster.closed(1012)
	})
}

func TestDrainRefusesNewRooms(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		_, created := st.caster()
		var idle []*client
		for range 3 {
			idle = append(idle, st.enter())
		}
		go st.hub.Drain(time.Minute) // ends with Close
		synctest.Wait()
		for i, m := range []message{{"type": "create"}, {"type": "open"}, {"type": "join", "code": roomCode(created)}} {
			idle[i].send(m)
			idle[i].until("error", func(got message) bool { return got["code"] == CodeDraining })
			idle[i].closed(1012)
		}
	})
}

func TestTicketsExpire(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		caster, created := st.caster()
		time.Sleep(12 * time.Hour)
		st.enter().refused(CodeAuth, message{"type": "create", "ticket": created["ticket"]})
		caster.granted("pong", message{"type": "ping"})
	})
}
