package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"castcode/internal/logging"
	"castcode/internal/tlsutil"
	"castcode/internal/webhook"
)

// checker turns raw values into a Config and collects all faults on the way.
type checker struct {
	stack
	secrets map[string]logging.Secret
	c       *Config
	faults  Faults
}

// check judges the stacked values. secrets are those of the environment. The Config is of use only when there
// are no faults.
func check(s stack, secrets map[string]logging.Secret) (*Config, Faults) {
	k := &checker{stack: s, secrets: secrets, c: &Config{}}
	k.network()
	k.certificate()
	k.displays()
	k.turn()
	k.rooms()
	k.running()
	k.auth()
	k.events()
	k.listeners()
	k.warnings()
	return k.c, k.faults
}

// fail adds a fault about the named setting, unless its value was refused already.
func (k *checker) fail(name, what, hint string) {
	v := k.text(name)
	if v.broken {
		return
	}
	where := v.from
	switch {
	case slices.Contains(envSecrets, name):
		where = envName(name)
	case where == "":
		where = "--" + name
	}
	k.faults.add(where, what, hint)
}

func (k *checker) word(name string) string { return k.text(name).word() }

func (k *checker) network() {
	k.c.Addr = k.listen("addr")
	for _, h := range k.text("host").words {
		h = strings.ToLower(strings.TrimSuffix(h, "."))
		addr, err := netip.ParseAddr(h)
		switch {
		case err == nil && (addr.IsUnspecified() || addr.IsMulticast() || addr.Zone() != ""):
			k.fail("host", strconv.Quote(h)+" is not an address people can open", "give a name such as cast.example.org")
		case err != nil && !tlsutil.ValidName(h):
			k.fail("host", strconv.Quote(h)+" is not a host name",
				"only the name, without https:// and port; international names in their xn-- form")
		case !slices.Contains(k.c.Hosts, h):
			k.c.Hosts = append(k.c.Hosts, h)
		}
	}
	for _, w := range k.text("public-ip").words {
		addr, err := netip.ParseAddr(w)
		if err != nil || addr.IsUnspecified() || addr.IsMulticast() || addr.Zone() != "" {
			k.fail("public-ip", strconv.Quote(w)+" is not an IP address to advertise", "such as 203.0.113.7")
			continue
		}
		k.c.PublicIPs = append(k.c.PublicIPs, addr.Unmap())
	}
	for _, w := range k.text("stun-discover").words {
		server, problem := parseSTUN(w)
		switch {
		case problem != "":
			k.fail("stun-discover", strconv.Quote(w)+" "+problem, "such as stun.example.org:3478")
		case len(k.c.STUNDiscover) == maxSTUN:
			k.fail("stun-discover", fmt.Sprintf("names more than %d servers", maxSTUN), "two are enough")
		case !slices.Contains(k.c.STUNDiscover, server):
			k.c.STUNDiscover = append(k.c.STUNDiscover, server)
		}
	}
	for _, w := range k.text("origins").words {
		origin, problem := parseOrigin(w)
		if problem != "" {
			k.fail("origins", strconv.Quote(w)+" "+problem, "such as https://www.example.org")
			continue
		}
		k.c.Origins = append(k.c.Origins, origin)
	}
	for _, w := range k.text("trusted-proxies").words {
		prefix, err := parsePrefix(w)
		switch {
		case err != nil:
			k.fail("trusted-proxies", strconv.Quote(w)+" is not a network", "such as 127.0.0.1/32 or 10.0.0.0/24")
		case prefix.Bits() == 0:
			k.fail("trusted-proxies", strconv.Quote(w)+" trusts everybody: each caller could choose his own address",
				"name the networks your proxies are in")
		default:
			k.c.TrustedProxies = append(k.c.TrustedProxies, prefix)
		}
	}
}

// listen checks an address to listen on.
func (k *checker) listen(name string) string {
	addr := k.word(name)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		hint := "write host:port, or :port for all interfaces"
		if _, nerr := strconv.ParseUint(addr, 10, 16); nerr == nil {
			hint = "write :" + addr
		}
		k.fail(name, strconv.Quote(addr)+" is not an address to listen on", hint)
		return ""
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		k.fail(name, "the port of "+strconv.Quote(addr)+" is not a number from 0 to 65535", "such as :8443")
		return ""
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !tlsutil.ValidName(host) {
		k.fail(name, strconv.Quote(host)+" is neither an address nor a host name", "such as 192.168.1.5:8443 or :8443")
		return ""
	}
	return addr
}

// parseOrigin normalises a web origin (RFC 6454 section 6.1).
func parseOrigin(text string) (origin, problem string) {
	if text == "*" || text == "null" {
		return "", "would let in every page of the web"
	}
	u, err := url.Parse(strings.ToLower(text))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Hostname() == "" {
		return "", "is not a web origin"
	}
	if strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", "has more than scheme, host and port"
	}
	if _, err := netip.ParseAddr(u.Hostname()); err != nil && !tlsutil.ValidName(u.Hostname()) {
		return "", "has no valid host"
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "", "has no valid port"
		}
	}
	defaults := map[string]string{"https": ":443", "http": ":80"}
	return u.Scheme + "://" + strings.TrimSuffix(u.Host, defaults[u.Scheme]), ""
}

// maxSTUN servers are asked.
const maxSTUN = 8

// parseSTUN takes host:port, or a host alone with the port of RFC 8489 section 18.6.
func parseSTUN(text string) (server, problem string) {
	text = strings.TrimPrefix(strings.ToLower(text), "stun:")
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.Trim(text, "[]"), "3478"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "has no valid port"
	}
	if _, err := netip.ParseAddr(host); err != nil && !tlsutil.ValidName(host) {
		return "", "is not a host and port"
	}
	return net.JoinHostPort(host, port), ""
}

// parsePrefix takes a network or a single address.
func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap()
		return addr.Prefix(addr.BitLen())
	}
	prefix, err := netip.ParsePrefix(text)
	return prefix.Masked(), err
}

func (k *checker) certificate() {
	mode := tlsutil.Mode(k.word("tls"))
	if !slices.Contains([]tlsutil.Mode{tlsutil.LocalCA, tlsutil.ACME, tlsutil.Files, tlsutil.Off}, mode) {
		k.fail("tls", strconv.Quote(string(mode))+" is not a mode", "choose local-ca, acme, files or off")
		return
	}
	k.c.TLS, k.c.TLSCert, k.c.TLSKey, k.c.ACMEEmail = mode, k.word("tls-cert"), k.word("tls-key"), k.word("acme-email")
	for _, name := range []string{"tls-cert", "tls-key"} {
		file := k.word(name)
		switch {
		case mode == tlsutil.Files && file == "":
			k.fail(name, "is needed with --tls files", "name a PEM file")
		case mode != tlsutil.Files && file != "":
			k.fail(name, "is used with --tls files only, and --tls is "+string(mode), "add --tls files, or remove it")
		}
	}
	if mode == tlsutil.Files && k.c.TLSCert != "" && k.c.TLSKey != "" {
		if _, err := tlsutil.ReadPair(k.c.TLSCert, k.c.TLSKey); err != nil {
			k.fail("tls-key", "cannot use this pair: "+err.Error(), pairHint(err))
		}
	}
	if mode == tlsutil.ACME {
		k.acmeNames()
	} else if k.c.ACMEEmail != "" {
		k.fail("acme-email", "is used with --tls acme only, and --tls is "+string(mode), "add --tls acme, or remove it")
	}
	if at := strings.IndexByte(k.c.ACMEEmail, '@'); k.c.ACMEEmail != "" && (at < 1 || strings.ContainsAny(k.c.ACMEEmail, " \t<>")) {
		k.fail("acme-email", "is not a mail address", "such as admin@example.org")
	}
}

func pairHint(err error) string {
	if errors.Is(err, tlsutil.ErrShared) {
		return "chmod 600 the key, and let it belong to the user that runs sfu"
	}
	return "both files are PEM; the certificate's file begins with the server's own certificate"
}

// acmeNames: the authority gives certificates for public names only.
func (k *checker) acmeNames() {
	if len(k.c.Hosts) == 0 && len(k.text("host").words) == 0 {
		k.fail("host", "is needed with --tls acme", "give the public name of this server, such as --host cast.example.org")
	}
	for _, h := range k.c.Hosts {
		_, err := netip.ParseAddr(h)
		private := slices.ContainsFunc([]string{".local", ".lan", ".internal", ".home.arpa", ".localhost"},
			func(s string) bool { return strings.HasSuffix(h, s) })
		if err == nil || private || !strings.Contains(h, ".") {
			k.fail("host", strconv.Quote(h)+" cannot have a certificate from a public authority",
				"give a public name, or use --tls local-ca")
		}
	}
}

// yes reads a switch.
func (k *checker) yes(name string) bool {
	text := k.word(name)
	b, err := strconv.ParseBool(text)
	if err != nil && text != "" {
		k.fail(name, strconv.Quote(text)+" is neither true nor false", "use true or false")
	}
	return b
}

// displays checks --http-displays, which is for private networks.
func (k *checker) displays() {
	if k.c.HTTPDisplays = k.yes("http-displays"); !k.c.HTTPDisplays {
		return
	}
	public := slices.IndexFunc(k.c.PublicIPs, func(a netip.Addr) bool { return !inside(a) })
	switch {
	case k.c.TLS == tlsutil.ACME:
		k.fail("http-displays", "is for private networks, and --tls acme is for public servers", "remove it: the certificate is trusted everywhere")
	case k.c.TLS == tlsutil.Off:
		k.fail("http-displays", "is of no use with --tls off: everything is plain HTTP already", "remove it")
	case public >= 0:
		k.fail("http-displays", "is for private networks, and --public-ip "+k.c.PublicIPs[public].String()+" is not in one", "remove one of them")
	}
}

func (k *checker) rooms() {
	k.c.Open = k.yes("open")
	k.c.Capacity = k.limit("capacity", "people")
	k.c.DisplaysPerAddress = k.limit("displays-per-address", "displays")
	k.c.RoomsPerDay = k.limit("rooms-per-day", "rooms")
}

// limit reads a number of which 0 means that there is none.
func (k *checker) limit(name, of string) int {
	n, err := strconv.ParseUint(k.word(name), 10, 31)
	if err != nil {
		k.fail(name, strconv.Quote(k.word(name))+" is not a number of "+of, "such as 500; 0 for no limit")
	}
	return int(n)
}

func (k *checker) running() {
	if k.c.Data = k.word("data"); k.c.Data == "" {
		k.fail("data", "is empty", "name a directory; it is made when it is not there")
	} else if st, err := os.Stat(k.c.Data); err == nil && !st.IsDir() {
		k.fail("data", k.c.Data+" is not a directory", "name a directory; it is made when it is not there")
	}
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	level, ok := levels[k.word("log-level")]
	if !ok {
		k.fail("log-level", strconv.Quote(k.word("log-level"))+" is not a level", "choose debug, info, warn or error")
	}
	k.c.LogLevel, k.c.LogFile = level, k.word("log-file")
	k.admin()
}

func (k *checker) admin() {
	k.c.AdminToken = k.secret("admin-token")
	if bits := tokenBits(k.c.AdminToken.Reveal()); k.c.AdminToken != "" && bits < minTokenBits {
		k.fail(k.origin("admin-token"), fmt.Sprintf("the admin token is worth about %d bits, fewer than %d", bits, minTokenBits),
			"make one with: openssl rand -hex 32")
	}
	if k.word("admin-addr") == "off" {
		return
	}
	if k.c.AdminAddr = k.listen("admin-addr"); k.c.AdminAddr == "" {
		return
	}
	if !loopback(k.c.AdminAddr) && k.c.AdminToken == "" && k.word("admin-token-file") == "" {
		k.fail("admin-addr", k.c.AdminAddr+" can be reached by others, and there is no admin token",
			"set --admin-token-file or CASTCODE_ADMIN_TOKEN, or use 127.0.0.1")
	}
}

// listeners are the addresses beside --addr.
func (k *checker) listeners() {
	optional := func(name string) string {
		if k.word(name) == "" {
			return ""
		}
		return k.listen(name)
	}
	k.c.HTTPAddr, k.c.TURNAddr, k.c.TURNTLSAddr = optional("http-addr"), optional("turn-addr"), optional("turn-tls-addr")
	off, words := k.c.TLS == tlsutil.Off, "is of no use with --tls off"
	switch {
	case off && k.c.HTTPAddr != "":
		k.fail("http-addr", words+": --addr is plain HTTP already", "remove it")
	case off && k.c.TURNTLSAddr != "":
		k.fail("turn-tls-addr", words+": there is no certificate", "remove it")
	}
	for _, name := range []string{"turn-addr", "turn-tls-addr"} {
		if k.word(name) != "" && !k.c.TURN {
			k.fail(name, "is for the built-in TURN server, which does not run", "remove it, or --turn-urls and --turn off")
		}
	}
	taken := []struct{ name, addr string }{{"addr", k.c.Addr}}
	for _, next := range []struct{ name, addr string }{
		{"admin-addr", k.c.AdminAddr}, {"http-addr", k.c.HTTPAddr}, {"turn-addr", k.c.TURNAddr}, {"turn-tls-addr", k.c.TURNTLSAddr},
	} {
		for _, other := range taken {
			if collide(other.addr, next.addr) {
				k.fail(next.name, "is the same port as "+k.text(other.name).from+" ("+other.addr+")", "choose another port")
				break
			}
		}
		taken = append(taken, next)
	}
}

// collide says whether two listeners would want the same port. Port 0 never collides.
func collide(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	wild := func(h string) bool { a, err := netip.ParseAddr(h); return h == "" || err == nil && a.IsUnspecified() }
	return hostA == hostB || wild(hostA) || wild(hostB)
}

// loopback says whether only this machine reaches a listener on addr.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// warnings are about what is allowed and should be known.
func (k *checker) warnings() {
	warn := func(text string) { k.c.Warnings = append(k.c.Warnings, text) }
	if k.c.TLS == tlsutil.Off && k.c.Addr != "" && !loopback(k.c.Addr) && len(k.c.TrustedProxies) == 0 && !k.c.Open {
		warn("TLS is off on " + k.c.Addr + ": codes travel in clear and browsers cast only from HTTPS pages. " +
			"Behind a proxy, set --trusted-proxies.")
	}
	if k.c.HTTPDisplays {
		warn("Displays and viewers are served over plain HTTP on private addresses: codes and tokens travel in clear there.")
	}
	if k.c.Webhook != nil && webhook.InClear(k.c.Webhook.URL.Reveal()) {
		warn("Events are posted in clear: names of people and rooms can be read on the way.")
	}
	if k.c.Open {
		warn("Open: everybody who reaches this server can join by room name.")
	}
	_, port, err := net.SplitHostPort(k.c.Addr)
	_, extra, _ := net.SplitHostPort(k.c.HTTPAddr)
	if err == nil && k.c.TLS == tlsutil.ACME && port != "443" && port != "80" && extra != "80" {
		warn("ACME: the authority calls port 443 or 80; make one of them reach port " + port + ".")
	}
}
