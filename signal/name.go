package signal

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

const (
	maxNameRunes = 64
	// maxNameBytes bounds the work on a name before it is normalised: 64 runes of four bytes, four times over for
	// what normalisation and the removal of invisible characters may shrink.
	maxNameBytes = 1024
)

// cleanName brings a name of a peer, display or room into the form in which others see it: NFC, without control
// characters and without those that change the direction of the text around it (they could make one name look
// like another), trimmed. ok is false when it is longer than 64 characters.
func cleanName(raw string) (name string, ok bool) {
	if len(raw) > maxNameBytes {
		return "", false
	}
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || isDirection(r) || r == '\ufeff' || r == '\u2028' || r == '\u2029' {
			return -1
		}
		return r
	}, raw)
	name = strings.TrimSpace(norm.NFC.String(name))
	count := 0
	for range name {
		count++
	}
	return name, count <= maxNameRunes
}

// isDirection reports the marks, embeddings, overrides and isolates of UAX #9 section 2.
func isDirection(r rune) bool {
	return r == '\u061c' || r == '\u200e' || r == '\u200f' || r >= '\u202a' && r <= '\u202e' ||
		r >= '\u2066' && r <= '\u2069'
}

// nameKey is how names of rooms are compared: people who type one do not mind its case.
func nameKey(name string) string { return strings.ToLower(name) }
