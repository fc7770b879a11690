package whip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

const (
	typeSDP     = "application/sdp"
	typeTrickle = "application/trickle-ice-sdpfrag" // RFC 8840 section 9

	// maxBody bounds what is read of an answer, in bytes.
	maxBody = 256 << 10
	// maxRedirects bounds how often an offer is sent on.
	maxRedirects = 5
)

// Client makes requests. Its fields may not change while requests are under way; the zero value is ready. Its methods
// may be called from any goroutine.
type Client struct {
	// HTTP carries the requests; nil: http.DefaultTransport. A client that follows redirects by itself turns a POST
	// into a GET (RFC 9110 section 15.4), so only Transport and Timeout of it are used.
	HTTP *http.Client
	// Token goes with every request as a bearer, when it is not empty.
	Token string
	// Agent is the User-Agent, when it is not empty.
	Agent string
}

// Resource is a session on the server. Its methods may be called from any goroutine.
type Resource struct {
	// URL is where the session lives. It is a secret of this client: whoever has it can end the session.
	URL *url.URL
	// SDP is the server's answer, or with Counter its offer.
	SDP string
	// Counter says that the server took no notice of the offer and made one itself (WHEP, status 406): Accept answers
	// it.
	Counter bool
	// Servers are the ICE servers that the server lent.
	Servers []ICEServer
	// Links are all links of the answer, extensions among them.
	Links []Link

	client *Client
	token  string

	mu   sync.Mutex
	etag string // guarded by mu
}

// Offer sends an offer to an endpoint and returns the session. It follows redirects as RFC 9725 section 4.5 asks: 307
// and 308 only, with the same method and body. The error is a *Refusal when the server said no.
func (c *Client) Offer(ctx context.Context, endpoint *url.URL, offer string) (*Resource, error) {
	at, token := endpoint, c.Token
	for range maxRedirects {
		response, body, err := c.do(ctx, http.MethodPost, at, token, typeSDP, "", offer)
		if err != nil {
			return nil, err
		}
		switch {
		case response.StatusCode == http.StatusCreated, response.StatusCode == http.StatusNotAcceptable && isSDP(response):
			return c.open(at, token, response, body)
		case response.StatusCode != http.StatusTemporaryRedirect && response.StatusCode != http.StatusPermanentRedirect:
			return nil, refusal(http.MethodPost, response, body)
		}
		next, err := at.Parse(response.Header.Get("Location"))
		if err != nil || response.Header.Get("Location") == "" {
			return nil, errors.New("a redirect to nowhere")
		}
		if at.Scheme == "https" && next.Scheme != "https" {
			token = "" // the server that has it may hand it on, but not in clear
		}
		at = next
	}
	return nil, errors.New("too many redirects")
}

// open reads the answer to an offer.
func (c *Client) open(endpoint *url.URL, token string, response *http.Response, body []byte) (*Resource, error) {
	if !isSDP(response) {
		return nil, fmt.Errorf("the answer is %q, no SDP", clip(response.Header.Get("Content-Type")))
	}
	location := response.Header.Get("Location")
	if location == "" {
		return nil, errors.New("the answer has no Location")
	}
	at, err := endpoint.Parse(location)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" {
		return nil, fmt.Errorf("the answer's Location is %q", clip(location))
	}
	r := &Resource{
		URL: at, SDP: string(body), Counter: response.StatusCode == http.StatusNotAcceptable,
		Links: ParseLinks(response.Header.Values("Link")), client: c, token: token, etag: response.Header.Get("ETag"),
	}
	r.Servers = iceServers(r.Links)
	return r, nil
}

// Accept answers a counter-offer (draft-ietf-wish-whep-03 section 4.3).
func (r *Resource) Accept(ctx context.Context, answer string) error {
	response, body, err := r.client.do(ctx, http.MethodPatch, r.URL, r.token, typeSDP, r.tag(), answer)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusNoContent && response.StatusCode != http.StatusOK {
		return refusal(http.MethodPatch, response, body)
	}
	r.keep(response)
	return nil
}

// Trickle sends candidates (RFC 9725 section 4.3.2). fragment is an SDP fragment with the credentials of the offer.
func (r *Resource) Trickle(ctx context.Context, fragment string) error {
	response, body, err := r.client.do(ctx, http.MethodPatch, r.URL, r.token, typeTrickle, r.tag(), fragment)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusNoContent {
		return refusal(http.MethodPatch, response, body)
	}
	return nil
}

// Restart asks for an ICE restart (RFC 9725 section 4.3.3) with a fragment that has new credentials, and returns the
// server's. When it fails the session goes on as it was.
func (r *Resource) Restart(ctx context.Context, fragment string) (string, error) {
	response, body, err := r.client.do(ctx, http.MethodPatch, r.URL, r.token, typeTrickle, "*", fragment)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", refusal(http.MethodPatch, response, body)
	}
	r.keep(response)
	return string(body), nil
}

// Delete ends the session. A session that the server does not know any more is ended already.
func (r *Resource) Delete(ctx context.Context) error {
	response, body, err := r.client.do(ctx, http.MethodDelete, r.URL, r.token, "", "", "")
	if err != nil {
		return err
	}
	switch response.StatusCode {
	case http.StatusOK, http.StatusNoContent, http.StatusAccepted, http.StatusNotFound, http.StatusGone:
		return nil
	}
	return refusal(http.MethodDelete, response, body)
}

// Extension is the address of the extension with that relation type, nil where the server does not offer it.
func (r *Resource) Extension(rel string) *url.URL {
	for _, l := range r.Links {
		if l.Is(rel) {
			if at, err := r.URL.Parse(l.Target); err == nil {
				return at
			}
		}
	}
	return nil
}

// tag is the entity tag of the present ICE session.
func (r *Resource) tag() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.etag
}

func (r *Resource) keep(response *http.Response) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if etag := response.Header.Get("ETag"); etag != "" {
		r.etag = etag
	}
}

// do makes one request and reads the whole answer.
func (c *Client) do(ctx context.Context, method string, at *url.URL, token, kind, match, body string) (*http.Response, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, at.String(), strings.NewReader(body))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: not an address", method)
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	if method == http.MethodPost {
		request.Header.Set("Accept", typeSDP)
	}
	if match != "" {
		request.Header.Set("If-Match", match)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if c.Agent != "" {
		request.Header.Set("User-Agent", c.Agent)
	}
	response, err := c.carrier().Do(request)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", method, bare(err))
	}
	defer response.Body.Close() //nolint:errcheck // it was read as far as it is wanted
	read, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", method, err)
	}
	if len(read) > maxBody {
		return nil, nil, fmt.Errorf("%s: an answer of more than %d bytes", method, maxBody)
	}
	return response, read, nil
}

// carrier follows no redirects.
func (c *Client) carrier() *http.Client {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if c.HTTP != nil {
		client.Transport, client.Timeout = c.HTTP.Transport, c.HTTP.Timeout
	}
	return client
}

// bare takes the address out of an error of net/http: that of a resource is a secret.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func isSDP(response *http.Response) bool {
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	return err == nil && kind == typeSDP
}

// clip keeps error texts short and printable.
func clip(s string) string {
	if len(s) > 64 {
		s = s[:64]
	}
	return strings.ToValidUTF8(s, "?")
}
