package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

const childArguments = "SFU_TEST_ARGUMENTS"

// TestServerProcess is no test: it is the server that startChild starts, until its standard input ends.
func TestServerProcess(t *testing.T) {
	args := os.Getenv(childArguments)
	if args == "" {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	os.Exit(Main(ctx, strings.Split(args, "\n"), func(string) (string, bool) { return "", false }, os.Stdout, os.Stderr))
}

// child is a server in a process of its own, so that what it uses can be told from what those use who attack it.
type child struct {
	*started
	admin string // its URL
	ended chan error
	pid   int
}

func startChild(t *testing.T, flags ...string) *child {
	t.Helper()
	s := &started{t: t, data: t.TempDir(), out: &screen{}, errors: &screen{}}
	c := &child{started: s, ended: make(chan error, 1)}
	args := append([]string{"--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--data", s.data}, flags...)
	command := exec.Command(os.Args[0], "-test.run=^TestServerProcess$")
	command.Env = append(os.Environ(), childArguments+"="+strings.Join(args, "\n"))
	command.Stdout, command.Stderr = s.out, s.errors
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	c.pid = command.Process.Pid
	go func() { c.ended <- command.Wait() }()
	t.Cleanup(func() {
		_ = stdin.Close()
		select {
		case err := <-c.ended:
			if err != nil {
				t.Errorf("the server: %v\n%.4000s", err, s.errors)
			}
		case <-time.After(20 * time.Second):
			_ = command.Process.Kill()
			t.Error("the server did not end")
		}
	})
	port := regexp.MustCompile(`(?m)^  https?://localhost:(\d+)$`)
	admin := regexp.MustCompile(`(http://127\.0\.0\.1:\d+)/metrics`)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		one, two := port.FindStringSubmatch(s.out.String()), admin.FindStringSubmatch(s.out.String())
		if one != nil && two != nil {
			s.port, c.admin = one[1], two[1]
			return c
		}
		if time.Now().After(deadline) {
			t.Fatalf("did not start:\n%s%s", s.out, s.errors)
		}
	}
}

// page is what the admin address answers.
func (c *child) page(path string) string {
	c.t.Helper()
	r, err := http.Get(c.admin + path)
	if err != nil {
		c.t.Fatalf("%v\n%.4000s", err, c.errors)
	}
	defer r.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// heap is what is in use after a collection, in bytes.
func (c *child) heap() int64 {
	c.t.Helper()
	m := regexp.MustCompile(`(?m)^# HeapAlloc = (\d+)$`).FindStringSubmatch(c.page("/debug/pprof/heap?gc=1&debug=1"))
	if m == nil {
		c.t.Fatal("the heap profile does not say how large the heap is")
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	return n
}

// count is a counter of the metrics, 0 for one that is not there.
func (c *child) count(name, reason string) uint64 {
	c.t.Helper()
	prefix := "castcode_" + name
	if reason != "" {
		prefix += `{reason="` + reason + `"}`
	}
	for line := range strings.Lines(c.page("/metrics")) {
		if text, ok := strings.CutPrefix(line, prefix+" "); ok {
			n, _ := strconv.ParseFloat(strings.TrimSpace(text), 64)
			return uint64(n)
		}
	}
	return 0
}

// cpu is the processor time of the server, in steps of 10 ms.
func (c *child) cpu() time.Duration {
	c.t.Helper()
	f := c.proc("stat")
	user, _ := strconv.Atoi(f[len(f)-52+13])
	system, _ := strconv.Atoi(f[len(f)-52+14])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// resident is the memory of the server, in bytes.
func (c *child) resident() int64 {
	c.t.Helper()
	n, _ := strconv.ParseInt(c.proc("statm")[1], 10, 64)
	return n * int64(os.Getpagesize())
}

func (c *child) proc(name string) []string {
	c.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", c.pid, name))
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.Fields(string(text))
}
