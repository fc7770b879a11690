package tlsutil

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// machine is a Machine func with fixed answers; the host name brings its .local form.
func machine(host string, addrs ...string) func() Machine {
	m := Machine{Names: namesOf(host)}
	for _, a := range addrs {
		m.Addrs = append(m.Addrs, netip.MustParseAddr(a))
	}
	return func() Machine { return m }
}

// negotiate does a TLS handshake over loopback and returns the client's error. A pipe will not do: it has no
// buffer, so both ends would wait when the client sends its alert while the server still writes.
func negotiate(server, client *tls.Config) (protocol string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer l.Close() //nolint:errcheck // ends Accept
	wg.Go(func() {
		if far, err := l.Accept(); err == nil {
			_ = tls.Server(far, server).Handshake()
			_ = far.Close()
		}
	})
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return "", err
	}
	defer near.Close() //nolint:errcheck // nothing is sent after the handshake
	secure := tls.Client(near, client)
	err = secure.Handshake()
	return secure.ConnectionState().NegotiatedProtocol, err
}

func poolOf(src *Source) *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(src.CA().PEM())
	return roots
}

// handshake connects as name with full verification against the own CA and returns the leaf.
func handshake(src *Source, name string) (leaf *x509.Certificate, err error) {
	_, err = negotiate(src.TLS(), &tls.Config{
		RootCAs: poolOf(src), ServerName: name,
		VerifyConnection: func(state tls.ConnectionState) error {
			leaf = state.PeerCertificates[0]
			return nil
		},
	})
	return leaf, err
}

func mustServe(t *testing.T, src *Source, names ...string) *x509.Certificate {
	t.Helper()
	var leaf *x509.Certificate
	for _, name := range names {
		l, err := handshake(src, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		leaf = l
	}
	return leaf
}

// world is a machine and a clock that a test changes.
type world struct {
	sync.Mutex
	at   time.Time
	host func() Machine
}

func newWorld(host string, addrs ...string) *world {
	return &world{at: time.Now(), host: machine(host, addrs...)}
}

func (w *world) now() time.Time {
	w.Lock()
	defer w.Unlock()
	return w.at
}

func (w *world) machine() Machine {
	w.Lock()
	defer w.Unlock()
	return w.host()
}

func (w *world) pass(d time.Duration) {
	w.Lock()
	defer w.Unlock()
	w.at = w.at.Add(d)
}

func (w *world) become(host string, addrs ...string) {
	w.Lock()
	defer w.Unlock()
	w.host = machine(host, addrs...)
}

func (w *world) config(s *Store) Config {
	return Config{Mode: LocalCA, Store: s, Log: s.log, Machine: w.machine, now: w.now}
}

func (w *world) open(t *testing.T, dir string, names ...string) (*Source, *bytes.Buffer) {
	t.Helper()
	log, out := logger()
	s, err := OpenStore(dir, log)
	if err != nil {
		t.Fatal(err)
	}
	cfg := w.config(s)
	cfg.Names = names
	src, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return src, out
}

func TestChainVerifiesForEveryNameAndAddress(t *testing.T) {
	w := newWorld("Hall-PC.corp.example", "192.168.1.5", "10.1.2.3", "172.20.0.9", "169.254.7.8",
		"192.0.2.2", "100.64.9.9", "fd00::5", "2001:db8:1:2::5")
	src, _ := w.open(t, t.TempDir(), "Cast.example.org", "198.51.100.7")
	leaf := mustServe(t, src, "localhost", "127.0.0.1", "::1", "hall-pc.corp.example", "hall-pc", "hall-pc.local",
		"192.168.1.5", "10.1.2.3", "172.20.0.9", "169.254.7.8", "192.0.2.2", "100.64.9.9", "fd00::5", "2001:db8:1:2::5",
		"cast.example.org", "198.51.100.7")
	for _, bad := range []string{"example.com", "192.168.1.6", "hall-pc.corp.example.org"} {
		if _, err := handshake(src, bad); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
	if days := leaf.NotAfter.Sub(w.at).Hours() / 24; days < 89.9 || days > 90.1 {
		t.Errorf("leaf for %.1f days", days)
	}
	if slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) || len(leaf.ExtKeyUsage) != 1 || leaf.IsCA {
		t.Errorf("leaf usages %v, CA %v", leaf.ExtKeyUsage, leaf.IsCA)
	}
}

func TestThisMachineIsServed(t *testing.T) {
	s := openStore(t, t.TempDir())
	src, err := Open(Config{Mode: LocalCA, Store: s, Log: s.log})
	if err != nil {
		t.Fatal(err)
	}
	m := ThisMachine()
	mustServe(t, src, "localhost", "127.0.0.1", "::1")
	mustServe(t, src, m.Names...)
	for _, a := range m.Addrs {
		mustServe(t, src, a.String())
	}
}

func TestCAIsBoundToThisNetwork(t *testing.T) {
	w := newWorld("hall", "192.168.1.5", "203.0.113.9")
	dir := t.TempDir()
	src, _ := w.open(t, dir, "cast.example.org")
	cert := src.CA().Certificate()
	if !cert.IsCA || !cert.MaxPathLenZero || !cert.PermittedDNSDomainsCritical {
		t.Errorf("CA %v, path length 0 %v, constraints critical %v", cert.IsCA, cert.MaxPathLenZero, cert.PermittedDNSDomainsCritical)
	}
	if got := fmt.Sprint(cert.PermittedDNSDomains); got != "[cast.example.org hall hall.local localhost]" {
		t.Errorf("names of the CA: %s", got)
	}
	if !regexp.MustCompile(`^castcode local CA [0-9A-F]{8}$`).MatchString(cert.Subject.CommonName) {
		t.Errorf("CA is called %q", cert.Subject.CommonName)
	}
	if years := cert.NotAfter.Sub(w.at).Hours() / 24 / 365; years < 9.9 || years > 10.1 {
		t.Errorf("CA for %.1f years", years)
	}
	key, err := os.ReadFile(filepath.Join(dir, "secrets", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	thief, err := parseCA(key, w.at)
	if err != nil {
		t.Fatal(err)
	}
	// Whoever steals the key cannot sign for others: clients refuse it by the constraints.
	l := &localCA{ca: thief, now: w.now}
	leafKey := thief.key
	for _, c := range []struct {
		name, addr string
		ok         bool
	}{
		{"cast.example.org", "", true},
		{"sub.cast.example.org", "", true},
		{"hall.local", "", true},
		{"", "10.200.0.1", true},
		{"", "203.0.113.9", true},
		{"example.org", "", false},
		{"bank.example", "", false},
		{"notlocalhost", "", false},
		{"other.local", "", false},
		{"", "203.0.113.10", false},
		{"", "8.8.8.8", false},
		{"", "2001:db8::1", false},
	} {
		var names []string
		var addrs []netip.Addr
		if c.name != "" {
			names = []string{c.name}
			if got := thief.allowsName(c.name); got != c.ok {
				t.Errorf("allowsName(%s) = %v", c.name, got)
			}
		} else {
			addrs = []netip.Addr{netip.MustParseAddr(c.addr)}
			if got := thief.allowsAddr(addrs[0]); got != c.ok {
				t.Errorf("allowsAddr(%s) = %v", c.addr, got)
			}
		}
		if _, err := l.sign(leafKey, names, addrs); (err == nil) != c.ok {
			t.Errorf("%s%s: %v", c.name, c.addr, err)
		}
	}
}

func TestFingerprintIsThatOfThePublishedCA(t *testing.T) {
	dir := t.TempDir()
	src, _ := newWorld("hall", "192.168.1.5").open(t, dir)
	got := src.CA().Fingerprint()
	if !regexp.MustCompile(`^([0-9A-F]{2}:){31}[0-9A-F]{2}$`).MatchString(got) {
		t.Errorf("fingerprint %q", got)
	}
	data, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(data)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil || len(rest) != 0 {
		t.Fatal(err, len(rest))
	}
	if (&CA{cert: cert}).Fingerprint() != got || bytes.Contains(data, []byte("PRIVATE")) {
		t.Error("ca.crt is not the CA's certificate alone")
	}
}

func TestRestartKeepsCAAndLeaf(t *testing.T) {
	dir := t.TempDir()
	w := newWorld("hall", "192.168.1.5")
	a, _ := w.open(t, dir)
	b, out := w.open(t, dir)
	if a.CA().Fingerprint() != b.CA().Fingerprint() {
		t.Error("another CA after a restart")
	}
	if !mustServe(t, a, "hall").Equal(mustServe(t, b, "hall")) {
		t.Error("another leaf after a restart: browsers would ask again")
	}
	if strings.Contains(out.String(), "issued") {
		t.Errorf("log: %s", out)
	}
}

func TestLeafFollowsTheMachine(t *testing.T) {
	dir := t.TempDir()
	w := newWorld("hall", "192.168.1.5")
	src, _ := w.open(t, dir)
	first := mustServe(t, src, "192.168.1.5")

	w.become("hall", "192.168.1.5", "192.168.77.1")
	w.pass(leafRecheck - time.Second)
	if got := mustServe(t, src, "192.168.1.5"); !got.Equal(first) {
		t.Error("looked at the machine before its time")
	}
	w.pass(time.Second)
	second := mustServe(t, src, "192.168.77.1", "192.168.1.5")

	// An address that goes away costs nobody a new certificate.
	w.become("hall", "192.168.77.1")
	w.pass(leafRecheck)
	if got := mustServe(t, src, "192.168.77.1"); !got.Equal(second) {
		t.Error("an address that went away changed the certificate")
	}

	// A restart with one more configured name: it lies below one that the CA knows.
	again, _ := w.open(t, dir, "sub.hall.local")
	mustServe(t, again, "sub.hall.local", "192.168.77.1")
}

func TestLeafIsRenewedInTime(t *testing.T) {
	w := newWorld("hall", "192.168.1.5")
	dir := t.TempDir()
	src, _ := w.open(t, dir)
	leafNow := func() *x509.Certificate {
		t.Helper()
		c, err := src.TLS().GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf
	}
	first := leafNow()
	w.pass(leafLife - leafRenew - time.Hour)
	if !leafNow().Equal(first) {
		t.Error("renewed too early")
	}
	w.pass(2 * time.Hour)
	second := leafNow()
	if second.Equal(first) || second.NotAfter.Sub(w.at) < leafLife-time.Hour {
		t.Errorf("not renewed, good until %v", second.NotAfter)
	}

	// In the CA's last month the leaf ends with the CA and is not renewed once a minute.
	w.pass(src.CA().Certificate().NotAfter.Sub(w.at) - 20*24*time.Hour)
	third := leafNow()
	w.pass(time.Hour)
	if !leafNow().Equal(third) || third.NotAfter.After(src.CA().Certificate().NotAfter) {
		t.Error("renewed although there is nothing better to have")
	}

	// After its end a restart makes a new CA and says so.
	old := src.CA().Fingerprint()
	w.pass(30 * 24 * time.Hour)
	src, out := w.open(t, dir)
	if src.CA().Fingerprint() == old || !strings.Contains(out.String(), "installed on every device again") {
		t.Errorf("expired CA: log %s", out)
	}
	if leafNow().CheckSignatureFrom(src.CA().Certificate()) != nil {
		t.Error("the leaf is not signed by the new CA")
	}
}

func TestNewPublicAddressIsLeftOutWithAHint(t *testing.T) {
	dir := t.TempDir()
	w := newWorld("hall", "192.168.1.5")
	src, out := w.open(t, dir)
	w.become("renamed", "192.168.1.5", "203.0.113.9", "192.168.1.6")
	for range 3 {
		w.pass(leafRecheck)
		mustServe(t, src, "192.168.1.6", "192.168.1.5", "localhost")
	}
	if _, err := handshake(src, "203.0.113.9"); err == nil {
		t.Error("the certificate holds an address that its CA may not sign for")
	}
	for _, name := range []string{"203.0.113.9", "renamed", "renamed.local"} {
		if got := strings.Count(out.String(), "name="+name+" "); got != 1 {
			t.Errorf("%s is logged %d times, want once: %s", name, got, out)
		}
	}
	if !strings.Contains(out.String(), filepath.Join(dir, "secrets", "ca.pem")) {
		t.Errorf("no way out in the log: %s", out)
	}
	if err := os.Remove(filepath.Join(dir, "secrets", "ca.pem")); err != nil {
		t.Fatal(err)
	}
	src, _ = w.open(t, dir)
	mustServe(t, src, "203.0.113.9", "renamed.local")
}

func TestLeafOfAnotherCAIsNotServed(t *testing.T) {
	dir := t.TempDir()
	w := newWorld("hall", "192.168.1.5")
	w.open(t, dir)
	if err := os.Remove(filepath.Join(dir, "secrets", "ca.pem")); err != nil {
		t.Fatal(err)
	}
	src, _ := w.open(t, dir)
	mustServe(t, src, "hall")
	data, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil || !bytes.Equal(data, src.CA().PEM()) {
		t.Error("ca.crt is still the old CA", err)
	}
}

// TestHandshakesWhileTheMachineChanges is for the race detector.
func TestHandshakesWhileTheMachineChanges(t *testing.T) {
	w := newWorld("hall", "192.168.1.5")
	src, _ := w.open(t, t.TempDir())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25 {
				w.pass(20 * time.Second)
				if _, err := src.TLS().GetCertificate(nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 20 {
			w.become("hall", netip.AddrFrom4([4]byte{192, 168, 2, byte(i)}).String())
		}
	})
	wg.Wait()
	w.pass(leafRecheck)
	mustServe(t, src, "192.168.2.19")
}
