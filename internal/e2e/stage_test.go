package e2e

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// stage is what the tests share because it takes seconds to set up and the tests do not leave traces in it.
type stage struct {
	dir      string // everything below is in here
	home     string // of the browsers
	data     string // of the servers, one after the other: the local CA stays the same
	binary   string
	ca       []byte // the certificate of the local CA, as the server hands it out
	screen   *screen
	x11      *x11
	headed   *browser
	headless *browser
	fox      *firefox // started by the first test that needs it, as is the next
	speaker  *speaker
	patterns *httptest.Server
}

var (
	setOnce sync.Once
	theOne  *stage
	setErr  error
)

// onStage answers the stage, set up by the first test that asks.
func onStage(t *testing.T) *stage {
	t.Helper()
	need(t, "go", "chromium", "Xvfb", "certutil")
	setOnce.Do(func() { theOne, setErr = setStage(t) })
	if setErr != nil {
		t.Fatalf("the stage is not set: %v", setErr)
	}
	return theOne
}

// TestMain clears the stage after the last test.
func TestMain(m *testing.M) {
	code := m.Run()
	if err := theOne.clear(); err != nil {
		fmt.Fprintln(os.Stderr, "clearing the stage:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func setStage(t *testing.T) (*stage, error) {
	dir, err := os.MkdirTemp("", "castcode-e2e-")
	if err != nil {
		return nil, err
	}
	st := &stage{dir: dir, home: filepath.Join(dir, "home"), data: filepath.Join(dir, "data"), binary: filepath.Join(dir, "sfu")}
	if err := st.set(t); err != nil {
		return nil, errors.Join(err, st.clear())
	}
	return st, nil
}

func (st *stage) set(t *testing.T) error {
	for _, d := range []string{st.home, st.data} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return err
		}
	}
	build := exec.Command("go", "build", "-o", st.binary, "./cmd/sfu")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build ./cmd/sfu: %w\n%s", err, out)
	}
	if err := st.trustServer(t); err != nil {
		return err
	}
	st.patterns = servePatterns()
	var err error
	if st.screen, err = openScreen(); err != nil {
		return err
	}
	if st.x11, err = dialX11(st.screen.name); err != nil {
		return err
	}
	if st.headed, err = startBrowser(st.home, st.screen, nil); err != nil {
		return err
	}
	st.headless, err = startBrowser(st.home, nil, nil)
	return err
}

// labName is what the server is called in the networks of tests; the CA has to be made for it.
const labName = "castcode.test"

// trustServer lets a server make its CA, and the browsers' home directory trust it.
func (st *stage) trustServer(t *testing.T) error {
	s, err := st.startServer(t, freePort(t), "--host", labName)
	if err != nil {
		return err
	}
	st.ca, err = s.fetchCA()
	if err := errors.Join(err, s.end()); err != nil {
		return err
	}
	file := filepath.Join(st.dir, "ca.crt")
	if err := os.WriteFile(file, st.ca, 0o600); err != nil {
		return err
	}
	return trust(st.home, file)
}

// clear ends what set started, newest first.
func (st *stage) clear() error {
	if st == nil {
		return nil
	}
	var errs []error
	if st.fox != nil {
		errs = append(errs, st.fox.close())
	}
	if st.speaker != nil {
		errs = append(errs, st.speaker.close())
	}
	if st.headless != nil {
		errs = append(errs, st.headless.close())
	}
	if st.headed != nil {
		errs = append(errs, st.headed.close())
	}
	if st.x11 != nil {
		errs = append(errs, st.x11.close())
	}
	if st.screen != nil {
		errs = append(errs, st.screen.close())
	}
	if st.patterns != nil {
		st.patterns.Close()
	}
	return errors.Join(append(errs, os.RemoveAll(st.dir))...)
}

// pattern opens the pattern window with a number from 1 to 15 and makes it the only window that can be captured.
func (st *stage) pattern(t *testing.T, id int) *window {
	t.Helper()
	w := st.headed.open(t, fmt.Sprintf("pattern %d", id), fmt.Sprintf("%s/pattern.html?id=%d", st.patterns.URL, id))
	st.offer(t, id)
	return w
}

// offer makes pattern window id the only window that can be captured from now on.
func (st *stage) offer(t *testing.T, id int) {
	t.Helper()
	eventually(t, 5*time.Second, fmt.Sprintf("one window shows pattern %d", id), func() (bool, string) {
		n, err := st.x11.adopt(fmt.Sprintf("%s %d", patternTitle, id), patternTitle)
		return err == nil && n == 1, fmt.Sprintf("%d windows, error %v", n, err)
	})
}
