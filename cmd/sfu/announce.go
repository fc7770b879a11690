package main

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"castcode/internal/tlsutil"
)

// announce prints the start-up screen: where to go and whether to trust it.
func (s *server) announce(stdout io.Writer, env func(string) (string, bool)) error {
	file, _ := stdout.(*os.File)
	columns := stdoutColumns(file, env)
	b := Banner{Version: version, URLs: s.urls(), Warnings: append(slices.Clone(s.cfg.Warnings), s.hints...), Columns: columns}
	b.Media = fmt.Sprintf("UDP and TCP %s, at %s.", s.ports.port(), textOf(s.advertised.addresses()))
	s.log.Info("offering media", "addresses", s.advertised.addresses())
	for _, w := range s.hints {
		s.log.Warn(w)
	}
	if s.cfg.HTTPDisplays {
		b.Display = strings.Replace(s.urls()[0], "https://", "http://", 1)
	}
	switch s.cfg.TLS {
	case tlsutil.LocalCA:
		b.Certificate = "signed by this server's own CA."
		b.Fingerprint, b.Trust = s.site.print, s.trustURL()
	case tlsutil.ACME:
		b.Certificate = "from Let's Encrypt, fetched at the first visit."
	case tlsutil.Files:
		b.Certificate = s.certificateText()
	case tlsutil.Off:
		b.Certificate = "none; a proxy ends TLS. Casting works through it and on http://localhost."
	}
	switch {
	case len(s.cfg.TURNURLs) > 0:
		b.TURN = "the external server that is configured."
	case s.cfg.TURN:
		b.TURN = "built in, on the same port, " + s.ports.turnText() + "."
	default:
		b.TURN = "off; networks that block UDP to this server are not crossed."
	}
	if s.adminAt != "" {
		b.Admin = "http://" + s.adminAt + "/metrics"
	}
	_, err := fmt.Fprintln(stdout, b)
	return err
}

// urls are the base addresses for people, the preferred one first.
func (s *server) urls() []string {
	scheme, port := "https", s.ports.port()
	if s.cfg.TLS == tlsutil.Off {
		scheme = "http"
	}
	url := func(scheme, host string) string {
		if scheme == "https" && port == "443" || scheme == "http" && port == "80" {
			if at := net.ParseIP(host); at != nil && at.To4() == nil {
				host = "[" + host + "]"
			}
			return scheme + "://" + host
		}
		return scheme + "://" + net.JoinHostPort(host, port)
	}
	var urls []string
	for _, host := range s.cfg.Hosts {
		urls = append(urls, url(scheme, host))
	}
	local := false
	for _, a := range s.advertised.addresses() {
		if a.Addr().IsLoopback() {
			local = true
			continue
		}
		urls = append(urls, url(scheme, a.Addr().String()))
	}
	if s.ports.socket.LocalAddr().IP.IsUnspecified() || local {
		urls = append(urls, url("http", "localhost"))
	}
	return urls
}

// trustURL is where the certificate of the CA can be had, over plain HTTP, because HTTPS is not trusted yet.
func (s *server) trustURL() string {
	first, err := url.Parse(s.urls()[0])
	if err != nil {
		return "/ca" // it is ours, and can be parsed
	}
	first.Scheme, first.Path = "http", "/ca"
	if s.ports.web != nil {
		first.Host = net.JoinHostPort(first.Hostname(), portOf(s.ports.web))
		if portOf(s.ports.web) == "80" {
			first.Host = strings.TrimSuffix(first.Host, ":80")
		}
	}
	return first.String()
}

func (s *server) certificateText() string {
	pair, err := tlsutil.ReadPair(s.cfg.TLSCert, s.cfg.TLSKey)
	if err != nil || pair.Leaf == nil {
		return s.cfg.TLSCert + "."
	}
	days := int(time.Until(pair.Leaf.NotAfter).Hours() / 24)
	return fmt.Sprintf("%s, good for %d days.", s.cfg.TLSCert, days)
}
