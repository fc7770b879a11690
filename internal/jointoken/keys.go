package jointoken

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// MaxKeyFile bounds a key file, in bytes.
	MaxKeyFile = 64 << 10
	maxKeys    = 16
	minSecret  = 32 // bytes of an HS256 key (RFC 7518 section 3.2)
)

// The algorithms (RFC 7518 section 3.2, RFC 8037 section 3.1).
const (
	HS256 = "HS256"
	EdDSA = "EdDSA"
)

// Keys are the keys of one algorithm. They do not change.
type Keys struct {
	method  jwt.SigningMethod
	public  map[string]any // by kid; what checks
	signer  string         // kid of the first key that can sign
	private any            // that key, nil without one
}

// Len is the number of keys.
func (k *Keys) Len() int { return len(k.public) }

// Algorithm is HS256 or EdDSA.
func (k *Keys) Algorithm() string { return k.method.Alg() }

// keySet is a JSON Web Key Set (RFC 7517 section 5).
type keySet struct {
	Keys []webKey `json:"keys"`
}

// webKey is a key as it stands in a file: kty oct for HS256 (RFC 7518 section 6.4), OKP for EdDSA (RFC 8037 section 2).
type webKey struct {
	Kty string `json:"kty"`
	Kid string `json:"kid"`
	Alg string `json:"alg"`
	K   string `json:"k,omitempty"`
	Crv string `json:"crv,omitempty"`
	X   string `json:"x,omitempty"`
	D   string `json:"d,omitempty"`
}

// ParseKeys reads a key file, a JSON Web Key Set in which every key is of algorithm; "" stands for that of the first
// key, for those who sign and need not be told. Errors quote nothing of a key but its kid.
func ParseKeys(data []byte, algorithm string) (*Keys, error) {
	set, err := parseSet(data)
	if err != nil {
		return nil, err
	}
	if len(set.Keys) == 0 {
		return nil, errors.New("no key in it")
	}
	if algorithm == "" {
		algorithm = set.Keys[0].Alg
	}
	k := &Keys{public: map[string]any{}}
	switch algorithm {
	case HS256:
		k.method = jwt.SigningMethodHS256
	case EdDSA:
		k.method = jwt.SigningMethodEdDSA
	default:
		return nil, fmt.Errorf("algorithm %q; use %s or %s", algorithm, HS256, EdDSA)
	}
	for _, w := range set.Keys {
		if w.Alg != algorithm {
			return nil, fmt.Errorf("key %q is for %q, and the algorithm is %s", w.Kid, w.Alg, algorithm)
		}
		if k.public[w.Kid] != nil {
			return nil, fmt.Errorf("two keys have the kid %q", w.Kid)
		}
		public, private, err := w.read()
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", w.Kid, err)
		}
		k.public[w.Kid] = public
		if k.private == nil && private != nil {
			k.signer, k.private = w.Kid, private
		}
	}
	return k, nil
}

func parseSet(data []byte) (*keySet, error) {
	var set keySet
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, errors.New("no JSON Web Key Set") // the library's error may quote the file
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("%d keys, more than %d", len(set.Keys), maxKeys)
	}
	for _, w := range set.Keys {
		if w.Kid == "" || len(w.Kid) > MaxID {
			return nil, fmt.Errorf("a kid has 1 to %d characters", MaxID)
		}
	}
	return &set, nil
}

// read gives what checks and what signs; the latter is nil for a public key.
func (w webKey) read() (public, private any, err error) {
	if w.Alg == HS256 {
		secret, err := base64.RawURLEncoding.DecodeString(w.K)
		if w.Kty != "oct" || err != nil {
			return nil, nil, errors.New(`needs kty "oct" and k in base64url`)
		}
		if len(secret) < minSecret {
			return nil, nil, fmt.Errorf("has %d bytes, needs %d", len(secret), minSecret)
		}
		return secret, secret, nil
	}
	x, err := base64.RawURLEncoding.DecodeString(w.X)
	if w.Kty != "OKP" || w.Crv != "Ed25519" || err != nil || len(x) != ed25519.PublicKeySize {
		return nil, nil, errors.New(`needs kty "OKP", crv "Ed25519" and x of 32 bytes in base64url`)
	}
	if w.D == "" {
		return ed25519.PublicKey(x), nil, nil
	}
	d, err := base64.RawURLEncoding.DecodeString(w.D)
	if err != nil || len(d) != ed25519.SeedSize {
		return nil, nil, errors.New("d has not 32 bytes in base64url")
	}
	key := ed25519.NewKeyFromSeed(d)
	if !ed25519.PublicKey(x).Equal(key.Public()) {
		return nil, nil, errors.New("x and d are not of one key")
	}
	return ed25519.PublicKey(x), key, nil
}

// AddKey makes a new key of algorithm and puts it in front of those of data, which may be empty. It gives the new file
// and the kid of the new key.
func AddKey(data []byte, algorithm string) (out []byte, kid string, err error) {
	set := &keySet{}
	if len(data) > 0 {
		if _, err := ParseKeys(data, algorithm); err != nil {
			return nil, "", err
		}
		if set, err = parseSet(data); err != nil {
			return nil, "", err
		}
	}
	fresh := webKey{Kid: strings.ToLower(rand.Text()[:10]), Alg: algorithm}
	switch algorithm {
	case HS256:
		secret := make([]byte, minSecret)
		_, _ = rand.Read(secret) // never fails: the runtime ends the process instead (since Go 1.24)
		fresh.Kty, fresh.K = "oct", base64.RawURLEncoding.EncodeToString(secret)
	case EdDSA:
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, "", err
		}
		fresh.Kty, fresh.Crv = "OKP", "Ed25519"
		fresh.X = base64.RawURLEncoding.EncodeToString(public)
		fresh.D = base64.RawURLEncoding.EncodeToString(private.Seed())
	default:
		return nil, "", fmt.Errorf("algorithm %q; use %s or %s", algorithm, HS256, EdDSA)
	}
	set.Keys = append([]webKey{fresh}, set.Keys...)
	if len(set.Keys) > maxKeys {
		return nil, "", fmt.Errorf("there are %d keys already; remove old ones first", maxKeys)
	}
	return set.encode(), fresh.Kid, nil
}

// RemoveKey takes the key kid out of data.
func RemoveKey(data []byte, kid string) ([]byte, error) {
	set, err := parseSet(data)
	if err != nil {
		return nil, err
	}
	kept := set.Keys[:0]
	for _, w := range set.Keys {
		if w.Kid != kid {
			kept = append(kept, w)
		}
	}
	switch {
	case len(kept) == len(set.Keys):
		return nil, fmt.Errorf("no key %q", kid)
	case len(kept) == 0:
		return nil, errors.New("it is the last key; add another one first")
	}
	set.Keys = kept
	return set.encode(), nil
}

func (s *keySet) encode() []byte {
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic(err) // a struct of strings: it always marshals
	}
	return append(out, '\n')
}
