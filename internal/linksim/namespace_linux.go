package linksim

import (
	"context"
	"errors"
	"fmt"
	"net"
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

// Enter makes a command that was not started yet one that runs inside the namespace. What is started is still one
// process with the command's own id, files and environment.
func (n *Namespace) Enter(cmd *exec.Cmd) error {
	ip, err := exec.LookPath("ip")
	if err != nil {
		return err
	}
	args := cmd.Args
	if len(args) > 0 {
		args = args[1:]
	}
	cmd.Args = append([]string{"ip", "netns", "exec", n.name, cmd.Path}, args...)
	cmd.Path = ip
	return nil
}

// Dial connects from inside the namespace to an address, which has to be a literal one: names would be looked up
// outside. It is what http.Transport and websocket.Dialer take as their way to dial.
func (n *Namespace) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, err
	}
	err = n.Do(func() error {
		var dialer net.Dialer
		conn, err = dialer.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

func (n *Namespace) ip(args ...string) {
	n.lab.t.Helper()
	n.lab.run("ip", append([]string{"-n", n.name}, args...)...)
}

// up gives a device its addresses.
func (n *Namespace) up(e End) {
	n.lab.t.Helper()
	n.Give(e, e.Addr)
	n.Give(e, e.Addr6)
	n.ip("link", "set", e.Device, "up")
}

// Give gives the device of an end one of its addresses again that was taken. Routes that went with it have to be made
// again.
func (n *Namespace) Give(e End, addr netip.Addr) {
	n.lab.t.Helper()
	n.ip("addr", "add", subnet(addr), "dev", e.Device)
}

// Take takes an address from the device of an end. With its last IPv4 address go its IPv4 routes.
func (n *Namespace) Take(e End, addr netip.Addr) {
	n.lab.t.Helper()
	n.ip("addr", "del", subnet(addr), "dev", e.Device)
}

// subnet is an address with the size of its link's subnet, as ip wants it.
func subnet(addr netip.Addr) string { return netip.PrefixFrom(addr, addr.BitLen()-2).String() }

// MTU sets how long IP packets on the device of an end may be: 68 bytes at least, 1,280 where it is to carry IPv6.
func (n *Namespace) MTU(e End, bytes int) {
	n.lab.t.Helper()
	n.ip("link", "set", e.Device, "mtu", strconv.Itoa(bytes))
}

// Route sends what is for to by way of a neighbour. The zero prefix is the default route of the neighbour's IP version.
func (n *Namespace) Route(to netip.Prefix, via netip.Addr) {
	n.lab.t.Helper()
	where, version := "default", "-4"
	if to.IsValid() {
		where = to.String()
	}
	if via.Is6() {
		version = "-6"
	}
	n.ip(version, "route", "add", where, "via", via.String())
}

// sysctl sets one of the kernel's numbers about the namespace.
func (n *Namespace) sysctl(name, value string) error {
	return n.Do(func() error { return os.WriteFile(filepath.Join("/proc/sys/net", name), []byte(value), 0o644) })
}

// Router lets the namespace pass on packets between its devices.
func (n *Namespace) Router() {
	n.lab.t.Helper()
	if err := errors.Join(n.sysctl("ipv4/ip_forward", "1"), n.sysctl("ipv6/conf/all/forwarding", "1")); err != nil {
		n.lab.t.Fatal(err)
	}
}

// NAT makes the namespace a router behind whose IPv4 address on the outer end all others hide. A port of theirs keeps
// its number where that is free, to whomever it sends.
func (n *Namespace) NAT(outer End) {
	n.lab.t.Helper()
	n.hide(outer, "masquerade")
}

// SymmetricNAT is NAT with another port, which nobody can guess, for each pair of a port behind it and an address that
// it sends to ("address and port-dependent mapping" of RFC 4787 section 4.1).
func (n *Namespace) SymmetricNAT(outer End) {
	n.lab.t.Helper()
	n.hide(outer, "masquerade random,fully-random")
}

func (n *Namespace) hide(outer End, how string) {
	n.lab.t.Helper()
	n.Router()
	n.Filter(fmt.Sprintf(`table ip linksim {
		chain hide {
			type nat hook postrouting priority 100
			oifname %q %s
		}
	}`, outer.Device, how))
}

// Open takes all rules of Filter, NAT and SymmetricNAT away again.
func (n *Namespace) Open() {
	n.lab.t.Helper()
	n.Filter("flush ruleset")
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
