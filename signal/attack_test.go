package signal

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// source is the i-th address of a crowd.
func source(i int) string { return fmt.Sprintf("198.51.%d.%d", 100+i/250, i%250) }

// guess sends wrong codes of that many digits from that many addresses until the server has counted n, and gives
// what came of all of them by error code.
func (st *stage) guess(kind string, digits, addresses, each int) map[string]int {
	st.t.Helper()
	answers := map[string]int{}
	for i := range addresses {
		c := st.enterFrom(source(i))
		for n := range each {
			got := c.ask(message{"type": kind, "code": st.wrong(digits, i*each+n)})
			if got["type"] != "error" {
				st.t.Fatalf("a wrong code was answered %v", got)
			}
			answers[text(got["code"])]++
		}
		c.drop()
	}
	return answers
}

// wrong is a code that leads nowhere.
func (st *stage) wrong(digits, n int) (code string) {
	st.hub.section(func() {
		for ; ; n++ {
			code = fmt.Sprintf("%0*d", digits, n)
			if _, used := st.hub.codes.active[st.hub.codes.hash(code)]; !used {
				return
			}
		}
	})
	return code
}

// TestBruteForceFromOneAddress: the limit of the address does it, nobody else is touched.
func TestBruteForceFromOneAddress(t *testing.T) {
	st := newStage(t, options{})
	tv, code := st.display("Hall 1")
	_, created := st.caster()
	if got := st.guess("look", 6, 1, 50); got[CodeUnknown] < 10 || got[CodeUnknown] > 11 || got[CodeLimited] < 39 {
		t.Fatalf("codes of displays: %v", got)
	}
	if got := st.guess("join", 9, 1, 55); got[CodeUnknown] < 30 || got[CodeUnknown] > 32 || got[CodeLimited] < 23 {
		t.Fatalf("codes of rooms: %v", got)
	}
	for range 300 {
		st.enterFrom("203.0.113.5").granted("joined", message{"type": "join", "code": roomCode(created)})
	}
	st.enterFrom("203.0.113.5").granted("created", message{"type": "create", "code": code})
	tv.until("bound")
	if got := st.hub.Counts(); got.Attacked[displayCodes] || got.Attacked[roomCodes] || len(got.Attacks) > 0 {
		t.Fatalf("attack mode: %+v", got)
	}
}

// TestBruteForceOnRoomsFrom1000Addresses: waiting rooms are forced on, and a hall of 300 behind one address gets in all the
// same, because its caster lets it in.
func TestBruteForceOnRoomsFrom1000Addresses(t *testing.T) {
	st := newStage(t, options{})
	caster, created := st.caster()
	tv, code := st.display("Hall 1")
	first := st.viewer(roomCode(created))
	if got := st.guess("join", 9, 1000, 2); got[CodeUnknown] != 2000 {
		t.Fatalf("answers %v", got)
	}
	counts := st.hub.Counts()
	if !counts.Attacked[roomCodes] || counts.Attacked[displayCodes] || counts.Attacks[roomCodes] != 1 || counts.Failures != 2000 {
		t.Fatalf("counts %+v", counts)
	}
	caster.until("room", func(m message) bool { s := settingsOf(m); return s["forced"] == true && s["waiting"] == false })

	hall := make([]*client, 300)
	for i := range hall {
		hall[i] = st.enterFrom("203.0.113.5")
		if got := hall[i].granted("waiting", message{"type": "join", "code": roomCode(created)}); got["reason"] != "caster" {
			t.Fatalf("waiting %v", got)
		}
	}
	caster.until("room", hasWaiting(300))
	caster.granted("ok", message{"type": "admit", "all": true, "allow": true})
	for i, c := range hall {
		c.until("admitted")
		if i%100 == 0 {
			c.granted("watching", offer("watch", "v"))
		}
	}
	first.granted("pong", message{"type": "ping"}) // who was in is not touched
	caster.granted("added", message{"type": "add", "code": code})
	tv.until("bound") // nor are displays
	if got := st.hub.Counts(); got.Viewers != 301 || got.Waiting != 0 {
		t.Fatalf("counts %+v", got)
	}
}

// TestBruteForceOnDisplaysFrom1000Addresses: short codes are gone at once, and who reads the screen casts.
func TestBruteForceOnDisplaysFrom1000Addresses(t *testing.T) {
	st := newStage(t, options{})
	tv, short := st.display("Hall 1")
	bound, code := st.display("Hall 2")
	_, created := st.caster()
	host := st.enter()
	host.granted("created", message{"type": "create", "code": code})
	bound.until("bound")
	if got := st.guess("look", 6, 1000, 2); got[CodeUnknown] != 2000 {
		t.Fatalf("answers %v", got)
	}
	if got := st.hub.Counts(); !got.Attacked[displayCodes] || got.Attacked[roomCodes] {
		t.Fatalf("counts %+v", got)
	}
	long := tv.until("code")
	if len(text(long["code"])) != 8 || long["approve"] != true {
		t.Fatalf("code %v", long)
	}
	c := st.enterFrom("203.0.113.5")
	c.refused(CodeUnknown, message{"type": "look", "code": short})
	next := st.enterFrom("203.0.113.5").granted("opened", message{"type": "open"})
	if len(text(next["code"])) != 8 || next["approve"] != true {
		t.Fatalf("opened %v", next)
	}
	prompt := asks(t, c, tv, message{"type": "create", "code": long["code"]}) // although it asks for nobody
	tv.send(message{"type": "decide", "request": prompt["request"], "allow": true})
	answered(t, c, "created")
	tv.until("bound")
	st.viewer(roomCode(created)) // rooms are not touched
	host.granted("ok", message{"type": "end"})
	if got := bound.until("code"); len(text(got["code"])) != 8 {
		t.Fatalf("code %v", got)
	}
}

// TestAttackModeEnds 15 minutes after the last failure beyond the budget, by itself; the log tells nothing secret.
func TestAttackModeEnds(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		tv, _ := st.display("Hall 1")
		caster, created := st.caster()
		st.guess("look", 6, 30, 2) // the budget, and not more
		st.guess("join", 9, 30, 2)
		if got := st.hub.Counts(); got.Attacked[displayCodes] || got.Attacked[roomCodes] {
			t.Fatalf("60 failures in a minute are no attack: %+v", got)
		}
		start := time.Now()
		st.guess("look", 6, 2, 1)
		st.guess("join", 9, 2, 1)
		if got := len(text(tv.until("code")["code"])); got != 8 {
			t.Fatalf("%d digits", got)
		}
		held := st.waiter(created)
		time.Sleep(10 * time.Minute)
		if got := len(text(tv.until("code")["code"])); got != 8 { // renewed
			t.Fatalf("%d digits", got)
		}
		st.guess("join", 9, 62, 1) // it goes on
		time.Sleep(time.Until(start.Add(15*time.Minute + time.Second)))
		if got := st.hub.Counts(); got.Attacked[displayCodes] || !got.Attacked[roomCodes] {
			t.Fatalf("after 15 minutes: %+v", got)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := st.hub.Counts(); got.Attacked[roomCodes] || got.Attacks[roomCodes] != 1 || got.Attacks[displayCodes] != 1 {
			t.Fatalf("after 25 minutes: %+v", got)
		}
		st.viewer(roomCode(created))
		last := tv.until("code", func(m message) bool { return len(text(m["code"])) == 6 })
		if last["approve"] != nil {
			t.Fatalf("code %v", last)
		}
		// Whom only the attack has held back is the caster's to let in.
		if got := st.stateOf(held); got != stateWaiting {
			t.Fatalf("is %s", stateNames[got])
		}
		caster.set(message{"waiting": false})
		held.until("admitted")
		log := st.log.String()
		if strings.Count(log, "attack mode begins") != 2 || strings.Count(log, "attack mode ends") != 2 {
			t.Fatalf("log:\n%s", log)
		}
		key := st.hub.codes.hash("000000000")
		if !strings.Contains(log, "hash="+hex.EncodeToString(key[:4])+"\n") || strings.Contains(log, roomCode(created)) || strings.Contains(log, "000000") {
			t.Fatalf("log:\n%s", log)
		}
	})
}

// TestDisplaysOfOneAddress: 20 that show a code, bound ones not counted; those that have lost their socket give way.
func TestDisplaysOfOneAddress(t *testing.T) {
	st := newStage(t, options{config: func(c *Config) { c.DisplaysPerAddress = 3 }})
	lost, _ := st.display("lost")
	second, _ := st.display("second")
	_, code := st.display("third")
	late := st.enter()
	if got := late.refused(CodeServerBusy, message{"type": "open"}); got["wait"] != 60.0 {
		t.Fatalf("got %v", got)
	}
	st.enterFrom("192.0.2.77").granted("opened", message{"type": "open"})
	caster := st.enter()
	caster.granted("created", message{"type": "create", "code": code})
	late.granted("opened", message{"type": "open"}) // one is bound
	lost.hangUp()
	st.away(lost)
	another, _ := st.display("another")
	if got := st.enter(message{"resume": lost.resume}); got.peer == lost.peer {
		t.Fatal("it did not give way")
	}
	second.hangUp() // a reload takes its own place
	st.away(second)
	st.enter().granted("opened", message{"type": "open", "ticket": second.ticket})
	another.granted("ok", message{"type": "leave"})
	st.enter().granted("opened", message{"type": "open"})
	caster.granted("ok", message{"type": "end"}) // what comes free is not sent away
	st.enter().refused(CodeServerBusy, message{"type": "open"})
	if got := st.hub.Counts().Displays; got != 5 {
		t.Fatalf("%d displays", got)
	}
}

// TestRoomsOfOneAddress: 100 new ones in a day; one that a ticket proves is not new.
func TestRoomsOfOneAddress(t *testing.T) {
	bubble(t, options{config: func(c *Config) { c.RoomsPerDay = 0; c.Open = true }}, func(t *testing.T, st *stage) {
		c := st.enter()
		var created message
		for range 100 {
			created = c.granted("created", message{"type": "create"})
			c.granted("ok", message{"type": "end"})
			time.Sleep(100 * time.Millisecond)
		}
		got := c.refused(CodeRateLimited, message{"type": "create"})
		if wait := got["wait"].(float64); wait < 800 || wait > 864 {
			t.Fatalf("got %v", got)
		}
		if got := st.do("POST", "/whip/hall", typeSDP, encoderOffer); got.status != 429 || got.code != CodeRateLimited || got.header.Get("Retry-After") == "" {
			t.Fatalf("%d %s", got.status, got.body)
		}
		c.granted("created", message{"type": "create", "ticket": created["ticket"]})
		c.granted("ok", message{"type": "end"})
		st.enterFrom("192.0.2.77").granted("created", message{"type": "create"})
		time.Sleep(864 * time.Second)
		c.granted("created", message{"type": "create"})
	})
}
