package signal

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// origins decides which pages may open a socket (RFC 6454). A browser sends cookies and stands inside the local
// network whatever page it shows; Origin is the one thing about a request that a foreign page cannot choose.
type origins struct {
	allowed map[string]bool
	absent  bool // a request without Origin, which is no browser's, is admitted
}

func newOrigins(list []string, absent bool) (origins, error) {
	o := origins{allowed: map[string]bool{}, absent: absent}
	for _, text := range list {
		origin, ok := parseOrigin(text)
		if !ok {
			return origins{}, fmt.Errorf("signal: %q is no origin; write https://host or https://host:port", text)
		}
		o.allowed[origin] = true
	}
	return o, nil
}

// admit says whether r may open a socket on the server that the browser sees as scheme and hostport.
func (o origins) admit(r *http.Request, scheme, hostport string) bool {
	given := r.Header.Values("Origin")
	if len(given) == 0 {
		return o.absent
	}
	origin, ok := parseOrigin(given[0])
	if !ok || len(given) > 1 {
		return false
	}
	own, ok := canonical(scheme, hostport)
	return ok && origin == own || o.allowed[origin]
}

// parseOrigin reads an origin as browsers write it; "null" is none.
func parseOrigin(text string) (origin string, ok bool) {
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", false
	}
	return canonical(u.Scheme, u.Host)
}

// canonical writes scheme, host and effective port in one way.
func canonical(scheme, hostport string) (origin string, ok bool) {
	scheme = strings.ToLower(scheme)
	port := map[string]string{"http": "80", "https": "443"}[scheme]
	if port == "" {
		return "", false
	}
	host := hostport
	if h, p, err := net.SplitHostPort(hostport); err == nil {
		host = h
		if p != "" {
			port = p
		}
	} else {
		host = bareHost(hostport)
	}
	if host == "" || strings.ContainsAny(host, "/@ ") {
		return "", false
	}
	return scheme + "://" + net.JoinHostPort(strings.ToLower(host), port), true
}

// bareHost is the name or address in host or host:port, without brackets.
func bareHost(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		return h
	}
	return strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
}
