package tlsutil

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	leafLife    = 90 * 24 * time.Hour
	leafRenew   = 30 * 24 * time.Hour // left when a new one is issued
	leafRecheck = 10 * time.Second
)

// localCA serves a leaf that the own CA has signed and keeps it in step with the machine.
type localCA struct {
	// fixed
	store   *Store
	ca      *CA
	names   []string     // configured ones
	addrs   []netip.Addr // configured ones
	machine func() Machine
	now     func() time.Time
	log     *slog.Logger

	// read by handshakes without a lock
	current atomic.Pointer[tls.Certificate]

	check struct {
		sync.Mutex
		last  time.Time       // of the last look at the machine
		noted map[string]bool // names and addresses that were left out and logged
	}
}

// openLocalCA makes or reads the CA and the leaf.
func openLocalCA(cfg Config) (*localCA, error) {
	l := &localCA{
		store: cfg.Store, names: cfg.Names, addrs: cfg.Addrs,
		machine: cfg.Machine, now: cfg.now, log: cfg.Log,
	}
	l.check.noted = map[string]bool{}
	names, addrs := l.wanted()
	ca, err := cfg.Store.authority(names, addrs, l.now())
	if err != nil {
		return nil, err
	}
	l.ca = ca
	l.check.Lock()
	defer l.check.Unlock()
	l.check.last = l.now()
	names, addrs = l.permitted(names, addrs)
	if cert := l.load(); cert != nil && l.fits(cert.Leaf, names, addrs) {
		l.current.Store(cert)
		return l, nil
	}
	if err := l.issue(names, addrs); err != nil {
		return nil, fmt.Errorf("local CA: %w", err)
	}
	return l, nil
}

// get is tls.Config.GetCertificate. Once in ten seconds one handshake looks whether the leaf still fits; the others do
// not wait for it.
func (l *localCA) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if l.check.TryLock() {
		if now := l.now(); now.Sub(l.check.last) >= leafRecheck {
			l.check.last = now
			names, addrs := l.permitted(l.wanted())
			if !l.fits(l.current.Load().Leaf, names, addrs) {
				if err := l.issue(names, addrs); err != nil {
					l.log.Warn("no new certificate, the old one stays", "err", err)
				}
			}
		}
		l.check.Unlock()
	}
	return l.current.Load(), nil
}

// wanted lists all that the leaf should stand for, sorted: loopback, the machine, the configuration.
func (l *localCA) wanted() ([]string, []netip.Addr) {
	m := l.machine()
	names := slices.Concat([]string{"localhost"}, m.Names, l.names)
	for i := range names {
		names[i] = strings.ToLower(names[i])
	}
	addrs := slices.Concat([]netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, m.Addrs, l.addrs)
	slices.Sort(names)
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(names), slices.Compact(addrs)
}

// permitted takes away what the CA may not sign for, because one bad entry would make clients refuse the whole
// certificate. Each is logged once. check must be held.
func (l *localCA) permitted(names []string, addrs []netip.Addr) ([]string, []netip.Addr) {
	names = slices.DeleteFunc(names, func(n string) bool { return !l.ca.allowsName(n) && l.leftOut(n) })
	addrs = slices.DeleteFunc(addrs, func(a netip.Addr) bool { return !l.ca.allowsAddr(a) && l.leftOut(a.String()) })
	return names, addrs
}

// leftOut logs and returns true.
func (l *localCA) leftOut(what string) bool {
	if !l.check.noted[what] && len(l.check.noted) < 2*maxAddrs {
		l.check.noted[what] = true
		l.log.Warn("left out of the certificate: the local CA was made before and is not allowed to sign for it",
			"name", what, "hint", "to include it, stop the server, remove "+filepath.Join(l.store.secrets, "ca.pem")+
				", start again and install the new CA certificate on every device")
	}
	return true
}

// fits says whether leaf may go on: it is young enough and stands for everything that is wanted. What has gone
// away may stay in it until the next one, so that a flapping VPN does not make certificates.
func (l *localCA) fits(leaf *x509.Certificate, names []string, addrs []netip.Addr) bool {
	left := leaf.NotAfter.Sub(l.now())
	// A leaf cannot outlive its CA: in the CA's last month there is nothing better to issue.
	if left <= 0 || left < leafRenew && leaf.NotAfter.Before(l.ca.cert.NotAfter) {
		return false
	}
	for _, n := range names {
		if !slices.Contains(leaf.DNSNames, n) {
			return false
		}
	}
	for _, a := range addrs {
		if !slices.ContainsFunc(leaf.IPAddresses, net.IP(a.AsSlice()).Equal) {
			return false
		}
	}
	return true
}

// load reads the leaf that an earlier start has left; nil when there is none that can be used. It costs nothing
// to lose one.
func (l *localCA) load() *tls.Certificate {
	data, err := ReadPrivate(l.path(), maxSecret)
	if err != nil {
		return nil
	}
	key, cert, err := decodePair(data)
	if err != nil || cert.CheckSignatureFrom(l.ca.cert) != nil {
		return nil
	}
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

func (l *localCA) path() string { return filepath.Join(l.store.secrets, "leaf.pem") }

// issue signs a new leaf, proves it, keeps it on disk (so that a browser's exception survives a restart) and
// serves it. check must be held.
func (l *localCA) issue(names []string, addrs []netip.Addr) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	leaf, err := l.sign(key, names, addrs)
	if err != nil {
		return err
	}
	data, err := encodePair(key, leaf.Raw)
	if err != nil {
		return err
	}
	l.current.Store(&tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf})
	l.log.Info("issued a certificate", "names", names, "addresses", addrs, "until", leaf.NotAfter.UTC().Format(time.DateOnly))
	if err := l.store.locked(func() error { return writeAtomic(l.path(), data, 0o600) }); err != nil {
		// It serves all the same; only a restart will need another one.
		l.log.Warn("the certificate could not be stored", "err", err)
	}
	return nil
}

// sign makes the leaf and verifies it as a client would.
func (l *localCA) sign(key *ecdsa.PrivateKey, names []string, addrs []netip.Addr) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	now := l.now()
	end := now.Add(leafLife)
	if end.After(l.ca.cert.NotAfter) {
		end = l.ca.cert.NotAfter
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		// With a blank in it: old clients take a common name that looks like a host name for one, and then
		// hold the name constraints against it.
		Subject:     pkix.Name{Organization: []string{"castcode"}, CommonName: "castcode server"},
		NotBefore:   now.Add(-clockSlip),
		NotAfter:    end,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    names,
	}
	for _, a := range addrs {
		template.IPAddresses = append(template.IPAddresses, a.AsSlice())
	}
	der, err := x509.CreateCertificate(rand.Reader, template, l.ca.cert, key.Public(), l.ca.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(l.ca.cert)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now}); err != nil {
		return nil, err
	}
	return leaf, nil
}
