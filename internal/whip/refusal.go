package whip

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Refusal is a server's no.
type Refusal struct {
	Method string
	Status int
	// Code is the stable code of the problem JSON, where the server has such.
	Code string
	// Reason is for people: the problem's detail, else its title, else the beginning of a plain text.
	Reason string
	// RetryAfter is how long the server wants to be left alone; 0: it did not say.
	RetryAfter time.Duration
	// Challenge is the WWW-Authenticate header.
	Challenge string
}

// Error names status, code and reason, and no address.
func (r *Refusal) Error() string {
	text := fmt.Sprintf("%s refused: %d %s", r.Method, r.Status, http.StatusText(r.Status))
	if r.Code != "" {
		text += " (" + r.Code + ")"
	}
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return text
}

// Passing says whether the same request may be granted later: nobody casts yet, too many requests, overload.
func (r *Refusal) Passing() bool {
	return r.Status == http.StatusConflict || r.Status == http.StatusTooManyRequests || r.Status == http.StatusServiceUnavailable
}

func refusal(method string, response *http.Response, body []byte) *Refusal {
	r := &Refusal{
		Method: method, Status: response.StatusCode, Challenge: response.Header.Get("WWW-Authenticate"),
		RetryAfter: retryAfter(response.Header.Get("Retry-After"), time.Now()),
	}
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")) // what it is not, it is not
	switch {
	case kind == "application/problem+json" || kind == "application/json":
		r.Code, r.Reason = problem(body)
	case kind == "text/plain":
		r.Reason = line(string(body))
	}
	return r
}

// problem reads problem details (RFC 9457): the code that this server's family puts into them, and what people may
// read. What is no such JSON gives nothing.
func problem(body []byte) (code, reason string) {
	var p struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
		Code   string `json:"code"`
		Error  string `json:"error"`
	}
	if json.Unmarshal(body, &p) != nil {
		return "", ""
	}
	for _, text := range []string{p.Detail, p.Title, p.Error} {
		if reason == "" {
			reason = line(text)
		}
	}
	return line(p.Code), reason
}

// line makes a text one short line.
func line(s string) string {
	if len(s) > 300 {
		s = s[:300]
	}
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return strings.TrimSpace(s)
}

// maxRetryAfter bounds what a server may ask for.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads Retry-After (RFC 9110 section 10.2.3): seconds or a date. 0 for what is neither.
func retryAfter(value string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
