package signal

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// listener reads an event stream.
type listener struct {
	t      *testing.T
	events chan [2]string // name and data; closed at the end of the stream
	hangUp func()
}

// listen opens an event stream for events and reads it.
func (st *stage) listen(at string, events ...string) (l *listener, stream string) {
	st.t.Helper()
	body, err := json.Marshal(events)
	if err != nil {
		st.t.Fatal(err)
	}
	got := st.do("POST", at+"/events", typeJSON, string(body))
	stream = got.header.Get("Location")
	if got.status != 201 || !strings.HasPrefix(stream, at+"/events/") {
		st.t.Fatalf("events: %d %v %s", got.status, got.header, got.body)
	}
	return st.follow(stream), stream
}

func (st *stage) follow(stream string) *listener {
	st.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+st.host+stream, nil)
	if err != nil {
		st.t.Fatal(err)
	}
	answer, err := st.web().Do(r)
	if err != nil {
		st.t.Fatal(err)
	}
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/event-stream" {
		st.t.Fatalf("GET: %d %v", answer.StatusCode, answer.Header)
	}
	l := &listener{t: st.t, events: make(chan [2]string, 256), hangUp: cancel}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(l.events)
		defer answer.Body.Close() //nolint:errcheck // it was read
		var event [2]string
		for s := bufio.NewScanner(answer.Body); s.Scan(); {
			switch line := s.Text(); {
			case strings.HasPrefix(line, "event: "):
				event[0] = line[len("event: "):]
			case strings.HasPrefix(line, "data: "):
				event[1] = line[len("data: "):]
			case line == "" && event[0] != "":
				l.events <- event
				event = [2]string{}
			}
		}
	}()
	st.t.Cleanup(func() { cancel(); <-done })
	return l
}

// want is the next event, which has to be that one.
func (l *listener) want(name, data string) {
	l.t.Helper()
	select {
	case got, ok := <-l.events:
		if !ok || got[0] != name || data != "" && got[1] != data {
			l.t.Fatalf("got %q, want %s %s", got, name, data)
		}
	case <-time.After(time.Minute):
		l.t.Fatalf("no event came, want %s", name)
	}
}

func (l *listener) quiet(d time.Duration) {
	l.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	select {
	case got := <-l.events:
		l.t.Fatalf("got %q", got)
	default:
	}
}

func TestEvents(t *testing.T) {
	bubble(t, options{config: openHub}, func(t *testing.T, st *stage) {
		encoder, _ := st.publish("hall")
		st.cast("hall", true)
		at, _ := st.play("hall")
		l, stream := st.listen(at, "active", "inactive", "viewercount")
		l.want("active", "{}")
		l.want("viewercount", `{"viewercount":1}`)
		l.quiet(time.Hour) // the server's time for a request does not end it
		begun := time.Now()
		var others []string
		for range 5 {
			other, _ := st.play("hall")
			others = append(others, other)
		}
		l.want("viewercount", `{"viewercount":2}`)
		l.want("viewercount", `{"viewercount":6}`)
		if took := time.Since(begun); took < time.Second || took > 2*time.Second {
			t.Fatalf("the second count came after %v", took)
		}
		st.do("DELETE", others[0], "", "")
		l.want("viewercount", `{"viewercount":5}`)
		st.cast("hall", false)
		l.want("inactive", "{}")
		st.cast("hall", true)
		l.want("active", "{}")

		// A client that comes back reads the present state, on one connection at a time.
		again := st.follow(stream)
		again.want("active", "{}")
		again.want("viewercount", `{"viewercount":5}`)
		if _, open := <-l.events; open {
			t.Fatal("two read one stream")
		}
		st.do("DELETE", encoder, "", "")
		again.want("inactive", "{}")
		if got := st.do("DELETE", stream, "", ""); got.status != 200 {
			t.Fatalf("DELETE: %d", got.status)
		}
		if _, open := <-again.events; open {
			t.Fatal("the stream goes on")
		}
		for _, method := range []string{"GET", "DELETE"} {
			if got := st.do(method, stream, "", ""); got.status != 404 {
				t.Fatalf("%s of a deleted stream: %d", method, got.status)
			}
		}
		last, _ := st.listen(at, "viewercount")
		last.want("viewercount", `{"viewercount":5}`)
		st.do("DELETE", at, "", "")
		if _, open := <-last.events; open {
			t.Fatal("the stream outlives its player")
		}
		if c := st.hub.Counts(); c.Streams != 0 {
			t.Fatalf("counts %+v", c)
		}
	})
}

func TestEventsAreRefused(t *testing.T) {
	st := newStage(t, options{config: openHub})
	encoder, _ := st.publish("hall")
	st.cast("hall", true)
	at, _ := st.play("hall")
	post := func(name, kind, body string, status int, code string) row {
		return row{name: name, method: "POST", path: at + "/events", kind: kind, body: body, status: status, code: code}
	}
	fine := `["active","inactive","layers","reconnect","viewercount"]`
	st.table(t, []row{
		post("unadvertised", typeJSON, `["active","fireworks"]`, 422, CodeBadMessage),
		post("none", typeJSON, `[]`, 422, CodeBadMessage),
		post("no list", typeJSON, `{"active":true}`, 422, CodeBadMessage),
		post("too many", typeJSON, `["active","active","active","active","active","active"]`, 422, CodeBadMessage),
		post("no type", "", fine, 415, CodeMediaType),
		post("65 KiB", typeJSON, large, 413, CodeTooLarge),
		post("1", typeJSON, fine, 201, ""), post("2", typeJSON, fine, 201, ""), post("3", typeJSON, fine, 201, ""), post("4", typeJSON, fine, 201, ""),
		post("5", typeJSON, fine, 429, CodeRateLimited),
		{name: "GET", method: "GET", path: at + "/events", status: 405, code: CodeMethod, check: wantHeader("Allow", "OPTIONS, POST")},
		{name: "unknown stream", method: "GET", path: at + "/events/x", status: 404, code: CodeResource},
		{name: "PUT of a stream", method: "PUT", path: at + "/events/x", status: 405, code: CodeMethod, check: wantHeader("Allow", "DELETE, GET, OPTIONS")},
		{name: "events of an encoder", method: "POST", path: encoder + "/events", kind: typeJSON, body: fine, status: 404, code: CodeResource},
		{name: "deeper", method: "GET", path: at + "/events/x/y", status: 404, code: CodeResource},
		{name: "preflight", method: "OPTIONS", path: at + "/events", headers: []string{"Access-Control-Request-Method", "POST"}, status: 204},
	})
}

// The server leaves: each stream is told at another time, and ends with the Hub.
func TestReconnectEvent(t *testing.T) {
	bubble(t, options{config: openHub}, func(t *testing.T, st *stage) {
		st.publish("hall")
		st.cast("hall", true)
		var listeners []*listener
		for range 4 {
			at, _ := st.play("hall")
			l, _ := st.listen(at, "reconnect")
			listeners = append(listeners, l)
		}
		start := time.Now()
		drained := make(chan struct{})
		go func() { defer close(drained); st.hub.Drain(8 * time.Second) }()
		for _, l := range listeners {
			l.want("reconnect", "{}")
		}
		if took := time.Since(start); took < 4*time.Second || took > 9*time.Second {
			t.Fatalf("all were told within %v", took)
		}
		<-drained
		st.hub.Close()
		for _, l := range listeners {
			if _, open := <-l.events; open {
				t.Fatal("the stream outlives the Hub")
			}
		}
		if got := st.do("POST", "/whep/hall", typeSDP, playerOffer); got.status != 503 || got.code != CodeDraining {
			t.Fatalf("after the end: %d %s", got.status, got.body)
		}
	})
}

func TestLayers(t *testing.T) {
	bubble(t, options{config: openHub}, func(t *testing.T, st *stage) {
		st.publish("hall")
		st.cast("hall", true)
		at, _ := st.play("hall")
		st.media.offers(
			Layer{Slot: "screen", RID: "q", Width: 320, Height: 180, Bitrate: 151_000, Temporal: 1, Active: true},
			Layer{Slot: "screen", RID: "h", Width: 640, Height: 360, Active: false},
			Layer{Slot: "camera", RID: "x", Active: true},
		)
		l, _ := st.listen(at, "layers")
		l.want("layers", `{"0":{"active":[{"id":"q","simulcastIdx":0,"bitrate":150000,"width":320,"height":180,"heigth":180}],`+
			`"inactive":[{"id":"h","simulcastIdx":1,"width":640,"height":360,"heigth":360}],`+
			`"layers":[{"encodingId":"q","simulcastIdx":0,"spatialLayerId":0,"temporalLayerId":1,"width":320,"height":180,"heigth":180},`+
			`{"encodingId":"q","simulcastIdx":0,"spatialLayerId":0,"temporalLayerId":0,"width":320,"height":180,"heigth":180}]}}`)
		st.media.offers(Layer{Slot: "screen", RID: "q", Width: 320, Height: 180, Bitrate: 154_000, Temporal: 1, Active: true},
			Layer{Slot: "screen", RID: "h", Width: 640, Height: 360, Active: false})
		l.quiet(10 * time.Second) // a breath of the encoder is no news
		st.media.offers(Layer{Slot: "screen", RID: "q", Active: true})
		l.want("layers", "")
	})
}

func TestLayerRequests(t *testing.T) {
	st := newStage(t, options{config: openHub})
	st.publish("hall")
	st.cast("hall", true)
	at, _ := st.play("hall")
	peer := st.peerAt(at)
	for i, c := range []struct {
		body   string
		status int
		want   string // what the media plane is told
	}{
		{`{"mediaId":"0","rid":"h"}`, 200, "screen {RID:h Spatial:-1 Temporal:-1 Width:0 Height:0 Bitrate:0}"},
		{`{"mediaId":"0","encodingId":"h"}`, 200, "screen {RID:h Spatial:-1 Temporal:-1 Width:0 Height:0 Bitrate:0}"},
		{`{"rid":"h"}`, 200, "screen {RID:h Spatial:-1 Temporal:-1 Width:0 Height:0 Bitrate:0}"},
		{`{"mediaId":"0","spatialLayerId":1,"temporalLayerId":0}`, 200, "screen {RID: Spatial:1 Temporal:0 Width:0 Height:0 Bitrate:0}"},
		{`{"mediaId":"0","temporalLayerId":2,"maxSpatialLayerId":2,"maxTemporalLayerId":1}`, 200, "screen {RID: Spatial:2 Temporal:1 Width:0 Height:0 Bitrate:0}"},
		{`{"mediaId":"0","maxWidth":640,"maxHeight":360}`, 200, "screen {RID: Spatial:-1 Temporal:-1 Width:640 Height:360 Bitrate:0}"},
		{`{"mediaId":"0","maxHeigth":360,"future":[1]}`, 200, "screen {RID: Spatial:-1 Temporal:-1 Width:0 Height:360 Bitrate:0}"},
		{`{"mediaId":"0"}`, 200, "screen {RID: Spatial:-1 Temporal:-1 Width:0 Height:0 Bitrate:0}"},
		{`{}`, 200, "screen {RID: Spatial:-1 Temporal:-1 Width:0 Height:0 Bitrate:0}"},
		{`{"mediaId":"1","rid":"h"}`, 422, ""},
		{`{"mediaId":"7"}`, 422, ""},
		{`{"mediaId":0}`, 422, ""},
		{`{"maxWidth":-1}`, 422, ""},
		{`{"temporalLayerId":8}`, 422, ""},
		{`{"rid":"` + strings.Repeat("x", 65) + `"}`, 422, ""},
		{`[]`, 422, ""},
		{`nonsense`, 422, ""},
		{``, 422, ""},
	} {
		before := len(st.media.calls("prefer"))
		got := st.do("POST", at+"/layer", typeJSON, c.body)
		told := st.media.calls("prefer")[before:]
		var want []string
		if c.want != "" {
			want = []string{fmt.Sprintf("prefer %s %s", peer, c.want)}
		}
		if got.status != c.status || !slices.Equal(told, want) {
			t.Errorf("%d: %s: %d %s; told %q, want %q", i, c.body, got.status, got.body, told, want)
		}
	}
	if got := st.do("POST", at+"/layer", typeSDP, "{}"); got.status != 415 {
		t.Errorf("wrong type: %d", got.status)
	}
	st.do("DELETE", at, "", "")
	if got := st.do("POST", at+"/layer", typeJSON, "{}"); got.status != 404 {
		t.Errorf("deleted: %d", got.status)
	}
}

// A client that floods its own resource is told to wait.
func TestRequestsOfOneResource(t *testing.T) {
	bubble(t, options{config: openHub}, func(t *testing.T, st *stage) {
		at, etag := st.publish("hall")
		limited := 0
		for range 100 {
			if got := st.do("PATCH", at, typeFragment, "a=end-of-candidates\n", "If-Match", etag); got.status == 429 {
				limited++
			}
		}
		if limited != 40 {
			t.Fatalf("%d of 100 were refused", limited)
		}
		time.Sleep(3 * time.Second)
		var body strings.Builder
		for i := range 65 {
			fmt.Fprintf(&body, "a=candidate:%d 1 udp 1 192.0.2.1 9 typ host\n", i)
		}
		if got := st.do("PATCH", at, typeFragment, body.String(), "If-Match", etag); got.status != 422 || got.code != CodeBadMessage {
			t.Fatalf("65 candidates: %d %s", got.status, got.body)
		}
	})
}
