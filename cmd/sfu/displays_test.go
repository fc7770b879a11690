package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"castcode/internal/store"
	control "castcode/signal"
)

// TestDisplaysOnTheAdminAddress: what operators see and change, and who is kept from asking.
func TestDisplaysOnTheAdminAddress(t *testing.T) {
	kept, err := store.Open(store.Options{Path: filepath.Join(t.TempDir(), storeFile)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = kept.Close() }()
	written := make(chan error, 1)
	hall := store.Display{ID: "d_hall", Key: make([]byte, 32), Name: "Hall 1", Approval: "never", Seen: time.Now()}
	if err := kept.Put(func(err error) { written <- err }, hall); err != nil || <-written != nil {
		t.Fatal(err)
	}
	hub, err := control.NewHub(control.Config{Media: struct{ control.Media }{}, Key: make([]byte, 32), Store: kept})
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Close()
	m := http.NewServeMux()
	(&displayDoor{hub: hub}).routes(m)
	ask := func(method, path, body string, header ...string) (int, string) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:9443"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
			if header[i] == "Host" {
				r.Host = header[i+1]
			}
		}
		w := httptest.NewRecorder()
		m.ServeHTTP(w, r)
		answer, _ := io.ReadAll(w.Body)
		return w.Code, string(answer)
	}
	for _, c := range []struct {
		method, path, body string
		header             []string
		want               int
	}{
		{"GET", "/displays", "", nil, 200},
		{"GET", "/displays", "", []string{"Host", "evil.example"}, 403},
		{"GET", "/displays", "", []string{"Host", "localhost:9443"}, 200},
		{"GET", "/displays", "", []string{"Host", "[::1]:9443"}, 200},
		{"PATCH", "/displays/d_hall", `{"name":"Front","approval":"always","sound":false}`, nil, 204},
		{"PATCH", "/displays/d_hall", `{"name":"Front"}`, []string{"Content-Type", "text/plain"}, 415},
		{"PATCH", "/displays/d_hall", `{"naem":"Front"}`, nil, 400},
		{"PATCH", "/displays/d_hall", `{"approval":"maybe"}`, nil, 400},
		{"PATCH", "/displays/d_hall", strings.Repeat("x", maxDisplayBody+1), nil, 400},
		{"PATCH", "/displays/d_other", `{"name":"Front"}`, nil, 404},
		{"DELETE", "/displays/d_hall/casters/c_nobody", "", nil, 404},
		{"PUT", "/groups", `{"name":"All","displays":["d_hall"]}`, nil, 204},
		{"PUT", "/groups", `{"name":"All","displays":["d_other"]}`, nil, 404},
		{"DELETE", "/groups/g_other", "", nil, 404},
		{"DELETE", "/displays/d_other", "", nil, 404},
	} {
		if got, answer := ask(c.method, c.path, c.body, c.header...); got != c.want {
			t.Errorf("%s %s %.40s: %d %s, want %d", c.method, c.path, c.body, got, answer, c.want)
		}
	}
	_, answer := ask("GET", "/displays", "")
	var list []struct{ ID, Name, State, Approval string }
	if err := json.Unmarshal([]byte(answer), &list); err != nil || len(list) != 1 || list[0].Name != "Front" || list[0].State != "gone" || list[0].Approval != "always" {
		t.Fatalf("displays %s", answer)
	}
	if strings.Contains(answer, "key") {
		t.Errorf("the list tells keys: %s", answer)
	}
	_, answer = ask("GET", "/groups", "")
	var groups []struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &groups); err != nil || len(groups) != 1 {
		t.Fatalf("groups %s", answer)
	}
	for _, path := range []string{"/groups/" + groups[0].ID, "/displays/d_hall"} {
		if got, answer := ask("DELETE", path, ""); got != 204 {
			t.Errorf("DELETE %s: %d %s", path, got, answer)
		}
	}
	if displays, left, err := kept.Load(); err != nil || len(displays)+len(left) != 0 {
		t.Errorf("kept %v %v %v", displays, left, err)
	}
}

// TestHealthTellsTrouble: it stays 200, for the server serves.
func TestHealthTellsTrouble(t *testing.T) {
	s := &site{trouble: func() string { return "store: cannot write\n" }}
	s.ready.Store(true)
	w := httptest.NewRecorder()
	s.health(w, nil)
	if w.Code != 200 || w.Body.String() != "ok\nstore: cannot write\n" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}
