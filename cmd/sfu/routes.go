package main

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"rsc.io/qr"

	"castcode/internal/tlsutil"
	"castcode/web"
)

// Bounds of HTTP (docs/operations.md).
const (
	maxHeader = 16 << 10
	maxQRText = 512
)

// site is what the public port serves over HTTP.
type site struct {
	trouble    func() string // lines about what works worse than it should, for /healthz; may be nil
	socket     http.Handler  // /ws
	probe      http.Handler  // /probe
	whip, whep http.Handler  // what is below /whip/ and /whep/
	ca         []byte        // PEM; nil when there is no local CA
	profile    []byte        // the same for Apple's systems
	print      string        // fingerprint of the CA
	mode       string        // of TLS
	hsts       bool
	plain      bool            // everything is served over plain HTTP too (--tls off)
	displays   func() []string // our names; nil: displays and viewers are not served over plain HTTP
	external   func(*http.Request) (scheme, hostport string)
	httpsPort  string
	shown      func() *x509.Certificate // that a handshake got last; nil: none
	ready      atomic.Bool
	pages      map[string]asset // by URL path
	assets     map[string]asset // by URL path
	challenges func(http.Handler) http.Handler
}

// asset is a file of the pages, ready to be sent.
type asset struct {
	kind string // Content-Type
	tag  string // ETag
	body []byte
}

// load reads the embedded pages.
func (s *site) load() error {
	s.pages, s.assets = map[string]asset{}, map[string]asset{}
	files := web.Files()
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		kind := mime.TypeByExtension(path.Ext(name))
		if path.Ext(name) == ".js" {
			kind = "text/javascript; charset=utf-8" // whatever the system's table says
		}
		sum := sha256.Sum256(body)
		s.assets["/"+name] = asset{kind: kind, tag: `"` + hex.EncodeToString(sum[:8]) + `"`, body: body}
		return nil
	})
	for url, name := range web.Pages() {
		s.pages[url] = s.assets["/"+name]
		delete(s.assets, "/"+name)
	}
	return err
}

// secure serves the whole site: HTTPS, or a connection that a browser trusts like it.
func (s *site) secure() http.Handler {
	m := http.NewServeMux()
	for url, page := range s.pages {
		pattern := "GET " + url
		if url == "/" {
			pattern = "GET /{$}"
		}
		m.HandleFunc(pattern, page.serve)
	}
	m.Handle("/ws", s.socket)
	s.open(m)
	return s.headers(s.doors(m))
}

// doors serves WHIP and WHEP beside the pages. They do not go through a ServeMux, which redirects what it takes for a
// careless path: a room's name may be one, and PATCH and DELETE must not be redirected.
func (s *site) doors(pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/whip/"):
			s.whip.ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, "/whep/"):
			s.whep.ServeHTTP(w, r)
		default:
			pages.ServeHTTP(w, r)
		}
	})
}

// open adds what is served over plain HTTP too: the pages' files, the CA, QR codes and the state of the server.
func (s *site) open(m *http.ServeMux) {
	m.HandleFunc("GET /healthz", s.health)
	m.HandleFunc("POST /qr", drawQR)
	for url, a := range s.assets {
		m.HandleFunc("GET "+url, a.serve)
	}
	m.HandleFunc("GET /ca.json", s.describe)
	m.Handle("/probe", s.probe)
	if s.ca != nil {
		m.HandleFunc("GET /ca.crt", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-x509-ca-cert")
			w.Header().Set("Content-Disposition", `attachment; filename="castcode-ca.crt"`)
			_, _ = w.Write(s.ca) // the client has gone
		})
		m.HandleFunc("GET /ca.mobileconfig", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", tlsutil.ProfileType)
			w.Header().Set("Content-Disposition", `attachment; filename="castcode-ca.mobileconfig"`)
			_, _ = w.Write(s.profile) // the client has gone
		})
	}
}

// certificate is what /ca.json says: where certificates come from, and over HTTPS which one is shown.
type certificate struct {
	Mode        string    `json:"mode"`
	Fingerprint string    `json:"fingerprint"`
	Port        string    `json:"port"`
	Issuer      string    `json:"issuer,omitempty"`
	Until       time.Time `json:"until,omitzero"`
}

func (s *site) describe(w http.ResponseWriter, r *http.Request) {
	c := certificate{Mode: s.mode, Fingerprint: s.print, Port: s.httpsPort}
	if s.shown != nil && r.TLS != nil {
		if leaf := s.shown(); leaf != nil {
			c.Issuer, c.Until = issuerOf(leaf), leaf.NotAfter
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(c) // the client has gone
}

// issuerOf names who issued a certificate.
func issuerOf(c *x509.Certificate) string {
	if c.Issuer.CommonName != "" {
		return c.Issuer.CommonName
	}
	return c.Issuer.String()
}

// insecure serves plain HTTP: everything to a browser on this machine, to which localhost is as good as HTTPS, and
// to everybody with --tls off; displays and viewers with --http-displays; to others the CA, the network test and a way to
// HTTPS.
func (s *site) insecure() http.Handler {
	all := s.secure()
	m := http.NewServeMux()
	for _, url := range []string{"/ca", "/doctor"} { // what helps where HTTPS does not work yet
		m.HandleFunc("GET "+url, s.pages[url].serve)
	}
	s.open(m)
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch || r.Method == http.MethodDelete {
			http.Error(w, "over HTTPS only", http.StatusForbidden) // RFC 9725 section 4.5: these are not redirected
			return
		}
		host := hostOf(r.Host)
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		if s.httpsPort != "443" {
			host += ":" + s.httpsPort
		}
		http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusTemporaryRedirect)
	})
	rest, displays := s.headers(m), s.plainDisplays()
	h := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.plain || fromThisMachine(r) {
			all.ServeHTTP(w, r)
			return
		}
		if s.plainDisplay(r) {
			displays.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	}))
	if s.challenges != nil {
		h = s.challenges(h)
	}
	return h
}

// fromThisMachine says whether r was sent to this machine by this machine, under a name that browsers treat as
// secure. Both are asked: a name alone can be made to point here (DNS rebinding).
func fromThisMachine(r *http.Request) bool {
	if !loopbackHost(r.Host) {
		return false
	}
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && remote.Addr().Unmap().IsLoopback()
}

// loopbackHost says whether a Host header names the machine that the browser runs on.
func loopbackHost(hostport string) bool {
	host := hostOf(hostport)
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// hostOf is the host of a Host header, without port and brackets.
func hostOf(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	return strings.Trim(host, "[]")
}

// headers are on every answer.
func (s *site) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, host := s.external(r)
		socket := "wss://" + host
		if scheme == "http" {
			socket = "ws://" + host
		}
		if !validHost(host) {
			http.Error(w, "bad host", http.StatusBadRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "+
			"media-src 'self' blob:; connect-src 'self' "+socket+"; frame-ancestors 'none'; base-uri 'none'; "+
			"form-action 'self'; require-trusted-types-for 'script'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Permissions-Policy", "display-capture=(self), microphone=(self), camera=(self), screen-wake-lock=(self), fullscreen=(self)")
		if scheme == "https" || loopbackHost(host) {
			h.Set("Cross-Origin-Opener-Policy", "same-origin") // elsewhere browsers ignore it, and complain
		}
		if s.hsts && r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=15552000")
		}
		next.ServeHTTP(w, r)
	})
}

// validHost keeps a Host header from writing its own policy into ours: letters, digits, and what addresses need.
func validHost(host string) bool {
	for _, c := range host {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && !strings.ContainsRune(".-_:[]", c) {
			return false
		}
	}
	return host != "" && len(host) <= 255
}

// serve sends the file, or 304 when the browser has it.
func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("ETag", a.tag)
	h.Set("Cache-Control", "no-cache") // ask each time: a page and its scripts must be of one version
	if r.Header.Get("If-None-Match") == a.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(a.body) // the client has gone
}

// health answers 200 when new peers are welcome, 503 while the server is leaving.
func (s *site) health(w http.ResponseWriter, _ *http.Request) {
	if !s.ready.Load() {
		http.Error(w, "draining", http.StatusServiceUnavailable)
		return
	}
	text := "ok\n"
	if s.trouble != nil {
		text += s.trouble()
	}
	_, _ = io.WriteString(w, text) // the client has gone
}

// drawQR draws the text of the body as an SVG picture. The text may hold a code, so it is not in the URL.
func drawQR(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQRText))
	if err != nil || len(text) == 0 {
		http.Error(w, "a text of 1 to 512 bytes", http.StatusBadRequest)
		return
	}
	code, err := qr.Encode(string(text), qr.M)
	if err != nil {
		http.Error(w, "too long for a QR code", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, svg(code)) // the client has gone
}
