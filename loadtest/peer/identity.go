package peer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Identity is a certificate for DTLS and its fingerprint. All peers of a run share one: it says nothing about them.
type Identity struct {
	certificate tls.Certificate
	fingerprint string // as SDP has it (RFC 8122 section 5)
}

// NewIdentity makes one that is good for a day before and after now.
func NewIdentity(now time.Time) (*Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("DTLS key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "load test"},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(24 * time.Hour),
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("DTLS certificate: %w", err)
	}
	sum := sha256.Sum256(raw)
	pairs := make([]string, len(sum))
	for i, x := range sum {
		pairs[i] = fmt.Sprintf("%02X", x)
	}
	return &Identity{tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, strings.Join(pairs, ":")}, nil
}

// fingerprint is one a=fingerprint of an answer.
type fingerprint struct {
	hash string
	sum  []byte
}

// parseFingerprint reads "sha-256 AB:CD:…". ok is false for a hash that does not protect and for a malformed value.
func parseFingerprint(s string) (f fingerprint, ok bool) {
	hash, value, _ := strings.Cut(s, " ")
	size := map[string]int{"sha-256": 32, "sha-384": 48, "sha-512": 64}[strings.ToLower(hash)]
	sum, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(value), ":", ""))
	return fingerprint{strings.ToLower(hash), sum}, err == nil && size != 0 && len(sum) == size
}

func (f fingerprint) matches(certificate []byte) bool {
	var sum []byte
	switch f.hash {
	case "sha-256":
		s := sha256.Sum256(certificate)
		sum = s[:]
	case "sha-384":
		s := sha512.Sum384(certificate)
		sum = s[:]
	case "sha-512":
		s := sha512.Sum512(certificate)
		sum = s[:]
	}
	return subtle.ConstantTimeCompare(sum, f.sum) == 1
}
