package doctor

import (
	"crypto/x509"
	"errors"
	"net/url"
	"strings"
	"time"
)

// trip judges a path that answered. mapped is this machine's address as seen from there, "" if unknown.
func trip(check, address, mapped string, took time.Duration) Finding {
	f := found(check, OK, say("trip", "ms", milliseconds(took), "address", address))
	if mapped != "" {
		f.Said[0] = say("trip_mapped", "ms", milliseconds(took), "address", address, "mapped", mapped)
	}
	if took > slowTrip {
		f.State = Slow
		f.Said = append(f.Said, say("far"))
	}
	f.RoundTrip, f.Address = took, address
	return f
}

// shut is a path on which nothing came back. protocol is "udp", "tcp" or "tls", ends are host and port of each place
// that was tried.
func shut(check, protocol string, ends []end, reason string) Finding {
	var addresses []string
	for _, e := range ends {
		addresses = append(addresses, e.String())
	}
	f := found(check, Blocked, say("silent", "address", strings.Join(addresses, ", "), "s", seconds(pathTime)))
	if reason != "" {
		f.Said[0] = say("failed", "address", strings.Join(addresses, ", "), "reason", reason)
	}
	if len(ends) > 0 {
		f.Address = ends[0].String()
	}
	for _, e := range ends {
		f.Said = append(f.Said, say("open_"+protocol, "host", e.host, "port", e.port))
	}
	return f
}

// certificate judges what a TLS handshake showed. err is nil for one that is trusted, own says that this took a CA
// which the system may not know.
func certificate(leaf *x509.Certificate, err error, own bool, at *url.URL, now time.Time) Finding {
	if leaf == nil {
		return found("https", Blocked, say("failed", "address", at.Host, "reason", text(err)),
			say("open_tcp", "host", at.Hostname(), "port", portOf(at)))
	}
	issuer, until := leaf.Issuer.CommonName, leaf.NotAfter.Format(time.DateOnly)
	if issuer == "" {
		issuer = leaf.Issuer.String()
	}
	ca := "http://" + at.Host + "/ca"
	var unknown x509.UnknownAuthorityError
	switch {
	case now.After(leaf.NotAfter) || now.Before(leaf.NotBefore):
		return found("https", Blocked, say("cert_expired", "issuer", issuer, "until", until))
	case leaf.VerifyHostname(at.Hostname()) != nil:
		return found("https", Blocked, say("cert_name", "host", at.Hostname(), "issuer", issuer))
	case errors.As(err, &unknown):
		return found("https", Blocked, say("cert_unknown", "issuer", issuer, "until", until), say("cert_install", "ca-url", ca))
	case err != nil:
		return found("https", Blocked, say("failed", "address", at.Host, "reason", text(err)))
	}
	f := found("https", OK, say("cert", "issuer", issuer, "until", until, "host", at.Hostname()))
	if own {
		f.Said = append(f.Said, say("cert_own", "ca-url", ca))
	}
	return f
}

// clockOff judges by how much the clock of the server is ahead of ours.
func clockOff(ahead time.Duration) Finding {
	size := ahead.Abs()
	if size <= maxSkew {
		return found("clock", OK, say("clock_right", "s", seconds(max(size, time.Second))))
	}
	return found("clock", Slow, say("clock_wrong", "s", seconds(size)), say("clock_set"))
}

// text is an error in one short line, without what is said elsewhere.
func text(err error) string {
	if err == nil {
		return ""
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	if runes := []rune(line); len(runes) > 160 {
		line = string(runes[:160]) + "…"
	}
	return line
}
