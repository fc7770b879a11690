package signal

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// Offers as fakeMedia reads them.
const (
	credentials  = "a=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\n"
	encoderOffer = "video 0 sendonly\naudio 1 sendonly\n" + credentials
	playerOffer  = "video 0 recvonly\naudio 1 recvonly\n" + credentials
	trickle      = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n" +
		"a=candidate:1 1 udp 2130706431 192.0.2.7 5000 typ host\r\n"
	anew = "a=ice-ufrag:EFGH\r\na=ice-pwd:9876543210987654321098\r\n"
)

// reply is an answer over HTTP.
type reply struct {
	status int
	header http.Header
	body   string
	code   string // of a problem
}

// web is a client for HTTP. Its connections end with the test.
func (st *stage) web() *http.Client {
	transport := &http.Transport{DialContext: st.dial, DisableKeepAlives: true}
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// do sends a request; headers are names and values by turns.
func (st *stage) do(method, path, kind, body string, headers ...string) reply {
	st.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://"+st.host+path, strings.NewReader(body))
	if err != nil {
		st.t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	answer, err := st.web().Do(r)
	if err != nil {
		st.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		st.t.Fatal(err)
	}
	got := reply{status: answer.StatusCode, header: answer.Header, body: string(text)}
	if answer.Header.Get("Content-Type") == "application/problem+json" {
		var p problem
		if err := json.Unmarshal(text, &p); err != nil || p.Status != got.status || p.Type != "about:blank" || p.Title == "" {
			st.t.Fatalf("%s %s: problem %s (%v)", method, path, text, err)
		}
		got.code = p.Code
	} else if got.status >= 400 && (path != "/probe" || got.status != 403) {
		st.t.Fatalf("%s %s: %d is no problem: %q", method, path, got.status, text)
	}
	if path == "/probe" {
		if cors := got.header.Get("Access-Control-Allow-Origin"); cors != "" {
			st.t.Fatalf("%s %s: pages of %q may read it", method, path, cors)
		}
		return got
	}
	if got.header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(got.header.Get("Access-Control-Expose-Headers"), "Location, ETag, Link") {
		st.t.Fatalf("%s %s: no CORS in %v", method, path, got.header)
	}
	return got
}

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

// publish posts an encoder's offer, which has to be taken, and gives its resource.
func (st *stage) publish(room string, headers ...string) (at, etag string) {
	st.t.Helper()
	got := st.do("POST", "/whip/"+room, typeSDP, encoderOffer, headers...)
	if got.status != 201 {
		st.t.Fatalf("publish: %d %s", got.status, got.body)
	}
	return got.header.Get("Location"), got.header.Get("ETag")
}

func (st *stage) play(room string, headers ...string) (at, etag string) {
	st.t.Helper()
	got := st.do("POST", "/whep/"+room, typeSDP, playerOffer, headers...)
	if got.status != 201 {
		st.t.Fatalf("play: %d %s", got.status, got.body)
	}
	return got.header.Get("Location"), got.header.Get("ETag")
}

// media tells the Hub that the cast of a named room carries something, or not any more.
func (st *stage) cast(name string, live bool) {
	st.t.Helper()
	id := ""
	st.hub.section(func() {
		if r := st.hub.names[nameKey(name)]; r != nil {
			id = r.cast
		}
	})
	st.hub.CastChanged(id, live, map[string]string{"screen": "video/VP8"})
}

// peerAt is the peer of a resource.
func (st *stage) peerAt(at string) (peer string) {
	st.hub.section(func() {
		if res := st.hub.resources[hashToken(at[strings.LastIndex(at, "/")+1:])]; res != nil {
			peer = res.session.peer
		}
	})
	return peer
}

func openHub(c *Config) { c.Open = true }

// tokens are what `created` gives an encoder and a player.
func tokens(created message) (publish, watch string) {
	return text(inner(created, "encoder")["token"]), text(inner(created, "player")["token"])
}

// row is a line of a table: a request and its answer.
type row struct {
	name, method, path, kind, body string
	headers                        []string
	status                         int
	code                           string
	check                          func(t *testing.T, got reply)
}

func (st *stage) table(t *testing.T, rows []row) {
	t.Helper()
	for i, r := range rows {
		// Each from its own address, so that refusals do not add up.
		headers := append([]string{"X-Test-Addr", fmt.Sprintf("198.51.100.%d", i+1)}, r.headers...)
		got := st.do(r.method, r.path, r.kind, r.body, headers...)
		if got.status != r.status || got.code != r.code {
			t.Errorf("%s: %s %s is answered %d %q, want %d %q: %s", r.name, r.method, r.path, got.status, got.code, r.status, r.code, got.body)
			continue
		}
		if r.check != nil {
			t.Run(r.name, func(t *testing.T) { r.check(t, got) })
		}
	}
}

func wantHeader(name, value string) func(*testing.T, reply) {
	return func(t *testing.T, got reply) {
		if got.header.Get(name) != value {
			t.Errorf("%s is %q, want %q", name, got.header.Get(name), value)
		}
	}
}

// large is longer than 64 KiB.
var large = encoderOffer + strings.Repeat("a=x\n", 65<<8)

// The table of protocols.md section 1, as far as it does not need a session.
func TestEndpointOfWHIP(t *testing.T) {
	st := newStage(t, options{})
	_, created := st.caster()
	publish, watch := tokens(created)
	at := "/whip/" + roomCode(created)
	token := bearer(publish)
	_, other := st.caster()
	foreign, _ := tokens(other)
	sdp := func(name, offer string, status int, code string) row {
		return row{name: name, method: "POST", path: at, kind: typeSDP, body: offer, headers: token, status: status, code: code}
	}
	st.table(t, []row{
		{name: "no type", method: "POST", path: at, body: encoderOffer, headers: token, status: 415, code: CodeMediaType},
		{name: "wrong type", method: "POST", path: at, kind: "application/json", body: "{}", headers: token, status: 415, code: CodeMediaType},
		sdp("65 KiB", large, 413, CodeTooLarge),
		sdp("malformed", "hello", 400, CodeBadSDP),
		sdp("empty", "", 422, CodeBadOffer),
		sdp("two pictures", "video 0 sendonly\nvideo 1 sendonly\n", 422, CodeBadOffer),
		sdp("two sounds", "audio 0 sendonly\naudio 1 sendonly\n", 422, CodeBadOffer),
		sdp("unequal ufrags", "video 0 sendonly\naudio 1 sendonly\na=refuse:bad_offer\n", 422, CodeBadOffer),
		sdp("no common codec", "video 0 sendonly\na=refuse:codec_unsupported\n", 422, CodeCodecUnsupported),
		sdp("only application", "application 0 sendrecv\n", 422, CodeBadOffer),
		sdp("application too", "video 0 sendonly\napplication 1 sendrecv\n", 422, CodeBadOffer),
		sdp("recvonly", "video 0 recvonly\n", 422, CodeBadOffer),
		sdp("sound recvonly", "video 0 sendonly\naudio 1 recvonly\n", 422, CodeBadOffer),
		sdp("inactive", "video 0 sendonly\naudio 1 inactive\n", 422, CodeBadOffer),
		sdp("media plane busy", "video 0 sendonly\na=refuse:server_busy\n", 503, CodeServerBusy),
		{name: "no bearer", method: "POST", path: at, kind: typeSDP, body: encoderOffer, status: 401, code: CodeAuth, check: wantHeader("WWW-Authenticate", "Bearer")},
		{name: "no bearer, no room", method: "POST", path: "/whip/000000000", kind: typeSDP, body: encoderOffer, status: 401, code: CodeAuth},
		{name: "bad bearer", method: "POST", path: at, kind: typeSDP, body: encoderOffer, headers: bearer("x.y"), status: 401, code: CodeAuth},
		{name: "Basic", method: "POST", path: at, kind: typeSDP, body: encoderOffer, headers: []string{"Authorization", "Basic eDp5"}, status: 401, code: CodeAuth},
		{name: "watch token", method: "POST", path: at, kind: typeSDP, body: encoderOffer, headers: bearer(watch), status: 401, code: CodeAuth},
		{name: "caster's ticket", method: "POST", path: at, kind: typeSDP, body: encoderOffer, headers: bearer(text(created["ticket"])), status: 401, code: CodeAuth},
		{name: "another room's token", method: "POST", path: at, kind: typeSDP, body: encoderOffer, headers: bearer(foreign), status: 401, code: CodeAuth},
		{name: "401 comes before 415 and 413", method: "POST", path: at, kind: "text/plain", body: large, status: 401, code: CodeAuth},
		{name: "no name", method: "POST", path: "/whip/" + url.PathEscape(strings.Repeat("x", 65)), kind: typeSDP, body: encoderOffer, status: 404, code: CodeResource},
		{name: "no UTF-8", method: "POST", path: "/whip/%ff%fe", kind: typeSDP, body: encoderOffer, status: 404, code: CodeResource},
		{name: "nothing", method: "POST", path: "/whip/", kind: typeSDP, body: encoderOffer, status: 404, code: CodeResource},
		{name: "GET", method: "GET", path: at, status: 204},
		{name: "HEAD", method: "HEAD", path: at, status: 204},
		{name: "PUT", method: "PUT", path: at, status: 405, code: CodeMethod, check: wantHeader("Allow", "GET, HEAD, OPTIONS, POST")},
		{name: "DELETE of the endpoint", method: "DELETE", path: at, headers: token, status: 405, code: CodeMethod},
		{name: "unknown resource", method: "DELETE", path: at + "/secret", headers: token, status: 404, code: CodeResource},
		{name: "nothing below", method: "POST", path: at + "/secret/layer", headers: token, status: 404, code: CodeResource},
		{name: "preflight", method: "OPTIONS", path: at, headers: []string{"Access-Control-Request-Method", "POST", "Origin", "https://x.test"}, status: 204, check: func(t *testing.T, got reply) {
			h := got.header
			if h.Get("Accept-Post") != typeSDP || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "POST") ||
				!strings.Contains(h.Get("Access-Control-Allow-Headers"), "Authorization, Content-Type, If-Match") || h.Get("Link") != "" {
				t.Errorf("%v", h)
			}
		}},
		{name: "preflight with a token", method: "OPTIONS", path: at, headers: append(bearer(publish), "Access-Control-Request-Method", "POST"), status: 204, check: wantHeader("Link", "")},
		{name: "OPTIONS, authorised", method: "OPTIONS", path: at, headers: token, status: 204, check: func(t *testing.T, got reply) {
			if !strings.Contains(got.header.Get("Link"), `rel="ice-server"`) || got.header.Get("Accept-Post") != typeSDP {
				t.Errorf("%v", got.header)
			}
		}},
		{name: "OPTIONS, not authorised", method: "OPTIONS", path: at, status: 204, check: wantHeader("Link", "")},
	})
	if n := sessions(st); n != 2 {
		t.Errorf("%d sessions are left of 2", n)
	}
}

func sessions(st *stage) (n int) {
	st.hub.section(func() { n = len(st.hub.sessions) })
	return n
}

// The 201 of section 1, and what can be done with the session.
func TestSessionOfWHIP(t *testing.T) {
	st := newStage(t, options{})
	page, created := st.caster()
	publish, _ := tokens(created)
	room := roomCode(created)
	got := st.do("POST", "/whip/"+room, "application/sdp; charset=utf-8", encoderOffer, "Authorization", "bearer "+publish, "User-Agent", "Mozilla/5.0 (OBS-Studio/30.2; Linux)")
	at, etag := got.header.Get("Location"), got.header.Get("ETag")
	if got.status != 201 || got.body != fakeAnswer("abcd") || got.header.Get("Content-Type") != typeSDP ||
		!strings.HasPrefix(at, "/whip/"+room+"/") || len(at) < len("/whip/")+len(room)+27 ||
		len(etag) < 10 || etag[0] != '"' || got.header.Get("Accept-Patch") != typeFragment {
		t.Fatalf("%d %v %s", got.status, got.header, got.body)
	}
	links := got.header.Values("Link")
	if want := `<turn:cast.test>; rel="ice-server"; username="` + st.peerAt(at) + `"; credential="turn-password"; credential-type="password"`; !slices.Equal(links, []string{want}) {
		t.Fatalf("links %q, want %q", links, want)
	}
	if m := page.until("encoder"); m["present"] != true || m["agent"] != "OBS" {
		t.Fatalf("the page is told %v", m)
	}
	token := bearer(publish)
	match := func(tag string) []string { return append(bearer(publish), "If-Match", tag) }
	patch := func(name, body string, headers []string, status int, code string) row {
		return row{name: name, method: "PATCH", path: at, kind: typeFragment, body: body, headers: headers, status: status, code: code}
	}
	noETag := func(t *testing.T, got reply) {
		if got.body != "" || got.header.Get("ETag") != "" {
			t.Errorf("body %q, ETag %q", got.body, got.header.Get("ETag"))
		}
	}
	trickled := patch("trickle", trickle, match(etag), 204, "")
	trickled.check = noETag
	st.table(t, []row{
		{name: "GET", method: "GET", path: at, status: 204},
		{name: "PUT", method: "PUT", path: at, status: 405, code: CodeMethod, check: wantHeader("Allow", "DELETE, GET, HEAD, OPTIONS, PATCH")},
		{name: "preflight", method: "OPTIONS", path: at, headers: []string{"Access-Control-Request-Method", "PATCH"}, status: 204, check: wantHeader("Accept-Patch", typeFragment)},
		trickled,
		patch("several tags", trickle, match(`"x", `+etag), 204, ""),
		patch("tag where a client in use has it", trickle, append(bearer(publish), "ETag", etag), 204, ""),
		patch("without a bearer", trickle, []string{"If-Match", etag}, 204, ""),
		patch("unknown transports", strings.Replace(trickle, " udp ", " sctp ", 1), match(etag), 204, ""),
		patch("unresolvable", strings.Replace(trickle, "192.0.2.7", "no-such-host.invalid", 1), match(etag), 204, ""),
		patch("end of candidates", "a=end-of-candidates\n", match(etag), 204, ""),
		patch("any, same credentials", trickle, match("*"), 204, ""),
		patch("no If-Match", trickle, token, 428, CodeMatchMissing),
		patch("stale", trickle, match(`"stale"`), 412, CodeMatchStale),
		patch("stale restart", anew, match(`"stale"`), 412, CodeMatchStale),
		patch("weak", trickle, match("W/"+etag), 412, CodeMatchStale),
		patch("malformed", "nonsense", match(etag), 400, CodeBadSDP),
		patch("empty", "", match(etag), 400, CodeBadSDP),
		patch("65 KiB", large, match(etag), 413, CodeTooLarge),
		patch("bad bearer", trickle, []string{"Authorization", "Bearer nonsense", "If-Match", etag}, 401, CodeAuth),
		{name: "wrong type", method: "PATCH", path: at, kind: typeSDP, body: trickle, headers: match(etag), status: 415, code: CodeMediaType},
		{name: "other door", method: "DELETE", path: strings.Replace(at, "/whip/", "/whep/", 1), status: 404, code: CodeResource},
		{name: "other room", method: "DELETE", path: strings.Replace(at, room, "000000000", 1), status: 404, code: CodeResource},
	})
	restarted := st.do("PATCH", at, typeFragment, anew, match(`"*"`)...)
	fresh := restarted.header.Get("ETag")
	want := "a=group:BUNDLE 0 1\r\na=ice-lite\r\na=ice-options:ice2\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=ice-ufrag:ourEFGH\r\n" +
		"a=ice-pwd:ourpassword0123456789ab\r\na=mid:0\r\na=candidate:1 1 udp 2130706431 192.0.2.9 8443 typ host\r\na=end-of-candidates\r\n"
	if restarted.status != 200 || fresh == "" || fresh == etag || restarted.header.Get("Content-Type") != typeFragment || restarted.body != want {
		t.Fatalf("restart: %d %v %q, want %q", restarted.status, restarted.header, restarted.body, want)
	}
	st.table(t, []row{
		patch("tag of before", trickle, match(etag), 412, CodeMatchStale),
		patch("new tag", anew+"a=candidate:1 1 udp 1 192.0.2.8 9 typ host\n", match(fresh), 204, ""),
		{name: "DELETE, tags ignored", method: "DELETE", path: at, headers: match(`"stale"`), status: 200},
		{name: "DELETE again", method: "DELETE", path: at, headers: token, status: 404, code: CodeResource},
		patch("PATCH of a deleted one", trickle, match(fresh), 404, CodeResource),
		{name: "GET of a deleted one", method: "GET", path: at, status: 404, code: CodeResource},
	})
	if calls := st.media.calls("restart"); len(calls) != 1 {
		t.Errorf("the media plane restarted %q", calls)
	}
	if c := st.hub.Counts(); c.Encoders != 0 || c.Gone[goneDeleted] != 1 || c.Refusals[CodeMatchStale] == 0 {
		t.Errorf("counts %+v", c)
	}
}

// What goes wrong in a restart leaves the old ICE session as it is.
func TestRefusedRestart(t *testing.T) {
	st := newStage(t, options{config: openHub})
	got := st.do("POST", "/whip/hall", typeSDP, encoderOffer)
	at, etag := got.header.Get("Location"), got.header.Get("ETag")
	for code, status := range map[string]int{CodeBadOffer: 422, CodeBadState: 409, CodeRateLimited: 429, CodeInternal: 500} {
		st.media.refuseRestarts(code)
		got := st.do("PATCH", at, typeFragment, anew, "If-Match", "*")
		if got.status != status || got.header.Get("ETag") != "" || (status == 429) != (got.header.Get("Retry-After") == "60") {
			t.Errorf("%s: %d %v", code, got.status, got.header)
		}
		if got := st.do("PATCH", at, typeFragment, trickle, "If-Match", etag); got.status != 204 {
			t.Errorf("after %s the ETag is no longer good: %d %s", code, got.status, got.body)
		}
	}
	st.media.refuseRestarts("hang")
	before, hanging := len(st.media.calls("restart")), make(chan reply, 2)
	for range cap(hanging) {
		go func() { hanging <- st.do("PATCH", at, typeFragment, anew, "If-Match", "*") }()
	}
	st.eventually("a restart is under way", func() bool { return len(st.media.calls("restart")) > before })
	if got := st.do("PATCH", at, typeFragment, trickle, "If-Match", etag); got.status != 204 {
		t.Errorf("trickle beside a restart: %d %s", got.status, got.body)
	}
	if got := st.do("DELETE", at, "", ""); got.status != 200 {
		t.Errorf("DELETE beside a restart: %d %s", got.status, got.body)
	}
	for range cap(hanging) {
		if got := <-hanging; got.status != 404 {
			t.Errorf("a restart of what was deleted: %d %s", got.status, got.body)
		}
	}
	st.media.refuseRestarts("")
	at, _ = st.publish("hall")
	if got := st.do("PATCH", at, typeFragment, anew, "If-Match", "*"); got.status != 200 {
		t.Errorf("restart: %d %s", got.status, got.body)
	}
}
