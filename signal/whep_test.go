package signal

import (
	"strings"
	"testing"
)

// The table of protocols.md section 2.
func TestEndpointOfWHEP(t *testing.T) {
	st := newStage(t, options{})
	_, created := st.caster()
	_, watch := tokens(created)
	code := roomCode(created)
	at := "/whep/" + code
	id := text(inner(created, "room")["id"])
	wrong := "/whep/" + otherCode(code)
	retry := func(t *testing.T, got reply) { wantHeader("Retry-After", "2")(t, got) }
	st.table(t, []row{
		{name: "nobody casts", method: "POST", path: at, kind: typeSDP, body: playerOffer, status: 409, code: CodeNotLive, check: retry},
	})
	st.goLive(created)
	sdp := func(name, offer string, status int, code string) row {
		return row{name: name, method: "POST", path: at, kind: typeSDP, body: offer, status: status, code: code}
	}
	st.table(t, []row{
		sdp("recvonly", playerOffer, 201, ""),
		sdp("sendrecv", "video 0 sendrecv\naudio 1 sendrecv\n"+credentials, 201, ""),
		sdp("sound switched off", "video 0 recvonly\naudio 1 inactive\n"+credentials, 201, ""),
		sdp("with camera", "video 0 recvonly\nvideo 1 recvonly\n"+credentials, 201, ""),
		sdp("sendonly", "video 0 sendonly\n", 422, CodeBadOffer),
		sdp("sound sendonly", "video 0 recvonly\naudio 1 sendonly\n", 422, CodeBadOffer),
		sdp("inactive", "video 0 inactive\n", 422, CodeBadOffer),
		sdp("three pictures", "video 0 recvonly\nvideo 1 recvonly\nvideo 2 recvonly\n", 422, CodeBadOffer),
		sdp("two sounds", "audio 0 recvonly\naudio 1 recvonly\n", 422, CodeBadOffer),
		sdp("application", "application 0 sendrecv\n", 422, CodeBadOffer),
		sdp("no codec", "video 0 recvonly\na=refuse:codec_unsupported\n", 422, CodeCodecUnsupported),
		sdp("malformed", "hello", 400, CodeBadSDP),
		sdp("65 KiB", large, 413, CodeTooLarge),
		{name: "wrong type", method: "POST", path: at, kind: "text/plain", body: playerOffer, status: 415, code: CodeMediaType},
		{name: "wrong code", method: "POST", path: wrong, kind: typeSDP, body: playerOffer, status: 404, code: CodeUnknown},
		{name: "bad bearer beside the code", method: "POST", path: at, kind: typeSDP, body: playerOffer, headers: bearer("nonsense"), status: 401, code: CodeAuth},
		{name: "token beside the code", method: "POST", path: at, kind: typeSDP, body: playerOffer, headers: bearer(watch), status: 201},
		{name: "token and id", method: "POST", path: "/whep/" + id, kind: typeSDP, body: playerOffer, headers: bearer(watch), status: 201},
		{name: "id alone", method: "POST", path: "/whep/" + id, kind: typeSDP, body: playerOffer, status: 401, code: CodeAuth},
		{name: "name alone", method: "POST", path: "/whep/hall", kind: typeSDP, body: playerOffer, status: 401, code: CodeAuth},
		{name: "token of another room", method: "POST", path: wrong, kind: typeSDP, body: playerOffer, headers: bearer(watch), status: 401, code: CodeAuth},
		{name: "HEAD", method: "HEAD", path: at, status: 200, check: wantHeader("Content-Type", typeSDP)},
		{name: "GET", method: "GET", path: at, status: 200, check: func(t *testing.T, got reply) {
			if got.body != "" || got.header.Get("Content-Type") != typeSDP {
				t.Errorf("%v %q", got.header, got.body)
			}
		}},
		{name: "PUT", method: "PUT", path: at, status: 405, code: CodeMethod, check: wantHeader("Allow", "GET, HEAD, OPTIONS, POST")},
		{name: "OPTIONS by somebody who knows the code", method: "OPTIONS", path: at, status: 204, check: func(t *testing.T, got reply) {
			if !strings.Contains(got.header.Get("Link"), "ice-server") {
				t.Errorf("no ICE servers: %v", got.header)
			}
		}},
		{name: "OPTIONS with a wrong code", method: "OPTIONS", path: wrong, status: 204, check: wantHeader("Link", "")},
	})
}

func otherCode(code string) string {
	if code[0] == '9' {
		return "0" + code[1:]
	}
	return string(code[0]+1) + code[1:]
}

func TestSessionOfWHEP(t *testing.T) {
	st := newStage(t, options{})
	page, created := st.caster()
	st.goLive(created)
	got := st.do("POST", "/whep/"+roomCode(created), typeSDP, playerOffer, "User-Agent", "GStreamer souphttpsrc 1.22")
	at, etag := got.header.Get("Location"), got.header.Get("ETag")
	links := got.header.Values("Link")
	if got.status != 201 || len(links) != 3 ||
		links[1] != "<"+at+`/events>; rel="urn:ietf:params:whep:ext:core:server-sent-events"; events="active,inactive,layers,reconnect,viewercount"` ||
		links[2] != "<"+at+`/layer>; rel="urn:ietf:params:whep:ext:core:layer"` {
		t.Fatalf("%d %q", got.status, links)
	}
	members := page.until("room", func(m message) bool { return inner(m, "room")["viewers"] == 1.0 })
	sameMembers(t, inner(members, "room"), "GStreamer viewer connecting")
	st.table(t, []row{
		{name: "trickle", method: "PATCH", path: at, kind: typeFragment, body: trickle, headers: []string{"If-Match", etag}, status: 204},
		{name: "no renegotiation", method: "PATCH", path: at, kind: typeSDP, body: playerOffer, headers: []string{"If-Match", etag}, status: 415, code: CodeMediaType},
		{name: "restart", method: "PATCH", path: at, kind: typeFragment, body: anew, headers: []string{"If-Match", "*"}, status: 200},
		{name: "stale", method: "PATCH", path: at, kind: typeFragment, body: trickle, headers: []string{"If-Match", etag}, status: 412, code: CodeMatchStale},
		{name: "GET", method: "GET", path: at, status: 204},
		{name: "layer, GET", method: "GET", path: at + "/layer", status: 405, code: CodeMethod, check: wantHeader("Allow", "OPTIONS, POST")},
		{name: "DELETE", method: "DELETE", path: at, status: 200},
		{name: "DELETE again", method: "DELETE", path: at, status: 404, code: CodeResource},
	})
	gone := page.until("room", func(m message) bool { return inner(m, "room")["viewers"] == 0.0 })
	sameMembers(t, inner(gone, "room"))
	if c := st.hub.Counts(); c.Players != 0 || c.Sessions != 1 {
		t.Errorf("counts %+v", c)
	}
}
