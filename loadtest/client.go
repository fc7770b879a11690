package loadtest

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// message is any message of the signaling socket, as far as the load test reads it.
type message struct {
	Type   string `json:"type"`
	Re     int    `json:"re"`
	Code   string `json:"code"`
	Reason string `json:"reason"`
	Answer string `json:"answer"`
	Room   struct {
		Code string `json:"code"`
	} `json:"room"`
}

// client is one session on the signaling socket.
type client struct {
	ws   *websocket.Conn
	done chan struct{} // closed when the reader has ended

	mu      sync.Mutex
	next    int
	waiting map[int]chan message
	err     error
}

// dial opens the socket at base (https://host:port or http://…) and says hello.
func dial(ctx context.Context, base *url.URL, roots *tls.Config, name string) (*client, error) {
	u := *base
	origin := u.Scheme + "://" + u.Host
	u.Scheme, u.Path = "wss", "/ws"
	if base.Scheme == "http" {
		u.Scheme = "ws"
	}
	d := websocket.Dialer{TLSClientConfig: roots, HandshakeTimeout: 10 * time.Second}
	ws, response, err := d.DialContext(ctx, u.String(), http.Header{"Origin": {origin}})
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", u.Host, err)
	}
	_ = response.Body.Close() // empty after an upgrade
	c := &client{ws: ws, done: make(chan struct{}), waiting: map[int]chan message{}}
	go c.read()
	if _, err := c.request(ctx, "hello", map[string]any{"version": 1, "name": name}); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *client) read() {
	defer close(c.done)
	for {
		var m message
		if err := c.ws.ReadJSON(&m); err != nil {
			c.mu.Lock()
			c.err = err
			c.mu.Unlock()
			return
		}
		c.mu.Lock()
		answer := c.waiting[m.Re]
		delete(c.waiting, m.Re)
		c.mu.Unlock()
		if answer != nil {
			answer <- m
		}
	}
}

// request sends a message and waits for its answer. A refusal is an error that names its code.
func (c *client) request(ctx context.Context, kind string, fields map[string]any) (message, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	answer := make(chan message, 1)
	c.mu.Lock()
	c.next++
	id := c.next
	c.waiting[id] = answer
	all := map[string]any{"type": kind, "id": id}
	for k, v := range fields {
		all[k] = v
	}
	text, err := json.Marshal(all)
	if err == nil {
		err = c.ws.WriteMessage(websocket.TextMessage, text)
	}
	c.mu.Unlock()
	if err != nil {
		return message{}, err
	}
	select {
	case m := <-answer:
		if m.Type == "error" {
			return m, fmt.Errorf("%s refused: %s %s", kind, m.Code, m.Reason)
		}
		return m, nil
	case <-c.done:
		c.mu.Lock()
		defer c.mu.Unlock()
		return message{}, fmt.Errorf("%s: socket closed: %w", kind, c.err)
	case <-ctx.Done():
		return message{}, fmt.Errorf("%s: %w", kind, ctx.Err())
	}
}

// close ends the socket and waits for its reader.
func (c *client) close() {
	_ = c.ws.Close() // the far end sees it go either way
	<-c.done
}
