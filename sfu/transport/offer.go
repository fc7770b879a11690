package transport

import (
	"slices"
	"strconv"
	"strings"
)

// Bounds of an offer. A browser's offer of three m-lines is about 8 KiB and 250 lines; these admit every client and
// keep a hostile one from buying time or memory with a single message.
const (
	maxOfferBytes   = 64 << 10
	maxOfferLines   = 2000
	maxMedia        = 8
	maxFormats      = 64
	maxRIDs         = 6
	maxCandidates   = 64
	maxFingerprints = 8
)

// Offer is a peer's SDP offer after parsing.
type Offer struct {
	// Media are the m-lines in order.
	Media []Media
	// Firefox says that the offer was made by it, by its o= line.
	Firefox bool

	session  section         // what stands before the first m-line
	clashing map[string]bool // identifiers of header extensions that mean different ones in the BUNDLE group
	bundle   []string
	bundled  bool
	mixed    bool
	said     string // the types of the lines before the first m-line, each once
}

// section is what may stand at session level or in an m-line, the latter winning.
type section struct {
	ufrag, password, setup, direction string
	fingerprints                      []fingerprintOf
	candidates                        int
}

// Media is one m-line of an offer.
type Media struct {
	// Kind is "audio" or "video", Mid its identification tag.
	Kind, Mid string
	// Receives says whether the peer takes media on it (recvonly or sendrecv), Sends whether it sends (sendonly or
	// sendrecv), Inactive that it does neither. Server.Open refuses to send on an m-line that does not receive.
	Receives, Sends, Inactive bool

	section
	protocol string
	rejected bool // port 0 without bundle-only
	types    []string
	codecs   map[string]string   // payload type to rtpmap
	fmtp     map[string]string   // payload type to parameters
	feedback map[string][]string // payload type or * to feedback
	ids      map[string]uint8    // URI to identifier
	named    map[string]string   // identifier to URI, of all that is offered
	muxed    bool                // rtcp-mux
	reduced  bool                // rtcp-rsize
	mixed    bool
	rids     int
	declared bool // it names its SSRCs
}

// ParseOffer reads an offer of a viewer or a caster within bounds, before any library sees it. It refuses data
// channels, m-lines without a mid, media without rtcp-mux or over anything but DTLS-SRTP. An error is an *Error: bad_sdp for what is malformed, bad_offer for what is well-formed and of no use.
// Candidates are counted and ignored: the server is ICE-lite and sends no checks.
func ParseOffer(sdp string) (*Offer, error) {
	o, err := Outline(sdp)
	if err != nil {
		return nil, err
	}
	return o, o.check()
}

// Outline reads an offer as ParseOffer does, but does not ask whether it can be answered: Media has the m-lines in
// order, of whatever kind, and nothing else of the Offer may be used. An error is an *Error: bad_sdp for what is
// malformed, bad_offer for what is beyond the bounds.
func Outline(sdp string) (*Offer, error) {
	if len(sdp) > maxOfferBytes {
		return nil, BadOffer("longer than %d bytes", maxOfferBytes)
	}
	if version, _, _ := strings.Cut(sdp, "\n"); strings.TrimSuffix(version, "\r") != "v=0" {
		return nil, BadSDP("not SDP")
	}
	o := &Offer{}
	lines := 0
	for line := range strings.SplitSeq(sdp, "\n") {
		if lines++; lines > maxOfferLines {
			return nil, BadOffer("more than %d lines", maxOfferLines)
		}
		if err := o.line(strings.TrimSuffix(line, "\r")); err != nil {
			return nil, err
		}
	}
	return o, o.complete()
}

func (o *Offer) line(line string) error {
	switch {
	case line == "":
		return nil // some clients end with one
	case strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' }):
		return BadSDP("a control character")
	case len(line) < 2 || line[1] != '=':
		return BadSDP("a line that is no type=value")
	case len(o.Media) == 0 && !strings.Contains(o.said, line[:1]):
		o.said += line[:1]
	}
	if m, ok := strings.CutPrefix(line, "m="); ok {
		return o.mediaLine(m)
	}
	attribute, ok := strings.CutPrefix(line, "a=")
	if !ok {
		o.Firefox = o.Firefox || strings.HasPrefix(line, "o=mozilla")
		return nil
	}
	name, value, _ := strings.Cut(attribute, ":")
	if len(o.Media) > 0 {
		return o.Media[len(o.Media)-1].attribute(name, value)
	}
	switch name {
	case "group":
		f := strings.Fields(value)
		if len(f) > 0 && f[0] == "BUNDLE" {
			if o.bundled || len(f) > maxMedia+1 {
				return BadOffer("more than one BUNDLE group, or too long a one")
			}
			o.bundled, o.bundle = true, f[1:]
		}
	case "extmap-allow-mixed":
		o.mixed = true
	}
	return o.session.attribute(name, value)
}

// mediaLine reads "video 9 UDP/TLS/RTP/SAVPF 96 97".
func (o *Offer) mediaLine(line string) error {
	f := strings.Fields(line)
	if len(f) < 4 {
		return BadSDP("short m-line")
	}
	port, _, _ := strings.Cut(f[1], "/")
	number, err := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil:
		return BadSDP("m-line with port %q", clip(f[1]))
	case len(o.Media) == 0 && !o.begun():
		return BadSDP("an m-line before o=, s= and t=")
	case len(o.Media) == maxMedia:
		return BadOffer("more than %d m-lines", maxMedia)
	case len(f)-3 > maxFormats:
		return BadOffer("more than %d formats in an m-line", maxFormats)
	}
	o.Media = append(o.Media, Media{
		Kind: f[0], protocol: f[2], rejected: number == 0, types: f[3:], mixed: o.mixed,
		codecs: map[string]string{}, fmtp: map[string]string{}, feedback: map[string][]string{}, ids: map[string]uint8{},
		named: map[string]string{},
	})
	return nil
}

func (m *Media) attribute(name, value string) error {
	switch name {
	case "mid":
		if value == "" || m.Mid != "" || strings.ContainsAny(value, " \t") {
			return BadSDP("a=mid of %d characters, or a second one", len(value))
		}
		if len(value) > maxOneByteLength {
			return BadOffer("a=mid of %d characters", len(value))
		}
		m.Mid = value
	case "rid":
		if m.rids++; m.rids > maxRIDs {
			return BadOffer("more than %d rids", maxRIDs)
		}
	case "rtpmap", "fmtp", "rtcp-fb":
		return m.formatAttribute(name, value)
	case "extmap":
		m.extension(value)
	case "extmap-allow-mixed":
		m.mixed = true
	case "rtcp-mux", "rtcp-mux-only": // RFC 8858 §3
		m.muxed = true
	case "ssrc":
		m.declared = true
	case "rtcp-rsize":
		m.reduced = true
	case "bundle-only":
		m.rejected = false
	default:
		return m.section.attribute(name, value)
	}
	return nil
}

// formatAttribute reads what belongs to a payload type; of those that the m-line does not list, nothing is kept.
func (m *Media) formatAttribute(name, value string) error {
	t, rest, _ := strings.Cut(value, " ")
	if t != "*" && !slices.Contains(m.types, t) {
		return nil
	}
	switch name {
	case "rtpmap":
		m.codecs[t] = rest
	case "fmtp":
		if len(rest) > 512 {
			return BadOffer("a=fmtp of %d characters", len(rest))
		}
		m.fmtp[t] = rest
	case "rtcp-fb":
		rest = strings.TrimSpace(rest) // pion ends a line without a parameter with a space
		if len(m.feedback[t]) < 16 && len(rest) < 64 {
			m.feedback[t] = append(m.feedback[t], rest)
		}
	}
	return nil
}

// extension reads "3/recvonly urn:…". Identifiers beyond the one-byte form are not used, and no identifier twice.
func (m *Media) extension(value string) {
	f := strings.Fields(value)
	if len(f) < 2 {
		return
	}
	number, direction, _ := strings.Cut(f[0], "/")
	if m.named[number] == "" {
		m.named[number] = f[1]
	}
	id, err := strconv.Atoi(number)
	if err != nil || id < 1 || id > maxOneByteID || direction == "sendonly" || direction == "inactive" {
		return
	}
	if (&extensions{}).slot(f[1]) == nil || m.ids[f[1]] != 0 {
		return
	}
	for _, used := range m.ids {
		if int(used) == id {
			return
		}
	}
	m.ids[f[1]] = uint8(id)
}

func (s *section) attribute(name, value string) error {
	switch name {
	case "sendrecv", "sendonly", "recvonly", "inactive":
		s.direction = name
	case "ice-ufrag":
		if len(value) < 4 || len(value) > 256 || strings.ContainsFunc(value, notICE) {
			return BadSDP("a=ice-ufrag")
		}
		s.ufrag = value
	case "ice-pwd":
		if len(value) < 22 || len(value) > 256 || strings.ContainsFunc(value, notICE) {
			return BadSDP("a=ice-pwd")
		}
		s.password = value
	case "setup":
		s.setup = value
	case "fingerprint":
		if f, ok := parseFingerprint(value); ok {
			if s.fingerprints = append(s.fingerprints, f); len(s.fingerprints) > maxFingerprints {
				return BadOffer("more than %d fingerprints", maxFingerprints)
			}
		}
	case "candidate":
		if s.candidates++; s.candidates > maxCandidates {
			return BadOffer("more than %d candidates", maxCandidates)
		}
	}
	return nil
}

// notICE is true for what is no ice-char, RFC 8839 §5.4.
func notICE(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '+' && r != '/'
}
