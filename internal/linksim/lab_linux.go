package linksim

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	prefix = "castcode-"
	// allowed is how long one command may take.
	allowed = 20 * time.Second
)

// Where links have their addresses, four for each: in networks that everybody may use inside (RFC 1918 and 4193), or that
// are kept for measurements (RFC 2544 and 5180) and look public to programs.
var (
	private = [2]netip.Addr{netip.MustParseAddr("10.77.0.0"), netip.MustParseAddr("fd77:ca57:c0de::")}
	public  = [2]netip.Addr{netip.MustParseAddr("198.18.0.0"), netip.MustParseAddr("2001:2::")}
)

var labs atomic.Uint32

// Lab is the networks of one test. Its methods are called by the test's goroutine.
type Lab struct {
	t       testing.TB
	name    string
	network [2]netip.Addr // IPv4, IPv6
	links   int
	seed    uint64
}

// New begins a lab. It skips the test when this process may not make namespaces, and fails it where CI=true.
func New(t testing.TB) *Lab {
	t.Helper()
	if why := unfit(); why != "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("no networks for tests here: " + why)
		}
		t.Skip("no networks for tests here: " + why)
	}
	l := &Lab{t: t, name: fmt.Sprintf("%s%d-%d-", prefix, os.Getpid(), labs.Add(1)), network: private, seed: 1}
	l.sweep()
	return l
}

// Public gives the links that are made from now on addresses that look public: browsers refuse port 443 at private ones.
func (l *Lab) Public() { l.network = public }

// unfit says why there can be no lab; "" when there can be one.
func unfit() string {
	if os.Geteuid() != 0 {
		return "network namespaces need root"
	}
	for _, program := range []string{"ip", "tc", "nft"} {
		if _, err := exec.LookPath(program); err != nil {
			return program + " is not installed (see .ci/setup.sh)"
		}
	}
	if _, err := os.Stat(tunPath); err != nil {
		return err.Error()
	}
	return ""
}

// Seed sets the seed of the links that are made from now on. It is 1 at first, and one more for each link.
func (l *Lab) Seed(seed uint64) { l.seed = seed }

// sweep removes the namespaces of test processes that were killed.
func (l *Lab) sweep() {
	l.t.Helper()
	for _, line := range strings.Split(l.run("ip", "netns", "list"), "\n") {
		name, _, _ := strings.Cut(line, " ")
		rest, ours := strings.CutPrefix(name, prefix)
		id, _, _ := strings.Cut(rest, "-")
		pid, err := strconv.Atoi(id)
		if !ours || err != nil || syscall.Kill(pid, 0) == nil {
			continue
		}
		_, _ = command("ip", "netns", "del", name) // another test may be removing it too
		_ = os.RemoveAll(filepath.Join(hostsPath, name))
	}
}

// run runs a command outside of the namespaces and returns what it printed. The test fails with it.
func (l *Lab) run(name string, args ...string) string {
	l.t.Helper()
	out, err := command(name, args...)
	if err != nil {
		l.t.Fatal(err)
	}
	return out
}

func command(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), allowed)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// Namespace makes a network namespace in which only loopback is up. name is a word for error messages.
func (l *Lab) Namespace(name string) *Namespace {
	l.t.Helper()
	n := &Namespace{lab: l, name: l.name + name}
	l.run("ip", "netns", "add", n.name)
	l.t.Cleanup(func() {
		if _, err := command("ip", "netns", "del", n.name); err != nil {
			l.t.Error(err)
		}
	})
	n.ip("link", "set", "lo", "up")
	// Nobody else can have the addresses of a lab, so nobody has to wait until a device has asked around for them.
	if err := n.sysctl("ipv6/conf/default/accept_dad", "0"); err != nil {
		l.t.Fatal(err)
	}
	return n
}

// End is one end of a link or cable: the device in its namespace and its addresses there.
type End struct {
	Device string
	Addr   netip.Addr // IPv4
	Addr6  netip.Addr
}

// next gives the addresses of the next link or cable, and the names of its two devices.
func (l *Lab) next() (a, b End) {
	base, base6 := l.network[0].As4(), l.network[1].As16()
	base[2], base[3] = byte(l.links>>6), byte(l.links<<2)
	base6[14], base6[15] = base[2], base[3]
	end := func(side string) End {
		base[3]++
		base6[15]++
		return End{fmt.Sprintf("link%d%s", l.links, side), netip.AddrFrom4(base), netip.AddrFrom16(base6)}
	}
	a, b = end("a"), end("b")
	l.links++
	return a, b
}

// Link joins two namespaces by a link of its own subnet that does to packets what there (from a to b) and back say.
// It returns the two ends beside it.
func (l *Lab) Link(a, b *Namespace, there, back Conditions) (link *Link, atA, atB End) {
	l.t.Helper()
	atA, atB = l.next()
	files := [2]*os.File{}
	for i, end := range []struct {
		ns  *Namespace
		end End
	}{{a, atA}, {b, atB}} {
		err := end.ns.Do(func() (err error) {
			files[i], err = openTUN(end.end.Device)
			return err
		})
		if err != nil {
			l.t.Fatalf("no TUN device in %s: %v", end.ns.name, err)
		}
		end.ns.up(end.end)
	}
	link = newLink(files[0], files[1], NewShaper(there, l.seed), NewShaper(back, l.seed+1<<32))
	l.seed++
	l.t.Cleanup(link.close)
	return link, atA, atB
}

// Cable joins two namespaces by a pair of virtual Ethernet devices, which does to packets what the kernel is told
// (Namespace.Limit).
func (l *Lab) Cable(a, b *Namespace) (atA, atB End) {
	l.t.Helper()
	atA, atB = l.next()
	a.ip("link", "add", atA.Device, "type", "veth", "peer", "name", atB.Device, "netns", b.name)
	a.up(atA)
	b.up(atB)
	return atA, atB
}
