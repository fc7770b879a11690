package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// need ends the test when a program that it runs is not installed: as skipped on somebody's own machine, as failed
// in CI, where .ci/setup.sh has installed them all.
func need(t *testing.T, programs ...string) {
	t.Helper()
	var absent []string
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			absent = append(absent, p)
		}
	}
	if len(absent) > 0 {
		missing(t, "not installed: "+strings.Join(absent, ", ")+" (see .ci/setup.sh)")
	}
}

// missing ends the test for want of something that it runs.
func missing(t *testing.T, msg string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(msg)
	}
	t.Skip(msg)
}

// place is a network that programs can be started in: a namespace of package linksim. nil is this machine's own.
type place interface {
	Enter(cmd *exec.Cmd) error
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

// enter makes a command that was not started yet one that runs in the place.
func enter(in place, cmd *exec.Cmd) error {
	if in == nil {
		return nil
	}
	return in.Enter(cmd)
}

// eventually asks ask every 50 ms until it answers true. It ends the test after the time allowed, with the last
// thing that ask said about what it saw.
func eventually(t *testing.T, within time.Duration, what string, ask func() (ok bool, saw string)) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		ok, saw := ask()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v; last seen: %s", what, within, saw)
		}
		time.Sleep(50 * time.Millisecond) // the period of a poll with a deadline
	}
}

// tail is an io.Writer that keeps the last part of what a process printed, for the report of a failed test.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const tailBytes = 64 << 10

func (w *tail) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Write(p)
	if over := w.buf.Len() - tailBytes; over > 0 {
		w.buf.Next(over)
	}
	return len(p), nil
}

func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// quote makes a Go string a JavaScript string literal.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("a string that is no JSON: %v", err)) // cannot happen
	}
	return string(b)
}
