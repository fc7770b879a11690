package peer

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"castcode/loadtest/stream"
)

// format is one payload type of an offer. Those of resends stand beside their codec.
type format struct {
	codec      stream.Codec
	number     int
	resend     int // payload type of its resends, 0: none
	parameters string
}

// formats are what an offer has, in the order in which browsers have them.
var formats = []format{
	{stream.VP8, 96, 97, ""},
	{stream.VP9, 98, 99, "profile-id=0"},
	{stream.H264, 102, 103, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"},
	{stream.AV1, 45, 46, "level-idx=5;profile=0;tier=0"},
	{stream.Opus, 111, 0, "minptime=10;useinbandfec=1"},
}

// Mids of the two m-lines of an offer.
const (
	VideoMid = "0"
	AudioMid = "1"
)

// credentials of one side (RFC 8839 section 5.4).
type credentials struct{ ufrag, password string }

// writeOffer makes the offer: receive-only, bundled, for all codecs or only those of the list.
func writeOffer(session uint64, c credentials, fingerprint string, candidates []netip.AddrPort, only []stream.Codec) string {
	var b strings.Builder
	fmt.Fprintf(&b, "v=0\r\no=- %d 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE %s %s\r\n", session, VideoMid, AudioMid)
	b.WriteString("a=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n")
	for _, mid := range []string{VideoMid, AudioMid} {
		writeMedia(&b, mid, only)
		fmt.Fprintf(&b, "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", c.ufrag, c.password)
		fmt.Fprintf(&b, "a=fingerprint:sha-256 %s\r\na=setup:actpass\r\na=mid:%s\r\n", fingerprint, mid)
		b.WriteString("a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=recvonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\n")
		writeFormats(&b, mid, only)
		for i, at := range candidates {
			fmt.Fprintf(&b, "a=candidate:%d 1 udp %d %s %d typ host\r\n", i+1, hostPriority(i), at.Addr(), at.Port())
		}
		b.WriteString("a=end-of-candidates\r\n")
	}
	return b.String()
}

func writeMedia(b *strings.Builder, mid string, only []stream.Codec) {
	kind := "audio"
	if mid == VideoMid {
		kind = "video"
	}
	fmt.Fprintf(b, "m=%s 9 UDP/TLS/RTP/SAVPF", kind)
	for _, f := range formatsOf(mid, only) {
		fmt.Fprintf(b, " %d", f.number)
		if f.resend != 0 {
			fmt.Fprintf(b, " %d", f.resend)
		}
	}
	b.WriteString("\r\n")
}

func writeFormats(b *strings.Builder, mid string, only []stream.Codec) {
	for _, f := range formatsOf(mid, only) {
		if f.codec == stream.Opus {
			fmt.Fprintf(b, "a=rtpmap:%d opus/48000/2\r\na=fmtp:%d %s\r\n", f.number, f.number, f.parameters)
			continue
		}
		fmt.Fprintf(b, "a=rtpmap:%d %s/%d\r\n", f.number, f.codec, stream.VideoClock)
		for _, feedback := range []string{"goog-remb", "ccm fir", "nack", "nack pli"} {
			fmt.Fprintf(b, "a=rtcp-fb:%d %s\r\n", f.number, feedback)
		}
		if f.parameters != "" {
			fmt.Fprintf(b, "a=fmtp:%d %s\r\n", f.number, f.parameters)
		}
		fmt.Fprintf(b, "a=rtpmap:%d rtx/%d\r\na=fmtp:%d apt=%d\r\n", f.resend, stream.VideoClock, f.resend, f.number)
	}
}

func formatsOf(mid string, only []stream.Codec) (list []format) {
	for _, f := range formats {
		if f.codec.Video() == (mid == VideoMid) && (len(only) == 0 || !f.codec.Video() || slices.Contains(only, f.codec)) {
			list = append(list, f)
		}
	}
	return list
}

// hostPriority is RFC 8445 section 5.1.2.1 for the i-th host candidate.
func hostPriority(i int) int { return 126<<24 | (65535-i)<<8 | 255 }

// answer is what an answer says, as far as a receiver needs it.
type answer struct {
	credentials
	lite         bool
	active       bool // the far end is the DTLS client
	fingerprints []fingerprint
	candidates   []netip.AddrPort // UDP, at most maxCandidates
	codecs       map[uint8]payload
	ssrcs        map[bool][]uint32 // announced, by whether they are of the picture; the first is that of media
}

// payload is what a payload type of the answer means.
type payload struct {
	codec  stream.Codec
	resend bool
}

const (
	maxAnswer     = 256 << 10 // bytes
	maxCandidates = 32
)

// readAnswer reads an answer to writeOffer's offer. It takes what stands at session level for all m-lines, and of
// m-lines the first transport: they are bundled.
func readAnswer(sdp string) (*answer, error) {
	if len(sdp) > maxAnswer || !strings.HasPrefix(sdp, "v=0") {
		return nil, errors.New("the answer is no SDP")
	}
	a := &answer{codecs: map[uint8]payload{}, ssrcs: map[bool][]uint32{}}
	mid, on, media := "", false, 0
	resends := map[uint8]uint8{}
	for line := range strings.SplitSeq(sdp, "\n") {
		line = strings.TrimRight(line, "\r ")
		if m, ok := strings.CutPrefix(line, "m="); ok {
			f := strings.Fields(m)
			if len(f) < 4 {
				return nil, errors.New("the answer has a short m-line")
			}
			mid, on = AudioMid, f[1] != "0"
			if f[0] == "video" {
				mid = VideoMid
			}
			if on {
				media++
			}
			continue
		}
		attribute, ok := strings.CutPrefix(line, "a=")
		if !ok || mid != "" && !on {
			continue
		}
		name, value, _ := strings.Cut(attribute, ":")
		if mid == "" || media == 1 {
			a.transport(name, value)
		}
		if mid != "" {
			a.media(mid == VideoMid, name, value, resends)
		}
	}
	for number, original := range resends {
		if p, ok := a.codecs[original]; ok {
			a.codecs[number] = payload{p.codec, true}
		}
	}
	return a, a.check(media)
}

func (a *answer) transport(name, value string) {
	switch name {
	case "ice-lite":
		a.lite = true
	case "ice-ufrag":
		a.ufrag = value
	case "ice-pwd":
		a.password = value
	case "setup":
		a.active = value == "active"
	case "fingerprint":
		if f, ok := parseFingerprint(value); ok && len(a.fingerprints) < 8 {
			a.fingerprints = append(a.fingerprints, f)
		}
	case "candidate":
		if at, ok := parseCandidate(value); ok && len(a.candidates) < maxCandidates && !slices.Contains(a.candidates, at) {
			a.candidates = append(a.candidates, at)
		}
	}
}

func (a *answer) media(video bool, name, value string, resends map[uint8]uint8) {
	number, rest, _ := strings.Cut(value, " ")
	switch name {
	case "rtpmap":
		n, err := strconv.ParseUint(number, 10, 7)
		codec, _, _ := strings.Cut(rest, "/")
		if c := stream.ByName(codec); err == nil && c != stream.None && c.Video() == video {
			a.codecs[uint8(n)] = payload{codec: c}
		}
	case "fmtp":
		n, err := strconv.ParseUint(number, 10, 7)
		apt, ok := strings.CutPrefix(rest, "apt=")
		apt, _, _ = strings.Cut(apt, ";")
		original, err2 := strconv.ParseUint(apt, 10, 7)
		if err == nil && err2 == nil && ok {
			resends[uint8(n)] = uint8(original)
		}
	case "ssrc":
		n, err := strconv.ParseUint(number, 10, 32)
		if list := a.ssrcs[video]; err == nil && len(list) < 8 && !slices.Contains(list, uint32(n)) {
			a.ssrcs[video] = append(list, uint32(n))
		}
	}
}

func (a *answer) check(media int) error {
	switch {
	case media == 0:
		return errors.New("the answer takes no m-line")
	case len(a.ufrag) < 4 || len(a.ufrag) > 256 || len(a.password) < 22 || len(a.password) > 256:
		return errors.New("the answer has no ICE credentials")
	case len(a.fingerprints) == 0:
		return errors.New("the answer has no fingerprint that we know")
	case len(a.candidates) == 0:
		return errors.New("the answer has no UDP candidate")
	case len(a.codecs) == 0:
		return errors.New("the answer has no codec that we know")
	}
	return nil
}

// parseCandidate reads "1 1 udp 2130706431 192.0.2.1 8443 typ host" (RFC 8839 section 5.1). Names and TCP are left out.
func parseCandidate(value string) (netip.AddrPort, bool) {
	f := strings.Fields(value)
	if len(f) < 8 || f[1] != "1" || !strings.EqualFold(f[2], "udp") {
		return netip.AddrPort{}, false
	}
	addr, err := netip.ParseAddr(f[4])
	port, err2 := strconv.ParseUint(f[5], 10, 16)
	if err != nil || err2 != nil || port == 0 || !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), true
}
