package tlsutil

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	caYears   = 10
	clockSlip = 24 * time.Hour // certificates begin in the past: clocks of televisions are often wrong
)

// localRanges are the networks the CA may sign for in any case: RFC 1918, ULA (RFC 4193), link-local and
// loopback. Public addresses of this machine are added one by one.
var localRanges = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("fc00::/7"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("::1/128"),
}

// CA is the own certificate authority of one data directory. It is immutable.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Certificate returns the CA certificate. It must not be changed.
func (c *CA) Certificate() *x509.Certificate { return c.cert }

// PEM returns the CA certificate as people install it (application/x-x509-ca-cert).
func (c *CA) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.cert.Raw})
}

// Fingerprint is the SHA-256 of the CA certificate as browsers show it: hex pairs in capitals with colons.
func (c *CA) Fingerprint() string {
	sum := sha256.Sum256(c.cert.Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}

// allowsAddr says whether the name constraints let the CA sign for a.
func (c *CA) allowsAddr(a netip.Addr) bool {
	ip := net.IP(a.AsSlice())
	return slices.ContainsFunc(c.cert.PermittedIPRanges, func(n *net.IPNet) bool { return n.Contains(ip) })
}

// allowsName says whether the name constraints let the CA sign for name: an entry covers itself and the names
// below it (RFC 5280 section 4.2.1.10).
func (c *CA) allowsName(name string) bool {
	return slices.ContainsFunc(c.cert.PermittedDNSDomains, func(d string) bool {
		return strings.EqualFold(name, d) || len(name) > len(d) && strings.EqualFold(name[len(name)-len(d)-1:], "."+d)
	})
}

// constraints returns what a new CA may sign for, given what the machine is called and reached by now. A public
// IPv6 address brings its whole /64, because hosts change the lower half by themselves.
func constraints(names []string, addrs []netip.Addr) (domains []string, ranges []*net.IPNet) {
	domains = slices.Compact(slices.Sorted(slices.Values(append([]string{"localhost"}, names...))))
	prefixes := slices.Clone(localRanges)
	for _, a := range addrs {
		if slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) }) {
			continue
		}
		bits := 32
		if a.Is6() {
			bits = 64
		}
		prefixes = append(prefixes, netip.PrefixFrom(a, bits).Masked())
	}
	for _, p := range prefixes {
		ranges = append(ranges, &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())})
	}
	return domains, ranges
}

// newCA makes a CA that may sign for the given names, addresses and the local ranges.
func newCA(names []string, addrs []netip.Addr, now time.Time) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	domains, ranges := constraints(names, addrs)
	// The serial number's first digits tell two CAs apart in the list of a device that has seen both.
	subject := "castcode local CA " + fmt.Sprintf("%X", serial)[:8]
	template := &x509.Certificate{
		SerialNumber:                serial,
		Subject:                     pkix.Name{Organization: []string{"castcode"}, CommonName: subject},
		NotBefore:                   now.Add(-clockSlip),
		NotAfter:                    now.AddDate(caYears, 0, 0),
		KeyUsage:                    x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid:       true,
		IsCA:                        true,
		MaxPathLenZero:              true,
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         domains,
		PermittedIPRanges:           ranges,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &CA{cert: cert, key: key}, nil
}

// newSerial returns a positive serial number of 126 random bits (RFC 5280 section 4.1.2.2: at most 20 octets).
func newSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, err
	}
	return n.SetBit(n, 126, 1), nil
}

// authority reads the CA of the data directory or makes one, and keeps DATA/ca.crt in step with it. A damaged
// or expired CA is put aside.
func (s *Store) authority(names []string, addrs []netip.Addr, now time.Time) (ca *CA, err error) {
	path := filepath.Join(s.secrets, "ca.pem")
	err = s.locked(func() error {
		cost := "the new CA certificate has to be installed on every device again"
		data, err := readOwn(path)
		if err == nil {
			if ca, err = parseCA(data, now); err == nil {
				return s.publish(ca)
			}
			err = s.putAside(path, cost)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if ca, err = newCA(names, addrs, now); err != nil {
			return err
		}
		data, err = encodePair(ca.key, ca.cert.Raw)
		if err != nil {
			return err
		}
		if err := writeAtomic(path, data, 0o600); err != nil {
			return err
		}
		return s.publish(ca)
	})
	if err != nil {
		return nil, fmt.Errorf("local CA: %w", err)
	}
	return ca, nil
}

// publish writes DATA/ca.crt when it is absent or not the present CA.
func (s *Store) publish(ca *CA) error {
	path := filepath.Join(s.dir, "ca.crt")
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, ca.PEM()) {
		return nil
	}
	return writeAtomic(path, ca.PEM(), 0o644)
}

// parseCA reads what authority has written.
func parseCA(data []byte, now time.Time) (*CA, error) {
	key, cert, err := decodePair(data)
	if err != nil {
		return nil, err
	}
	if !cert.IsCA || !now.Before(cert.NotAfter) {
		return nil, errors.New("not a CA, or expired")
	}
	return &CA{cert: cert, key: key}, nil
}

// encodePair puts a key and its certificate into one file, so that they change together.
func encodePair(key *ecdsa.PrivateKey, der []byte) ([]byte, error) {
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	return append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...), nil
}

// decodePair is the way back of encodePair; it fails when the key is not the certificate's.
func decodePair(data []byte) (*ecdsa.PrivateKey, *x509.Certificate, error) {
	first, rest := pem.Decode(data)
	if first == nil || first.Type != "PRIVATE KEY" {
		return nil, nil, errors.New("no private key")
	}
	second, _ := pem.Decode(rest)
	if second == nil || second.Type != "CERTIFICATE" {
		return nil, nil, errors.New("no certificate")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(first.Bytes)
	if err != nil {
		return nil, nil, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, nil, errors.New("not an ECDSA key")
	}
	cert, err := x509.ParseCertificate(second.Bytes)
	if err != nil {
		return nil, nil, err
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, nil, errors.New("key and certificate do not belong together")
	}
	return key, cert, nil
}
