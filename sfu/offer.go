package sfu

import "strings"

// Bounds of an offer. A browser's offer of three m-lines is about 8 KiB and 250 lines; these admit every client and
// keep a hostile one from buying time or memory with a single message.
const (
	maxOfferBytes   = 64 << 10
	maxOfferLines   = 2000
	maxOfferMedia   = 8
	maxOfferFormats = 64
	maxOfferRIDs    = 6
)

// media is one m-line of an offer, as much of it as matters before pion sees it.
type media struct {
	kind      string // audio, video
	mid       string
	direction string // sendrecv, sendonly, recvonly, inactive
	slot      Slot
	formats   int
	rids      int
}

// parseOffer reads the m-lines of offer and gives each its slot. It refuses what exceeds the bounds, data channels,
// m-lines without a mid, and slots that do not fit: every active m-line has one, of its own kind, used once.
// want is the direction that the m-lines must allow: "sendonly" for a caster, "recvonly" for a viewer.
func parseOffer(offer string, slots map[string]string, want string) ([]media, error) {
	ms, err := scanOffer(offer)
	if err != nil {
		return nil, err
	}
	used := map[Slot]bool{}
	var active []media
	for _, m := range ms {
		if m.mid == "" {
			return nil, badOffer("an m-line has no a=mid")
		}
		if m.direction == "inactive" {
			continue
		}
		if m.direction != want && m.direction != "sendrecv" {
			return nil, badOffer("m-line %q is %s, must be %s", clip(m.mid), m.direction, want)
		}
		slot, ok := slotOf(slots[m.mid])
		switch {
		case !ok:
			return nil, badOffer("m-line %q has no slot", clip(m.mid))
		case slot.kind() != m.kind:
			return nil, badOffer("m-line %q is %s and cannot be slot %s", clip(m.mid), m.kind, slot)
		case used[slot]:
			return nil, badOffer("slot %s is used twice", slot)
		}
		used[slot] = true
		m.slot = slot
		active = append(active, m)
	}
	if len(active) == 0 {
		return nil, badOffer("no active m-line")
	}
	return active, nil
}

// scanOffer finds the m-lines of an SDP (RFC 8866 §5) within the bounds. A direction at session level holds for
// m-lines that have none of their own.
func scanOffer(offer string) ([]media, error) {
	if len(offer) > maxOfferBytes {
		return nil, badOffer("longer than %d bytes", maxOfferBytes)
	}
	if !strings.HasPrefix(offer, "v=0") {
		return nil, badOffer("not SDP")
	}
	var ms []media
	direction, lines := "sendrecv", 0
	for line := range strings.SplitSeq(offer, "\n") {
		if lines++; lines > maxOfferLines {
			return nil, badOffer("more than %d lines", maxOfferLines)
		}
		line = strings.TrimSuffix(line, "\r")
		if strings.HasPrefix(line, "m=") {
			m, err := mediaLine(line, direction)
			if err != nil {
				return nil, err
			}
			if ms = append(ms, m); len(ms) > maxOfferMedia {
				return nil, badOffer("more than %d m-lines", maxOfferMedia)
			}
			continue
		}
		attribute, ok := strings.CutPrefix(line, "a=")
		if !ok {
			continue
		}
		if len(ms) == 0 {
			if isDirection(attribute) {
				direction = attribute
			}
			continue
		}
		if err := ms[len(ms)-1].attribute(attribute); err != nil {
			return nil, err
		}
	}
	return ms, nil
}

// mediaLine reads "m=video 9 UDP/TLS/RTP/SAVPF 96 97".
func mediaLine(line, direction string) (media, error) {
	f := strings.Fields(line[2:])
	if len(f) < 4 {
		return media{}, badOffer("short m-line")
	}
	m := media{kind: f[0], direction: direction, formats: len(f) - 3}
	switch {
	case m.kind == "application":
		return media{}, badOffer("data channels are not supported")
	case m.kind != "audio" && m.kind != "video":
		return media{}, badOffer("m-line of kind %q", clip(m.kind))
	case m.formats > maxOfferFormats:
		return media{}, badOffer("more than %d formats in an m-line", maxOfferFormats)
	}
	return m, nil
}

func (m *media) attribute(a string) error {
	switch {
	case strings.HasPrefix(a, "mid:"):
		if m.mid = a[len("mid:"):]; m.mid == "" || len(m.mid) > 16 {
			return badOffer("a=mid of %d characters", len(m.mid))
		}
	case strings.HasPrefix(a, "rid:"):
		if m.rids++; m.rids > maxOfferRIDs {
			return badOffer("more than %d rids", maxOfferRIDs)
		}
	case isDirection(a):
		m.direction = a
	}
	return nil
}

func isDirection(a string) bool {
	return a == "sendrecv" || a == "sendonly" || a == "recvonly" || a == "inactive"
}

// clip shortens what a client sent before it is told back in a reason.
func clip(s string) string {
	if len(s) > 16 {
		return s[:16] + "…"
	}
	return s
}
