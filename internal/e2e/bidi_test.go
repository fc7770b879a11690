package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/gorilla/websocket"
)

// bidi is a connection to a browser that speaks WebDriver BiDi (W3C): commands with numbered answers, and events,
// as JSON over a WebSocket.
type bidi struct {
	conn   *websocket.Conn
	events func(method string, params json.RawMessage) // called on the reader's goroutine
	done   chan struct{}                               // closed when the reader has ended

	write sync.Mutex // of the socket

	mu      sync.Mutex
	last    int
	waiting map[int]chan bidiAnswer
}

// bidiAnswer is any message from the browser.
type bidiAnswer struct {
	ID      int             `json:"id"`
	Type    string          `json:"type"` // success, error or event
	Result  json.RawMessage `json:"result"`
	Error   string          `json:"error"`
	Message string          `json:"message"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

// dialBidi connects to the address that the browser in the place has printed.
func dialBidi(ctx context.Context, in place, address string, events func(string, json.RawMessage)) (*bidi, error) {
	var dialer websocket.Dialer
	if in != nil {
		dialer.NetDialContext = in.Dial
	}
	conn, res, err := dialer.DialContext(ctx, address+"/session", nil)
	if err != nil {
		return nil, err
	}
	res.Body.Close()
	b := &bidi{conn: conn, events: events, done: make(chan struct{}), waiting: make(map[int]chan bidiAnswer)}
	go b.read()
	return b, nil
}

// close ends the connection and waits for its reader.
func (b *bidi) close() {
	b.conn.Close()
	<-b.done
}

func (b *bidi) read() {
	defer close(b.done)
	for {
		var m bidiAnswer
		if err := b.conn.ReadJSON(&m); err != nil {
			return
		}
		if m.Type == "event" {
			b.events(m.Method, m.Params)
			continue
		}
		b.mu.Lock()
		answer := b.waiting[m.ID]
		delete(b.waiting, m.ID)
		b.mu.Unlock()
		if answer != nil {
			answer <- m
		}
	}
}

// call sends a command and decodes its result into result, unless that is nil.
func (b *bidi) call(ctx context.Context, method string, params, result any) error {
	answer := make(chan bidiAnswer, 1)
	b.mu.Lock()
	b.last++
	id := b.last
	b.waiting[id] = answer
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.waiting, id)
		b.mu.Unlock()
	}()
	b.write.Lock()
	err := b.conn.WriteJSON(map[string]any{"id": id, "method": method, "params": params})
	b.write.Unlock()
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case m := <-answer:
		if m.Type == "error" {
			return fmt.Errorf("%s: %s: %s", method, m.Error, m.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(m.Result, result)
	case <-b.done:
		return fmt.Errorf("%s: %w", method, errors.New("the browser has closed the connection"))
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, ctx.Err())
	}
}

// tab is a page of a browser that is driven by BiDi, in a profile of its own.
type tab struct {
	wire    *bidi
	context string // the browser's name for the page
	user    string // and for its profile
}

// newTab opens an empty window.
func (b *bidi) newTab(ctx context.Context) (*tab, error) {
	p := &tab{wire: b}
	var user struct {
		UserContext string `json:"userContext"`
	}
	if err := b.call(ctx, "browser.createUserContext", struct{}{}, &user); err != nil {
		return nil, err
	}
	p.user = user.UserContext
	var made struct {
		Context string `json:"context"`
	}
	err := b.call(ctx, "browsingContext.create", map[string]any{"type": "window", "userContext": p.user}, &made)
	p.context = made.Context
	return p, err
}

// before runs a script in every document of the page, before the document's own.
func (p *tab) before(ctx context.Context, script string) error {
	return p.wire.call(ctx, "script.addPreloadScript", map[string]any{
		"functionDeclaration": "() => {" + script + "\n}", "contexts": []string{p.context},
	}, nil)
}

func (p *tab) navigate(ctx context.Context, url string) error {
	return p.wire.call(ctx, "browsingContext.navigate", map[string]any{
		"context": p.context, "url": url, "wait": "interactive",
	}, nil)
}

// evaluate answers the value of a JavaScript expression as JSON; a promise is awaited.
func (p *tab) evaluate(ctx context.Context, expression string) (json.RawMessage, error) {
	var got struct {
		Type   string `json:"type"`
		Result struct {
			Value string `json:"value"`
		} `json:"result"`
		Details struct {
			Text string `json:"text"`
		} `json:"exceptionDetails"`
	}
	err := p.wire.call(ctx, "script.evaluate", map[string]any{
		"expression": "(async () => JSON.stringify((await (" + expression + ")) ?? null))()",
		"target":     map[string]string{"context": p.context}, "awaitPromise": true,
	}, &got)
	if err != nil {
		return nil, err
	}
	if got.Type != "success" {
		return nil, errors.New(got.Details.Text)
	}
	return json.RawMessage(got.Result.Value), nil
}

// click presses the mouse in the middle of the element.
func (p *tab) click(ctx context.Context, css string) error {
	var found struct {
		Nodes []struct {
			SharedID string `json:"sharedId"`
		} `json:"nodes"`
	}
	err := p.wire.call(ctx, "browsingContext.locateNodes", map[string]any{
		"context": p.context, "locator": map[string]string{"type": "css", "value": css},
	}, &found)
	if err != nil {
		return err
	}
	if len(found.Nodes) == 0 {
		return fmt.Errorf("there is no %s", css)
	}
	element := map[string]any{"type": "element", "element": map[string]string{"sharedId": found.Nodes[0].SharedID}}
	return p.wire.call(ctx, "input.performActions", map[string]any{
		"context": p.context,
		"actions": []any{map[string]any{"type": "pointer", "id": "mouse", "actions": []any{
			map[string]any{"type": "pointerMove", "x": 0, "y": 0, "origin": element},
			map[string]any{"type": "pointerDown", "button": 0},
			map[string]any{"type": "pointerUp", "button": 0},
		}}},
	}, nil)
}

// close closes the page and forgets its profile.
func (p *tab) close(ctx context.Context) error {
	return errors.Join(
		p.wire.call(ctx, "browsingContext.close", map[string]any{"context": p.context}, nil),
		p.wire.call(ctx, "browser.removeUserContext", map[string]any{"userContext": p.user}, nil),
	)
}
