package signal

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Lives of tickets. They end, because a ticket lies in a browser's storage.
const (
	casterTicketLife  = 12 * time.Hour
	viewerTicketLife  = 12 * time.Hour
	displayTicketLife = 24 * time.Hour
	// A token is written into the settings of an encoder or player, which nobody likes to do each week.
	publishTokenLife = 30 * 24 * time.Hour
	watchTokenLife   = 30 * 24 * time.Hour
	maxTicket        = 4096 // bytes; four names of 64 characters written in JSON escapes fit
)

type ticketKind string

const (
	casterTicket  ticketKind = "caster"
	viewerTicket  ticketKind = "viewer"
	waitTicket    ticketKind = "wait" // of a viewer in the lobby
	displayTicket ticketKind = "display"
	publishToken  ticketKind = "publish" // of an encoder: bearer of WHIP
	watchToken    ticketKind = "watch"   // of a player: bearer of WHEP
)

// ticket proves after a reload, or after a restart of the server with the same key, that its bearer had a place
// here. It is signed, not encrypted: it holds nothing that its bearer has not been told.
type ticket struct {
	Kind    ticketKind `json:"k"`
	Room    string     `json:"r,omitempty"` // all but display: id of the room
	Holder  string     `json:"h,omitempty"` // viewer, wait, display: who it is, across sessions
	Code    string     `json:"c,omitempty"` // caster, publish: the room's
	Name    string     `json:"n,omitempty"` // caster, publish: the room's; display: its own
	Rules   rules      `json:"o,omitzero"`  // caster, publish: the room's; wait: the PIN that was shown
	Grant   *grant     `json:"g,omitempty"` // of the join token from which it comes
	Expires int64      `json:"e"`           // Unix seconds
}

// tickets signs and verifies. It is immutable.
type tickets struct{ key []byte }

// sign gives the text of tk, good until now + life.
func (t tickets) sign(tk ticket, now time.Time, life time.Duration) string {
	tk.Expires = now.Add(life).Unix()
	payload, err := json.Marshal(tk)
	if err != nil {
		panic(err) // strings and a number: json.Marshal cannot refuse them
	}
	return base64.RawURLEncoding.EncodeToString(payload) + "." + base64.RawURLEncoding.EncodeToString(t.mac(payload))
}

// verify reads a ticket of that kind. ok is false when it was not signed here, is of another kind or has expired;
// the bearer is not told which.
func (t tickets) verify(text string, kind ticketKind, now time.Time) (tk ticket, ok bool) {
	head, tail, found := strings.Cut(text, ".")
	if !found || len(text) > maxTicket {
		return ticket{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		return ticket{}, false
	}
	mac, err := base64.RawURLEncoding.DecodeString(tail)
	if err != nil || !hmac.Equal(mac, t.mac(payload)) {
		return ticket{}, false
	}
	if json.Unmarshal(payload, &tk) != nil || tk.Kind != kind || now.Unix() >= tk.Expires {
		return ticket{}, false
	}
	return tk, true
}

func (t tickets) mac(payload []byte) []byte {
	mac := hmac.New(sha256.New, t.key)
	mac.Write(payload)
	return mac.Sum(nil)
}

// subkey derives a key for one purpose from the configured one (RFC 5869).
func subkey(key []byte, purpose string) ([]byte, error) {
	sub, err := hkdf.Key(sha256.New, key, nil, "castcode signal "+purpose, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("key for %s: %w", purpose, err)
	}
	return sub, nil
}

// token is how a resume token is remembered: only its hash, so that a look-up takes the same time for every guess.
type token [sha256.Size]byte

func newToken() (text string, hash token) {
	text = rand.Text()
	return text, hashToken(text)
}

func hashToken(text string) token { return sha256.Sum256([]byte(text)) }

// newID makes an id with 80 random bits. Ids are shown to others and grant nothing.
func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()[:16]) }
