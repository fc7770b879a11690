package jointoken

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Reasons why a token is refused, for counters and for people who debug.
const (
	ReasonSize      = "size"      // longer than MaxToken
	ReasonMalformed = "malformed" // no signed JSON Web Token
	ReasonAlgorithm = "algorithm" // signed in another way than is configured
	ReasonKey       = "key"       // by a key that the server does not have (any more)
	ReasonSignature = "signature"
	ReasonExpired   = "expired"
	ReasonEarly     = "early" // not good yet, or issued in the future
	ReasonFar       = "far"   // expires, or keeps a place, more than MaxLife ahead
	ReasonAudience  = "audience"
	ReasonIssuer    = "issuer"
	ReasonClaims    = "claims" // something that it has to say is missing or out of range
)

// Fault is the refusal of a token. It quotes nothing of the token.
type Fault struct{ Reason string }

// Error implements error.
func (f *Fault) Error() string { return "join token refused: " + f.Reason }

// Verifier checks tokens. Its methods may be called from any goroutine.
type Verifier struct {
	issuer, audience string
	keys             atomic.Pointer[Keys]
}

// NewVerifier makes a Verifier for tokens that issuer made for audience with one of keys.
func NewVerifier(issuer, audience string, keys *Keys) *Verifier {
	v := &Verifier{issuer: issuer, audience: audience}
	v.keys.Store(keys)
	return v
}

// Replace changes the keys. Tokens of keys that are gone are refused from then on.
func (v *Verifier) Replace(keys *Keys) { v.keys.Store(keys) }

// Verify reads a token. The error is a *Fault.
func (v *Verifier) Verify(text string, now time.Time) (Claims, error) {
	if len(text) > MaxToken {
		return Claims{}, &Fault{ReasonSize}
	}
	keys, d := v.keys.Load(), new(document)
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{keys.method.Alg()}), // what the header says decides nothing
		jwt.WithStrictDecoding(),
		jwt.WithLeeway(Skew), jwt.WithTimeFunc(func() time.Time { return now }),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithIssuer(v.issuer), jwt.WithAudience(v.audience),
	)
	t, err := parser.ParseWithClaims(text, d, keys.find)
	if err != nil {
		return Claims{}, &Fault{reasonOf(t, err, keys)}
	}
	latest := now.Add(MaxLife + Skew)
	switch {
	case d.ExpiresAt.After(latest), d.Until != nil && d.Until.After(latest):
		return Claims{}, &Fault{ReasonFar}
	case d.Until != nil && !d.Until.After(now.Add(-Skew)):
		return Claims{}, &Fault{ReasonExpired}
	}
	return d.claims(), nil
}

var (
	errKey      = errors.New("no such key")
	errCritical = errors.New("an extension that is not understood")
)

// find gives the library the key that the header names (RFC 7515 section 4.1.4).
func (k *Keys) find(t *jwt.Token) (any, error) {
	if _, ok := t.Header["crit"]; ok {
		return nil, errCritical // RFC 7515 section 4.1.11
	}
	kid, _ := t.Header["kid"].(string)
	key := k.public[kid]
	if key == nil {
		return nil, errKey
	}
	return key, nil
}

func reasonOf(t *jwt.Token, err error, keys *Keys) string {
	if t != nil {
		if alg, ok := t.Header["alg"].(string); ok && alg != keys.method.Alg() {
			return ReasonAlgorithm
		}
	}
	for _, known := range []struct {
		err    error
		reason string
	}{
		{errKey, ReasonKey},
		{errCritical, ReasonMalformed},
		{jwt.ErrTokenMalformed, ReasonMalformed},
		{jwt.ErrTokenUnverifiable, ReasonMalformed},
		{jwt.ErrTokenSignatureInvalid, ReasonSignature},
		{jwt.ErrTokenInvalidIssuer, ReasonIssuer},
		{jwt.ErrTokenInvalidAudience, ReasonAudience},
		{jwt.ErrTokenExpired, ReasonExpired},
		{jwt.ErrTokenNotValidYet, ReasonEarly},
		{jwt.ErrTokenUsedBeforeIssued, ReasonEarly},
	} {
		if errors.Is(err, known.err) {
			return known.reason
		}
	}
	return ReasonClaims
}
