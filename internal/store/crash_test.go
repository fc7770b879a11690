//go:build linux

package store

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func child(t *testing.T, what, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	c := exec.Command(os.Args[0]) //nolint:gosec // ourselves
	c.Env = append(os.Environ(), "CASTCODE_STORE_CHILD="+what, "CASTCODE_STORE_PATH="+path)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewScanner(out)
}

func openInChild() *Store {
	s, err := Open(Options{
		Path: os.Getenv("CASTCODE_STORE_PATH"), Wait: time.Second, Retry: 10 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(os.Stdout, nil)),
	})
	if err != nil {
		fmt.Println("cannot open", err)
		os.Exit(1)
	}
	return s
}

// writeForEver is a child: it prints the name of each record that the store says is kept, until it is killed.
func writeForEver() {
	s := openInChild()
	prefix := rand.Uint64()
	for n := 0; ; n++ {
		id := fmt.Sprintf("%x-%d", prefix, n)
		failed := make(chan error, 1)
		// Sizes vary, so that pages split, are freed and taken again.
		if err := s.Put(func(err error) { failed <- err }, Display{ID: id, Name: strings.Repeat("n", rand.IntN(2000))}); err != nil {
			os.Exit(1)
		}
		if n > 20 {
			if err := s.Delete(nil, Displays, fmt.Sprintf("%x-%d", prefix, n-20)); err != nil {
				os.Exit(1)
			}
			fmt.Println("less", n-20)
		}
		if err := <-failed; err != nil {
			fmt.Println("failed", err)
			os.Exit(1)
		}
		fmt.Println("kept", id)
	}
}

// TestKill kills a writing process at random instants: what it was told to be kept is there, and the file opens.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	const kills = 50
	written := 0
	for range kills {
		c, out := child(t, "write", path)
		var kept []string
		killed := time.AfterFunc(time.Duration(rand.IntN(60))*time.Millisecond+10*time.Millisecond, func() { _ = c.Process.Kill() })
		for out.Scan() {
			id, ok := strings.CutPrefix(out.Text(), "kept ")
			if !ok && !strings.HasPrefix(out.Text(), "less ") {
				t.Errorf("the child says %q", out.Text())
			}
			if ok {
				kept = append(kept, id)
			}
		}
		_ = c.Wait() // it was killed
		killed.Stop()
		s := reopen(t, path)
		displays, _ := load(t, s)
		for i, id := range kept {
			// Those before the last twenty were being deleted.
			if _, there := displays[id]; !there && i >= len(kept)-19 {
				t.Fatalf("%s was kept and is gone", id)
			}
		}
		written += len(kept)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if written < kills {
		t.Errorf("only %d records in %d lives: the kills came before any work", written, kills)
	}
	t.Logf("%d kills, %d records acknowledged", kills, written)
}

// fillDisk is a child: its files may not grow beyond a limit, which is lifted when something comes in.
func fillDisk() {
	signal.Ignore(syscall.SIGXFSZ)
	s := openInChild()
	limit := func(bytes uint64) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: ^uint64(0)}); err != nil {
			fmt.Println("cannot limit", err)
			os.Exit(1)
		}
	}
	limit(256 << 10)
	for n := 0; ; n++ {
		failed := make(chan error, 1)
		id := fmt.Sprintf("full-%d", n)
		if err := s.Put(func(err error) { failed <- err }, Display{ID: id, Name: strings.Repeat("n", 8000)}); err != nil {
			fmt.Println("cannot put", err)
			os.Exit(1)
		}
		err := <-failed
		if err == nil {
			fmt.Println("kept", id)
			continue
		}
		fmt.Println("full", id, err)
		break
	}
	// It goes on, and says what is wrong, at once.
	failed := make(chan error, 1)
	if err := s.Put(func(err error) { failed <- err }, Display{ID: "after"}); err != nil || <-failed == nil {
		fmt.Println("no failure", err)
	}
	st := s.Status()
	fmt.Println("status", strings.Contains(fmt.Sprint(st.Failing), "file too large"), st.Pending >= 2, st.Failures > 0)
	_, _ = os.Stdin.Read(make([]byte, 1))
	limit(^uint64(0))
	for s.Status().Failing != nil {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("again", s.Status().Pending)
	time.Sleep(time.Hour) // until it is killed
}

// TestFullDisk: a clear error, nothing lost, and it writes again when there is space.
func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	c := exec.Command(os.Args[0]) //nolint:gosec // ourselves
	c.Env = append(os.Environ(), "CASTCODE_STORE_CHILD=full", "CASTCODE_STORE_PATH="+path)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	var ids, logged []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line := lines.Text()
		switch word, rest, _ := strings.Cut(line, " "); word {
		case "kept":
			ids = append(ids, rest)
		case "full":
			id, why, _ := strings.Cut(rest, " ")
			ids = append(ids, id, "after")
			if !strings.Contains(why, "file too large") {
				t.Errorf("the error is %q", why)
			}
		case "status":
			if rest != "true true true" {
				t.Errorf("status %s", rest)
			}
			_, _ = io.WriteString(in, "x")
		case "again":
			if rest != "0" {
				t.Errorf("%s are pending still", rest)
			}
			_ = c.Process.Kill()
		default:
			logged = append(logged, line)
		}
	}
	if all := strings.Join(logged, "\n"); strings.Count(all, "cannot write") != 1 || strings.Count(all, "writes again") != 1 {
		t.Errorf("log:\n%s", all)
	}
	if len(ids) < 5 {
		t.Fatalf("kept %q", ids)
	}
	displays, _ := load(t, reopen(t, path))
	for _, id := range ids {
		if _, there := displays[id]; !there {
			t.Errorf("%s is lost", id)
		}
	}
}
