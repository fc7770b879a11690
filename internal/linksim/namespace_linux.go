package linksim

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	tunPath   = "/dev/net/tun"
	netnsPath = "/run/netns"
)

// Namespace is a network namespace of a lab. Do and Command may be called from any goroutine, the other methods by the
// test's, which they fail when the kernel refuses.
type Namespace struct {
	lab  *Lab
	name string
}

// Do runs f on a thread inside the namespace and waits for it. Sockets that f opens belong to the namespace for good;
// goroutines that it starts do not.
func (n *Namespace) Do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine, so no other one can run in the namespace by accident.
		runtime.LockOSThread()
		done <- n.enter(f)
	}()
	return <-done
}

func (n *Namespace) enter(f func() error) error {
	file, err := os.Open(filepath.Join(netnsPath, n.name))
	if err != nil {
		return err
	}
	err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNET)
	_ = file.Close() // it was only read
	if err != nil {
		return fmt.Errorf("cannot enter %s: %w", n.name, err)
	}
	return f()
}

// Command is a command that runs inside the namespace.
func (n *Namespace) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", n.name, name}, args...)...)
}

func (n *Namespace) ip(args ...string) {
	n.lab.t.Helper()
	n.lab.run("ip", append([]string{"-n", n.name}, args...)...)
}

// up gives a device its address.
func (n *Namespace) up(e End) {
	n.lab.t.Helper()
	n.ip("addr", "add", e.Addr.String()+"/30", "dev", e.Device)
	n.ip("link", "set", e.Device, "up")
}

// Route sends what is for to by way of a neighbour. The zero prefix is the default route.
func (n *Namespace) Route(to netip.Prefix, via netip.Addr) {
	n.lab.t.Helper()
	where := "default"
	if to.IsValid() {
		where = to.String()
	}
	n.ip("route", "add", where, "via", via.String())
}

// Router lets the namespace pass on packets between its devices.
func (n *Namespace) Router() {
	n.lab.t.Helper()
	err := n.Do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644) })
	if err != nil {
		n.lab.t.Fatal(err)
	}
}

// NAT makes the namespace a router behind whose address on the outer end all others hide.
func (n *Namespace) NAT(outer End) {
	n.lab.t.Helper()
	n.Router()
	n.Filter(fmt.Sprintf(`table ip linksim {
		chain hide {
			type nat hook postrouting priority 100
			oifname %q masquerade
		}
	}`, outer.Device))
}

// Filter loads nft rules in the namespace.
func (n *Namespace) Filter(rules string) {
	n.lab.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), allowed)
	defer cancel()
	c := n.Command(ctx, "nft", "-f", "-")
	c.Stdin = strings.NewReader(rules)
	if out, err := c.CombinedOutput(); err != nil {
		n.lab.t.Fatalf("nft: %v: %s", err, out)
	}
}

// Limit lets a device send so many bits per second, by the kernel's token bucket: burst bytes at once, and what would
// wait longer than queue is dropped.
func (n *Namespace) Limit(e End, rate, burst int, queue time.Duration) {
	n.lab.t.Helper()
	n.lab.run("tc", "-n", n.name, "qdisc", "replace", "dev", e.Device, "root", "tbf", "rate", strconv.Itoa(rate)+"bit",
		"burst", strconv.Itoa(burst), "latency", strconv.Itoa(int(queue/time.Microsecond))+"us")
}

// openTUN makes a TUN device in the namespace of the thread that calls it. Reads and writes are IP packets.
func openTUN(name string) (*os.File, error) {
	fd, err := unix.Open(tunPath, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), tunPath), nil // the runtime polls it, since it does not block
}
