package main

import (
	"crypto/tls"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestProxies(t *testing.T) {
	p := proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for _, c := range []struct {
		name, remote, forwarded, proto, host string
		tls                                  bool
		client, external                     string
	}{
		{"no proxy", "198.51.100.7:1", "", "", "", false, "198.51.100.7", "http://example.org"},
		{"no proxy, TLS", "198.51.100.7:1", "", "", "", true, "198.51.100.7", "https://example.org"},
		{"headers of a stranger", "198.51.100.7:1", "203.0.113.1", "https", "evil.example", false, "198.51.100.7", "http://example.org"},
		{"trusted proxy", "10.1.1.1:1", "203.0.113.1", "https", "", false, "203.0.113.1", "https://example.org"},
		{"trusted proxy names the host", "10.1.1.1:1", "203.0.113.1", "https", "cast.example", false, "203.0.113.1", "https://cast.example"},
		{"two trusted hops", "[::1]:1", "198.51.100.9, 203.0.113.1, 10.2.2.2", "https", "", false, "203.0.113.1", "https://example.org"},
		{"a client that forges a hop", "10.1.1.1:1", "127.0.0.1, 203.0.113.1", "", "", false, "203.0.113.1", "http://example.org"},
		{"a hop that is no address", "10.1.1.1:1", "203.0.113.1, unknown", "ftp", "", false, "10.1.1.1", "http://example.org"},
		{"IPv4 in IPv6", "[::ffff:10.1.1.1]:1", "::ffff:203.0.113.1", "", "", false, "203.0.113.1", "http://example.org"},
		{"no header at all", "10.1.1.1:1", "", "", "", false, "10.1.1.1", "http://example.org"},
	} {
		r := httptest.NewRequest("GET", "http://example.org/ws", nil)
		r.RemoteAddr = c.remote
		for k, v := range map[string]string{"X-Forwarded-For": c.forwarded, "X-Forwarded-Proto": c.proto, "X-Forwarded-Host": c.host} {
			if v != "" {
				r.Header.Set(k, v)
			}
		}
		if c.tls {
			r.TLS = &tls.ConnectionState{}
		}
		if got := p.client(r).String(); got != c.client {
			t.Errorf("%s: client %s, want %s", c.name, got, c.client)
		}
		if scheme, host := p.external(r); scheme+"://"+host != c.external {
			t.Errorf("%s: external %s://%s, want %s", c.name, scheme, host, c.external)
		}
	}
}
