package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"castcode/internal/logging"
	"castcode/internal/tlsutil"
)

const (
	// minTokenBits is the least an admin token may be worth.
	minTokenBits = 128
	// minTURNSecret in characters; a shorter one can be found by trying, since every viewer sees a pair of
	// user name and HMAC.
	minTURNSecret = 16
	maxSecretFile = 4 << 10 // bytes
)

func (k *checker) turn() {
	mode := k.word("turn")
	if mode != "on" && mode != "off" {
		k.fail("turn", strconv.Quote(mode)+" is neither on nor off", "use --turn off to run without a TURN server")
	}
	k.c.TURNSecret = k.secret("turn-secret")
	k.c.TURNUsername, k.c.TURNPassword = k.word("turn-username"), k.secret("turn-password")
	needs := false // one of the URLs asks for credentials
	for _, w := range k.text("turn-urls").words {
		if problem := turnURL(w); problem != "" {
			k.fail("turn-urls", strconv.Quote(w)+" "+problem, "such as turn:turn.example.org:3478?transport=udp")
			continue
		}
		needs = needs || strings.HasPrefix(w, "turn")
		k.c.TURNURLs = append(k.c.TURNURLs, w)
	}
	external := len(k.text("turn-urls").words) > 0
	k.c.TURN = mode == "on" && !external
	if n := len(k.c.TURNSecret); n > 0 && n < minTURNSecret {
		k.fail(k.origin("turn-secret"), fmt.Sprintf("the TURN secret has %d characters, fewer than %d", n, minTURNSecret),
			"make one with: openssl rand -hex 32")
	}
	static := k.c.TURNUsername != "" || k.c.TURNPassword != ""
	switch {
	case mode == "off" && external:
		k.fail("turn", "is off, and --turn-urls names a TURN server", "remove one of them: --turn-urls replaces the built-in server")
	case static && !external:
		k.fail("turn-username", "is an account on the server of --turn-urls, which is not set",
			"the built-in server makes an account for each peer by itself; remove it")
	case static && k.c.TURNSecret != "":
		k.fail("turn-username", "a fixed account and a shared secret exclude each other",
			"keep the shared secret: a fixed account is the same for everybody and never expires")
	case static && k.c.TURNUsername == "":
		k.fail("turn-username", "is missing for the TURN password", "set --turn-username")
	case static && k.c.TURNPassword == "" && k.text("turn-password-file").word() == "":
		k.fail("turn-password-file", "is missing for --turn-username", "set it, or CASTCODE_TURN_PASSWORD")
	case needs && !static && k.c.TURNSecret == "" && k.text("turn-secret-file").word() == "":
		k.fail("turn-urls", "no credentials for this server", "set --turn-secret-file, or --turn-username and --turn-password-file")
	case k.c.TURNSecret != "" && !external && mode == "off":
		k.fail(k.origin("turn-secret"), "a TURN secret is set, and --turn is off", "remove one of them")
	}
}

// turnURL checks a TURN or STUN URI (RFC 7065 section 3.1, RFC 7064 section 3.1) and says what is wrong.
func turnURL(text string) (problem string) {
	scheme, rest, _ := strings.Cut(text, ":")
	isTURN := scheme == "turn" || scheme == "turns"
	if !isTURN && scheme != "stun" && scheme != "stuns" {
		return "does not begin with turn:, turns:, stun: or stuns:"
	}
	rest, query, hasQuery := strings.Cut(rest, "?")
	if hasQuery && (!isTURN || query != "transport=udp" && query != "transport=tcp") {
		return "has something else than ?transport=udp or ?transport=tcp after it"
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		host, port = strings.Trim(rest, "[]"), "3478"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "has no valid port"
	}
	if _, err := netip.ParseAddr(host); err != nil && !tlsutil.ValidName(host) {
		return "has no valid host"
	}
	return ""
}

// secret reads a secret from the environment or the file that NAME-file names.
func (k *checker) secret(name string) logging.Secret {
	inEnv := k.secrets[name]
	path := k.word(name + "-file")
	if path == "" {
		return inEnv
	}
	if inEnv != "" {
		k.fail(name+"-file", "the secret is in "+envName(name)+" too", "keep one of them")
		return inEnv
	}
	data, err := tlsutil.ReadPrivate(path, maxSecretFile)
	text := strings.TrimRight(string(data), "\r\n")
	switch {
	case errors.Is(err, tlsutil.ErrShared):
		k.fail(name+"-file", err.Error(), "chmod 600 "+path+", and change the secret if somebody may have read it")
	case errors.Is(err, fs.ErrNotExist):
		k.fail(name+"-file", path+" does not exist", "write the secret into it, mode 0600, on one line")
	case err != nil:
		k.fail(name+"-file", "cannot be read: "+err.Error(), "it holds the secret on one line, mode 0600")
	case text == "" || strings.ContainsAny(text, "\r\n"):
		k.fail(name+"-file", path+" does not hold one line", "write the secret into it and nothing else")
	default:
		return logging.Secret(text)
	}
	return ""
}

// origin names the setting that a secret came from, for a fault about its content.
func (k *checker) origin(name string) string {
	if k.secrets[name] != "" {
		return name
	}
	return name + "-file"
}

// tokenBits estimates what guessing a random token costs: its length times the bits of the smallest alphabet
// its characters come from, and nothing when few different characters are in it.
func tokenBits(token string) int {
	seen := map[rune]bool{}
	hex, lower, upper, digit, other := true, 0, 0, 0, 0
	for _, r := range token {
		seen[r] = true
		switch {
		case r >= '0' && r <= '9':
			digit = 10
		case r >= 'a' && r <= 'z':
			lower, hex = 26, hex && r <= 'f'
		case r >= 'A' && r <= 'Z':
			upper, hex = 26, hex && r <= 'F'
		default:
			other, hex = 2, false // - and _ of base64; what a person adds counts no more
		}
	}
	if len(seen) < 8 {
		return 0
	}
	size := digit + lower + upper + other
	if hex {
		size = min(size, 16)
	}
	return int(float64(len(token)) * math.Log2(float64(size)))
}
