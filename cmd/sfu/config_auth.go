package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"castcode/internal/jointoken"
	"castcode/internal/logging"
	"castcode/internal/tlsutil"
	"castcode/internal/webhook"
)

// Tokens says how join tokens are checked.
type Tokens struct {
	// Only lets nobody in without one.
	Only bool
	// File holds the keys.
	File string
	// Algorithm is HS256 or EdDSA. Issuer and Audience are what tokens have to say.
	Algorithm, Issuer, Audience string
}

// Webhook says where events go.
type Webhook struct {
	URL    logging.Secret // it may hold a key
	Secret logging.Secret // signs
}

// keysFile is the name of the key file in the data directory.
const keysFile = "join.keys"

// auth reads who may come in. It follows rooms and running, which read --open and --data.
func (k *checker) auth() {
	mode, chosen := k.word("auth"), k.text("auth").from != "the default of --auth"
	switch {
	case mode != "open" && mode != "codes" && mode != "tokens":
		k.fail("auth", strconv.Quote(mode)+" is not a mode", "choose open, codes or tokens")
	case k.c.Open && chosen && mode != "open":
		k.fail("auth", "is "+mode+", and --open lets everybody in", "remove one of them")
	case mode == "open":
		k.c.Open = true
	}
	t := &Tokens{
		Only: mode == "tokens", File: k.word("token-keys-file"), Algorithm: k.word("token-alg"),
		Issuer: k.word("token-issuer"), Audience: k.word("token-audience"),
	}
	if t.Algorithm != jointoken.HS256 && t.Algorithm != jointoken.EdDSA {
		k.fail("token-alg", strconv.Quote(t.Algorithm)+" is not an algorithm for join tokens", "choose HS256 or EdDSA")
		return
	}
	if t.Issuer == "" || t.Audience == "" {
		k.fail("token-issuer", "join tokens need an issuer and an audience", "remove the empty setting; castcode is the default of both")
	}
	given := t.File != ""
	if !given {
		t.File = filepath.Join(k.c.Data, keysFile)
	}
	_, err := readKeys(t.File, t.Algorithm)
	absent := !given && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)) // the latter is --data's fault
	switch {
	case err == nil:
		k.c.Tokens = t
	case absent && !t.Only:
	case absent:
		k.fail("auth", "is tokens, and there are no keys for them", "make some with: sfu token keys --key-file "+t.File)
	default:
		k.fail("token-keys-file", "cannot use "+t.File+": "+cause(err),
			"sfu token keys makes such a file, mode 0600; all its keys are for the algorithm of --token-alg")
	}
}

// readKeys reads a key file.
func readKeys(path, algorithm string) (*jointoken.Keys, error) {
	data, err := tlsutil.ReadPrivate(path, jointoken.MaxKeyFile)
	if err != nil {
		return nil, err
	}
	return jointoken.ParseKeys(data, algorithm)
}

// stamp tells one state of a file from another; "" when there is no file.
func stamp(path string) string {
	st, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return st.ModTime().String() + strconv.FormatInt(st.Size(), 10)
}

// events reads where events go.
func (k *checker) events() {
	url, secret := k.word("webhook-url"), k.secret("webhook-secret")
	if url == "" {
		if secret != "" {
			k.fail(k.origin("webhook-secret"), "a secret for events is set, and nowhere to post them", "set --webhook-url, or remove the secret")
		}
		return
	}
	if err := webhook.CheckURL(url); err != nil {
		k.fail("webhook-url", err.Error(), "such as https://example.org/castcode; http only to this machine or a private network")
		return
	}
	switch bits := tokenBits(secret.Reveal()); {
	case secret == "" && k.word("webhook-secret-file") == "":
		k.fail("webhook-url", "events are signed, and there is no secret", "set --webhook-secret-file or CASTCODE_WEBHOOK_SECRET")
	case secret != "" && bits < minTokenBits:
		k.fail(k.origin("webhook-secret"), "the secret for events is worth about "+strconv.Itoa(bits)+" bits, fewer than "+strconv.Itoa(minTokenBits),
			"make one with: openssl rand -hex 32")
	}
	k.c.Webhook = &Webhook{URL: logging.Secret(url), Secret: secret}
}
