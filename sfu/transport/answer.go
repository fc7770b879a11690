package transport

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Candidate is an address of the server that a peer may use: host candidates of RFC 8839 §5.1, TCP ones passive
// (RFC 6544 §4.5).
type Candidate struct {
	Addr netip.AddrPort
	TCP  bool
}

// newTrack agrees about one m-line. It is nil if there is no codec in common. Nothing of the offer's text is kept
// alive by it.
func newTrack(m *Media, name string, feedback bool) *Track {
	t := &Track{name: name, mid: strings.Clone(m.Mid), kind: strings.Clone(m.Kind), formats: m.formats(feedback)}
	if len(t.formats) == 0 {
		return nil
	}
	rtx := false
	for i := range t.formats {
		f := &t.formats[i]
		f.Parameters = strings.Clone(f.Parameters)
		for j := range f.feedback {
			f.feedback[j] = strings.Clone(f.feedback[j])
		}
		rtx = rtx || f.RTX >= 0
	}
	t.ids.mixed = m.mixed
	for uri, id := range m.ids {
		*t.ids.slot(uri) = id
	}
	if !feedback {
		t.ids.transportSeq = 0
	}
	if t.kind == "video" && !rtx {
		// A resend has to be the same bytes again, so no byte may depend on when it is sent.
		t.ids.sendTime, t.ids.transportSeq, t.ids.playoutDelay = 0, 0, 0
	}
	t.main.ssrc = random32()
	if rtx {
		t.resend.ssrc = random32()
		// The first number lies in the lower half, so that the loss of the first packets cannot hide a rollover
		// (RFC 3711 §3.3.1).
		t.resend.newest = uint64(random32() & 0x3FFF)
	}
	return t
}

// random32 is never 0.
func random32() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return binary.BigEndian.Uint32(b[:]) | 1
}

// answer writes the answer to o: ICE-lite and DTLS server for the whole bundle, send-only for the m-lines that are
// tracks of the session, inactive for the others.
func (s *Session) answer(o *Offer) string {
	var b strings.Builder
	b.Grow(4096)
	fmt.Fprintf(&b, "v=0\r\no=- %d %d IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n", s.id, s.version)
	if o.bundled {
		b.WriteString("a=group:BUNDLE")
		for _, mid := range o.bundle {
			i := slices.IndexFunc(o.Media, func(m Media) bool { return m.Mid == mid })
			if !o.Media[i].rejected {
				b.WriteString(" " + mid)
			}
		}
		b.WriteString("\r\n")
	}
	b.WriteString("a=ice-lite\r\na=msid-semantic:WMS *\r\n")
	if o.mixed {
		b.WriteString("a=extmap-allow-mixed\r\n")
	}
	for i := range o.Media {
		m := &o.Media[i]
		if m.rejected || !o.inBundle(m) {
			s.rejectLine(&b, m)
			continue
		}
		s.mediaLine(&b, m, m == o.transport())
	}
	return b.String()
}

// rejectLine answers an m-line with port 0, RFC 3264 §6.
func (s *Session) rejectLine(b *strings.Builder, m *Media) {
	fmt.Fprintf(b, "m=%s 0 %s %s\r\nc=IN IP4 0.0.0.0\r\na=mid:%s\r\na=inactive\r\n", m.Kind, m.protocol, m.types[0], m.Mid)
}

func (s *Session) mediaLine(b *strings.Builder, m *Media, first bool) {
	var track *Track
	for _, t := range s.tracks {
		if t.mid == m.Mid {
			track = t
		}
	}
	formats := m.formats(s.server.config.TransportFeedback)
	types := make([]string, 0, 2*len(formats))
	for _, f := range formats {
		types = append(types, fmt.Sprint(f.PayloadType))
	}
	for _, f := range formats {
		if f.RTX >= 0 {
			types = append(types, fmt.Sprint(f.RTX))
		}
	}
	if len(types) == 0 {
		types = m.types[:1]
	}
	fmt.Fprintf(b, "m=%s 9 %s %s\r\nc=IN IP4 0.0.0.0\r\n", m.Kind, m.protocol, strings.Join(types, " "))
	fmt.Fprintf(b, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", s.ice.current.local.Ufrag, s.ice.current.local.Password)
	fmt.Fprintf(b, "a=fingerprint:sha-256 %s\r\na=setup:passive\r\na=mid:%s\r\n", s.server.fingerprint, m.Mid)
	writeCodecs(b, formats)
	if len(formats) == 0 && m.codecs[types[0]] != "" {
		fmt.Fprintf(b, "a=rtpmap:%s %s\r\n", types[0], m.codecs[types[0]])
	}
	b.WriteString("a=rtcp-mux\r\n")
	if m.reduced {
		b.WriteString("a=rtcp-rsize\r\n")
	}
	if track == nil {
		b.WriteString("a=inactive\r\n")
	} else {
		track.write(b)
	}
	if first {
		writeCandidates(b, s.server.config.Candidates())
	}
}

func writeCodecs(b *strings.Builder, formats []Format) {
	for _, f := range formats {
		_, codec, _ := strings.Cut(f.Codec, "/")
		fmt.Fprintf(b, "a=rtpmap:%d %s/%d", f.PayloadType, codec, f.Clock)
		if f.Channels > 0 {
			fmt.Fprintf(b, "/%d", f.Channels)
		}
		b.WriteString("\r\n")
		for _, feedback := range f.feedback {
			fmt.Fprintf(b, "a=rtcp-fb:%d %s\r\n", f.PayloadType, feedback)
		}
		if f.Parameters != "" {
			fmt.Fprintf(b, "a=fmtp:%d %s\r\n", f.PayloadType, f.Parameters)
		}
		if f.RTX >= 0 {
			fmt.Fprintf(b, "a=rtpmap:%d rtx/%d\r\na=fmtp:%d apt=%d\r\n", f.RTX, f.Clock, f.RTX, f.PayloadType)
		}
	}
}

// write is the part of an m-line that says what is sent: extensions and SSRCs. The pair of SSRCs is tied together by
// RFC 5576 §4.2; both need their own cname and msid lines.
func (t *Track) write(b *strings.Builder) {
	for _, uri := range []string{
		uriMid, uriSendTime, uriTransportSeq, uriPlayoutDelay, uriCaptureTime, uriDependency, uriAudioLevel,
	} {
		if id := *t.ids.slot(uri); id != 0 {
			fmt.Fprintf(b, "a=extmap:%d %s\r\n", id, uri)
		}
	}
	fmt.Fprintf(b, "a=sendonly\r\na=msid:%s %s\r\n", cname, t.name)
	ssrcs := []uint32{t.main.ssrc}
	if t.CanResend() {
		ssrcs = append(ssrcs, t.resend.ssrc)
		fmt.Fprintf(b, "a=ssrc-group:FID %d %d\r\n", t.main.ssrc, t.resend.ssrc)
	}
	for _, ssrc := range ssrcs {
		fmt.Fprintf(b, "a=ssrc:%d cname:%s\r\na=ssrc:%d msid:%s %s\r\n", ssrc, cname, ssrc, cname, t.name)
	}
}

// writeCandidates lists the server's addresses in the order of preference.
func writeCandidates(b *strings.Builder, candidates []Candidate) {
	for i, c := range candidates {
		b.WriteString(c.line(i))
	}
	b.WriteString("a=end-of-candidates\r\n")
}

// line is the attribute of candidate i of a list. TCP is behind UDP by its type preference, and its local preference says
// that it is passive (RFC 6544 §4.2).
func (c Candidate) line(i int) string {
	const hostUDP, hostTCP, passive = 126, 90, 4
	transport, preference, local, kind := "udp", hostUDP, 65535-i, ""
	if c.TCP {
		transport, preference, local, kind = "tcp", hostTCP, passive<<13|(8191-i&8191), " tcptype passive"
	}
	return fmt.Sprintf("a=candidate:%d 1 %s %d %s %d typ host%s\r\n",
		i+1, transport, preference<<24|local<<8|255, c.Addr.Addr(), c.Addr.Port(), kind)
}
