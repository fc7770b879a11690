package whip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// door is a server that answers as the test says and remembers what it was asked.
type door struct {
	*httptest.Server
	asked []string
}

func open(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, body string)) *door {
	t.Helper()
	d := &door{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		d.asked = append(d.asked, fmt.Sprintf("%s %s %s %s %s %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"),
			r.Header.Get("If-Match"), r.Header.Get("Authorization"), body))
		answer(w, r, string(body))
	}))
	t.Cleanup(d.Close)
	return d
}

func (d *door) at(t *testing.T, path string) *url.URL {
	t.Helper()
	u, err := url.Parse(d.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestASessionFromOfferToDelete(t *testing.T) {
	d := open(t, func(w http.ResponseWriter, r *http.Request, _ string) {
		switch {
		case r.Method == http.MethodPost:
			w.Header().Set("Content-Type", "application/sdp; charset=utf-8")
			w.Header().Set("Location", "../r/7")
			w.Header().Set("ETag", `"one"`)
			w.Header().Add("Link", `<turn:t.example:3478?transport=udp>; rel="ice-server"; username="u"; credential="p,;\"q"; credential-type="password"`)
			w.Header().Add("Link", `</r/7/layer>; rel="urn:ietf:params:whep:ext:core:layer", <stun:s.example>; rel=ice-server`)
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte("answer"))
		case r.Method == http.MethodPatch && r.Header.Get("If-Match") == "*":
			w.Header().Set("ETag", `"two"`)
			_, _ = w.Write([]byte("restarted"))
		case r.Method == http.MethodPatch:
			w.WriteHeader(http.StatusNoContent)
		case r.Method == http.MethodDelete && bearer(r) != "":
			w.WriteHeader(http.StatusOK)
		}
	})
	ctx := context.Background()
	r, err := (&Client{Token: "T"}).Offer(ctx, d.at(t, "/whep/room"), "offer")
	if err != nil {
		t.Fatal(err)
	}
	if r.URL.Path != "/r/7" || r.SDP != "answer" || r.Counter {
		t.Errorf("resource %+v", r)
	}
	if len(r.Servers) != 2 || r.Servers[0] != (ICEServer{"turn:t.example:3478?transport=udp", "u", `p,;"q`}) || r.Servers[1].URL != "stun:s.example" {
		t.Errorf("servers %+v", r.Servers)
	}
	if at := r.Extension("urn:ietf:params:whep:ext:core:layer"); at == nil || at.Path != "/r/7/layer" {
		t.Errorf("layer extension at %v", at)
	}
	if err := r.Trickle(ctx, "frag"); err != nil {
		t.Error(err)
	}
	if got, err := r.Restart(ctx, "new"); err != nil || got != "restarted" {
		t.Errorf("restart: %q, %v", got, err)
	}
	if err := errors.Join(r.Trickle(ctx, "more"), r.Delete(ctx)); err != nil {
		t.Error(err)
	}
	want := []string{
		"POST /whep/room application/sdp  Bearer T offer",
		`PATCH /r/7 application/trickle-ice-sdpfrag "one" Bearer T frag`,
		"PATCH /r/7 application/trickle-ice-sdpfrag * Bearer T new",
		`PATCH /r/7 application/trickle-ice-sdpfrag "two" Bearer T more`,
		"DELETE /r/7   Bearer T ",
	}
	if got := strings.Join(d.asked, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("asked\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// bearer is the bearer of a request.
func bearer(r *http.Request) string { return r.Header.Get("Authorization") }

func TestRedirectsKeepMethodBodyAndBearer(t *testing.T) {
	for _, c := range []struct {
		status int
		ok     bool
	}{{307, true}, {308, true}, {301, false}, {302, false}, {303, false}} {
		d := open(t, func(w http.ResponseWriter, r *http.Request, body string) {
			if r.URL.Path == "/a" {
				w.Header().Set("Location", "/b")
				w.WriteHeader(c.status)
				return
			}
			w.Header().Set("Content-Type", "application/sdp")
			w.Header().Set("Location", "c")
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(r.Method + body + bearer(r)))
		})
		r, err := (&Client{Token: "T"}).Offer(context.Background(), d.at(t, "/a"), "offer")
		if (err == nil) != c.ok {
			t.Errorf("%d: %v", c.status, err)
		}
		if err == nil && (r.SDP != "POSTofferBearer T" || r.URL.Path != "/c") {
			t.Errorf("%d: %q at %s", c.status, r.SDP, r.URL)
		}
	}
	round := open(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
		w.Header().Set("Location", "/a")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	if _, err := (&Client{}).Offer(context.Background(), round.at(t, "/a"), ""); err == nil || len(round.asked) != maxRedirects {
		t.Errorf("in circles: %v after %d requests", err, len(round.asked))
	}
}

func TestACounterOfferIsAnswered(t *testing.T) {
	d := open(t, func(w http.ResponseWriter, r *http.Request, _ string) {
		if r.Method == http.MethodPatch {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", `application/sdp; valid-until="Wed, 21 Oct 2026 07:28:00 GMT"`)
		w.Header().Set("Location", "/r/1")
		w.WriteHeader(http.StatusNotAcceptable)
		_, _ = w.Write([]byte("counter"))
	})
	r, err := (&Client{}).Offer(context.Background(), d.at(t, "/whep"), "offer")
	if err != nil || !r.Counter || r.SDP != "counter" {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := r.Accept(context.Background(), "answer"); err != nil || d.asked[1] != "PATCH /r/1 application/sdp   answer" {
		t.Errorf("%v, asked %q", err, d.asked)
	}
}

func TestRefusalsSayWhy(t *testing.T) {
	for _, c := range []struct {
		kind, body, retry string
		status            int
		want              Refusal
	}{
		{"application/problem+json", `{"title":"Conflict","status":409,"detail":"nobody casts","code":"not_live"}`, "2", 409, Refusal{Code: "not_live", Reason: "nobody casts", RetryAfter: 2 * time.Second}},
		{"application/json", `{"error":"no stream"}`, "", 404, Refusal{Reason: "no stream"}},
		{"text/plain; charset=utf-8", "no\x00 stream\nhere", "soon", 404, Refusal{Reason: "no  stream here"}},
		{"text/html", "<p>", "-1", 500, Refusal{}},
		{"application/problem+json", `{"title":`, "99999999", 503, Refusal{RetryAfter: maxRetryAfter}},
		{"", "", "", 406, Refusal{}},
	} {
		d := open(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
			w.Header().Set("Content-Type", c.kind)
			w.Header().Set("Retry-After", c.retry)
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		})
		_, err := (&Client{}).Offer(context.Background(), d.at(t, "/secret"), "offer")
		var got *Refusal
		if !errors.As(err, &got) {
			t.Fatalf("%s: %v", c.body, err)
		}
		c.want.Method, c.want.Status, c.want.Challenge = "POST", c.status, "Bearer"
		if *got != c.want {
			t.Errorf("%s: %+v, want %+v", c.body, *got, c.want)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("names the address: %v", err)
		}
	}
	_, err := (&Client{}).Offer(context.Background(), &url.URL{Scheme: "http", Host: "127.0.0.1:1", Path: "/secret"}, "")
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("of nobody: %v", err)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"no location": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/sdp")
			w.WriteHeader(201)
		},
		"no SDP": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/x")
			w.WriteHeader(201)
		},
		"a location that is no web address": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/sdp")
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(201)
		},
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, maxBody+1))
		},
		"a redirect to nowhere": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(307) },
	} {
		d := open(t, func(w http.ResponseWriter, r *http.Request, _ string) { answer(w, r) })
		if r, err := (&Client{}).Offer(context.Background(), d.at(t, "/a"), "offer"); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 10, 21, 7, 28, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"0": 0, "120": 2 * time.Minute, " 3 ": 3 * time.Second, "": 0, "x": 0, "-3": 0, "4294967296": 0,
		"Wed, 21 Oct 2026 07:28:30 GMT": 30 * time.Second, "Wed, 21 Oct 2026 07:27:30 GMT": 0,
		"Wed, 21 Oct 2099 07:27:30 GMT": maxRetryAfter,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func FuzzParseLinks(f *testing.F) {
	for _, s := range []string{
		`<a>; rel="ice-server"`, `<a>`, `<`, `<>`, `<a>;`, `<a>;rel`, `<a>;rel=`, `<a>;rel="`, `<a>;rel="\`, `a,<b>;rel=c`,
		`<a> x, <b>;REL=c;rel=d ; z = "y" ,,<c>`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		links := ParseLinks([]string{s, s})
		if len(links) > maxLinks {
			t.Fatalf("%d links", len(links))
		}
		for _, l := range links {
			if l.Target == "" || !strings.Contains(s, l.Target) {
				t.Fatalf("target %q of %q", l.Target, s)
			}
			l.Is("ice-server")
		}
	})
}

func FuzzProblem(f *testing.F) {
	f.Add([]byte(`{"title":"t","detail":"d","code":"c"}`))
	f.Add([]byte(`{"title":1}`))
	f.Add([]byte("\xff"))
	f.Fuzz(func(t *testing.T, body []byte) {
		code, reason := problem(body)
		if len(code)+len(reason) > 2*3*300 || strings.ContainsAny(code+reason, "\r\n\x00") {
			t.Fatalf("%q %q", code, reason)
		}
	})
}
