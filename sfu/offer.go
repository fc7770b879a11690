package sfu

import "castcode/sfu/transport"

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
	return o, active, nil
}

// casterOffer is parseOffer for a peer that sends.
func casterOffer(offer string, slots map[string]string) (*transport.Offer, []media, error) {
	return parseOffer(offer, slots, func(m *transport.Media) bool { return m.Sends }, "sendonly")
}

// viewerOffer is parseOffer for a peer that receives.
func viewerOffer(offer string, slots map[string]string) (*transport.Offer, []media, error) {
	return parseOffer(offer, slots, func(m *transport.Media) bool { return m.Receives }, "recvonly")
}
