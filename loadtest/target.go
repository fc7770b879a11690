package loadtest

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"castcode/internal/whip"
)

const (
	// joinWithin bounds one try to get in.
	joinWithin = 20 * time.Second
	// leaveWithin bounds saying goodbye.
	leaveWithin = 3 * time.Second
	agent       = "castcode-loadtest"
)

// target is how casters and viewers reach the server. Its methods may be called from any goroutine. What they return
// besides the answer ends the session on the server; it is never nil when err is.
type target interface {
	// open makes a room; publish and watch need it.
	open(ctx context.Context, room int) error
	publish(ctx context.Context, room int, offer string, slots map[string]string) (answer string, leave func(), err error)
	watch(ctx context.Context, room int, offer string, slots map[string]string) (answer string, leave func(), err error)
	// close ends all rooms.
	close()
}

// endpoints are those of WHIP and WHEP of any server.
type endpoints struct {
	client   *whip.Client
	in, out  string // {room} stands for the room's name; in may be empty: somebody else casts
	nameOf   func(room int) string
	watchers *whip.Client // who watch
}

// dialing is what all connections to the server share.
type dialing struct {
	tls   *tls.Config
	local string // address to come from; empty: the system's choice
}

// client is an HTTP client for many sessions at once.
func (d dialing) client() *http.Client {
	return &http.Client{
		Timeout: joinWithin,
		Transport: &http.Transport{
			TLSClientConfig: d.tls, DialContext: d.dialer().DialContext, MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second,
			TLSHandshakeTimeout: joinWithin, ForceAttemptHTTP2: false,
		},
	}
}

func (d dialing) dialer() *net.Dialer {
	dialer := &net.Dialer{Timeout: joinWithin}
	if ip := net.ParseIP(d.local); ip != nil {
		dialer.LocalAddr = &net.TCPAddr{IP: ip}
	}
	return dialer
}

func newEndpoints(o *Options, d dialing, name string) *endpoints {
	c := &whip.Client{HTTP: d.client(), Token: o.Token, Agent: agent}
	return &endpoints{client: c, watchers: c, in: o.WHIP, out: o.WHEP, nameOf: func(room int) string {
		return name + "-" + string(rune('a'+room%26)) + strings.Repeat("x", room/26)
	}}
}

func (e *endpoints) open(context.Context, int) error { return nil }

func (e *endpoints) close() { e.client.HTTP.CloseIdleConnections() }

func (e *endpoints) publish(ctx context.Context, room int, offer string, _ map[string]string) (string, func(), error) {
	return e.session(ctx, e.client, e.in, room, offer)
}

func (e *endpoints) watch(ctx context.Context, room int, offer string, _ map[string]string) (string, func(), error) {
	return e.session(ctx, e.watchers, e.out, room, offer)
}

func (e *endpoints) session(ctx context.Context, c *whip.Client, at string, room int, offer string) (string, func(), error) {
	endpoint, err := url.Parse(strings.ReplaceAll(at, "{room}", url.PathEscape(e.nameOf(room))))
	if err != nil {
		return "", nil, errors.New("not an address: " + at)
	}
	r, err := c.Offer(ctx, endpoint, offer)
	if err != nil {
		return "", nil, err
	}
	leave := func() {
		ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
		defer cancel()
		_ = r.Delete(ctx) // it is gone either way: the server sees the silence
	}
	if r.Counter {
		leave()
		return "", nil, errors.New("the server made a counter-offer, which a synthetic peer does not answer")
	}
	return r.SDP, leave, nil
}
