package transport

import (
	"slices"
	"strings"
)

// Unified is sdp, of which o was read, in the form that every library understands (pion/webrtc v3 takes only this one):
//
//   - One transport. Peers that could do without a bundle offer each m-line with ICE credentials and candidates of its
//     own; those of the first in the BUNDLE group count for all (RFC 9143 §7.2.1), so the others are left out.
//   - A BUNDLE group, even of one m-line, as the only group.
//   - A direction in each m-line: it may stand at session level, or not at all (RFC 8866 §6.7: sendrecv).
func (o *Offer) Unified(sdp string) string {
	var b strings.Builder
	b.Grow(len(sdp) + 256)
	t, at, directed := o.transport(), -1, false
	end := func() { // of the session part or of an m-line
		switch {
		case at < 0:
			b.WriteString("a=group:BUNDLE " + strings.Join(o.group(), " ") + "\r\n")
		case !directed:
			direction := o.Media[at].direction
			if direction == "" {
				direction = "sendrecv"
			}
			b.WriteString("a=" + direction + "\r\n")
		}
	}
	for line := range strings.SplitSeq(sdp, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if strings.HasPrefix(line, "m=") {
			end()
			at++
			directed = false
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "a="), ":")
		switch {
		case line == "", at < 0 && name == "group":
			continue
		case at >= 0 && &o.Media[at] != t && !o.Media[at].sharesTransport(t) && ofTransport(name):
			continue
		}
		directed = directed || slices.Contains([]string{"sendrecv", "sendonly", "recvonly", "inactive"}, name)
		b.WriteString(line + "\r\n")
	}
	end()
	return b.String()
}

// ofTransport says whether an attribute belongs to the transport of an m-line.
func ofTransport(attribute string) bool {
	return slices.Contains([]string{"ice-ufrag", "ice-pwd", "fingerprint", "candidate", "setup"}, attribute)
}

// group is the BUNDLE group; without one it is the m-line that the transport belongs to.
func (o *Offer) group() []string {
	if o.bundled {
		return o.bundle
	}
	return []string{o.transport().Mid}
}

// sharesTransport says whether m names the same transport as t.
func (m *Media) sharesTransport(t *Media) bool {
	return m.ufrag == t.ufrag && m.password == t.password && len(m.fingerprints) > 0 && m.fingerprints[0].equal(t.fingerprints[0])
}

// Answered is the answer that a library made for what Unified gave it, as the answer to o: with no group (RFC 5888 §9.1)
// and no reduced-size reports (RFC 5506 §5.1) where o offered none, and no space behind a feedback without parameter, for
// which others take it for another feedback. The error is ErrCodec where it refuses an m-line that is not inactive, which
// is how a library says that there is no codec in common.
func (o *Offer) Answered(answer string) (string, error) {
	var b strings.Builder
	b.Grow(len(answer))
	var m *Media // in which the line stands; nil: before the first
	for line := range strings.SplitSeq(answer, "\n") {
		line = strings.TrimRight(line, " \r")
		if f := strings.Fields(line); strings.HasPrefix(line, "m=") {
			if m = o.after(m); m == nil || len(f) > 1 && f[1] == "0" && !m.Inactive {
				return "", ErrCodec
			}
		}
		switch {
		case line == "", !o.bundled && strings.HasPrefix(line, "a=group:"), line == "a=rtcp-rsize" && m != nil && !m.reduced:
		default:
			b.WriteString(line + "\r\n")
		}
	}
	return b.String(), nil
}

// after is the m-line behind m, the first one for nil; nil when there is none.
func (o *Offer) after(m *Media) *Media {
	next := 0
	for i := range o.Media {
		if &o.Media[i] == m {
			next = i + 1
		}
	}
	if next == len(o.Media) {
		return nil
	}
	return &o.Media[next]
}
