package turn

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"castcode/internal/portmux"
)

// uclient runs coturn's test client against f with a peer, and returns what it printed and its exit code.
func (f *fixture) uclient(t *testing.T, peer netip.AddrPort, args ...string) (output string, code int) {
	t.Helper()
	path, err := exec.LookPath("turnutils_uclient")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("turnutils_uclient is missing: install coturn")
		}
		t.Skip("turnutils_uclient is missing: install coturn")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	port := f.addr.Port
	if slices.Contains(args, "-S") {
		port = f.tls.Port
	}
	// -c: no second relay for RTCP.
	args = append([]string{
		"-c", "-n", "50", "-z", "5", "-p", strconv.Itoa(port), "-e", peer.Addr().String(),
		"-r", strconv.Itoa(int(peer.Port())),
	}, append(args, "127.0.0.1")...)
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("uclient did not end; it said\n%s", out)
	}
	if code = 0; err != nil {
		code = -1
		if exit, ok := err.(*exec.ExitError); ok {
			code = exit.ExitCode()
		}
	}
	return string(out), code
}

// serveOnePort is serve with TLS on the one port number too, as the program has it.
func serveOnePort(t *testing.T) *fixture {
	t.Helper()
	f := serve(t, func(c *Config) {
		outer := portmux.New(c.Streams[0], nil)
		inner := portmux.New(tls.NewListener(outer.TLS(), &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}), nil)
		t.Cleanup(func() { inner.Close(); outer.Close() })
		c.Streams = []net.Listener{outer.TURN(), inner.TURN()}
	})
	f.tls = &net.TCPAddr{IP: f.addr.IP, Port: f.addr.Port}
	return f
}

// TestForeignClient lets coturn's client send through a relay to the media side, which echoes, over each transport of one
// port number. It uses Send indications (-s): its channel numbers are those of RFC 5766, three in four of which are no channels any more.
func TestForeignClient(t *testing.T) {
	for name, args := range map[string][]string{"UDP": nil, "TCP": {"-t"}, "TLS": {"-t", "-S"}} {
		t.Run(name, func(t *testing.T) {
			f := serveOnePort(t)
			out, code := f.uclient(t, media4, append([]string{"-s", "-u", "peer", "-W", string(secret)}, args...)...)
			if code != 0 || !strings.Contains(out, "tot_send_msgs=50, tot_recv_msgs=50") ||
				!strings.Contains(out, "Total lost packets 0 (0.000000%)") {
				t.Errorf("exit code %d\n%s", code, out)
			}
			for line := range strings.Lines(out) {
				if strings.Contains(line, "Total lost packets") {
					t.Log(strings.TrimSpace(line))
				}
			}
			if n := f.Counts(); n.ToMedia != 50 || n.FromMedia != 50 {
				t.Errorf("counts %+v", n)
			}
		})
	}
}

// TestForeignClientPeers: everything but the media address is refused with 403. The client takes the channel way
// here, since that names the port. It sends nothing about IPv6 peers through an IPv4 relay: TestPeers does.
func TestForeignClientPeers(t *testing.T) {
	f := serve(t, func(c *Config) {
		// It opens some relays per run, and does not close them.
		c.MaxPerUser = 1000
		c.MediaAddrs = func() []netip.AddrPort { return []netip.AddrPort{media4} }
	})
	for _, peer := range []string{
		"127.0.0.1:22", "127.0.0.1:9090", "127.0.0.2:5004", "0.0.0.0:5004", "10.0.0.1:5004", "169.254.169.254:80",
		"192.168.1.1:5004", "8.8.8.8:53",
	} {
		t.Run(peer, func(t *testing.T) {
			before := f.Counts().Dropped["peer"]
			out, code := f.uclient(t, netip.MustParseAddrPort(peer), "-u", "peer", "-W", string(secret))
			if code == 0 || !strings.Contains(out, "error 403 (Forbidden)") {
				t.Errorf("exit code %d\n%s", code, out)
			}
			if f.Counts().Dropped["peer"] == before {
				t.Error("no refusal was counted")
			}
		})
	}
	if n := f.Counts().ToMedia; n != 0 || f.media.attached() != 0 {
		t.Errorf("%d datagrams went out", n)
	}
}

// TestForeignClientCredentials: refused ones, with the reason that is counted.
func TestForeignClientCredentials(t *testing.T) {
	f := serve(t, nil)
	now := time.Now()
	expired, expiredPassword := Credentials(secret, "peer", now, -time.Second)
	inMilliseconds := strconv.FormatInt(now.Add(time.Minute).UnixMilli(), 10) + ":peer"
	good, password := Credentials(secret, "peer", now, time.Minute)
	_, otherPassword := Credentials(secret, "another", now, time.Minute)
	for _, tc := range []struct {
		name, user, password string
		counted              drop
	}{
		{"expired", expired, expiredPassword, dropExpired},
		{"milliseconds", inMilliseconds, makePassword(secret, inMilliseconds), dropFuture},
		{"wrong password", good, password + "x", dropPassword},
		{"password of another", good, otherPassword, dropPassword},
		{"no expiry", "peer", makePassword(secret, "peer"), dropUserName},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := f.dropped(tc.counted)
			out, code := f.uclient(t, media4, "-s", "-u", tc.user, "-w", tc.password)
			if code == 0 || !strings.Contains(out, "Cannot complete Allocation") {
				t.Errorf("exit code %d\n%s", code, out)
			}
			if f.dropped(tc.counted) == before {
				t.Errorf("%s was not counted: %v", dropNames[tc.counted], f.Counts().Dropped)
			}
		})
	}
	if n := f.Counts().Opened; n != 0 {
		t.Errorf("%d relays were opened", n)
	}
	if out, code := f.uclient(t, media4, "-s", "-u", good, "-w", password); code != 0 {
		t.Errorf("good credentials: exit code %d\n%s", code, out)
	}
}
