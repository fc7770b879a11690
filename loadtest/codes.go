package loadtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// words is any message of the signaling socket, as far as the load test reads it.
type words struct {
	Type    string  `json:"type"`
	Re      int     `json:"re"`
	Code    string  `json:"code"`
	Reason  string  `json:"reason"`
	Wait    float64 `json:"wait"`
	Answer  string  `json:"answer"`
	State   string  `json:"state"`
	Encoder struct {
		Token string `json:"token"`
	} `json:"encoder"`
	Room struct {
		Code string `json:"code"`
	} `json:"room"`
}

// denial is what the server answers with instead of what was asked for.
type denial struct{ Kind, Code, Reason string }

func (d *denial) Error() string {
	text := d.Kind + " refused: " + d.Code
	if d.Reason != "" {
		text += " (" + d.Reason + ")"
	}
	return text
}

// line is one session on the signaling socket.
type line struct {
	ws    *websocket.Conn
	done  chan struct{} // closed when the reader has ended
	bound chan struct{} // closed when a display is in a room

	mu      sync.Mutex
	next    int                // guarded by mu, as is all
	waiting map[int]chan words // by the number of the request
	err     error
}

// buffers are shared by all sockets, which mostly wait.
var buffers sync.Pool

// call opens the socket at base (https://host:port or http://…) and says hello.
func call(ctx context.Context, base *url.URL, d dialing, name string) (*line, error) {
	u := *base
	origin := u.Scheme + "://" + u.Host
	u.Scheme, u.Path = "wss", "/ws"
	if base.Scheme == "http" {
		u.Scheme = "ws"
	}
	dialer := websocket.Dialer{
		TLSClientConfig: d.tls, HandshakeTimeout: joinWithin, NetDialContext: d.dialer().DialContext,
		ReadBufferSize: 1024, WriteBufferSize: 4096, WriteBufferPool: &buffers,
	}
	ws, response, err := dialer.DialContext(ctx, u.String(), http.Header{"Origin": {origin}})
	if err != nil {
		if response != nil {
			return nil, fmt.Errorf("signaling socket: %s", response.Status)
		}
		return nil, fmt.Errorf("signaling socket: %w", err)
	}
	_ = response.Body.Close() // empty after an upgrade
	l := &line{ws: ws, done: make(chan struct{}), bound: make(chan struct{}), waiting: map[int]chan words{}}
	go l.read()
	if _, err := l.ask(ctx, "hello", map[string]any{"version": 1, "name": name}); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *line) read() {
	defer close(l.done)
	var once sync.Once
	for {
		var m words
		_, r, err := l.ws.NextReader()
		if err == nil {
			err = json.NewDecoder(r).Decode(&m)
		}
		l.mu.Lock()
		if err != nil {
			l.err = err
			l.mu.Unlock()
			return
		}
		answer := l.waiting[m.Re]
		delete(l.waiting, m.Re)
		l.mu.Unlock()
		if answer != nil {
			answer <- m
		}
		if m.Type == "bound" {
			once.Do(func() { close(l.bound) })
		}
	}
}

// ask sends a message and waits for its answer. A refusal is a *denial.
func (l *line) ask(ctx context.Context, kind string, fields map[string]any) (words, error) {
	ctx, cancel := context.WithTimeout(ctx, joinWithin)
	defer cancel()
	answer := make(chan words, 1)
	l.mu.Lock()
	l.next++
	id := l.next
	l.waiting[id] = answer
	all := map[string]any{"type": kind, "id": id}
	for k, v := range fields {
		all[k] = v
	}
	text, err := json.Marshal(all)
	if err == nil {
		_ = l.ws.SetWriteDeadline(time.Now().Add(joinWithin))
		err = l.ws.WriteMessage(websocket.TextMessage, text)
	}
	l.mu.Unlock()
	if err != nil {
		return words{}, fmt.Errorf("%s: %w", kind, err)
	}
	select {
	case m := <-answer:
		if m.Type == "error" {
			return m, &denial{kind, m.Code, m.Reason}
		}
		return m, nil
	case <-l.done:
		l.mu.Lock()
		defer l.mu.Unlock()
		return words{}, fmt.Errorf("%s: the socket was closed: %w", kind, l.err)
	case <-ctx.Done():
		return words{}, fmt.Errorf("%s: %w", kind, ctx.Err())
	}
}

// close ends the socket and waits for its reader.
func (l *line) close() {
	_ = l.ws.Close() // the far end sees it go either way
	<-l.done
}

// leave says goodbye first: a viewer that only vanishes keeps its place for a while.
func (l *line) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	_, _ = l.ask(ctx, "leave", nil)
	l.close()
}

// codes is a server of ours, reached as people do it: the caster opens a room, viewers type its code.
type codes struct {
	base    *url.URL
	dialing dialing
	web     *endpoints // for viaWHIP
	viaWHIP bool

	mu    sync.Mutex
	lines map[int]*line  // of the casters, by room; guarded by mu, as are all
	code  map[int]string // of the rooms
	token map[int]string // to publish with
}

func newCodes(o *Options, d dialing) (*codes, error) {
	base, err := serverURL(o.URL)
	if err != nil {
		return nil, err
	}
	c := &codes{
		base: base, dialing: d, viaWHIP: o.Via == ByWHIP,
		lines: map[int]*line{}, code: map[int]string{}, token: map[int]string{},
	}
	root := base.Scheme + "://" + base.Host
	c.web = newEndpoints(&Options{WHIP: root + "/whip/{room}", WHEP: root + "/whep/{room}"}, d, "")
	c.web.nameOf = c.codeOf
	return c, nil
}

// serverURL reads the address of a server of ours.
func serverURL(text string) (*url.URL, error) {
	base, err := url.Parse(text)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, errors.New("a server's address is like https://localhost:8443")
	}
	return base, nil
}

// codeOf is the code of a room.
func (c *codes) codeOf(room int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.code[room]
}

func (c *codes) lineOf(room int) *line {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lines[room]
}

func (c *codes) open(ctx context.Context, room int) error { return c.openFor(ctx, room, "") }

// openFor makes a room, for the display with that code unless it is empty.
func (c *codes) openFor(ctx context.Context, room int, display string) error {
	l, err := call(ctx, c.base, c.dialing, fmt.Sprintf("load test caster %d", room+1))
	if err != nil {
		return err
	}
	fields := map[string]any{}
	if display != "" {
		fields["code"] = display
	}
	m, err := l.ask(ctx, "create", fields)
	if err != nil {
		l.close()
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines[room], c.code[room], c.token[room] = l, m.Room.Code, m.Encoder.Token
	return nil
}

func (c *codes) publish(ctx context.Context, room int, offer string, slots map[string]string) (string, func(), error) {
	if c.viaWHIP {
		c.mu.Lock()
		client := *c.web.client
		client.Token = c.token[room]
		c.mu.Unlock()
		return c.web.session(ctx, &client, c.web.in, room, offer)
	}
	m, err := c.lineOf(room).ask(ctx, "publish", map[string]any{"offer": offer, "slots": slots})
	return m.Answer, func() {}, err // the next publish takes the place of this one
}

func (c *codes) watch(ctx context.Context, room int, offer string, slots map[string]string) (string, func(), error) {
	if c.viaWHIP {
		return c.web.session(ctx, c.web.watchers, c.web.out, room, offer)
	}
	l, err := call(ctx, c.base, c.dialing, "load test")
	if err != nil {
		return "", nil, err
	}
	m, err := l.ask(ctx, "join", map[string]any{"code": c.codeOf(room), "offer": offer, "slots": slots})
	if err != nil {
		l.close()
		return "", nil, err
	}
	return m.Answer, l.leave, nil
}

// display shows a code, waits until a caster binds it, and watches. bind lets the caster type the code.
func (c *codes) display(ctx context.Context, offer string, slots map[string]string, bind func(code string) error) (string, func(), error) {
	l, err := call(ctx, c.base, c.dialing, "load test display")
	if err != nil {
		return "", nil, err
	}
	m, err := l.ask(ctx, "open", map[string]any{"name": "load test"})
	if err == nil {
		err = bind(m.Code)
	}
	if err == nil {
		select {
		case <-l.bound:
			m, err = l.ask(ctx, "watch", map[string]any{"offer": offer, "slots": slots})
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err != nil {
		l.close()
		return "", nil, err
	}
	return m.Answer, l.leave, nil
}

// bind lets the caster of a room type a display's code.
func (c *codes) bind(ctx context.Context, room int) func(string) error {
	return func(code string) error {
		_, err := c.lineOf(room).ask(ctx, "add", map[string]any{"code": code})
		return err
	}
}

func (c *codes) close() {
	c.mu.Lock()
	lines := c.lines
	c.lines = map[int]*line{}
	c.mu.Unlock()
	for _, l := range lines {
		ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
		_, _ = l.ask(ctx, "end", nil) // else the room ends by itself, later
		cancel()
		l.close()
	}
	c.web.close()
}
