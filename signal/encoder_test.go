package signal

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A room that an encoder opened has no page. Its encoder goes and comes; viewers keep their places, and after a minute
// without one the room ends.
func TestRoomOfAnEncoder(t *testing.T) {
	bubble(t, options{config: openHub}, func(t *testing.T, st *stage) {
		at, _ := st.publish("H%C3%A4ll%201", "User-Agent", "Lavf/61.7.100")
		st.cast("häll 1", true)
		viewer := st.enter()
		joined := viewer.granted("joined", message{"type": "join", "room": "HÄLL 1"})
		if r := inner(joined, "room"); r["state"] != "live" || r["name"] != "Häll 1" {
			t.Fatalf("room %v", r)
		}
		st.play("h%C3%A4ll%201")
		if got := st.do("POST", "/whip/h%C3%A4ll%201", typeSDP, encoderOffer); got.status != 409 || got.code != CodeAlreadyCasting || got.header.Get("Retry-After") != "2" {
			t.Fatalf("a second encoder: %d %s", got.status, got.body)
		}
		if got := st.do("DELETE", at, "", ""); got.status != 200 {
			t.Fatalf("DELETE: %d", got.status)
		}
		st.cast("häll 1", false)
		viewer.room("away")
		if got := st.do("POST", "/whep/h%C3%A4ll%201", typeSDP, playerOffer); got.status != 409 || got.code != CodeNotLive {
			t.Fatalf("play: %d %s", got.status, got.body)
		}
		time.Sleep(50 * time.Second)
		at, _ = st.publish("h%C3%A4ll%201")
		st.cast("häll 1", true)
		viewer.room("live")
		viewer.quiet(5 * time.Minute)
		gone := time.Now()
		st.do("DELETE", at, "", "")
		viewer.room("away")
		viewer.quiet(55 * time.Second)
		if m := viewer.until("ended"); m["reason"] != "gone" || time.Since(gone) != 60*time.Second {
			t.Fatalf("%v after %v", m, time.Since(gone))
		}
		synctest.Wait()
		if c := st.hub.Counts(); c.Rooms != 0 || c.Sessions != 1 || c.Players != 0 || c.Gone[goneRoom] != 1 || c.Gone[goneDeleted] != 2 {
			t.Fatalf("counts %+v", c)
		}
		if calls := st.media.calls("end"); len(calls) != 1 {
			t.Fatalf("the media plane was told %q", calls)
		}
	})
}

// A page that publishes puts the encoder out; an encoder never puts out a page that casts, but takes over from one
// whose connection is lost.
func TestPageAndEncoder(t *testing.T) {
	st := newStage(t, options{})
	page, created := st.caster()
	publish, _ := tokens(created)
	code := roomCode(created)
	at, _ := st.publish(code, bearer(publish)...)
	if m := page.until("encoder"); m["present"] != true {
		t.Fatalf("the page is told %v", m)
	}
	st.goLive(created)
	page.room("live")
	page.granted("published", offer("publish", "screen"))
	page.until("encoder", func(m message) bool { return m["present"] == false })
	if got := st.do("DELETE", at, "", ""); got.status != 404 {
		t.Fatalf("the encoder's resource: %d", got.status)
	}
	got := st.do("POST", "/whip/"+code, typeSDP, encoderOffer, bearer(publish)...)
	if got.status != 409 || got.code != CodeAlreadyCasting {
		t.Fatalf("over a page that casts: %d %s", got.status, got.body)
	}
	m := page.until("encoder", func(m message) bool { return m["refused"] != nil })
	if r := inner(m, "refused"); r["code"] != CodeAlreadyCasting || text(r["reason"]) == "" {
		t.Fatalf("the page is told %v", m)
	}
	st.hub.PeerChanged(page.peer, "failed")
	page.room("away")
	st.publish(code, bearer(publish)...)
	page.room("live") // CastChanged said so last
	if c := st.hub.Counts(); c.Encoders != 1 || c.Gone[goneReplaced] != 1 {
		t.Fatalf("counts %+v", c)
	}
	// With the token one encoder puts out another; the page's end ends the room for it.
	at, _ = st.publish(code, bearer(publish)...)
	if c := st.hub.Counts(); c.Encoders != 1 || c.Gone[goneReplaced] != 2 {
		t.Fatalf("counts %+v", c)
	}
	page.granted("ok", message{"type": "end"})
	if got := st.do("PATCH", at, typeFragment, trickle, "If-Match", "*"); got.status != 404 {
		t.Fatalf("after the end: %d", got.status)
	}
}

// A room whose page is gone goes on while an encoder casts, and its token opens it again after its end, also on another
// server with the same key: id, code and name stay.
func TestTokenOpensTheRoomAgain(t *testing.T) {
	var created message
	var publish string
	bubble(t, options{}, func(t *testing.T, st *stage) {
		page, c := st.caster()
		created = c
		publish, _ = tokens(created)
		at, _ := st.publish(roomCode(created), bearer(publish)...)
		st.goLive(created)
		page.drop()
		time.Sleep(2 * time.Minute)
		st.viewer(roomCode(created))
		if c := st.hub.Counts(); c.Rooms != 1 || c.Encoders != 1 || c.Casters != 0 {
			t.Fatalf("counts %+v", c)
		}
		// The page's ticket gives it back its room.
		again := st.enter()
		m := again.granted("created", message{"type": "create", "ticket": created["ticket"]})
		if r := inner(m, "room"); r["state"] != "live" || r["code"] != roomCode(created) {
			t.Fatalf("room %v", r)
		}
		if now := time.Now(); again.until("encoder")["present"] != true || time.Since(now) != 0 {
			t.Fatalf("the page is told of its encoder after %v", time.Since(now))
		}
		again.drop()
		again = st.enter(message{"resume": again.resume})
		again.want("room")
		if m := again.want("encoder"); m["present"] != true {
			t.Fatalf("a page that comes back is told %v", m)
		}
		again.granted("ok", message{"type": "end"})
		if got := st.do("DELETE", at, "", ""); got.status != 404 {
			t.Fatalf("DELETE: %d", got.status)
		}
		st.publish(roomCode(created), bearer(publish)...)
		if ids := roomIDs(st); !slices.Equal(ids, []string{text(inner(created, "room")["id"]) + " " + roomCode(created)}) {
			t.Fatalf("rooms %q", ids)
		}
	})
	bubble(t, options{}, func(t *testing.T, st *stage) {
		st.publish(text(inner(created, "room")["id"]), bearer(publish)...)
		if ids := roomIDs(st); !slices.Equal(ids, []string{text(inner(created, "room")["id"]) + " " + roomCode(created)}) {
			t.Fatalf("rooms %q", ids)
		}
		time.Sleep(31 * 24 * time.Hour)
		if got := st.do("POST", "/whip/"+roomCode(created), typeSDP, encoderOffer, bearer(publish)...); got.status != 401 {
			t.Fatalf("after a month: %d", got.status)
		}
	})
}

func roomIDs(st *stage) (ids []string) {
	st.hub.section(func() {
		for _, r := range st.hub.rooms {
			ids = append(ids, r.id+" "+r.code)
		}
	})
	return ids
}

// An encoder whose offer is refused leaves no room behind, and one that was there is as it was.
func TestRefusedEncoderLeavesNothing(t *testing.T) {
	st := newStage(t, options{config: openHub})
	for _, body := range []string{"video 0 sendonly\na=refuse:codec_unsupported\n", "hello", "video 0 recvonly\n"} {
		if got := st.do("POST", "/whip/hall", typeSDP, body); got.status < 400 {
			t.Fatalf("%q: %d", body, got.status)
		}
	}
	if c := st.hub.Counts(); c.Rooms != 0 || c.Sessions != 0 {
		t.Fatalf("counts %+v", c)
	}
	at, _ := st.publish("hall")
	st.hub.PeerChanged(st.peerAt(at), "disconnected")
	if got := st.do("POST", "/whip/hall", typeSDP, "video 0 sendonly\na=refuse:codec_unsupported\n"); got.status != 422 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if got := st.do("GET", at, "", ""); got.status != 204 {
		t.Fatalf("the encoder of before: %d", got.status)
	}
	// One whose connection is broken may be replaced by anybody.
	st.publish("hall")
	if got := st.do("GET", at, "", ""); got.status != 404 {
		t.Fatalf("the encoder that was replaced: %d", got.status)
	}
}

// Two that want to be the source at the same time come one after the other, and the room has the one that the media
// plane took last.
func TestEncodersAtTheSameTime(t *testing.T) {
	st := newStage(t, options{})
	_, created := st.caster()
	publish, _ := tokens(created)
	first := make(chan reply, 1)
	go func() {
		first <- st.do("POST", "/whip/"+roomCode(created), typeSDP, encoderOffer+"a=gate\n", bearer(publish)...)
	}()
	<-st.media.arrived
	second := make(chan reply, 1)
	go func() { second <- st.do("POST", "/whip/"+roomCode(created), typeSDP, encoderOffer, bearer(publish)...) }()
	select {
	case got := <-second:
		t.Fatalf("the second did not wait: %d", got.status)
	case <-time.After(50 * time.Millisecond):
	}
	close(st.media.gate)
	one, two := <-first, <-second
	if one.status != 201 || two.status != 201 {
		t.Fatalf("%d %d", one.status, two.status)
	}
	if st.peerAt(one.header.Get("Location")) != "" || st.peerAt(two.header.Get("Location")) == "" {
		t.Fatal("the room has the first one")
	}
}

// The room ends while the media plane is making the answer.
func TestRoomEndsUnderAnOffer(t *testing.T) {
	for _, door := range []string{"whip", "whep"} {
		st := newStage(t, options{})
		page, created := st.caster()
		publish, watch := tokens(created)
		st.goLive(created)
		token, body := publish, encoderOffer
		if door == "whep" {
			token, body = watch, playerOffer
		}
		answer := make(chan reply, 1)
		go func() {
			answer <- st.do("POST", "/"+door+"/"+roomCode(created), typeSDP, body+"a=gate\n", bearer(token)...)
		}()
		<-st.media.arrived
		page.granted("ok", message{"type": "end"})
		close(st.media.gate)
		if got := <-answer; got.status != 409 || got.code != CodeNotLive {
			t.Fatalf("%s: %d %s", door, got.status, got.body)
		}
		if leave := st.media.calls("leave"); len(leave) == 0 || st.hub.Counts().Sessions != 1 {
			t.Fatalf("%s: media plane was told %q, counts %+v", door, st.media.calls(""), st.hub.Counts())
		}
	}
}

// A connection that fails takes the guest with it.
func TestGuestsThatFail(t *testing.T) {
	st := newStage(t, options{})
	page, created := st.caster()
	publish, _ := tokens(created)
	encoder, _ := st.publish(roomCode(created), bearer(publish)...)
	st.goLive(created)
	player, _ := st.play(roomCode(created))
	st.hub.PeerChanged(st.peerAt(player), "connected")
	page.until("room", func(m message) bool {
		list, _ := inner(m, "room")["members"].([]any)
		return len(list) == 1 && list[0].(map[string]any)["state"] == "live"
	})
	st.hub.PeerChanged(st.peerAt(player), "failed")
	st.hub.PeerChanged(st.peerAt(encoder), "failed")
	st.eventually("both are gone", func() bool { return st.hub.Counts().Gone[goneLost] == 2 })
	page.room("away")
	for _, at := range []string{player, encoder} {
		if got := st.do("DELETE", at, "", ""); got.status != 404 {
			t.Errorf("%s: %d", at, got.status)
		}
	}
	st.eventually("the media plane knows", func() bool { return len(st.media.calls("leave")) == 2 })
}

// The caster removes a player as any other viewer.
func TestPlayerIsRemoved(t *testing.T) {
	st := newStage(t, options{})
	page, created := st.caster()
	st.goLive(created)
	at, _ := st.play(roomCode(created))
	page.granted("ok", message{"type": "remove", "peer": st.peerAt(at)})
	if got := st.do("GET", at, "", ""); got.status != 404 {
		t.Fatalf("%d", got.status)
	}
	publish, _ := tokens(created)
	page.granted("ok", message{"type": "end"})
	at, _ = st.publish(roomCode(created), bearer(publish)...)
	if c := st.hub.Counts(); c.Gone[goneRemoved] != 1 || c.Encoders != 1 || st.peerAt(at) == "" {
		t.Fatalf("counts %+v", c)
	}
}

// What the page is told of its encoder, every 2 s.
func TestEncoderMessage(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		page, created := st.caster()
		publish, _ := tokens(created)
		st.media.send(Ingest{Slot: "screen", Codec: "video/H264", Width: 1920, Height: 1080, FPS: 30, Bitrate: 4_000_000, KeyframeAge: 1500 * time.Millisecond})
		st.do("POST", "/whip/"+roomCode(created), typeSDP, "video 0 sendonly\na=refuse:codec_unsupported\n", bearer(publish)...)
		m := page.until("encoder")
		if m["present"] != false || inner(m, "refused")["code"] != CodeCodecUnsupported || fmt.Sprint(m["warnings"]) != "[codec]" || fmt.Sprint(m["streams"]) != "[]" {
			t.Fatalf("told %v", m)
		}
		at, _ := st.publish(roomCode(created), append(bearer(publish), "User-Agent", "OBS-Studio/31")...)
		begun := time.Now()
		m = page.until("encoder")
		stream, _ := m["streams"].([]any)[0].(map[string]any)
		if m["present"] != true || m["agent"] != "OBS" || m["since"] != 0.0 || m["refused"] != nil || fmt.Sprint(m["warnings"]) != "[]" ||
			fmt.Sprint(stream) != "map[bitrate:4e+06 codec:video/H264 fps:30 height:1080 keyframe:1500 rid: slot:screen width:1920]" {
			t.Fatalf("told %v", m)
		}
		st.media.send(Ingest{Slot: "screen", Codec: "video/H264", Bitrate: 1, KeyframeAge: 11 * time.Second, Reordered: true, Jumps: 1})
		m = page.until("encoder")
		if time.Since(begun) != 2*time.Second || m["since"] != 2000.0 || fmt.Sprint(m["warnings"]) != "[no_keyframe b_frames timestamps]" {
			t.Fatalf("told %v after %v", m, time.Since(begun))
		}
		page.until("encoder")
		if m = page.until("encoder"); fmt.Sprint(m["warnings"]) != "[no_keyframe b_frames no_audio timestamps]" {
			t.Fatalf("told %v", m)
		}
		st.do("DELETE", at, "", "")
		if m = page.until("encoder"); m["present"] != false || fmt.Sprint(m["streams"], m["warnings"]) != "[] []" {
			t.Fatalf("told %v", m)
		}
		page.until("room")
		page.quiet(time.Minute)
	})
}

func TestWarnings(t *testing.T) {
	picture := Ingest{Slot: "screen", Bitrate: 1}
	sound := Ingest{Slot: "audio", Bitrate: 1, KeyframeAge: time.Hour}
	old, paused := picture, Ingest{Slot: "screen", RID: "h", KeyframeAge: time.Hour}
	old.KeyframeAge = keyframeLate
	back := picture
	back.Reordered = true
	for _, c := range []struct {
		name            string
		streams         []Ingest
		sending, jumped time.Duration
		refused         string
		want            []string
	}{
		{"nothing yet", nil, time.Hour, -1, "", nil},
		{"fine", []Ingest{picture, sound}, time.Hour, -1, "", nil},
		{"a layer that is paused", []Ingest{picture, paused, sound}, time.Hour, -1, "", nil},
		{"sound may be late", []Ingest{picture}, audioLate - 1, -1, "", nil},
		{"no sound", []Ingest{picture}, audioLate, -1, "", []string{warnAudio}},
		{"no keyframe", []Ingest{old, sound}, time.Hour, -1, "", []string{warnKeyframe}},
		{"B-frames", []Ingest{back, sound}, time.Hour, -1, "", []string{warnReordered}},
		{"a jump", []Ingest{picture, sound}, time.Hour, jumpFor - 1, "", []string{warnTimestamps}},
		{"a jump long ago", []Ingest{picture, sound}, time.Hour, jumpFor, "", nil},
		{"refused for another reason", nil, 0, -1, CodeAlreadyCasting, nil},
		{"refused for its codec", nil, 0, -1, CodeCodecUnsupported, []string{warnCodec}},
	} {
		if got := warnings(c.streams, c.sending, c.jumped, c.refused); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// A thousand encoders and players that never say goodbye: the media plane finds out, and nothing is left.
func TestGuestsThatNeverDelete(t *testing.T) {
	bubble(t, options{config: func(c *Config) { c.Open, c.Capacity = true, -1 }}, func(t *testing.T, st *stage) {
		st.publish("hall")
		st.cast("hall", true)
		var peers []string
		for i := range 1000 {
			var at string
			if i%2 == 0 {
				at, _ = st.play("hall")
				got := st.do("POST", at+"/events", typeJSON, `["active","layers"]`)
				if got.status != 201 {
					t.Fatalf("events: %d %s", got.status, got.body)
				}
			} else {
				at, _ = st.publish(fmt.Sprintf("room %d", i), "X-Test-Addr", fmt.Sprintf("198.51.100.%d", i%200))
			}
			peers = append(peers, st.peerAt(at))
		}
		if c := st.hub.Counts(); c.Rooms != 501 || c.Sessions != 1001 || c.Streams != 500 {
			t.Fatalf("counts %+v", c)
		}
		time.Sleep(20 * time.Second) // what the media plane gives a connection to come up
		for _, peer := range peers {
			st.hub.PeerChanged(peer, "failed")
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		c := st.hub.Counts()
		if c.Rooms != 1 || c.Sessions != 1 || c.Players != 0 || c.Encoders != 1 || c.Streams != 0 || c.Gone[goneLost] != 1000 {
			t.Fatalf("counts %+v", c)
		}
		st.hub.section(func() {
			h := st.hub
			if len(h.resources) != 1 || len(h.names) != 1 || len(h.casts) != 1 || len(h.codes.active) != 1 {
				t.Errorf("left: %d resources, %d names, %d casts, %d codes", len(h.resources), len(h.names), len(h.casts), len(h.codes.active))
			}
		})
		if leave, end := len(st.media.calls("leave")), len(st.media.calls("end")); leave != 1000 || end != 500 {
			t.Fatalf("the media plane closed %d peers and %d casts", leave, end)
		}
	})
}
