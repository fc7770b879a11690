package tlsutil

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	pebbleca "github.com/letsencrypt/pebble/v2/ca"
	pebbledb "github.com/letsencrypt/pebble/v2/db"
	pebbleva "github.com/letsencrypt/pebble/v2/va"
	pebblewfe "github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
	"golang.org/x/crypto/acme"

	"castcode/internal/portmux"
)

const acmeName = "cast.example.org"

// authority is pebble, an ACME server (RFC 8555) that Let's Encrypt makes for tests. It finds acmeName at 127.0.0.1
// and calls back to the two ports.
type authority struct {
	roots  *x509.CertPool
	client *acme.Client
}

func startAuthority(t *testing.T, httpPort, tlsPort int) *authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	quiet := log.New(io.Discard, "", 0)
	store := pebbledb.NewMemoryStore()
	ca := pebbleca.New(quiet, store, "", "ecdsa", 0, 1, map[string]pebbleca.Profile{"default": {Description: "for a test"}})
	va := pebbleva.New(quiet, httpPort, tlsPort, true, startDNS(t), store)
	// Of the nonces 5 % are refused, as they are in real life; a client has to try again.
	front := pebblewfe.New(quiet, store, va, ca, []string{"ca.test"}, true, false, 1, 1)
	server := httptest.NewUnstartedServer(front.Handler())
	server.Config.ErrorLog = quiet // clients hang up on it in the middle
	server.StartTLS()
	t.Cleanup(server.Close)

	a := &authority{roots: x509.NewCertPool(), client: &acme.Client{DirectoryURL: server.URL + pebblewfe.DirectoryPath, HTTPClient: server.Client()}}
	if !a.roots.AppendCertsFromPEM(ca.GetRootCert(0).PEM()) {
		t.Fatal("the authority has no root")
	}
	return a
}

// startDNS answers that every name is at 127.0.0.1 and that nobody restricts certificates for it.
func startDNS(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, asked *dns.Msg) {
		answer := new(dns.Msg).SetReply(asked)
		if q := asked.Question[0]; q.Qtype == dns.TypeA {
			answer.Answer = []dns.RR{&dns.A{
				Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1),
			}}
		}
		_ = w.WriteMsg(answer) // the client has gone
	})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.ActivateAndServe() }) // ends with its listener
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

func listen(t *testing.T) (l net.Listener, port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l, l.Addr().(*net.TCPAddr).Port
}

// TestCertificateFromAnAuthority gets one through the listener of the server, by each of the two challenges, and once
// more from the cache.
func TestCertificateFromAnAuthority(t *testing.T) {
	for _, challenge := range []string{"tls-alpn-01", "http-01"} {
		t.Run(challenge, func(t *testing.T) {
			l, port := listen(t)
			outer := portmux.New(l, nil)
			closed, nobody := listen(t)
			_ = closed.Close() // for the challenge that is to fail
			httpPort, tlsPort := nobody, port
			if challenge == "http-01" {
				httpPort, tlsPort = port, nobody
			}
			a := startAuthority(t, httpPort, tlsPort)

			store := openStore(t, t.TempDir())
			open := func(client *acme.Client) *Source {
				src, err := Open(Config{Mode: ACME, Store: store, Log: store.log, Names: []string{acmeName}, acme: client})
				if err != nil {
					t.Fatal(err)
				}
				return src
			}
			src := open(a.client)
			inner := portmux.New(tls.NewListener(outer.TLS(), src.TLS()), nil)
			challenges := src.Challenge(http.NotFoundHandler())
			plain := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Host = acmeName // without a number, as from an authority that calls port 80
				challenges.ServeHTTP(w, r)
			})}
			secure := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the page") })}
			var serving sync.WaitGroup
			serving.Go(func() { _ = plain.Serve(outer.HTTP()) })  // ends with Close
			serving.Go(func() { _ = secure.Serve(inner.HTTP()) }) // ends with Close
			t.Cleanup(func() {
				_ = plain.Close()
				_ = secure.Close()
				_ = inner.Close()
				_ = outer.Close()
				serving.Wait()
			})

			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.roots, ServerName: acmeName}}
			defer transport.CloseIdleConnections()
			answer, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Get("https://" + l.Addr().String() + "/")
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(answer.Body)
			_ = answer.Body.Close() // it was read
			if leaf := answer.TLS.PeerCertificates[0]; string(body) != "the page" || leaf.VerifyHostname(acmeName) != nil {
				t.Errorf("%q with a certificate for %v", body, leaf.DNSNames)
			}
			if n := inner.Counts().Challenges; (n > 0) != (challenge == "tls-alpn-01") {
				t.Errorf("%d challenges were answered inside TLS", n)
			}

			// After a restart the authority is not asked again: this client knows none.
			again := open(&acme.Client{DirectoryURL: "https://127.0.0.1:1/none"})
			if _, err := negotiate(again.TLS(), &tls.Config{RootCAs: a.roots, ServerName: acmeName}); err != nil {
				t.Errorf("after a restart: %v", err)
			}
			// A name off the list is not worth a question.
			if _, err := negotiate(src.TLS(), &tls.Config{RootCAs: a.roots, ServerName: "other.example.org"}); err == nil || strings.Contains(err.Error(), "timeout") {
				t.Errorf("a name off the list: %v", err)
			}
		})
	}
}
