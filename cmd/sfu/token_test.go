package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"castcode/internal/jointoken"
	"castcode/internal/webhook"
)

// sfuSays runs a command that needs no server, and gives its status and what it printed.
func sfuSays(t *testing.T, pairs []string, args ...string) (status int, out, errors string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status = Main(t.Context(), args, environ(t, pairs...), &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}

func TestTokenCommand(t *testing.T) {
	for _, algorithm := range []string{"HS256", "EdDSA"} {
		path := filepath.Join(t.TempDir(), "keys", "join.keys")
		status, _, said := sfuSays(t, nil, "token", "--room", "hall", "--key-file", path)
		if status != 1 || !strings.Contains(said, "hint: make it with: sfu token keys") {
			t.Fatalf("without a file: %d %s", status, said)
		}
		status, out, said := sfuSays(t, nil, "token", "keys", "--alg", algorithm, "--key-file", path)
		if status != 0 || !strings.Contains(out, "new key") {
			t.Fatalf("%d %s%s", status, out, said)
		}
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
			t.Fatalf("%v %v", st, err)
		}
		status, out, said = sfuSays(t, []string{"CASTCODE_TOKEN_KEYS_FILE=" + path}, "token", "--room", "hall", "--role", "viewer",
			"--name", "Ann", "--for", "2h", "--stay", "3h", "--width", "640", "--id", "ann-1", "--url", "https://cast.example.org/")
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if status != 0 || len(lines) != 2 || lines[1] != "https://cast.example.org/w#t="+lines[0] {
			t.Fatalf("%d %q %s", status, lines, said)
		}
		keys, err := readKeys(path, algorithm)
		if err != nil {
			t.Fatal(err)
		}
		c, err := jointoken.NewVerifier("castcode", "castcode", keys).Verify(lines[0], time.Now())
		if err != nil || c.ID != "ann-1" || c.Room != "hall" || c.Role != jointoken.Viewer || c.Name != "Ann" || c.Width != 640 {
			t.Fatalf("%+v %v", c, err)
		}
		for left, want := range map[time.Duration]time.Duration{time.Until(c.Expires): 2 * time.Hour, time.Until(c.Until): 3 * time.Hour} {
			if (left - want).Abs() > time.Minute {
				t.Errorf("%v left, want %v", left, want)
			}
		}
		for name, args := range map[string][]string{
			"too long": {"--room", "hall", "--for", "25h"}, "no room": {}, "role": {"--room", "hall", "--role", "admin"},
			"stay": {"--room", "hall", "--stay", "25h"}, "no page": {"--room", "hall", "--role", "encoder", "--url", "https://x"},
			"url": {"--room", "hall", "--url", "x"}, "limit": {"--room", "hall", "--viewers", "-1"},
		} {
			if status, _, said := sfuSays(t, nil, append([]string{"token", "--key-file", path}, args...)...); status != 2 {
				t.Errorf("%s: %d %s", name, status, said)
			}
		}
	}
}

func TestTokenKeysCommand(t *testing.T) {
	data := t.TempDir()
	path := filepath.Join(data, keysFile)
	add := func() string {
		status, out, said := sfuSays(t, nil, "token", "keys", "--data", data)
		if status != 0 || !strings.HasPrefix(out, path) {
			t.Fatalf("%d %s%s", status, out, said)
		}
		return strings.Fields(strings.TrimPrefix(out, path+": new key "))[0]
	}
	first := add()
	second := add()
	if keys, err := readKeys(path, "HS256"); err != nil || keys.Len() != 2 {
		t.Fatal(keys, err)
	}
	if status, _, said := sfuSays(t, nil, "token", "keys", "--data", data, "--alg", "EdDSA"); status != 1 {
		t.Errorf("a second algorithm: %d %s", status, said)
	}
	if status, _, said := sfuSays(t, nil, "token", "keys", "--data", data, "--remove", first); status != 0 {
		t.Fatalf("%d %s", status, said)
	}
	for name, kid := range map[string]string{"gone": first, "last": second} {
		if status, _, _ := sfuSays(t, nil, "token", "keys", "--data", data, "--remove", kid); status != 1 {
			t.Errorf("%s: %d", name, status)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if status, _, said := sfuSays(t, nil, "token", "--data", data, "--room", "x"); status != 1 || !strings.Contains(said, "mode 0644") {
		t.Errorf("shared file: %d %s", status, said)
	}
}

func TestAuthSettings(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "k")
	if status, _, said := sfuSays(t, nil, "token", "keys", "--key-file", keys); status != 0 {
		t.Fatal(said)
	}
	data := t.TempDir()
	secret := file(t, "secret", "0123456789abcdef0123456789abcdef\n", 0o600)
	type result struct {
		open, only, tokens bool
	}
	of := func(c *Config) result { return result{c.Open, c.Tokens != nil && c.Tokens.Only, c.Tokens != nil} }
	for _, c := range []struct {
		args string
		want result
	}{
		{"", result{}},
		{"--auth codes", result{}},
		{"--open", result{open: true}},
		{"--auth open", result{open: true}},
		{"--open --auth open", result{open: true}},
		{"--auth tokens --token-keys-file " + keys, result{only: true, tokens: true}},
		{"--token-keys-file " + keys, result{tokens: true}},
		{"--open --token-keys-file " + keys, result{open: true, tokens: true}},
	} {
		if got := of(load(t, environ(t), append(strings.Fields(c.args), "--data", data)...)); got != c.want {
			t.Errorf("%q: %+v", c.args, got)
		}
	}
	if err := os.Link(keys, filepath.Join(data, keysFile)); err != nil {
		t.Fatal(err)
	}
	if got := load(t, environ(t), "--data", data, "--auth", "tokens"); got.Tokens.File != filepath.Join(data, keysFile) {
		t.Errorf("%+v", got.Tokens)
	}
	hook := load(t, environ(t), "--webhook-url", "http://10.1.2.3/x?key=verysecret", "--webhook-secret-file", secret)
	if len(hook.Warnings) != 1 || hook.Webhook.URL.Reveal() != "http://10.1.2.3/x?key=verysecret" || hook.Webhook.Secret == "" {
		t.Errorf("%+v", hook)
	}
	if text := fmt.Sprintf("%+v %+v", hook, *hook.Webhook); strings.Contains(text, "verysecret") || strings.Contains(text, "0123456789abcdef") {
		t.Errorf("prints a secret: %s", text)
	}
	for args, want := range map[string]string{
		"--auth maybe": `--auth: "maybe" is not a mode`, "--auth tokens": "--auth: is tokens, and there are no keys",
		"--open --auth codes":                         "--auth: is codes, and --open lets everybody in",
		"--token-alg none":                            `--token-alg: "none" is not an algorithm`,
		"--token-issuer=":                             "--token-issuer: join tokens need",
		"--token-keys-file /x/y/z":                    "--token-keys-file: cannot use /x/y/z: no such file",
		"--token-alg EdDSA --token-keys-file " + keys: "the algorithm is EdDSA",
		"--webhook-url ftp://x":                       "--webhook-url: is neither https nor http",
		"--webhook-url http://203.0.113.7/ --webhook-secret-file " + secret: "--webhook-url: is plain HTTP to a public address",
		"--webhook-url https://x/":                                     "--webhook-url: events are signed, and there is no secret",
		"--webhook-secret-file " + secret:                              "nowhere to post them",
		"--webhook-url https://u:p@x/ --webhook-secret-file " + secret: "--webhook-url: holds a user name",
	} {
		if got := faults(t, environ(t), strings.Fields(args)...); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%q: %q, want %q", args, got, want)
		}
	}
	short := faults(t, environ(t, "CASTCODE_WEBHOOK_SECRET=short"), "--webhook-url", "https://x/")
	if len(short) != 1 || !strings.HasPrefix(short[0], "CASTCODE_WEBHOOK_SECRET: the secret for events is worth") {
		t.Errorf("%q", short)
	}
}

func TestKeysAreReadAgain(t *testing.T) {
	s := start(t)
	path := filepath.Join(t.TempDir(), "k")
	if status, _, said := sfuSays(t, nil, "token", "keys", "--key-file", path); status != 0 {
		t.Fatal(said)
	}
	s.stop()
	s = start(t, "--auth", "tokens", "--token-keys-file", path)
	enters := func(token string) bool {
		status, _ := s.ask(http.MethodPost, "/whip/hall", "application/sdp", "no sdp", "Bearer "+token)
		return status != http.StatusUnauthorized // what is no SDP is refused later
	}
	token := func() string {
		_, out, said := sfuSays(t, nil, "token", "--key-file", path, "--room", "hall", "--role", "encoder")
		if said != "" {
			t.Fatal(said)
		}
		return strings.TrimSpace(out)
	}
	old := token()
	if !enters(old) || enters("a.b.c") {
		t.Fatal("before")
	}
	before, err := readKeys(path, "HS256")
	if err != nil {
		t.Fatal(err)
	}
	if status, _, said := sfuSays(t, nil, "token", "keys", "--key-file", path); status != 0 {
		t.Fatal(said)
	}
	fresh := token()
	until(t, "the new key is taken", func() bool { return enters(fresh) })
	if !enters(old) {
		t.Fatal("the old key is gone already")
	}
	// A broken file changes nothing, and says so.
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the fault is in the log", func() bool { return strings.Contains(s.errors.String(), "those from before stay") })
	if !enters(fresh) {
		t.Fatal("a broken file took the keys away")
	}
	if before.Len() != 1 {
		t.Fatal(before.Len())
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came true: %s", what)
		}
	}
}

// ask sends a request to the server.
func (s *started) ask(method, path, kind, body, authorization string) (int, string) {
	s.t.Helper()
	return s.askAt("https://localhost:"+s.port+path, method, kind, body, authorization)
}

func (s *started) askAt(url, method, kind, body, authorization string) (int, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	answer, err := s.client().Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// TestOperatorsAndEvents takes a room through its life by encoder, with an operator and a webhook.
func TestOperatorsAndEvents(t *testing.T) {
	const adminToken, hookSecret = "fedcba9876543210fedcba9876543210", "0123456789abcdef0123456789abcdef"
	var mu sync.Mutex
	var kinds []string
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		header := r.Header.Get(webhook.SignatureHeader)
		at, _, _ := strings.Cut(strings.TrimPrefix(header, "t="), ",")
		var stamp int64
		if _, err := fmt.Sscan(at, &stamp); err != nil || webhook.Sign([]byte(hookSecret), time.Unix(stamp, 0), body) != header {
			t.Errorf("signature %q of %s", header, body)
		}
		var e webhook.Event
		if err := json.Unmarshal(body, &e); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		kinds = append(kinds, e.Type+" "+e.Room.Name)
	}))
	defer hook.Close()
	path := filepath.Join(t.TempDir(), "k")
	if status, _, said := sfuSays(t, nil, "token", "keys", "--key-file", path); status != 0 {
		t.Fatal(said)
	}
	s := start(t, "--auth", "tokens", "--token-keys-file", path, "--webhook-url", hook.URL, "--webhook-secret-file",
		file(t, "hook", hookSecret, 0o600), "--admin-token-file", file(t, "admin", adminToken, 0o600), "--addr", "127.0.0.1:0")
	_, token, _ := sfuSays(t, nil, "token", "--key-file", path, "--room", "hall", "--role", "caster", "--name", "Ann", "--id", "tok-1")
	g := newGuest(t, "http://localhost:"+s.port)
	g.publish("/whip/hall", "Authorization", "Bearer "+strings.TrimSpace(token))
	until(t, "the cast begins", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Contains(kinds, "cast_start hall")
	})

	base := s.adminURL()
	var list struct {
		Rooms []struct {
			ID, Name string
			Members  []struct{ Peer, Role, Name, JTI string }
		}
	}
	if status, body := s.askAt(base+"/api/rooms", http.MethodGet, "", "", "Bearer "+adminToken); status != http.StatusOK || json.Unmarshal([]byte(body), &list) != nil {
		t.Fatal(status, body)
	}
	if len(list.Rooms) != 1 || list.Rooms[0].Name != "hall" || len(list.Rooms[0].Members) != 1 || list.Rooms[0].Members[0].JTI != "tok-1" {
		t.Fatalf("%+v", list)
	}
	for _, c := range []struct {
		method, path, kind, body, authorization string
		want                                    int
	}{
		{"GET", "/api/rooms", "", "", "", 401},
		{"GET", "/api/rooms", "", "", "Bearer " + hookSecret, 401},
		{"DELETE", "/api/rooms/r_nothing", "", "", "Bearer " + adminToken, 404},
		{"DELETE", "/api/peers/p_nobody", "", "", "Bearer " + adminToken, 404},
		{"POST", "/api/revocations", "text/plain", `{"jti":"x"}`, "Bearer " + adminToken, 415},
		{"POST", "/api/revocations", "application/json", `{}`, "Bearer " + adminToken, 400},
		{"POST", "/api/revocations", "application/json", `{"jti":"x","exp":99999999999}`, "Bearer " + adminToken, 422},
		{"POST", "/api/revocations", "application/json", `{"jti":"tok-1"}`, "Bearer " + adminToken, 200},
		{"GET", "/api/revocations", "", "", "Bearer " + adminToken, 200},
		{"GET", "/metrics", "", "", "Bearer " + adminToken, 200},
	} {
		status, body := s.askAt(base+c.path, c.method, c.kind, c.body, c.authorization)
		if status != c.want {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, body)
		}
		switch c.path {
		case "/api/revocations":
			if c.method == "GET" && !strings.Contains(body, "tok-1") || strings.Contains(c.body, "tok-1") && body != "{\"kicked\":1}\n" {
				t.Errorf("%s", body)
			}
		case "/metrics":
			if !strings.Contains(body, "castcode_webhook_delivered_total") || !strings.Contains(body, "castcode_webhook_queued") {
				t.Error("no metrics of the webhook")
			}
		}
	}
	if status, _ := s.ask(http.MethodPost, "/whip/hall", "application/sdp", "", "Bearer "+strings.TrimSpace(token)); status != http.StatusUnauthorized {
		t.Errorf("revoked: %d", status)
	}
	if code := s.stop(); code != 0 {
		t.Fatalf("status %d", code)
	}
	mu.Lock()
	defer mu.Unlock()
	want := []string{"room_begin hall", "join hall", "cast_start hall", "cast_end hall", "leave hall", "room_end hall"}
	slices.Sort(kinds)
	slices.Sort(want)
	if !slices.Equal(slices.Compact(kinds), want) {
		t.Errorf("events %q", kinds)
	}
	if log := s.errors.String(); strings.Contains(log, strings.TrimSpace(token)) || strings.Contains(log, hook.URL) || !strings.Contains(log, "revoke join token") {
		t.Errorf("log:\n%s", log)
	}
}

func TestOperatorsNeedAToken(t *testing.T) {
	s := start(t)
	if status, body := s.askAt(s.adminURL()+"/api/rooms", http.MethodGet, "", "", ""); status != http.StatusForbidden || !strings.Contains(body, "--admin-token-file") {
		t.Fatal(status, body)
	}
}

// adminURL is where the admin address is.
func (s *started) adminURL() string {
	s.t.Helper()
	return regexp.MustCompile(`(http://127\.0\.0\.1:\d+)/metrics`).FindStringSubmatch(s.out.String())[1]
}

func TestAdminGuessesAreBounded(t *testing.T) {
	g, now := &guesses{by: map[string]*rate.Limiter{}}, time.Now()
	for i := range guessesPerMinute {
		if g.blocked("192.0.2.1:4000", now) {
			t.Fatalf("blocked after %d", i)
		}
		g.add("192.0.2.1:"+strconv.Itoa(4000+i), now)
	}
	if !g.blocked("192.0.2.1:1", now) || g.blocked("192.0.2.2:1", now) || g.blocked("192.0.2.1:1", now.Add(13*time.Second)) {
		t.Fatal("of one address alone, for twelve seconds each")
	}
	for i := range maxGuessers + 1 {
		g.add("h"+strconv.Itoa(i), now)
	}
	if len(g.by) > maxGuessers {
		t.Fatalf("%d are remembered", len(g.by))
	}
}
