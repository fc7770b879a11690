package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// https looks at the certificate. reached is false when there is no use in asking that server for anything.
func (v *visit) https(ctx context.Context) (f Finding, reached bool) {
	ctx, cancel := context.WithTimeout(ctx, webTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(v.host, v.port))
	if err != nil {
		return found("https", Blocked, say("failed", "address", net.JoinHostPort(v.host, v.port), "reason", text(err)),
			say("open_tcp", "host", v.host, "port", v.port)), false
	}
	defer conn.Close() //nolint:errcheck // nothing is left in it
	if v.URL.Scheme == "http" {
		return found("https", Absent, say("plain")), true
	}
	c := v.config()
	c.ServerName = v.host
	// The certificate is to be seen in any case; whether it is good is asked for right below.
	c.InsecureSkipVerify = true //nolint:gosec // verified below
	secure := tls.Client(conn, c)
	if err := secure.HandshakeContext(ctx); err != nil {
		return certificate(nil, err, v.OwnCA, v.URL, time.Now()), false
	}
	state := secure.ConnectionState()
	leaf, err := verify(state, v.config(), v.host)
	f = certificate(leaf, err, v.OwnCA, v.URL, time.Now())
	return f, err == nil
}

// verify checks what a handshake showed as a browser would.
func verify(state tls.ConnectionState, c *tls.Config, host string) (*x509.Certificate, error) {
	if len(state.PeerCertificates) == 0 {
		return nil, errors.New("no certificate")
	}
	others := x509.NewCertPool()
	for _, other := range state.PeerCertificates[1:] {
		others.AddCert(other)
	}
	leaf := state.PeerCertificates[0]
	_, err := leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: c.RootCAs, Intermediates: others})
	return leaf, err
}

func (v *visit) config() *tls.Config {
	if v.TLS == nil {
		return &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return v.TLS.Clone()
}

func (v *visit) client() (*http.Client, func()) {
	t := &http.Transport{TLSClientConfig: v.config()}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: t, CheckRedirect: stay}, t.CloseIdleConnections
}

// origin is what a page of the server would send.
func (v *visit) origin() string { return v.URL.Scheme + "://" + v.URL.Host }

// ask sends a request and returns status, date and at most 256 KiB of the answer.
func (v *visit) ask(ctx context.Context, method, path, kind, body string) (status int, date time.Time, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, webTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, v.origin()+path, strings.NewReader(body))
	if err != nil {
		return 0, date, nil, err
	}
	r.Header.Set("Origin", v.origin())
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	client, done := v.client()
	defer done()
	w, err := client.Do(r)
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	if err != nil {
		return 0, date, nil, err
	}
	defer w.Body.Close() //nolint:errcheck // it was read
	date, _ = http.ParseTime(w.Header.Get("Date"))
	answer, err = io.ReadAll(io.LimitReader(w.Body, 256<<10))
	return w.StatusCode, date, answer, err
}

// clock compares ours with that of the server, which dates its answers.
func (v *visit) clock(ctx context.Context) Finding {
	begun := time.Now()
	_, date, _, err := v.ask(ctx, http.MethodGet, "/healthz", "", "")
	switch {
	case err != nil:
		return found("clock", Absent, say("unreached"))
	case date.IsZero():
		return found("clock", Absent, say("clock_unknown"))
	}
	middle := begun.Add(time.Since(begun) / 2)
	return clockOff(date.Add(500 * time.Millisecond).Sub(middle))
}

// websocket opens one, says hello and has a ping answered.
func (v *visit) websocket(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, webTime)
	defer cancel()
	at := net.JoinHostPort(v.host, v.port)
	refused := func(err error) Finding {
		return found("websocket", Blocked, say("failed", "address", at, "reason", text(err)),
			say("open_ws", "host", v.host, "port", v.port))
	}
	dialer := websocket.Dialer{TLSClientConfig: v.config(), HandshakeTimeout: webTime}
	c, response, err := dialer.DialContext(ctx, strings.Replace(v.origin(), "http", "ws", 1)+"/ws", http.Header{"Origin": {v.origin()}})
	if err != nil {
		if response != nil && response.StatusCode == http.StatusTemporaryRedirect && v.URL.Scheme == "http" {
			return found("websocket", Absent, say("secure_only"))
		}
		return refused(err)
	}
	defer c.Close() //nolint:errcheck // nothing is left in it
	c.SetReadLimit(64 << 10)
	deadline, _ := ctx.Deadline()
	if err := errors.Join(c.SetReadDeadline(deadline), c.SetWriteDeadline(deadline), c.WriteJSON(map[string]any{"type": "hello", "version": 1})); err != nil {
		return refused(err)
	}
	if err := c.ReadJSON(new(struct{})); err != nil {
		return refused(err)
	}
	begun := time.Now()
	if err := c.WriteJSON(map[string]any{"type": "ping", "id": 1}); err != nil {
		return refused(err)
	}
	for {
		var m struct{ Type string }
		if err := c.ReadJSON(&m); err != nil {
			return refused(err)
		}
		if m.Type == "pong" {
			return trip("websocket", at, "", time.Since(begun))
		}
	}
}

// handed is what the server gives to a probe (docs/protocol.md).
type handed struct {
	Answer string
	ICE    struct {
		Servers []struct {
			URLs                 []string
			Username, Credential string
		}
	}
}

// errTests is what a server answers that lets no more tests in at the moment, or knows none.
var errTests = errors.New("no test")

// probe has the server answer an offer.
func (v *visit) probe(ctx context.Context, offer string) (*handed, error) {
	status, _, body, err := v.ask(ctx, http.MethodPost, "/probe", "application/sdp", offer)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		var problem struct{ Detail string }
		_ = json.Unmarshal(body, &problem) // a proxy answers in its own words
		return nil, fmt.Errorf("%w: HTTP %d %s", errTests, status, problem.Detail)
	}
	h := new(handed)
	if err := json.Unmarshal(body, h); err != nil {
		return nil, err
	}
	return h, nil
}
