package turn

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"castcode/internal/portmux"
)

// patience bounds every wait for something that must come.
const patience = 5 * time.Second

var (
	secret  = []byte("a secret of this test")
	media4  = netip.MustParseAddrPort("127.0.0.1:5004")
	media6  = netip.MustParseAddrPort("[2001:db8::7]:5004")
	other4  = netip.MustParseAddrPort("198.51.100.7:5004")
	relayIP = netip.MustParseAddr("127.0.0.1")
)

// echo is a media side that sends everything back to where it came from.
type echo struct {
	mu      sync.Mutex
	paths   map[netip.AddrPort]func([]byte)
	sources []netip.AddrPort // of each datagram
}

func newEcho() *echo { return &echo{paths: make(map[netip.AddrPort]func([]byte))} }

func (e *echo) Attach(virtual netip.AddrPort, deliver func([]byte)) (func([]byte), func(), error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.paths[virtual] != nil {
		return nil, nil, net.ErrClosed
	}
	e.paths[virtual] = deliver
	return func(p []byte) {
			e.mu.Lock()
			e.sources = append(e.sources, virtual)
			e.mu.Unlock()
			deliver(p)
		}, func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			delete(e.paths, virtual)
		}, nil
}

// seen gives the source of each datagram so far.
func (e *echo) seen() []netip.AddrPort {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.sources)
}

func (e *echo) attached() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.paths)
}

// fixture is a server on loopback, over UDP and TCP on one port number and over TLS on another.
type fixture struct {
	*Server
	media *echo
	addr  *net.UDPAddr
	tls   *net.TCPAddr
}

// onePort opens a UDP and a TCP socket with one port number.
func onePort(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		packet, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		stream, err := net.Listen("tcp4", packet.LocalAddr().String())
		if err == nil {
			return packet, stream
		}
		packet.Close() // somebody has the port for TCP
	}
	t.Fatal("no port is free for both")
	return nil, nil
}

// selfSigned makes a certificate that nobody is asked to trust.
func selfSigned(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"example.org"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func serve(t testing.TB, change func(*Config)) *fixture {
	t.Helper()
	packet, stream := onePort(t)
	addr, _ := packet.LocalAddr().(*net.UDPAddr)
	f := &fixture{media: newEcho(), addr: addr}
	plain, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	secure := portmux.New(tls.NewListener(plain, &tls.Config{
		Certificates: []tls.Certificate{selfSigned(t)}, NextProtos: []string{"stun.turn", "http/1.1"},
	}), nil)
	t.Cleanup(func() { secure.Close() })
	f.tls = plain.Addr().(*net.TCPAddr)
	cfg := Config{
		Packets: []net.PacketConn{packet}, Streams: []net.Listener{stream, secure.TURN()}, Media: f.media, RelayIP: relayIP, Realm: "example.org",
		MediaAddrs: func() []netip.AddrPort { return []netip.AddrPort{media4, other4, media6} },
		Secrets:    func() [][]byte { return [][]byte{[]byte("the next secret"), secret} },
	}
	if change != nil {
		change(&cfg)
	}
	server, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	f.Server = server
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if n := f.Counts(); n.Relays != 0 || n.Streams != 0 || f.media.attached() != 0 {
			t.Errorf("after Close: %d relays, %d streams, %d paths", n.Relays, n.Streams, f.media.attached())
		}
		if len(f.ports) != 0 || len(f.users) != 0 || len(f.grants) != 0 {
			t.Errorf("after Close: %d ports, %d users, %d grants", len(f.ports), len(f.users), len(f.grants))
		}
	})
	return f
}

func (f *fixture) dropped(reason drop) uint64 { return f.counters.drops[reason].Load() }

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	p, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return p
}
