package transport

import (
	"slices"
	"strconv"
	"strings"
)

// begun says whether the lines have come that stand before the first m-line of every SDP, RFC 8866 §5.
func (o *Offer) begun() bool {
	return strings.Contains(o.said, "o") && strings.Contains(o.said, "s") && strings.Contains(o.said, "t")
}

// complete gives the m-lines what stands at session level, and finds what contradicts itself.
func (o *Offer) complete() error {
	if len(o.Media) == 0 && !o.begun() {
		return BadSDP("no o=, s= or t=")
	}
	seen := map[string]bool{}
	for i := range o.Media {
		m := &o.Media[i]
		if m.Mid != "" && seen[m.Mid] {
			return BadSDP("two m-lines with a=mid:%s", m.Mid)
		}
		seen[m.Mid] = true
		m.inherit(o.session)
		m.Receives = !m.rejected && (m.direction == "recvonly" || m.direction == "sendrecv" || m.direction == "")
		m.Sends = !m.rejected && (m.direction == "sendonly" || m.direction == "sendrecv" || m.direction == "")
		m.Inactive = !m.Receives && !m.Sends
		if err := m.payloadTypes(); err != nil {
			return err
		}
	}
	o.leaveOutClashing()
	return nil
}

// leaveOutClashing takes out the identifiers of header extensions to which m-lines of the BUNDLE group give different
// URIs, which one transport must not have (RFC 9143 §9.2). Peers offer that all the same, and of those who do some take
// the number for what it means in one m-line in the packets of the other too.
func (o *Offer) leaveOutClashing() {
	if !o.bundled {
		return // one m-line at most is answered
	}
	o.clashing = map[string]bool{}
	meaning := map[string]string{}
	for i := range o.Media {
		m := &o.Media[i]
		if m.rejected || !o.inBundle(m) {
			continue
		}
		for id, uri := range m.named {
			if before, ok := meaning[id]; ok && before != uri {
				o.clashing[id] = true
			}
			meaning[id] = uri
		}
	}
	for i := range o.Media {
		for uri, id := range o.Media[i].ids {
			if o.clashing[strconv.Itoa(int(id))] {
				delete(o.Media[i].ids, uri)
			}
		}
	}
}

// payloadTypes looks at the formats of an m-line that carries RTP.
func (m *Media) payloadTypes() error {
	if !strings.Contains(m.protocol, "RTP/") {
		return nil
	}
	for i, t := range m.types {
		if n, err := strconv.Atoi(t); err != nil || n < 0 || n > 127 || strconv.Itoa(n) != t || slices.Contains(m.types[:i], t) {
			return BadSDP("payload type %q", clip(t))
		}
	}
	return nil
}

// check refuses what cannot be answered.
func (o *Offer) check() error {
	if len(o.Media) == 0 {
		return BadOffer("no m-line")
	}
	for i := range o.Media {
		if err := o.Media[i].check(); err != nil {
			return err
		}
	}
	for _, mid := range o.bundle {
		if !slices.ContainsFunc(o.Media, func(m Media) bool { return m.Mid == mid }) {
			return BadOffer("BUNDLE names %q, which is no m-line", clip(mid))
		}
	}
	t := o.transport()
	if t == nil || t.rejected {
		return BadOffer("no m-line that can carry the transport")
	}
	return t.usable()
}

func (m *Media) check() error {
	switch {
	case m.Kind == "application":
		return BadOffer("data channels are not supported")
	case m.Kind != "audio" && m.Kind != "video":
		return BadOffer("m-line of kind %q", clip(m.Kind))
	case !slices.Contains([]string{"UDP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP"}, m.protocol):
		return BadOffer("m-line with protocol %q", clip(m.protocol))
	case m.Mid == "":
		return BadOffer("an m-line has no a=mid")
	case !m.Inactive && !m.muxed:
		return BadOffer("m-line %q has no a=rtcp-mux", m.Mid)
	}
	return nil
}

func (m *Media) inherit(s section) {
	if m.ufrag == "" {
		m.ufrag, m.password = s.ufrag, s.password
	}
	if len(m.fingerprints) == 0 {
		m.fingerprints = s.fingerprints
	}
	if m.setup == "" {
		m.setup = s.setup
	}
	if m.direction == "" {
		m.direction = s.direction
	}
}

// transport is the m-line whose transport counts for all: the first of the BUNDLE group, RFC 9143 §7.2.1, or the
// only one.
func (o *Offer) transport() *Media {
	for i := range o.Media {
		if len(o.bundle) == 0 && !o.Media[i].rejected || len(o.bundle) > 0 && o.Media[i].Mid == o.bundle[0] {
			return &o.Media[i]
		}
	}
	return nil
}

func (s *section) usable() error {
	switch {
	case s.ufrag == "" || s.password == "":
		return BadOffer("no ICE credentials")
	case len(s.fingerprints) == 0:
		return BadOffer("no fingerprint by SHA-256, SHA-384 or SHA-512")
	case s.setup == "":
		return BadOffer("no a=setup")
	case s.setup != "actpass" && s.setup != "active" && s.setup != "passive":
		return BadOffer("a=setup:%s, must be actpass, active or passive", clip(s.setup))
	}
	return nil
}

// Passive says whether the peer wants to be the DTLS server (RFC 5763 §5), as FFmpeg's first encoder for WHIP does. Only
// casters may: a session answers as server.
func (o *Offer) Passive() bool { return o.transport().setup == "passive" }

// begins says whether the peer begins the DTLS handshake, as a viewer must. The error is an *Error, or nil.
func (o *Offer) begins() error {
	if o.Passive() {
		return BadOffer("a=setup:passive, must be actpass or active: the server is the passive end toward viewers")
	}
	return nil
}

// inBundle says whether the m-line shares the transport.
func (o *Offer) inBundle(m *Media) bool {
	if !o.bundled {
		return o.transport() == m
	}
	return slices.Contains(o.bundle, m.Mid)
}

// Together says whether all m-lines that are not inactive share one transport, as they must here: the answer has one.
// The error is an *Error, or nil.
func (o *Offer) Together() error {
	t := o.transport()
	for i := range o.Media {
		switch m := &o.Media[i]; {
		case m.Inactive || o.inBundle(m):
		case m.ufrag != t.ufrag:
			return BadOffer("m-line %q is not in a=group:BUNDLE and has an a=ice-ufrag of its own: bundle all m-lines", m.Mid)
		default:
			return BadOffer("m-line %q is not in a=group:BUNDLE: bundle all m-lines", m.Mid)
		}
	}
	return nil
}

// Restarts says whether o is an offer of an ICE restart of the connection for which before was made: the same m-lines
// and certificate, other ICE credentials (RFC 8839 §4.4.1.1.1). passive is what the first offer of the connection was:
// whoever began the DTLS handshake stays its client (RFC 8842 §5.5). The error is an *Error, or nil.
func (o *Offer) Restarts(before *Offer, passive bool) error {
	if setup := o.transport().setup; setup != "actpass" && o.Passive() != passive {
		return BadOffer("a restart that turns DTLS around: a=setup:%s", setup)
	}
	if len(o.Media) != len(before.Media) {
		return BadOffer("a restart with %d m-lines instead of %d", len(o.Media), len(before.Media))
	}
	for i := range o.Media {
		m, old := &o.Media[i], &before.Media[i]
		if m.Mid != old.Mid || m.Kind != old.Kind || m.Sends != old.Sends || m.Receives != old.Receives {
			return BadOffer("a restart that changes m-line %q", old.Mid)
		}
	}
	return o.renews(before.transport().ufrag, before.transport().fingerprints)
}

// renews says whether the offer has new ICE credentials and only certificates that are known.
func (o *Offer) renews(ufrag string, known []fingerprintOf) error {
	t := o.transport()
	if t.ufrag == ufrag {
		return BadOffer("a restart without new ICE credentials")
	}
	for _, f := range t.fingerprints {
		if !slices.ContainsFunc(known, f.equal) {
			return BadOffer("a restart with another certificate")
		}
	}
	return nil
}
