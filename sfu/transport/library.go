package transport

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Unified is sdp, of which o was read, in the form that every library understands (pion/webrtc v3 takes only this one):
//
//   - One transport. Peers that could do without a bundle offer each m-line with ICE credentials and candidates of its
//     own; those of the first in the BUNDLE group count for all (RFC 9143 §7.2.1), so the others are left out. So is their
//     a=setup, of which a library might take the first that it finds.
//   - A BUNDLE group, even of one m-line, as the only group.
//   - A direction in each m-line: it may stand at session level, or not at all (RFC 8866 §6.7: sendrecv).
//   - No identifier of a header extension that means different ones in the BUNDLE group.
//   - An SSRC in each m-line of Undeclared of which ssrcs, by mid, has one. Resends are left out of it, since theirs is not known,
//     and so are extensions that tell streams apart, by which a library would look for them itself.
func (o *Offer) Unified(sdp string, ssrcs map[string]uint32) string {
	var b strings.Builder
	b.Grow(len(sdp) + 256)
	t, m, directed := o.transport(), (*Media)(nil), false
	end := func() { // of the session part or of an m-line
		switch {
		case m == nil:
			b.WriteString("a=group:BUNDLE " + strings.Join(o.group(), " ") + "\r\n")
			return
		case directed:
		case m.direction == "":
			b.WriteString("a=sendrecv\r\n")
		default:
			b.WriteString("a=" + m.direction + "\r\n")
		}
		if ssrc, known := ssrcs[m.Mid]; known && m.undeclared() {
			fmt.Fprintf(&b, "a=ssrc:%d cname:%s\r\n", ssrc, cname)
		}
	}
	for line := range strings.SplitSeq(sdp, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if strings.HasPrefix(line, "m=") {
			end()
			m, directed = o.after(m), false
			line = m.plain(line)
		}
		name, value, _ := strings.Cut(strings.TrimPrefix(line, "a="), ":")
		if line == "" || m == nil && name == "group" || m != nil && (m.leavesOut(name, value, t) || name == "extmap" && o.clashes(value)) {
			continue
		}
		directed = directed || slices.Contains([]string{"sendrecv", "sendonly", "recvonly", "inactive"}, name)
		b.WriteString(line + "\r\n")
	}
	end()
	return b.String()
}

// clashes says whether the identifier of an extmap means different extensions in the BUNDLE group.
func (o *Offer) clashes(extmap string) bool {
	id, _, _ := strings.Cut(extmap, " ")
	id, _, _ = strings.Cut(id, "/")
	return o.clashing[id]
}

// undeclared says whether m sends one stream and does not say which.
func (m *Media) undeclared() bool { return m.Sends && !m.declared && m.rids == 0 }

// Undeclared gives the mids of m-lines that send a stream without naming its SSRC (RFC 9143 §9.2 tells it by the payload
// type then), by the payload types that only they have.
func (o *Offer) Undeclared() map[uint8]string {
	mids := map[uint8]string{}
	shared := map[uint8]bool{}
	for i := range o.Media {
		m := &o.Media[i]
		for _, t := range m.types {
			n, err := strconv.ParseUint(t, 10, 7)
			payload := uint8(n)
			if _, taken := mids[payload]; err != nil || m.Inactive || m.resends(t) {
				continue
			} else if taken || shared[payload] || !m.undeclared() {
				shared[payload] = true
				delete(mids, payload)
				continue
			}
			mids[payload] = strings.Clone(m.Mid)
		}
	}
	return mids
}

// resends says whether t is a payload type for resends.
func (m *Media) resends(t string) bool { return strings.EqualFold(m.codecs[t], "rtx/90000") }

// plain is the m-line without payload types for resends, where Unified leaves them out.
func (m *Media) plain(line string) string {
	if !m.undeclared() {
		return line
	}
	f := strings.Fields(line)
	media := slices.DeleteFunc(slices.Clone(f[3:]), m.resends)
	if len(media) == 0 {
		return line
	}
	return strings.Join(append(f[:3], media...), " ")
}

// leavesOut says whether Unified leaves an attribute of m out, where t has the transport.
func (m *Media) leavesOut(name, value string, t *Media) bool {
	if m != t && (name == "setup" || !m.sharesTransport(t) && ofTransport(name)) {
		return true
	}
	if !m.undeclared() {
		return false
	}
	payload, _, _ := strings.Cut(value, " ")
	switch name {
	case "rtpmap", "fmtp", "rtcp-fb":
		return m.resends(payload)
	case "extmap":
		return strings.HasSuffix(value, "rtp-stream-id")
	}
	return false
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
// which others take it for another feedback. Its candidates make way for ours, none of which is for the second component:
// RTCP does not have one on the port of RTP (RFC 5761 §5.1.1). The error is ErrCodec where it refuses an m-line that is not
// inactive, which is how a library says that there is no codec in common.
func (o *Offer) Answered(answer string, candidates []Candidate) (string, error) {
	var b strings.Builder
	b.Grow(len(answer))
	var m *Media // in which the line stands; nil: before the first
	for line := range strings.SplitSeq(answer, "\n") {
		line = strings.TrimRight(line, " \r")
		f := strings.Fields(line)
		if strings.HasPrefix(line, "m=") {
			if m = o.after(m); m == nil || len(f) > 1 && f[1] == "0" && !m.Inactive {
				return "", ErrCodec
			}
		}
		switch {
		case line == "", !o.bundled && strings.HasPrefix(line, "a=group:"), line == "a=rtcp-rsize" && m != nil && !m.reduced,
			strings.HasPrefix(line, "a=candidate:"):
		case line == "a=end-of-candidates":
			writeCandidates(&b, candidates)
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
