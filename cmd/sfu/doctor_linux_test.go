package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"castcode/internal/linksim"
)

// asProgram makes the test binary the program itself, so that it can be run in a network of its own.
const asProgram = "CASTCODE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

// itself is the program with args, to be run in a namespace.
func itself(t *testing.T, n *linksim.Namespace, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := n.Command(t.Context(), self, args...)
	c.Env = []string{asProgram + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	return c
}

// serveThere runs a server in n until the test ends, and waits until it answers.
func serveThere(t *testing.T, n *linksim.Namespace, at netip.AddrPort, data string) {
	t.Helper()
	c := itself(t, n, "--addr", fmt.Sprintf(":%d", at.Port()), "--admin-addr", "off", "--data", data)
	out := &screen{}
	c.Stdout, c.Stderr = out, out
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		if err := c.Wait(); err != nil && c.ProcessState.ExitCode() != 0 {
			t.Errorf("the server ends with %v:\n%s", err, out)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(out.String(), at.String()); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the server does not start:\n%s", out)
		}
	}
}

// examined is what `sfu doctor --json` said of each check.
func examined(t *testing.T, n *linksim.Namespace, want int, args ...string) map[string]figure {
	t.Helper()
	c := itself(t, n, append([]string{"doctor", "--json", "--load", "0"}, args...)...)
	var out, errs screen
	c.Stdout, c.Stderr = &out, &errs
	begun := time.Now()
	err := c.Run()
	if took := time.Since(begun); took > doctorTime {
		t.Errorf("took %v", took)
	}
	if got := c.ProcessState.ExitCode(); got != want {
		t.Errorf("exit status %d (%v), want %d:\n%s%s", got, err, want, &out, &errs)
	}
	var report struct{ Checks []figure }
	if err := json.Unmarshal([]byte(out.String()), &report); err != nil {
		t.Fatalf("%v:\n%s%s", err, &out, &errs)
	}
	found := map[string]figure{}
	for _, f := range report.Checks {
		found[f.Check] = f
	}
	return found
}

// From another machine: first everything passes, then no UDP, then nothing.
func TestDoctorTellsWhatANetworkBlocks(t *testing.T) {
	lab := linksim.New(t)
	there, here := lab.Namespace("server"), lab.Namespace("doctor")
	atServer, _ := lab.Cable(there, here)
	at := netip.AddrPortFrom(atServer.Addr, 8443)
	data := filepath.Join(t.TempDir(), "data")
	serveThere(t, there, at, data)
	args := []string{"--ca", filepath.Join(data, "ca.crt"), "https://" + at.String()}

	found := examined(t, here, 0, args...)
	for _, check := range []string{"https", "websocket", "udp", "tcp", "turn-udp", "turn-tcp", "turn-tls", "clock"} {
		if found[check].State != "ok" {
			t.Errorf("open: %s is %+v", check, found[check])
		}
	}
	if f := found["udp"]; !strings.HasSuffix(f.Address, ":8443") || f.MS <= 0 { // IPv6 may be the faster one
		t.Errorf("open: UDP %+v", f)
	}

	there.Filter(`table inet doctor {
		chain in {
			type filter hook input priority 0
			meta l4proto udp drop
		}
	}`)
	found = examined(t, here, 1, args...)
	for check, want := range map[string]string{
		"https": "ok", "websocket": "ok", "udp": "blocked", "tcp": "ok", "turn-udp": "blocked", "turn-tcp": "ok", "turn-tls": "ok",
	} {
		if found[check].State != want {
			t.Errorf("no UDP: %s is %+v, want %s", check, found[check], want)
		}
	}
	if told := fmt.Sprintf("allow UDP from this network to %s, port %d", at.Addr(), at.Port()); !slices.ContainsFunc(found["udp"].Text, func(s string) bool { return strings.Contains(s, told) }) {
		t.Errorf("no UDP: says %q, want %q", found["udp"].Text, told)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if out, err := there.Command(ctx, "nft", "add rule inet doctor in tcp dport 8443 drop").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	found = examined(t, here, 1, args...)
	if found["https"].State != "blocked" || found["udp"].State != "none" || !strings.Contains(strings.Join(found["https"].Text, " "), "allow TCP from this network to "+at.Addr().String()+", port 8443") {
		t.Errorf("nothing: %+v", found)
	}
}
