package signal

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestWrongCodesOfPlayers(t *testing.T) {
	st := newStage(t, options{})
	_, created := st.caster()
	st.goLive(created)
	code := roomCode(created)
	for i := range 30 {
		method := "POST"
		if i%2 == 1 {
			method = "OPTIONS" // which would tell a right code by its ICE servers
		}
		got := st.do(method, "/whep/"+otherCode(code), typeSDP, playerOffer)
		if method == "POST" && (got.status != 404 || got.code != CodeUnknown) {
			t.Fatalf("try %d: %d %s", i, got.status, got.body)
		}
	}
	got := st.do("POST", "/whep/"+code, typeSDP, playerOffer)
	if got.status != 429 || got.code != CodeLimited || got.header.Get("Retry-After") == "" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if got := st.do("OPTIONS", "/whep/"+code, "", ""); got.header.Get("Link") != "" {
		t.Fatal("OPTIONS tells that a code is right")
	}
	st.play(code, "X-Test-Addr", "203.0.113.5")
	c := st.enter()
	c.refused(CodeLimited, message{"type": "join", "code": code}) // one count for both doors
}

func TestRefusedRequestsOfOneAddress(t *testing.T) {
	st := newStage(t, options{})
	_, created := st.caster()
	publish, _ := tokens(created)
	for i := range guestFailureBurst {
		if got := st.do("POST", "/whip/"+roomCode(created), typeSDP, encoderOffer); got.status != 401 {
			t.Fatalf("try %d: %d %s", i, got.status, got.body)
		}
	}
	got := st.do("POST", "/whip/"+roomCode(created), typeSDP, encoderOffer)
	if got.status != 429 || got.code != CodeRateLimited || got.header.Get("Retry-After") == "" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	st.publish(roomCode(created), bearer(publish)...) // a token is listened to
}

func TestServerFull(t *testing.T) {
	st := newStage(t, options{config: func(c *Config) { c.Open, c.Capacity = true, 1 }, bounds: func(b *bounds) { b.guests, b.rooms = 2, 1 }})
	st.publish("hall")
	st.cast("hall", true)
	if got := st.do("POST", "/whip/second", typeSDP, encoderOffer); got.status != 503 || got.code != CodeServerBusy || got.header.Get("Retry-After") == "" {
		t.Fatalf("rooms: %d %s", got.status, got.body)
	}
	at, _ := st.play("hall")
	if got := st.do("POST", "/whep/hall", typeSDP, playerOffer); got.status != 503 || got.code != CodeServerBusy {
		t.Fatalf("guests: %d %s", got.status, got.body)
	}
	st.do("DELETE", at, "", "")
	st.play("hall")
	st.hub.bounds.guests = 3
	if got := st.do("POST", "/whep/hall", typeSDP, playerOffer); got.status != 503 || got.code != CodeRoomFull || got.header.Get("Retry-After") == "" {
		t.Fatalf("room: %d %s", got.status, got.body)
	}
}

func TestDoorsWhileDraining(t *testing.T) {
	bubble(t, options{config: openHub}, func(t *testing.T, st *stage) {
		at, etag := st.publish("hall")
		go st.hub.Drain(time.Minute)
		synctest.Wait()
		for _, path := range []string{"/whip/other", "/whep/hall"} {
			if got := st.do("POST", path, typeSDP, map[bool]string{true: encoderOffer, false: playerOffer}[path == "/whip/other"]); got.status != 503 || got.code != CodeDraining || got.header.Get("Retry-After") == "" {
				t.Errorf("%s: %d %s", path, got.status, got.body)
			}
		}
		if got := st.do("PATCH", at, typeFragment, trickle, "If-Match", etag); got.status != 204 {
			t.Errorf("what is there goes on: %d", got.status)
		}
	})
}
