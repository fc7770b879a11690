package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// clients serves, from an origin of its own, a page with the WHIP and WHEP clients of npm. npm gets them by the lock
// file, esbuild puts them together as whoever uses them does.
func (st *stage) clients(t *testing.T) *httptest.Server {
	t.Helper()
	need(t, "npm")
	dir, err := filepath.Abs(filepath.Join("testdata", "npm"))
	if err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(st.dir, "clients.js")
	for _, command := range [][]string{
		{"npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"},
		{filepath.Join(dir, "node_modules", ".bin", "esbuild"), "clients.js", "--bundle", "--outfile=" + bundle, "--log-level=warning"},
	} {
		run := exec.CommandContext(t.Context(), command[0], command[1:]...)
		run.Dir = dir
		if out, err := run.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
		}
	}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/clients.js" {
			http.ServeFile(w, r, bundle)
			return
		}
		st.patterns.Config.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(site.Close)
	return site
}

// talk is a room that a page without a camera of its own has opened for an encoder.
type talk struct {
	Room struct {
		Code string `json:"code"`
	} `json:"room"`
	Encoder struct {
		Token string `json:"token"`
	} `json:"encoder"`
	Player struct {
		Token string `json:"token"`
	} `json:"player"`
}

// openTalk opens a room over a socket that stays until the test ends.
func (s *server) openTalk(t *testing.T) talk {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.st.ca)
	dialer := websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: roots}}
	origin := http.Header{"Origin": {strings.TrimSuffix(s.url("/"), "/")}}
	socket, res, err := dialer.DialContext(t.Context(), "wss"+strings.TrimPrefix(s.url("/ws"), "https"), origin)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	t.Cleanup(func() { socket.Close() })
	for _, m := range []map[string]any{{"type": "hello", "version": 1, "name": "lecturer", "id": 1}, {"type": "create", "id": 2}} {
		if err := socket.WriteJSON(m); err != nil {
			t.Fatal(err)
		}
	}
	_ = socket.SetReadDeadline(time.Now().Add(joinTime))
	for {
		var got struct {
			Re   int    `json:"re"`
			Type string `json:"type"`
			talk
		}
		if err := socket.ReadJSON(&got); err != nil {
			t.Fatal(err)
		}
		if got.Re != 2 {
			continue
		}
		if got.Type != "created" || got.Room.Code == "" || got.Encoder.Token == "" || got.Player.Token == "" {
			t.Fatalf("create was answered with %s, code, encoder and player token there: %v %v %v", got.Type,
				got.Room.Code != "", got.Encoder.Token != "", got.Player.Token != "")
		}
		for _, secret := range []string{got.Room.Code, got.Encoder.Token, got.Player.Token} {
			s.keepSecret(secret)
		}
		return got.talk
	}
}

// TestForeignPagesOfAnotherOrigin publishes and plays in Chromium with each of the clients that npm has, in pages of
// another origin: the browser asks the server for everything that CORS wants to be asked for.
func TestForeignPagesOfAnotherOrigin(t *testing.T) {
	st := onStage(t)
	site := st.clients(t)
	s := st.serve(t)
	for _, publisher := range []string{"whip-whep", "@eyevinn/whip-web-client"} {
		t.Run(strings.ReplaceAll(publisher, "/", " "), func(t *testing.T) {
			room := s.openTalk(t)
			cast := st.headless.open(t, "publisher "+publisher, site.URL+"/clients.html")
			there := cast.use("publishers", publisher, s.doorOf("whip", room.Room.Code), room.Encoder.Token, "await foreign.source()")
			for i, player := range []string{"whip-whep", "@eyevinn/webrtc-player"} {
				token := []string{"", room.Player.Token}[i] // the code is enough
				w := st.headless.open(t, "player "+player, site.URL+"/clients.html", withReader("#picture"))
				at := w.use("players", player, s.doorOf("whep", room.Room.Code), token, "document.querySelector('#picture')")
				w.waitFrame(joinTime, time.Now())
				t.Logf("%s: %v", w.name, w.watch(2*time.Second, 8))
				w.getsSound()
				w.leaves(s, at, player)
			}
			cast.leaves(s, there, publisher)
		})
	}
}

// TestForeignPageRestartsAndChooses uses the rest of what whip-whep can do: ICE restarts at both ends, events, and the
// choice of a layer. It is on plain HTTP at 127.0.0.1, where the server has one candidate: with several the client makes
// an answer that no browser reads.
func TestForeignPageRestartsAndChooses(t *testing.T) {
	st := onStage(t)
	site := st.clients(t)
	s := st.serveLoopback(t, "--open")
	cast := st.headless.open(t, "publisher", site.URL+"/clients.html")
	there := cast.use("publishers", "whip-whep", s.doorOf("whip", "talk"), "", "await foreign.source()")
	w := st.headless.open(t, "player", site.URL+"/clients.html", withReader("#picture"))
	at := w.use("players", "whip-whep", s.doorOf("whep", "talk"), "", "document.querySelector('#picture')")
	w.waitFrame(joinTime, time.Now())

	eventually(t, joinTime, "an event lists both layers", func() (bool, string) {
		events := eval[[]string](w, `window.client.events`)
		both := func(e string) bool {
			return strings.HasPrefix(e, "layers ") && strings.Contains(e, `"large"`) && strings.Contains(e, `"small"`)
		}
		return slices.ContainsFunc(events, both), fmt.Sprintf("%q", events)
	})
	w.chooses(`{ encodingId: 'small', rid: 'small' }`, 320)
	w.chooses(`{}`, 640)
	w.chooses(`{ maxWidth: 400, maxHeight: 300 }`, 320)
	w.chooses(`{}`, 640)

	for _, end := range []*window{cast, w} {
		const fragment = `[...window.client.peer.remoteDescription.sdp.matchAll(/a=ice-ufrag:(.*)/g)].map((m) => m[1]).join(' ')`
		before := eval[string](end, fragment)
		eval[bool](end, `window.client.restart().then(() => true)`)
		if after := eval[string](end, fragment); after == before {
			t.Errorf("%s has the old path after its restart", end.name)
		}
		w.clear()
		w.waitFrame(joinTime, time.Now()) // drawn after it
		t.Logf("after the restart of the %s: %v", end.name, w.figures())
	}
	w.leaves(s, at, "whip-whep")
	cast.leaves(s, there, "whip-whep")
	t.Logf("publisher: %v; player: %v", eval[[]string](cast, `window.asked`), eval[[]string](w, `window.asked`))
}

// chooses has the player wish for a layer, and waits until its picture is as wide.
func (w *window) chooses(wish string, width int) {
	w.t.Helper()
	eval[bool](w, `window.client.wish(`+wish+`).then(() => true)`)
	if asked := eval[[]string](w, `window.asked`); asked[len(asked)-1] != "POST 200" {
		w.t.Errorf("%s: the wish %s was answered with %s", w.name, wish, asked[len(asked)-1])
	}
	eventually(w.t, joinTime, w.name+" gets the layer of "+wish, func() (bool, string) {
		f := w.figures()
		return f.Width == width, f.String()
	})
}

// use has a client of the page begin, and answers the URL of its resource.
func (w *window) use(kind, client, url, token, with string) (resource string) {
	w.t.Helper()
	resource = eval[string](w, fmt.Sprintf(`(async () => {
		const begin = foreign[%s][%s];
		window.client = await begin(%s, %s || undefined, %s);
		return window.client.resource;
	})()`, quote(kind), quote(client), quote(url), quote(token), with))
	if !strings.HasPrefix(resource, url+"/") {
		w.t.Fatalf("%s: its resource is %q, want one below %s", w.name, resource, url)
	}
	eventually(w.t, joinTime, w.name+" is connected", func() (bool, string) {
		state := eval[string](w, `window.client.peer.connectionState`)
		return state == "connected", state
	})
	return resource
}

// getsSound asserts that a player's connection brings sound.
func (w *window) getsSound() {
	w.t.Helper()
	eventually(w.t, joinTime, w.name+" hears", func() (bool, string) {
		n := eval[int](w, `(async () => [...(await window.client.peer.getStats()).values()]
			.find((s) => s.type === 'inbound-rtp' && s.kind === 'audio')?.packetsReceived ?? 0)()`)
		return n > 20, fmt.Sprint(n, " packets of sound")
	})
}

// leaves stops the client of the page, and asserts that the server has been told: its resource is gone at once. What a
// client is known to do wrong is excused: that one kind of request, with that status.
func (w *window) leaves(s *server, resource, client string) {
	w.t.Helper()
	if got := s.status(http.MethodGet, resource); got != http.StatusNoContent {
		w.t.Errorf("%s: GET of its resource gives %d, want 204", w.name, got)
	}
	eval[bool](w, `window.client.stop().then(() => true)`)
	if got := s.status(http.MethodGet, resource); got != http.StatusNotFound {
		w.t.Errorf("%s: GET of its resource gives %d when it has stopped, want 404", w.name, got)
	}
	quirk, rejection := "", ""
	if client == "whip-whep" && strings.Contains(resource, "/whep/") {
		// Its player sends its candidates without If-Match. They are not needed.
		quirk, rejection = "PATCH 428", "Error: Request rejected with status 428"
		w.excuse("status of 428")
	}
	asked := eval[[]string](w, `window.asked`)
	for _, a := range asked {
		if !slices.Contains([]string{"OPTIONS 204", "POST 201", "POST 200", "PATCH 204", "PATCH 200", "DELETE 200", quirk}, a) {
			w.t.Errorf("%s: of its requests one gave %s: %v", w.name, a, asked)
		}
	}
	if asked[len(asked)-1] != "DELETE 200" {
		w.t.Errorf("%s: its last request was not DELETE: %v", w.name, asked)
	}
	for _, fault := range eval[[]string](w, `window.unhandled`) {
		if fault != rejection {
			w.t.Errorf("%s: nobody handled %q", w.name, fault)
		}
	}
}
