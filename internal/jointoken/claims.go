// Package jointoken makes and checks join tokens: JSON Web Tokens (RFC 7519) with which an operator's own system says
// who may come into which room, in which role and under which name. It does no input or output; the time is an argument.
package jointoken

import (
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// MaxToken bounds a token, in bytes.
	MaxToken = 4 << 10
	// MaxLife is how far ahead a token may expire. What lies in people's chats should not be good for long.
	MaxLife = 24 * time.Hour
	// Skew is how far clocks may be apart.
	Skew = time.Minute
	// MaxID bounds the id of a token (jti), in bytes.
	MaxID = 64
	// maxText bounds a room and a name, in bytes: 64 characters of four bytes.
	maxText = 256
	// maxLimit bounds the numbers of limits.
	maxLimit = 1_000_000_000
)

// Role is what a token's bearer may be.
type Role string

// The roles.
const (
	Caster  Role = "caster"  // opens the room and casts, by page or encoder
	Encoder Role = "encoder" // casts over WHIP
	Viewer  Role = "viewer"  // watches, by page or player
	Display Role = "display" // shows the room's cast on a screen
	Guest   Role = "guest"   // viewer or display
)

// Claims are what a token says.
type Claims struct {
	// ID names the token (jti), so that it can be revoked; 1 to MaxID bytes.
	ID string
	// Room is the id or the name of the one room that the token is for.
	Room string
	// Role is what the bearer may be there.
	Role Role
	// Name is how the bearer is shown; empty: as it wants to be.
	Name string
	// Viewers is how many viewers and displays the caster's room takes; 0: as many as the server lets.
	Viewers int
	// Bitrate (bit/s), Width and Height (pixels) bound what a viewer or display is sent; 0: nothing does.
	Bitrate, Width, Height int
	// Until is when the bearer loses its place; zero: never.
	Until time.Time
	// Expires is until when the token lets in.
	Expires time.Time
}

// For says whether the claims let their bearer be one of these.
func (c *Claims) For(roles ...Role) bool {
	for _, r := range roles {
		if c.Role == r {
			return true
		}
	}
	return false
}

// document is the payload of a token.
type document struct {
	jwt.RegisteredClaims
	Room   string           `json:"room"`
	Role   Role             `json:"role"`
	Name   string           `json:"name,omitempty"`
	Limits limits           `json:"limits,omitzero"`
	Until  *jwt.NumericDate `json:"until,omitempty"`
}

type limits struct {
	Viewers int `json:"viewers,omitempty"`
	Bitrate int `json:"bitrate,omitempty"`
	Width   int `json:"width,omitempty"`
	Height  int `json:"height,omitempty"`
}

var errClaims = errors.New("a claim is missing or out of range")

// Validate looks at what is ours; the library calls it after the signature, and looks at the registered claims.
func (d *document) Validate() error {
	switch d.Role {
	case Caster, Encoder, Viewer, Display, Guest:
	default:
		return errClaims
	}
	if d.ID == "" || len(d.ID) > MaxID || d.Room == "" || len(d.Room) > maxText || len(d.Name) > maxText {
		return errClaims
	}
	for _, n := range []int{d.Limits.Viewers, d.Limits.Bitrate, d.Limits.Width, d.Limits.Height} {
		if n < 0 || n > maxLimit {
			return errClaims
		}
	}
	return nil
}

func (d *document) claims() Claims {
	c := Claims{
		ID: d.ID, Room: d.Room, Role: d.Role, Name: d.Name, Viewers: d.Limits.Viewers, Bitrate: d.Limits.Bitrate,
		Width: d.Limits.Width, Height: d.Limits.Height, Expires: d.ExpiresAt.Time,
	}
	if d.Until != nil {
		c.Until = d.Until.Time
	}
	return c
}

// Sign makes a token with the first key of k that can sign. The error says that there is none, or that c is not valid.
func (k *Keys) Sign(c Claims, issuer, audience string, now time.Time) (string, error) {
	d := &document{
		RegisteredClaims: jwt.RegisteredClaims{
			ID: c.ID, Issuer: issuer, Audience: jwt.ClaimStrings{audience},
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(c.Expires),
		},
		Room: c.Room, Role: c.Role, Name: c.Name,
		Limits: limits{Viewers: c.Viewers, Bitrate: c.Bitrate, Width: c.Width, Height: c.Height},
	}
	if !c.Until.IsZero() {
		d.Until = jwt.NewNumericDate(c.Until)
	}
	if err := d.Validate(); err != nil {
		return "", err
	}
	if k.private == nil {
		return "", errors.New("no key of the file can sign; it holds public keys only")
	}
	t := jwt.NewWithClaims(k.method, d)
	t.Header["kid"] = k.signer
	text, err := t.SignedString(k.private)
	if err == nil && len(text) > MaxToken {
		err = errors.New("the token would be longer than 4 KiB")
	}
	return text, err
}
