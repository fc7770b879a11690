package tlsutil

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// Mode says where certificates come from; the package comment tells which to choose.
type Mode string

// The modes.
const (
	LocalCA Mode = "local-ca"
	ACME    Mode = "acme"
	Files   Mode = "files"
	Off     Mode = "off"
)

// Config is what Open needs.
type Config struct {
	Mode  Mode
	Store *Store
	// Names are the configured host names. ACME asks for certificates for these and no others. An IP address
	// among them is taken as one of Addrs.
	Names []string
	// Addrs are configured addresses that are not on an interface, such as the public one behind a NAT. Only
	// LocalCA uses them.
	Addrs []netip.Addr
	// Cert and Key are PEM files, for Files.
	Cert, Key string
	// Email is given to the ACME directory; may be empty.
	Email string
	Log   *slog.Logger
	// Machine lists names and addresses for LocalCA; nil means ThisMachine.
	Machine func() Machine

	now  func() time.Time // tests move it
	acme *acme.Client     // tests ask an authority of their own; nil is Let's Encrypt
}

// Source is where the certificates of a running server come from. Its methods may be called from any goroutine.
type Source struct {
	// fixed
	mode Mode
	tls  *tls.Config
	ca   *CA
	acme *autocert.Manager
	last atomic.Pointer[tls.Certificate] // that a handshake got
}

// Open prepares certificates in the mode of cfg. In LocalCA and Files mode a certificate is there when Open
// returns; ACME fetches one at the first handshake for a name.
func Open(cfg Config) (*Source, error) {
	if cfg.Machine == nil {
		cfg.Machine = ThisMachine
	}
	if cfg.now == nil {
		cfg.now = time.Now
	}
	cfg.Names, cfg.Addrs = splitNames(cfg.Names, cfg.Addrs)
	s := &Source{mode: cfg.Mode}
	switch cfg.Mode {
	case Off:
	case LocalCA:
		l, err := openLocalCA(cfg)
		if err != nil {
			return nil, err
		}
		s.ca, s.tls = l.ca, serverConfig(l.get)
	case Files:
		f, err := openFiles(cfg)
		if err != nil {
			return nil, err
		}
		s.tls = serverConfig(f.get)
	case ACME:
		if len(cfg.Names) == 0 {
			return nil, errors.New("acme needs at least one name")
		}
		s.acme = &autocert.Manager{
			Prompt:     autocert.AcceptTOS,
			Cache:      autocert.DirCache(filepath.Join(cfg.Store.secrets, "acme")),
			HostPolicy: autocert.HostWhitelist(cfg.Names...),
			Email:      cfg.Email,
			Client:     cfg.acme,
		}
		s.tls = serverConfig(s.acme.GetCertificate)
		s.tls.NextProtos = append(s.tls.NextProtos, acme.ALPNProto)
	default:
		return nil, fmt.Errorf("unknown certificate mode %q", cfg.Mode)
	}
	return s, nil
}

// splitNames moves addresses from names to addrs. What it is given stays as it is.
func splitNames(names []string, addrs []netip.Addr) ([]string, []netip.Addr) {
	var hosts []string
	addrs = slices.Clone(addrs)
	for _, n := range names {
		if a, err := netip.ParseAddr(n); err == nil {
			addrs = append(addrs, a.Unmap())
		} else {
			hosts = append(hosts, n)
		}
	}
	return hosts, addrs
}

// serverConfig holds what all modes share. HTTP/2 is not offered: WebSockets need HTTP/1.1 and one port serves
// both. stun.turn is what RFC 7443 clients offer for TURN over TLS; without it they would be refused. It comes first
// because the server's order decides: there are TURN clients that offer http/1.1 too (coturn's), and no browser
// offers stun.turn for a page.
func serverConfig(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: get,
		NextProtos:     []string{"stun.turn", "http/1.1"},
	}
}

// Mode is the mode the source was opened in.
func (s *Source) Mode() Mode { return s.mode }

// TLS returns a configuration for a TLS listener, TLS 1.2 or newer; nil in Off mode. The caller owns it.
func (s *Source) TLS() *tls.Config {
	c := s.tls.Clone()
	if c == nil {
		return nil
	}
	c.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		found, err := s.tls.GetCertificate(hello)
		if err == nil && found != nil && (s.acme == nil || !slices.Contains(hello.SupportedProtos, acme.ALPNProto)) {
			s.last.Store(found)
		}
		return found, err
	}
	return c
}

// Last is the certificate that the newest handshake got, nil before the first one. The caller must not change it.
func (s *Source) Last() *x509.Certificate {
	if c := s.last.Load(); c != nil {
		return c.Leaf
	}
	return nil
}

// CA returns the own CA in LocalCA mode, else nil.
func (s *Source) CA() *CA { return s.ca }

// Challenge wraps the handler of the plain HTTP listener so that it answers ACME's HTTP-01 challenges (RFC 8555
// section 8.3); other requests and other modes go to next.
func (s *Source) Challenge(next http.Handler) http.Handler {
	if s.acme == nil {
		return next
	}
	return s.acme.HTTPHandler(next)
}
