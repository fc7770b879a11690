package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/stun"
	"github.com/pion/transport/v2"
	"github.com/pion/transport/v2/stdnet"
	pionturn "github.com/pion/turn/v2"
	"github.com/pion/webrtc/v3"

	"castcode/internal/linksim"
)

// Servers and clients of these tests are processes of their own, inside network namespaces: this test binary, started
// again to run one test function, which gets its orders in these variables.
const (
	serverArgs = "CASTCODE_TEST_SERVER" // its command line, as JSON
	clientAt   = "CASTCODE_TEST_CLIENT" // host:port of the server
	clientWith = "CASTCODE_TEST_WITH"   // names of what to try, with commas
)

// TestInsideServer is the server's process, and does nothing in any other.
func TestInsideServer(t *testing.T) {
	var args []string
	if json.Unmarshal([]byte(os.Getenv(serverArgs)), &args) != nil {
		return
	}
	ctx, end := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer end()
	if status := Main(ctx, args, os.LookupEnv, os.Stdout, os.Stderr); status != 0 {
		t.Fatal("status", status)
	}
}

// TestInsideClient is a client's process, and does nothing in any other.
func TestInsideClient(t *testing.T) {
	at, err := netip.ParseAddrPort(os.Getenv(clientAt))
	if err != nil {
		return
	}
	for _, what := range strings.Split(os.Getenv(clientWith), ",") {
		t.Run(what, func(t *testing.T) {
			map[string]func(*testing.T, netip.AddrPort){
				"stun": stunAt, "cast": castAt, "watch": watchAt,
				"turn-udp": func(t *testing.T, at netip.AddrPort) { relayAt(t, at, "udp") },
				"turn-tcp": func(t *testing.T, at netip.AddrPort) { relayAt(t, at, "tcp") },
			}[what](t, at)
		})
	}
}

// runInside starts this binary again, for one test, in a namespace. It is killed when the test ends.
func runInside(t *testing.T, ns *linksim.Namespace, test string, variables ...string) (out *screen, wait func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := ns.Command(ctx, os.Args[0], "-test.run=^"+test+"$", "-test.v")
	c.Env = append(os.Environ(), variables...)
	out = &screen{}
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Errorf("%s does not end", test)
		}
		cancel()
	})
	return out, func() error {
		err := <-ended
		ended <- err
		return err
	}
}

// serveInside starts a server in a namespace on all its addresses and gives its port.
func serveInside(t *testing.T, ns *linksim.Namespace, flags ...string) (port string, out *screen) {
	t.Helper()
	args, err := json.Marshal(append([]string{"--addr", ":0", "--admin-addr", "off", "--data", t.TempDir(), "--open", "--tls", "off"}, flags...))
	if err != nil {
		t.Fatal(err)
	}
	out, _ = runInside(t, ns, "TestInsideServer", serverArgs+"="+string(args))
	told := regexp.MustCompile(`(?m)^Media: UDP and TCP (\d+),`)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if m := told.FindStringSubmatch(out.String()); m != nil {
			return m[1], out
		}
		if time.Now().After(deadline) {
			t.Fatalf("did not start:\n%s", out)
		}
	}
}

// tries runs a client in a namespace and wants everything to work.
func tries(t *testing.T, ns *linksim.Namespace, at netip.Addr, port, what string) {
	t.Helper()
	server := net.JoinHostPort(at.String(), port)
	out, wait := runInside(t, ns, "TestInsideClient", clientAt+"="+server, clientWith+"="+what)
	if err := wait(); err != nil || strings.Count(out.String(), "    --- PASS") != strings.Count(what, ",")+1 {
		t.Errorf("%s at %s: %v\n%s", what, server, err, out)
	}
}

func configure(t *testing.T, ns *linksim.Namespace, lines ...string) {
	t.Helper()
	for _, line := range lines {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		out, err := ns.Command(ctx, "ip", strings.Fields(line)...).CombinedOutput()
		cancel()
		if err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
}

// TestEveryAddressAnswersItself: a server with two networks, and three more addresses on one of its interfaces. Clients
// ask each of them, also those that the routing table would not answer from: STUN, TURN, a cast, and watching it.
func TestEveryAddressAnswersItself(t *testing.T) {
	lab := linksim.New(t)
	server, near, far := lab.Namespace("server"), lab.Namespace("near"), lab.Namespace("far")
	atServer, atNear := lab.Cable(server, near)
	otherAtServer, atFar := lab.Cable(server, far)
	near.Route(netip.Prefix{}, atServer.Addr)
	far.Route(netip.Prefix{}, otherAtServer.Addr)
	configure(t, server, "addr add 10.78.0.9/32 dev "+atServer.Device,
		"addr add fd00:77::1/64 dev "+atServer.Device+" nodad", "addr add fd00:77::9/64 dev "+atServer.Device+" nodad")
	configure(t, near, "addr add fd00:77::2/64 dev "+atNear.Device+" nodad")
	port, out := serveInside(t, server)

	tries(t, far, otherAtServer.Addr, port, "stun,watch")
	for _, a := range []string{otherAtServer.Addr.String(), atServer.Addr.String(), "10.78.0.9", "fd00:77::1", "fd00:77::9"} {
		tries(t, near, netip.MustParseAddr(a), port, "stun,turn-udp,cast,watch")
	}
	if t.Failed() {
		t.Logf("%v, server:\n%s", atFar, out)
	}
}

// TestIPv6Only: a client without an IPv4 address watches a server that has both families, and one that has IPv6 only,
// directly and through TURN over UDP and TCP.
func TestIPv6Only(t *testing.T) {
	lab := linksim.New(t)
	for name, v4 := range map[string]bool{"both": true, "six": false} {
		server, client := lab.Namespace(name+"-server"), lab.Namespace(name+"-client")
		atServer, atClient := lab.Cable(server, client)
		configure(t, client, "-4 addr flush dev "+atClient.Device, "addr add fd00:77::2/64 dev "+atClient.Device+" nodad")
		configure(t, server, "addr add fd00:77::1/64 dev "+atServer.Device+" nodad")
		if !v4 {
			configure(t, server, "-4 addr flush dev "+atServer.Device)
		}
		port, out := serveInside(t, server)
		if v4 != strings.Contains(out.String(), "at "+atServer.Addr.String()) {
			t.Errorf("%s: the server says\n%s", name, out)
		}
		tries(t, client, netip.MustParseAddr("fd00:77::1"), port, "stun,cast,watch,turn-udp,turn-tcp")
	}
}

// TestCertificateFollowsTheAddresses: a running server with the local CA gets another address, and a client that opens it
// there is shown a certificate for it, signed by the same CA.
func TestCertificateFollowsTheAddresses(t *testing.T) {
	lab := linksim.New(t)
	server, client := lab.Namespace("server"), lab.Namespace("client")
	atServer, atClient := lab.Cable(server, client)
	data := t.TempDir()
	port, _ := serveInside(t, server, "--tls", "local-ca", "--data", data)
	configure(t, server, "addr add 192.168.77.1/24 dev "+atServer.Device)
	configure(t, client, "addr add 192.168.77.2/24 dev "+atClient.Device)
	pem, err := os.ReadFile(filepath.Join(data, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	shown := func(host string) error {
		conn, err := client.Dial(context.Background(), "tcp", net.JoinHostPort(host, port))
		if err != nil {
			return err
		}
		defer conn.Close() //nolint:errcheck // nothing was sent
		return tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12}).Handshake()
	}
	if err := shown(atServer.Addr.String()); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if err = shown("192.168.77.1"); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no certificate for the new address: %v", err)
		}
	}
	if err := shown(atServer.Addr.String()); err != nil {
		t.Errorf("the old address: %v", err)
	}
}

// stunAt asks for the own address and looks where the answer comes from.
func stunAt(t *testing.T, at netip.AddrPort) {
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // nothing is left to be sent
	m := stun.MustBuild(stun.TransactionID, stun.BindingRequest)
	if _, err := conn.WriteToUDPAddrPort(m.Raw, at); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second)) // it is open
	p := make([]byte, 1500)
	_, from, err := conn.ReadFromUDPAddrPort(p)
	if err != nil {
		t.Fatal(err)
	}
	if netip.AddrPortFrom(from.Addr().Unmap(), from.Port()) != at {
		t.Errorf("the answer comes from %v", from)
	}
}

// solely leaves of an answer's candidates the one at that address.
func solely(at netip.AddrPort) func(string) string {
	return func(sdp string) string {
		kept := ""
		for line := range strings.Lines(sdp) {
			if !strings.HasPrefix(line, "a=candidate:") || strings.Contains(line, fmt.Sprintf(" %s %d typ ", at.Addr(), at.Port())) && strings.Contains(line, " udp ") {
				kept += line
			}
		}
		return kept
	}
}

// through fails when the media of g does not go to that address.
func (g *guest) through(at netip.AddrPort) {
	g.t.Helper()
	dtls := g.pc.SCTP().Transport() // of the bundle
	pair, err := dtls.ICETransport().GetSelectedCandidatePair()
	if err != nil || pair == nil || pair.Remote.Address != at.Addr().String() || pair.Remote.Port != at.Port() {
		g.t.Errorf("media goes by %v, %v; want %v", pair, err, at)
	}
}

// castAt casts through one address and has a viewer see it.
func castAt(t *testing.T, at netip.AddrPort) {
	room := roomName("cast")
	g := newGuest(t, "http://"+at.String())
	g.answer = solely(at)
	g.publish("/whip/" + room)
	viewer := newGuest(t, g.base)
	viewer.play("/whep/" + room)
	viewer.sees()
	g.through(at)
}

// watchAt watches a cast through one address.
func watchAt(t *testing.T, at netip.AddrPort) {
	room := roomName("watch")
	caster := newGuest(t, "http://"+at.String())
	caster.publish("/whip/" + room)
	g := newGuest(t, caster.base)
	g.answer = solely(at)
	g.play("/whep/" + room)
	g.sees()
	g.through(at)
}

// roomName is one that no other client has.
func roomName(what string) string {
	return fmt.Sprint(what, "-", os.Getpid(), "-", time.Now().UnixNano())
}

// anyFamily lets the TURN client find servers over IPv6, which it does not by itself.
type anyFamily struct{ transport.Net }

func (anyFamily) ResolveUDPAddr(_, address string) (*net.UDPAddr, error) {
	return net.ResolveUDPAddr("udp", address)
}

// strict is a socket that notes when something comes from elsewhere.
type strict struct {
	net.PacketConn
	t  *testing.T
	at netip.AddrPort
}

func (s strict) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := s.PacketConn.ReadFrom(p)
	if udp, ok := from.(*net.UDPAddr); ok && netip.AddrPortFrom(udp.AddrPort().Addr().Unmap(), udp.AddrPort().Port()) != s.at {
		s.t.Errorf("TURN answers from %v", from)
	}
	return n, from, err
}

// relayAt watches a cast through a relay of the TURN server at that address, and by nothing else.
func relayAt(t *testing.T, at netip.AddrPort, network string) {
	base := "http://" + at.String()
	room := roomName("relayed")
	caster := newGuest(t, base)
	caster.publish("/whip/" + room)
	account := caster.servers("/whip/" + room)[0]

	var conn net.PacketConn
	if network == "udp" {
		socket, err := net.ListenPacket("udp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		conn = strict{socket, t, at}
	} else {
		stream, err := net.Dial("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		conn = pionturn.NewSTUNConn(stream)
	}
	t.Cleanup(func() { _ = conn.Close() })
	plain, err := stdnet.NewNet()
	if err != nil {
		t.Fatal(err)
	}
	client, err := pionturn.NewClient(&pionturn.ClientConfig{
		STUNServerAddr: at.String(), TURNServerAddr: at.String(), Conn: conn, Net: anyFamily{plain}, Realm: "castcode",
		Username: account.Username, Password: account.Credential.(string), LoggerFactory: logging.NewDefaultLoggerFactory(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	relay, err := client.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	mux := webrtc.NewICEUDPMux(logging.NewDefaultLoggerFactory().NewLogger("relay"), relay)
	t.Cleanup(func() { _ = mux.Close() })
	g := newGuestBy(t, base, webrtc.Configuration{}, func(s *webrtc.SettingEngine) { s.SetICEUDPMux(mux) })
	g.play("/whep/" + room)
	g.sees()
	t.Logf("relay %v", relay.LocalAddr())
	for line := bufio.NewScanner(strings.NewReader(g.pc.LocalDescription().SDP)); line.Scan(); {
		if strings.HasPrefix(line.Text(), "a=candidate:") && !strings.Contains(line.Text(), relay.LocalAddr().(*net.UDPAddr).IP.String()) {
			t.Errorf("another way than the relay: %s", line.Text())
		}
	}
}
