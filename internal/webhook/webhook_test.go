package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

var secret = []byte("a secret of thirty-two characters")

// quick is a clock for tests that wait for retries.
var quick = timing{answer: 200 * time.Millisecond, first: 5 * time.Millisecond, longest: 20 * time.Millisecond, giveUp: time.Minute}

// attempt is a request that arrived.
type attempt struct {
	id   string
	body Event
}

// receiver is a server for events. answer decides on each one; it is called one by one.
type receiver struct {
	*httptest.Server
	t   *testing.T
	mu  sync.Mutex
	got []attempt
}

func newReceiver(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *receiver {
	t.Helper()
	c := &receiver{t: t}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the worker has ended
		}
		var e Event
		if err := json.Unmarshal(body, &e); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %q: %v", r.Method, body, err)
		}
		if why := verify(r.Header.Get(SignatureHeader), body, time.Now()); why != "" {
			t.Error(why)
		}
		c.mu.Lock()
		n := len(c.got)
		c.got = append(c.got, attempt{r.Header.Get(EventHeader), e})
		c.mu.Unlock()
		answer(n, w, r)
	}))
	t.Cleanup(c.Close)
	return c
}

// verify is what docs/operations.md tells receivers to do.
func verify(header string, body []byte, now time.Time) string {
	at, signature, _ := strings.Cut(strings.TrimPrefix(header, "t="), ",v1=")
	stamp, err := strconv.ParseInt(at, 10, 64)
	if err != nil || now.Sub(time.Unix(stamp, 0)).Abs() > 5*time.Minute {
		return "time of " + header
	}
	mac := hmac.New(sha256.New, secret)
	_, _ = fmt.Fprintf(mac, "%s.%s", at, body) // a hash never fails
	if hex.EncodeToString(mac.Sum(nil)) != signature {
		return "signature of " + header
	}
	return ""
}

func (c *receiver) attempts() []attempt {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

func worker(t *testing.T, url string, clock timing) (*Worker, *bytes.Buffer) {
	t.Helper()
	log := new(bytes.Buffer)
	w, err := start(Config{URL: url, Secret: secret, Log: slog.New(slog.NewTextHandler(log, nil))}, clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close(0) })
	return w, log
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came true: %s", what)
		}
	}
}

func event(room, kind string) Event {
	return Event{Type: kind, Time: time.Now(), Room: Room{ID: room, Name: "Hall"}, Peer: &Peer{ID: "p_1", Role: "viewer", Name: "Ann"}}
}

func TestEventsArriveSignedAndInOrder(t *testing.T) {
	c := newReceiver(t, func(int, http.ResponseWriter, *http.Request) {})
	w, _ := worker(t, c.URL+"/hook?key=k", quick)
	for i := range 50 {
		w.Send(event("r_"+strconv.Itoa(i%3), strconv.Itoa(i)))
	}
	until(t, "all delivered", func() bool { return w.Counts().Delivered == 50 })
	last, ids := map[string]int{}, map[string]bool{}
	for _, a := range c.attempts() {
		n, err := strconv.Atoi(a.body.Type)
		if err != nil || a.id != a.body.ID || ids[a.id] || a.body.Room.Name != "Hall" || a.body.Peer.Name != "Ann" {
			t.Fatalf("%+v %v", a, err)
		}
		if before, ok := last[a.body.Room.ID]; ok && n < before {
			t.Fatalf("%d after %d", n, before)
		}
		last[a.body.Room.ID], ids[a.id] = n, true
	}
	if got := w.Counts(); got.Queued != 0 || got.Failed != 0 || len(got.Dropped) != 0 {
		t.Fatalf("%+v", got)
	}
}

// A receiver that answers 500, redirects, hangs and breaks off gets the same event again, and what comes after it later.
func TestFailuresAreTriedAgain(t *testing.T) {
	var elsewhere sync.Once
	away := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		elsewhere.Do(func() { t.Error("followed a redirect") })
	}))
	defer away.Close()
	c := newReceiver(t, func(n int, w http.ResponseWriter, r *http.Request) {
		switch n {
		case 0:
			w.WriteHeader(http.StatusInternalServerError)
		case 1:
			http.Redirect(w, r, away.URL, http.StatusTemporaryRedirect)
		case 2:
			<-r.Context().Done() // hangs
		case 3:
			panic(http.ErrAbortHandler)
		case 4:
			w.WriteHeader(http.StatusOK)
			_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20)) // nobody reads all of it
		}
	})
	w, log := worker(t, c.URL, quick)
	w.Send(event("r_1", "first"))
	w.Send(event("r_1", "second"))
	until(t, "both delivered", func() bool { return w.Counts().Delivered == 2 })
	got := c.attempts()
	var kinds []string
	for _, a := range got {
		kinds = append(kinds, a.body.Type)
	}
	if !slices.Equal(kinds, []string{"first", "first", "first", "first", "first", "second"}) {
		t.Fatalf("got %q", kinds)
	}
	if got[0].id != got[4].id || got[4].id == got[5].id {
		t.Fatalf("ids %+v", got)
	}
	w.Close(0)
	if n := w.Counts(); n.Failed != 4 || len(n.Dropped) != 0 {
		t.Fatalf("%+v", n)
	}
	if text := log.String(); strings.Count(text, "deliveries fail") != 1 || !strings.Contains(text, "work again") || strings.Contains(text, "http://") {
		t.Fatalf("log %s", text)
	}
}

// One room's event that is never taken holds up that room alone.
func TestRoomsDoNotWaitForEachOther(t *testing.T) {
	c := newReceiver(t, nil)
	c.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || bytes.Contains(body, []byte("r_bad")) {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	w, _ := worker(t, c.URL, quick)
	w.Send(event("r_bad", "join"))
	w.Send(event("r_bad", "leave"))
	for range 20 {
		w.Send(event("r_good", "join"))
	}
	until(t, "the others", func() bool { return w.Counts().Delivered == 20 })
	if n := w.Counts(); n.Queued != 2 {
		t.Fatalf("%+v", n)
	}
}

func TestEventsAreGivenUp(t *testing.T) {
	clock := quick
	clock.giveUp = 50 * time.Millisecond
	c := newReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	w, _ := worker(t, c.URL, clock)
	w.Send(event("r_1", "first"))
	w.Send(event("r_1", "second"))
	until(t, "both given up", func() bool { return w.Counts().Dropped[dropExpired] == 2 })
	first := slices.IndexFunc(c.attempts(), func(a attempt) bool { return a.body.Type == "second" })
	if first < 2 {
		t.Fatalf("the second came as number %d", first)
	}
	if n := w.Counts(); n.Queued != 0 || n.Delivered != 0 {
		t.Fatalf("%+v", n)
	}
}

func TestQueueIsBounded(t *testing.T) {
	c := newReceiver(t, nil)
	address := c.URL
	c.Close() // it is gone
	clock := quick
	clock.first, clock.longest = time.Minute, time.Minute
	w, _ := worker(t, address, clock)
	for i := range queueSize + 10 {
		w.Send(event("r_"+strconv.Itoa(i%7), "join"))
	}
	if n := w.Counts(); n.Queued != queueSize || n.Dropped[dropFull] != 10 {
		t.Fatalf("%+v", n)
	}
	begun := time.Now()
	w.Close(time.Second)
	if took := time.Since(begun); took > 3*time.Second {
		t.Fatalf("Close took %v", took)
	}
	if n := w.Counts(); n.Queued != 0 || n.Dropped[dropClosing] != queueSize {
		t.Fatalf("%+v", n)
	}
	w.Send(event("r_1", "late"))
	if n := w.Counts(); n.Dropped[dropClosing] != queueSize+1 {
		t.Fatalf("%+v", n)
	}
}

func TestCloseDeliversWhatIsQueued(t *testing.T) {
	c := newReceiver(t, func(int, http.ResponseWriter, *http.Request) {})
	w, _ := worker(t, c.URL, quick)
	for i := range 40 {
		w.Send(event("r_"+strconv.Itoa(i), "room_end"))
	}
	w.Close(5 * time.Second)
	if n := w.Counts(); n.Delivered != 40 || n.Queued != 0 {
		t.Fatalf("%+v", n)
	}
}

// Close does not wait for a receiver that hangs.
func TestCloseCutsOffAHangingReceiver(t *testing.T) {
	arrived := make(chan struct{}, 8)
	c := newReceiver(t, func(_ int, _ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	clock := quick
	clock.answer = time.Minute
	w, _ := worker(t, c.URL, clock)
	w.Send(event("r_1", "join"))
	<-arrived
	begun := time.Now()
	w.Close(50 * time.Millisecond)
	if took := time.Since(begun); took > 2*time.Second {
		t.Fatalf("Close took %v", took)
	}
	if n := w.Counts(); n.Dropped[dropClosing] != 1 {
		t.Fatalf("%+v", n)
	}
}

func TestURLs(t *testing.T) {
	for text, ok := range map[string]bool{
		"https://hooks.example.org/x": true, "https://203.0.113.7:8443/x?key=1": true, "http://127.0.0.1:9000/": true, "http://[::1]/": true,
		"http://192.168.1.4/x": true, "http://hook:8080/x": true, "http://localhost": true,
		"http://203.0.113.7/": false, "http://[2001:db8::1]/": false, "http://169.254.169.254/": false, "http://0.0.0.0/": false,
		"ftp://example.org/": false, "example.org/x": false, "https:///x": false, "https://user:pass@example.org/": false,
		"https://example.org/#x": false, "": false, "https://%zz/": false,
	} {
		if err := CheckURL(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
	if !InClear("http://localhost/") || InClear("https://localhost/") {
		t.Error("InClear")
	}
	if _, err := Start(Config{URL: "ftp://x", Secret: secret}); err == nil {
		t.Error("started for a URL of another kind")
	}
	if _, err := Start(Config{URL: "https://x"}); err == nil {
		t.Error("started without a secret")
	}
}

// Whatever a name resolves to: in clear nothing leaves for a public address.
func TestPlainHTTPStaysPrivate(t *testing.T) {
	client := newClient("http://hook.example.org/", time.Second)
	for _, to := range []string{"http://192.0.2.1:9/", "http://[2001:db8::1]:9/", "http://169.254.169.254:9/"} {
		r, err := client.Get(to)
		if err == nil {
			_ = r.Body.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "private networks only") {
			t.Errorf("%s: %v", to, err)
		}
	}
}
