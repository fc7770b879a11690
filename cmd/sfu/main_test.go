package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// screen is what a started program prints, readable while it runs.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// started is a server that runs inside the test.
type started struct {
	t           *testing.T
	data, port  string
	out, errors *screen
	end         context.CancelFunc
	status      chan int
}

// start runs the program on a free port of the loopback address until end is called.
func start(t *testing.T, flags ...string) *started {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &started{t: t, data: t.TempDir(), out: &screen{}, errors: &screen{}, end: cancel, status: make(chan int, 1)}
	args := append([]string{"--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--data", s.data}, flags...)
	nothing := func(string) (string, bool) { return "", false }
	go func() { s.status <- Main(ctx, args, nothing, s.out, s.errors) }()
	t.Cleanup(func() { s.stop() })
	port := regexp.MustCompile(`(?m)^  https?://localhost:(\d+)$`)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if m := port.FindStringSubmatch(s.out.String()); m != nil {
			s.port = m[1]
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("did not start:\n%s%s", s.out, s.errors)
		}
	}
}

// stop ends the server and returns its exit status.
func (s *started) stop() int {
	s.end()
	select {
	case code := <-s.status:
		s.status <- code
		return code
	case <-time.After(10 * time.Second):
		s.t.Fatalf("does not end:\n%s", s.errors)
		return -1
	}
}

// client trusts the server's CA and nobody else.
func (s *started) client() *http.Client {
	s.t.Helper()
	pem, err := os.ReadFile(filepath.Join(s.data, "ca.crt"))
	if err != nil {
		s.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		s.t.Fatal("no certificate in ca.crt")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 5 * time.Second}
}

func (s *started) get(url string) (int, string) {
	s.t.Helper()
	r, err := s.client().Get(url)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

func TestServesOnOnePortAndEndsWithZero(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	s := start(t)
	for _, url := range []string{
		"https://127.0.0.1:" + s.port + "/", "https://localhost:" + s.port + "/d", "http://localhost:" + s.port + "/w",
		"http://127.0.0.1:" + s.port + "/ca", "https://localhost:" + s.port + "/healthz",
	} {
		if status, _ := s.get(url); status != 200 {
			t.Errorf("%s: %d", url, status)
		}
	}
	admin := regexp.MustCompile(`http://127\.0\.0\.1:\d+/metrics`).FindString(s.out.String())
	if _, body := s.get(admin); !strings.Contains(body, "castcode_rooms 0") || !strings.Contains(body, "castcode_turn_relays 0") {
		t.Errorf("metrics at %q: %s", admin, body)
	}
	begun := time.Now()
	if code := s.stop(); code != 0 {
		t.Errorf("exit status %d: %s", code, s.errors)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("took %v to end", took)
	}
	if c, err := net.Dial("tcp", "127.0.0.1:"+s.port); err == nil {
		_ = c.Close()
		t.Error("the port is still open")
	}
}

func TestLoadTestSeesNoLoss(t *testing.T) {
	s := start(t)
	var out, errs screen
	page := filepath.Join(t.TempDir(), "report.html")
	args := []string{"loadtest", "--viewers", "5", "--bitrate", "1M", "--duration", "2s", "--html", page, "--ca", filepath.Join(s.data, "ca.crt"), "https://localhost:" + s.port}
	nothing := func(string) (string, bool) { return "", false }
	if code := Main(context.Background(), args, nothing, &out, &errs); code != 0 {
		t.Errorf("exit status %d: %s%s", code, &out, &errs)
	}
	if !strings.Contains(out.String(), "5 asked, 5 joined, 5 saw a live picture") || !strings.Contains(out.String(), "0.000% after") {
		t.Errorf("reports\n%s", &out)
	}
	if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "Passed") {
		t.Errorf("the page: %v\n%s", err, text)
	}
	for _, secret := range regexp.MustCompile(`a=ice-|ufrag|"offer"|"ticket"`).FindAllString(s.errors.String(), -1) {
		t.Errorf("the log holds %q", secret)
	}
}

func TestDoctorLooksAtTheServerOfADataDirectory(t *testing.T) {
	s := start(t)
	var out, errs screen
	port := func(name string) (string, bool) {
		if name == "CASTCODE_ADDR" {
			return "127.0.0.1:" + s.port, true
		}
		return "", false
	}
	if code := Main(context.Background(), []string{"doctor", "--load", "3", "--data", s.data}, port, &out, &errs); code != 0 {
		t.Errorf("exit status %d: %s%s", code, &out, &errs)
	}
	if !strings.HasPrefix(out.String(), "ok ") || !strings.Contains(out.String(), "3 of 3 viewers") || strings.Contains(out.String(), "blocked") {
		t.Errorf("says %s", &out)
	}
	out, errs = screen{}, screen{}
	if code := Main(context.Background(), []string{"doctor", "--url", "http://127.0.0.1:1"}, port, &out, &errs); code != 1 || !strings.HasPrefix(out.String(), "blocked ") {
		t.Errorf("of nobody: exit status %d: %s%s", code, &out, &errs)
	}
}

func TestTwoServersWithTheDefaultAdminAddress(t *testing.T) {
	l, err := net.Listen("tcp", defaultAdmin)
	if err == nil {
		defer l.Close() //nolint:errcheck // the test is over
	} // else another program has it already, which is the case under test
	s := start(t, "--admin-addr", defaultAdmin)
	if status, _ := s.get("https://localhost:" + s.port + "/healthz"); status != 200 {
		t.Errorf("status %d", status)
	}
	if !strings.Contains(s.errors.String(), "without the admin address") {
		t.Errorf("nobody is told:\n%s", s.errors)
	}
}

func TestExitStatus(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // the test is over
	for _, c := range []struct {
		args string
		want int
		says string
	}{
		{"--version", 0, ""},
		{"--help", 0, ""},
		{"--no-such-flag", 2, "no-such-flag"},
		{"--tls sometimes --log-level loud", 2, "2 faults"},
		{"doctor --load -1", 2, "--load"},
		{"doctor https://a.example --url https://b.example", 2, "two servers"},
		{"doctor cast.example", 2, "like https://"},
		{"loadtest", 2, "no server"},
		{"loadtest ftp://x", 2, "like https://"},
		{"loadtest --preset nothing http://x", 2, "lecture-200"},
		{"loadtest --fail-if loss=1 http://x", 2, "no threshold"},
		{"loadtest --loss 120% http://x", 2, "no share"},
		{"loadtest --help", 0, ""},
		{"--addr " + taken.Addr().String() + " --admin-addr off --data " + t.TempDir(), 1, "--addr"},
		{fmt.Sprintf("--addr 127.0.0.1:0 --admin-addr %s --data %s", taken.Addr(), t.TempDir()), 1, "--admin-addr"},
	} {
		var out, errs screen
		nothing := func(string) (string, bool) { return "", false }
		code := Main(context.Background(), strings.Fields(c.args), nothing, &out, &errs)
		if code != c.want || !strings.Contains(errs.String(), c.says) {
			t.Errorf("sfu %s: exit status %d, want %d; says %q, want %q", c.args, code, c.want, errs.String(), c.says)
		}
		if code == 0 && out.String() == "" {
			t.Errorf("sfu %s prints nothing", c.args)
		}
	}
}

func TestAdminAsksForItsToken(t *testing.T) {
	token := "0123456789abcdef0123456789abcdef"
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--admin-token-file", file)
	admin := regexp.MustCompile(`http://127\.0\.0\.1:\d+/metrics`).FindString(s.out.String())
	for _, c := range []struct {
		bearer string
		want   int
	}{{"", 401}, {"Bearer wrong", 401}, {"Bearer " + token, 200}} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", admin, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.bearer != "" {
			r.Header.Set("Authorization", c.bearer)
		}
		answer, err := s.client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close() // only the status matters
		if answer.StatusCode != c.want {
			t.Errorf("bearer %.10q: status %d, want %d", c.bearer, answer.StatusCode, c.want)
		}
	}
	if s.stop(); strings.Contains(s.errors.String(), token) {
		t.Error("the token is in the log")
	}
}
