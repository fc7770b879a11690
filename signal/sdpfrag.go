package signal

import (
	"slices"
	"strconv"
	"strings"
)

// Bounds of a fragment. A browser tells about 20 candidates.
const (
	maxFragmentLines = 2000
	maxCandidates    = 64 // in one ICE session
)

// fragment is a body of type application/trickle-ice-sdpfrag (RFC 8840 section 9). Candidates are only counted: the
// server is ICE-lite and learns where a client is by its checks.
type fragment struct {
	ufrag, password string // "" when it names none
	candidates      int
	ended           bool // a=end-of-candidates
}

// readFragment reads a body. ok is false when it is none, or says nothing.
func readFragment(body string) (f fragment, ok bool) {
	if strings.Count(body, "\n") > maxFragmentLines {
		return fragment{}, false
	}
	for line := range strings.SplitSeq(body, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			continue
		}
		if len(line) < 3 || line[1] != '=' || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' }) {
			return fragment{}, false
		}
		if line[0] != 'a' {
			if !strings.ContainsRune("mvostc", rune(line[0])) {
				return fragment{}, false
			}
			continue // m-lines say for which of them a candidate is; all are bundled
		}
		if !f.attribute(line[2:]) {
			return fragment{}, false
		}
	}
	return f, (f.ufrag == "") == (f.password == "") && (f.ufrag != "" || f.candidates > 0 || f.ended)
}

// attribute takes one attribute; false when it is malformed, or contradicts one before.
func (f *fragment) attribute(text string) bool {
	name, value, _ := strings.Cut(text, ":")
	switch name {
	case "ice-ufrag":
		return once(&f.ufrag, value, 4, 256)
	case "ice-pwd":
		return once(&f.password, value, 22, 256)
	case "candidate":
		f.candidates++
		return isCandidate(value)
	case "end-of-candidates":
		f.ended = true
	}
	return true
}

// once takes ICE credentials (RFC 8839 section 5.4), which may be repeated for each m-line but not differ: a bundle has
// one transport.
func once(into *string, value string, least, most int) bool {
	if len(value) < least || len(value) > most || *into != "" && *into != value {
		return false
	}
	for _, c := range value {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '+' && c != '/' {
			return false
		}
	}
	*into = value
	return true
}

// isCandidate checks the form of a candidate (RFC 8839 section 5.1): foundation, component, transport, priority,
// address, port, "typ" and a type. Which transport it is and whether the address can be reached does not matter.
func isCandidate(value string) bool {
	f := strings.Fields(value)
	if len(f) < 8 || f[6] != "typ" {
		return false
	}
	_, err1 := strconv.ParseUint(f[1], 10, 8)
	_, err2 := strconv.ParseUint(f[3], 10, 32)
	_, err3 := strconv.ParseUint(f[5], 10, 16)
	return err1 == nil && err2 == nil && err3 == nil // a client in use counts components from 0
}

// keptOffer is an offer as it is kept for restarts: without candidates, which mean nothing to us. "" when it is too
// long.
func keptOffer(offer string) string {
	var b strings.Builder
	for line := range strings.SplitAfterSeq(offer, "\n") {
		if !strings.HasPrefix(line, "a=candidate:") {
			b.WriteString(line)
		}
	}
	if b.Len() > maxKeptOffer {
		return ""
	}
	return b.String()
}

// withCredentials is offer with other ICE credentials, wherever it has them.
func withCredentials(offer, ufrag, password string) string {
	var b strings.Builder
	for line := range strings.SplitAfterSeq(offer, "\n") {
		end := line[len(strings.TrimRight(line, "\r\n")):]
		switch {
		case strings.HasPrefix(line, "a=ice-ufrag:"):
			line = "a=ice-ufrag:" + ufrag + end
		case strings.HasPrefix(line, "a=ice-pwd:"):
			line = "a=ice-pwd:" + password + end
		}
		b.WriteString(line)
	}
	return b.String()
}

// cutFragment takes out of an answer what a client needs for its new path (RFC 9725 section 4.3.3): the options of ICE,
// the bundle, and of its first m-line the credentials and all candidates. ok is false when the answer lacks them.
func cutFragment(answer string) (body string, ok bool) {
	var session, media []string
	ufrag, password, lines := "", "", 0
	for line := range strings.SplitSeq(answer, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if strings.HasPrefix(line, "m=") {
			if lines++; lines == 1 {
				media = append(media, line)
			}
			continue
		}
		name, value, _ := strings.Cut(strings.TrimPrefix(line, "a="), ":")
		switch {
		case !strings.HasPrefix(line, "a="):
		case name == "ice-ufrag" && ufrag == "":
			ufrag = value
		case name == "ice-pwd" && password == "":
			password = value
		case name == "ice-lite", name == "ice-options" && !slices.Contains(session, line), lines == 0 && name == "group":
			session = append(session, line)
		case lines == 1 && (name == "mid" || name == "candidate" || name == "end-of-candidates"):
			media = append(media, line)
		}
	}
	if ufrag == "" || password == "" || len(media) == 0 {
		return "", false
	}
	// The mid comes first, then the credentials; both are attributes of the m-line.
	all := append(session, media[0], "a=ice-ufrag:"+ufrag, "a=ice-pwd:"+password)
	all = append(all, media[1:]...)
	if !slices.Contains(all, "a=end-of-candidates") {
		all = append(all, "a=end-of-candidates")
	}
	return strings.Join(all, "\r\n") + "\r\n", true
}

// sdpValue is the first value of an attribute, "" without one.
func sdpValue(sdp, attribute string) string {
	_, rest, _ := strings.Cut(sdp, "\na="+attribute+":")
	value, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSuffix(value, "\r")
}
