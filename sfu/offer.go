package sfu

import (
	"strings"

	"castcode/sfu/transport"
)

// media is an active m-line of an offer.
type media struct {
	mid  string
	slot Slot
}

// parseOffer reads offer within the bounds of transport.ParseOffer, before anything else sees it, and gives each
// m-line its slot: every active one has one, of its own kind, used once. allowed says whether an m-line has the
// direction that the peer must offer, which wanted names: sends for a caster, receives for a viewer.
func parseOffer(offer string, slots map[string]string, allowed func(*transport.Media) bool, wanted string) (*transport.Offer, []media, error) {
	o, err := transport.ParseOffer(offer)
	if err != nil {
		return nil, nil, err
	}
	used := map[Slot]bool{}
	var active []media
	for i := range o.Media {
		m := &o.Media[i]
		if m.Inactive {
			continue
		}
		if !allowed(m) {
			return nil, nil, transport.BadOffer("m-line %q must be %s or sendrecv", m.Mid, wanted)
		}
		slot, ok := slotOf(slots[m.Mid])
		switch {
		case !ok:
			return nil, nil, transport.BadOffer("m-line %q has no slot", m.Mid)
		case slot.kind() != m.Kind:
			return nil, nil, transport.BadOffer("m-line %q is %s and cannot be slot %s", m.Mid, m.Kind, slot)
		case used[slot]:
			return nil, nil, transport.BadOffer("slot %s is used twice", slot)
		}
		used[slot] = true
		active = append(active, media{m.Mid, slot})
	}
	if len(active) == 0 {
		return nil, nil, transport.BadOffer("no active m-line")
	}
	return o, active, o.Together()
}

// MediaLine is an m-line of an offer as it stands there.
type MediaLine struct {
	Mid, Kind string // Kind is "audio", "video", "application" or whatever else the offer says
	// Sends and Receives are true for sendonly and recvonly, both for sendrecv. An m-line that does neither, or has port 0,
	// is Inactive.
	Sends, Receives, Inactive bool
}

// Outline reads the m-lines of an offer in their order, so that each can be given its slot before Publish or Watch. It
// does not ask whether the offer can be answered. An error has a Code: bad_sdp for what is no SDP, bad_offer for what is
// larger than any client's.
func (e *Engine) Outline(offer string) ([]MediaLine, error) {
	o, err := transport.Outline(offer)
	if err != nil {
		return nil, err
	}
	lines := make([]MediaLine, 0, len(o.Media))
	for i := range o.Media {
		m := &o.Media[i]
		lines = append(lines, MediaLine{
			Mid: strings.Clone(m.Mid), Kind: strings.Clone(m.Kind), Sends: m.Sends, Receives: m.Receives, Inactive: m.Inactive,
		})
	}
	return lines, nil
}

// casterOffer is parseOffer for a peer that sends.
func casterOffer(offer string, slots map[string]string) (*transport.Offer, []media, error) {
	return parseOffer(offer, slots, func(m *transport.Media) bool { return m.Sends }, "sendonly")
}

// viewerOffer is parseOffer for a peer that receives.
func viewerOffer(offer string, slots map[string]string) (*transport.Offer, []media, error) {
	return parseOffer(offer, slots, func(m *transport.Media) bool { return m.Receives }, "recvonly")
}
