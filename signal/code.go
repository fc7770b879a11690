package signal

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"time"
	"unicode"
)

const (
	displayDigits = 6
	roomDigits    = 9
	minDigits     = 6
	maxDigits     = 9

	// retiredFor is how long a code stays unused after it has left service.
	retiredFor = 24 * time.Hour
	// maxRetired bounds the memory of that rule, for each length. A display that idles all day uses 144 codes, so
	// this is enough for 2,000 of them, and it leaves two thirds of the six-digit codes to choose from. Beyond it
	// the oldest come back early: better than a display without a code.
	maxRetired = 300_000

	// maxCodeInput is the longest text that is looked at as a code: nine digits of three bytes, generously spaced.
	maxCodeInput = 64
)

// normaliseCode reads a code as people type and paste it: spaces, hyphens and full-width digits are accepted. ok
// is false unless 6 to 9 digits remain.
func normaliseCode(input string) (code string, ok bool) {
	if len(input) > maxCodeInput {
		return "", false
	}
	code, ok = onlyDigits(input, maxDigits)
	return code, ok && len(code) >= minDigits
}

// onlyDigits drops what people put between digits; ok is false when there is anything else, or more than that many
// digits.
func onlyDigits(input string, most int) (code string, ok bool) {
	digits := make([]byte, 0, most)
	for _, r := range input {
		switch {
		case r >= '0' && r <= '9':
			digits = append(digits, byte(r))
		case r >= '０' && r <= '９':
			digits = append(digits, byte(r-'０')+'0')
		case unicode.IsSpace(r), strings.ContainsRune("-‐‑‒–—―−－﹣", r):
			continue
		default:
			return "", false
		}
		if len(digits) > most {
			return "", false
		}
	}
	return string(digits), true
}

// codeKey stands for a code in memory: an HMAC, so that the time of a look-up says nothing about codes that are
// near the one asked for.
type codeKey [16]byte

// holder is whom a code leads to: a display's session or a room.
type holder struct {
	display *Session
	room    *Room
	until   time.Time // zero: until it is retired
}

type retiredCode struct {
	key   codeKey
	until time.Time
}

// codes are all codes in service and those of the last 24 h. It is guarded by Hub.mu. What was retired is not
// remembered across a restart; a code of the day before is then met again with a chance of one in a million.
type codes struct {
	key     []byte
	active  map[codeKey]holder
	retired map[codeKey]time.Time // until when
	queues  map[int][]retiredCode // by length, oldest first
	max     int
}

func newCodes(key []byte) *codes {
	return &codes{
		key: key, active: map[codeKey]holder{}, retired: map[codeKey]time.Time{}, queues: map[int][]retiredCode{},
		max: maxRetired,
	}
}

func (c *codes) hash(code string) codeKey {
	mac := hmac.New(sha256.New, c.key)
	mac.Write([]byte(code))
	return codeKey(mac.Sum(nil))
}

// issue gives h a code of that many digits which has not been in service for 24 h.
func (c *codes) issue(digits int, h holder, now time.Time) string {
	c.prune(digits, now)
	for {
		code := randomDigits(digits)
		if c.assign(code, h) {
			return code
		}
	}
}

// assign gives h that very code, unless it was in service within 24 h.
func (c *codes) assign(code string, h holder) bool {
	key := c.hash(code)
	if _, used := c.active[key]; used {
		return false
	}
	if _, used := c.retired[key]; used {
		return false
	}
	c.active[key] = h
	return true
}

// restore gives a room the code that its caster's ticket proves to be its own. It fails only when somebody else
// holds that code now.
func (c *codes) restore(code string, r *Room) bool {
	key := c.hash(code)
	if _, used := c.active[key]; used {
		return false
	}
	c.active[key] = holder{room: r}
	return true
}

// find says whom code leads to.
func (c *codes) find(code string, now time.Time) (holder, bool) {
	h, ok := c.active[c.hash(code)]
	if !ok || !h.until.IsZero() && !now.Before(h.until) {
		return holder{}, false
	}
	return h, true
}

// limit lets code lead to its holder until then, and not longer.
func (c *codes) limit(code string, until time.Time) {
	key := c.hash(code)
	if h, ok := c.active[key]; ok {
		h.until = until
		c.active[key] = h
	}
}

// retire takes code out of service. An empty code is none.
func (c *codes) retire(code string, now time.Time) {
	if code == "" {
		return
	}
	key := c.hash(code)
	if _, ok := c.active[key]; !ok {
		return
	}
	delete(c.active, key)
	until := now.Add(retiredFor)
	c.retired[key] = until
	c.queues[len(code)] = append(c.queues[len(code)], retiredCode{key: key, until: until})
	c.prune(len(code), now)
}

// prune forgets retired codes of that length whose day is over, and the oldest beyond the bound.
func (c *codes) prune(digits int, now time.Time) {
	queue := c.queues[digits]
	n := max(0, len(queue)-c.max)
	for n < len(queue) && !now.Before(queue[n].until) {
		n++
	}
	for _, old := range queue[:n] {
		if c.retired[old.key].Equal(old.until) { // else a restored room retired it once more since
			delete(c.retired, old.key)
		}
	}
	c.queues[digits] = queue[n:] // append moves the rest to a new array when this one is used up
}

// randomDigits is a number of that many digits (at most 9), every one equally likely: values above the last whole
// multiple are thrown away.
func randomDigits(digits int) string {
	space := uint32(1)
	for range digits {
		space *= 10
	}
	limit := ^uint32(0) - ^uint32(0)%space
	var buf [4]byte
	for {
		_, _ = rand.Read(buf[:]) // never fails: the runtime ends the process instead (since Go 1.24)
		n := binary.BigEndian.Uint32(buf[:])
		if n >= limit {
			continue
		}
		n %= space
		out := make([]byte, digits)
		for i := range out {
			out[digits-1-i] = byte('0' + n%10)
			n /= 10
		}
		return string(out)
	}
}
