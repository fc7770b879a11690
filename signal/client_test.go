package signal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// net/http lingers for half a second over a connection whose request it has not read to the end, and waits for nobody.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// patience is how long a test waits for what has to come. In a synctest bubble it costs nothing.
const patience = 10 * time.Second

var testKey = bytes.Repeat([]byte{7}, 32)

// message is a JSON object.
type message map[string]any

// stage is a Hub behind an HTTP server, with a fake media plane.
type stage struct {
	t     *testing.T
	hub   *Hub
	media *fakeMedia
	log   *lockedBuffer
	dial  func(context.Context, string, string) (net.Conn, error)
	host  string
	deaf  bool // clients from now on do not answer pings

	goneMu sync.Mutex
	gone   []string // peers whose session has ended; guarded by goneMu
}

// options of a stage; zero is the protocol's own.
type options struct {
	config func(*Config)
	timing func(*timing)
	bounds func(*bounds)
	pipe   bool // connections in memory, for synctest
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// newStage starts a server; it ends with the test (in a bubble: call close).
func newStage(t *testing.T, o options) *stage {
	t.Helper()
	st := &stage{t: t, media: newFakeMedia(), log: new(lockedBuffer), host: "cast.test"}
	config := Config{
		Media: st.media, Key: testKey, Log: slog.New(slog.NewTextHandler(st.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		DisplaysPerAddress: -1, RoomsPerDay: -1, // all tests come from one address
		ICE: func(peer, host string, life time.Duration) ([]ICEServer, time.Duration) {
			return []ICEServer{
				{URLs: []string{"turn:" + host}, Username: peer, Credential: "turn-password"},
				{URLs: []string{"turn:media." + host}, Media: true},
			}, max(life, 5*time.Minute)
		},
		Gone: func(peer string) {
			st.goneMu.Lock()
			defer st.goneMu.Unlock()
			st.gone = append(st.gone, peer)
		},
		ClientAddr: func(r *http.Request) netip.Addr {
			if text := r.Header.Get("X-Test-Addr"); text != "" {
				return netip.MustParseAddr(text)
			}
			return netip.MustParseAddr("192.0.2.1")
		},
	}
	if o.config != nil {
		o.config(&config)
	}
	clock, limits := protocolTiming, serverBounds
	if o.timing != nil {
		o.timing(&clock)
	}
	if o.bounds != nil {
		o.bounds(&limits)
	}
	hub, err := newHub(config, clock, limits)
	if err != nil {
		t.Fatal(err)
	}
	st.hub = hub
	var l net.Listener
	if o.pipe {
		p := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
		l, st.dial = p, p.dial
	} else {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		st.dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
		}
	}
	whip, whep, probe := hub.WHIP(), hub.WHEP(), hub.Probe()
	doors := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/probe":
			probe.ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, "/whip/"):
			whip.ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, "/whep/"):
			whep.ServeHTTP(w, r)
		default:
			hub.ServeHTTP(w, r)
		}
	})
	server := &http.Server{Handler: doors, ReadTimeout: 15 * time.Second, ErrorLog: slog.NewLogLogger(slog.NewTextHandler(st.log, nil), slog.LevelError)}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	t.Cleanup(func() {
		hub.Close()
		_ = server.Close()
		<-served
		if log := st.log.String(); strings.Contains(log, "recovered from a fault") && !strings.Contains(log, "a bug of") {
			t.Errorf("the hub had a fault:\n%s", log)
		}
	})
	return st
}

// pipeListener hands out connections in memory.
type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (p *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
	case <-ctx.Done():
	}
	return nil, errors.New("nobody listens")
}

func (p *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipeListener) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// client is the other end of one socket.
type client struct {
	t      *testing.T
	conn   *websocket.Conn
	frames chan message // closed when the socket has ended
	code   int          // close code, once frames is closed
	peer   string
	resume string
	ticket any // of a display, or of somebody in a lobby
	seen   []message
}

// connect opens a socket without saying hello. addr is where the server takes it to come from; "" the usual.
// departed are the peers whose session has ended.
func (st *stage) departed() []string {
	st.goneMu.Lock()
	defer st.goneMu.Unlock()
	return slices.Clone(st.gone)
}

func (st *stage) connect(addr string) *client {
	st.t.Helper()
	header := http.Header{"Origin": {"http://" + st.host}}
	if addr != "" {
		header.Set("X-Test-Addr", addr)
	}
	c, response, err := st.try(header)
	if err != nil {
		st.t.Fatalf("dial: %v %v", err, response)
	}
	return c
}

func (st *stage) try(header http.Header) (*client, *http.Response, error) {
	d := websocket.Dialer{NetDialContext: st.dial}
	conn, response, err := d.Dial("ws://"+st.host+"/ws", header)
	if err != nil {
		return nil, response, err
	}
	c := &client{t: st.t, conn: conn, frames: make(chan message, 4096)}
	if st.deaf {
		conn.SetPingHandler(func(string) error { return nil })
	}
	done := make(chan struct{})
	go func() { defer close(done); c.read() }()
	st.t.Cleanup(func() { _ = conn.Close(); <-done })
	return c, response, nil
}

func (c *client) read() {
	defer close(c.frames)
	for {
		_, frame, err := c.conn.ReadMessage()
		if err != nil {
			c.code = websocket.CloseAbnormalClosure
			var ce *websocket.CloseError
			if errors.As(err, &ce) {
				c.code = ce.Code
			}
			_ = c.conn.Close()
			return
		}
		var m message
		if err := json.Unmarshal(frame, &m); err != nil {
			panic(fmt.Sprintf("the server sent %q", frame))
		}
		c.frames <- m
	}
}

// enter opens a socket and says hello.
func (st *stage) enter(extra ...message) *client {
	st.t.Helper()
	return st.enterFrom("", extra...)
}

func (st *stage) enterFrom(addr string, extra ...message) *client {
	st.t.Helper()
	c := st.connect(addr)
	hello := message{"type": "hello", "version": 1}
	for _, e := range extra {
		for k, v := range e {
			hello[k] = v
		}
	}
	c.send(hello)
	c.note(c.want("welcome"))
	return c
}

func (c *client) note(welcome message) {
	c.peer, c.resume = text(welcome["peer"]), text(welcome["resume"])
}

func text(v any) string { s, _ := v.(string); return s }

func (c *client) send(m message) {
	c.t.Helper()
	frame, err := json.Marshal(m)
	if err != nil {
		c.t.Fatal(err)
	}
	c.raw(string(frame))
}

func (c *client) raw(frame string) {
	c.t.Helper()
	if err := c.conn.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

// next is the next message, whatever it is; nil when the socket has ended.
func (c *client) next(within time.Duration) message {
	c.t.Helper()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case m := <-c.frames:
		c.seen = append(c.seen, m)
		return m
	case <-timer.C:
		c.t.Fatalf("nothing came within %v; so far %v", within, c.seen)
		return nil
	}
}

// want is the next message, which has to be of that type.
func (c *client) want(kind string) message {
	c.t.Helper()
	m := c.next(patience)
	if text(m["type"]) != kind {
		c.t.Fatalf("got %v, want %q", m, kind)
	}
	return m
}

// until is the next message of that type for which ok holds, if given; others are passed over.
func (c *client) until(kind string, ok ...func(message) bool) message {
	c.t.Helper()
	for {
		m := c.next(patience)
		if m == nil {
			c.t.Fatalf("socket ended with %d before %q; got %v", c.code, kind, c.seen)
		}
		if text(m["type"]) == kind && (len(ok) == 0 || ok[0](m)) {
			return m
		}
	}
}

// room waits for a room message whose room is in that state.
func (c *client) room(state string) message {
	c.t.Helper()
	m := c.until("room", func(m message) bool { return inner(m, "room")["state"] == state })
	return inner(m, "room")
}

func inner(m message, field string) message { v, _ := m[field].(map[string]any); return v }

// ask sends a request and gives its direct answer; what comes in between is passed over.
func (c *client) ask(m message) message {
	c.t.Helper()
	id := float64(len(c.seen) + 1)
	m["id"] = id
	c.send(m)
	for {
		got := c.next(patience)
		if got == nil {
			c.t.Fatalf("socket ended with %d before the answer to %v", c.code, m["type"])
		}
		if got["re"] == id {
			return got
		}
	}
}

// refused sends a request that has to be answered with that error.
func (c *client) refused(code string, m message) message {
	c.t.Helper()
	got := c.ask(m)
	if got["type"] != "error" || got["code"] != code {
		c.t.Fatalf("%v: got %v, want error %s", m["type"], got, code)
	}
	return got
}

// granted sends a request that has to be answered with a message of that type.
func (c *client) granted(kind string, m message) message {
	c.t.Helper()
	got := c.ask(m)
	if got["type"] != kind {
		c.t.Fatalf("%v: got %v, want %s", m["type"], got, kind)
	}
	return got
}

// closed waits for the end of the socket and its code.
func (c *client) closed(code int) {
	c.t.Helper()
	for c.next(patience) != nil {
		continue
	}
	if c.code != code {
		c.t.Fatalf("closed with %d, want %d", c.code, code)
	}
}

// hangUp closes the socket as a page that goes away does, and waits for the server's half.
func (c *client) hangUp() {
	c.t.Helper()
	closing := websocket.FormatCloseMessage(websocket.CloseGoingAway, "")
	if err := c.conn.WriteControl(websocket.CloseMessage, closing, time.Now().Add(time.Second)); err != nil {
		c.t.Fatal(err)
	}
	for c.next(patience) != nil {
		continue
	}
}

// away waits until the server has noticed that c is gone.
func (st *stage) away(c *client) {
	st.t.Helper()
	st.eventually("socket is gone", func() (away bool) {
		st.hub.section(func() {
			s := st.hub.sessions[c.peer]
			away = s == nil || s.sock == nil
		})
		return away
	})
}

func (st *stage) eventually(what string, ok func() bool) {
	st.t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			st.t.Fatalf("never came true: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// display makes a display and gives its code.
func (st *stage) display(name string) (c *client, code string) {
	st.t.Helper()
	c = st.enter()
	opened := c.granted("opened", message{"type": "open", "name": name})
	c.ticket = opened["ticket"]
	return c, text(opened["code"])
}

// caster makes a room and gives what `created` said.
func (st *stage) caster() (c *client, created message) {
	st.t.Helper()
	c = st.enter()
	return c, c.granted("created", message{"type": "create"})
}

// viewer joins a room by code, without an offer.
func (st *stage) viewer(code string) *client {
	st.t.Helper()
	c := st.enter()
	c.granted("joined", message{"type": "join", "code": code})
	return c
}

// waiter comes into the lobby of a room that lets nobody in by itself.
func (st *stage) waiter(created message) *client {
	st.t.Helper()
	c := st.enter()
	c.ticket = c.granted("waiting", message{"type": "join", "code": roomCode(created)})["ticket"]
	return c
}

// set changes the settings of a caster's room.
func (c *client) set(m message) message {
	c.t.Helper()
	m["type"] = "settings"
	return c.granted("settings", m)
}

func (st *stage) goLive(created message) {
	st.hub.CastChanged(text(inner(created, "room")["id"]), true, map[string]string{"screen": "video/VP8"})
}

func offer(kind, sdp string) message {
	return message{"type": kind, "offer": sdp, "slots": message{"0": "screen"}}
}

func roomCode(created message) string { return text(inner(created, "room")["code"]) }

// sameMembers compares a room's members with "name role state" lines.
func sameMembers(t *testing.T, room message, want ...string) {
	t.Helper()
	var got []string
	list, _ := room["members"].([]any)
	for _, m := range list {
		one, _ := m.(map[string]any)
		got = append(got, fmt.Sprintf("%v %v %v", one["name"], one["role"], one["state"]))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("members %q, want %q", got, want)
	}
}
