package transport

import (
	"slices"
	"strconv"
	"strings"
)

const (
	codecVP8  = "video/VP8"
	codecVP9  = "video/VP9"
	codecH264 = "video/H264"
	codecH265 = "video/H265"
	codecAV1  = "video/AV1"
	codecOpus = "audio/opus"
)

var canonical = []string{codecVP8, codecVP9, codecH264, codecH265, codecAV1, codecOpus}

// formats lists the formats of the m-line that can be sent, in the offer's order. transport says whether
// transport-wide feedback is wanted.
func (m *Media) formats(transport bool) []Format {
	var out []Format
	for _, t := range m.types {
		f, ok := parseRTPMap(m.Kind, m.codecs[t])
		if !ok || !sendable(f.Codec, m.fmtp[t]) || f.Codec == codecH264 && mode(m.fmtp[t]) == "" && m.fragments() {
			continue
		}
		n, _ := strconv.Atoi(t) // was checked with the m-line
		f.PayloadType, f.Parameters, f.RTX = uint8(n), m.fmtp[t], m.rtxFor(t)
		for _, feedback := range slices.Concat(m.feedback["*"], m.feedback[t]) {
			if answered(m.Kind, feedback, transport) && !slices.Contains(f.feedback, feedback) {
				f.feedback = append(f.feedback, feedback)
			}
		}
		out = append(out, f)
	}
	return out
}

// parseRTPMap reads "VP8/90000" or "opus/48000/2".
func parseRTPMap(kind, rtpmap string) (f Format, ok bool) {
	part := strings.Split(rtpmap, "/")
	if len(part) < 2 || len(part) > 3 {
		return f, false
	}
	i := slices.IndexFunc(canonical, func(c string) bool { return strings.EqualFold(c, kind+"/"+part[0]) })
	if i < 0 {
		return f, false
	}
	f = Format{Codec: canonical[i], Clock: 90000}
	if f.Codec == codecOpus {
		f.Clock, f.Channels = 48000, 2
		return f, len(part) == 3 && part[1] == "48000" && part[2] == "2"
	}
	return f, part[1] == "90000"
}

// parameter finds one parameter of an fmtp.
func parameter(fmtp, name string) string {
	for p := range strings.SplitSeq(fmtp, ";") {
		if k, v, _ := strings.Cut(strings.TrimSpace(p), "="); strings.EqualFold(k, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// mode is the packetization mode of an H.264 fmtp, "" without one.
func mode(fmtp string) string { return parameter(fmtp, "packetization-mode") }

// fragments says whether the m-line has H.264 in packetization mode 1.
func (m *Media) fragments() bool {
	return slices.ContainsFunc(m.types, func(t string) bool {
		f, _ := parseRTPMap(m.Kind, m.codecs[t])
		return f.Codec == codecH264 && mode(m.fmtp[t]) == "1"
	})
}

// sendable leaves out formats that no caster's packets fit: H.264 without fragments (casters send packetization mode
// 1, RFC 6184 §6.3), profiles of VP9 and AV1 with more than 8 bits, which casters do not negotiate. A player that says
// nothing of the mode means 0 by the letter; those that do so (GStreamer's) take fragments all the same.
func sendable(codec, fmtp string) bool {
	switch codec {
	case codecH264:
		return mode(fmtp) == "1" || mode(fmtp) == ""
	case codecVP9:
		p := parameter(fmtp, "profile-id")
		return p == "" || p == "0"
	case codecAV1:
		p := parameter(fmtp, "profile")
		return p == "" || p == "0"
	}
	return true
}

// profile is one of H.264 by rank: whoever decodes one decodes, as a rule, all that are below it.
type profile int

// profileOf is the profile of an H.264 fmtp by the table of RFC 6184 §8.1: the first of the three bytes of
// profile-level-id is the number of a profile, and bits of the second tell constrained baseline from those that have
// more. What is no profile-level-id counts as lowest.
func profileOf(fmtp string) profile {
	level := parameter(fmtp, "profile-level-id")
	if len(level) != 6 {
		level = "420010" // RFC 6184 §8.1: baseline without it
	}
	n, err := strconv.ParseUint(level, 16, 32)
	if err != nil {
		return 0
	}
	const (
		baseline, main, extended = 66, 77, 88
		cavlc444, last           = 44, 255
		set0, set1               = 0x80, 0x40
	)
	number, constraints := profile(n>>16), n>>8
	switch {
	case number == baseline && constraints&set1 != 0, number == main && constraints&set0 != 0,
		number == extended && constraints&(set0|set1) == set0|set1:
		return baseline // constrained: the part that all have
	case number == baseline:
		return baseline + 1
	case number == cavlc444: // the only one whose number does not say what it takes
		return last
	}
	return number
}

// nearer says whether profile a is to be sent rather than b when it is wanted that is cast.
func nearer(a, b, wanted profile) bool {
	if (a <= wanted) != (b <= wanted) {
		return a <= wanted
	}
	return a > b
}

// rtxFor finds the payload type of the resends of t, -1 without one.
func (m *Media) rtxFor(t string) int16 {
	for _, r := range m.types {
		if strings.EqualFold(m.codecs[r], "rtx/90000") && m.Kind == "video" && parameter(m.fmtp[r], "apt") == t {
			n, _ := strconv.Atoi(r)
			return int16(n)
		}
	}
	return -1
}

// answered says which offered feedback is agreed to.
func answered(kind, feedback string, transport bool) bool {
	switch feedback {
	case "transport-cc":
		return transport
	case "goog-remb", "nack", "nack pli", "ccm fir":
		return kind == "video"
	}
	return false
}
