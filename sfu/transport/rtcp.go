package transport

import (
	"encoding/binary"
	"time"
)

// Bounds of what one compound packet may bring.
const (
	maxParts = 16
	// MaxPairs is how many FCI of a generic NACK are looked at. A client that does not take a packet of the resend
	// stream for the lost one names all losses of its last 512 packets each time, the oldest first: 32 hold them up to a
	// loss of 6 %. How much is sent again is bounded elsewhere (forward.Repair).
	MaxPairs = 32
	// maxFIR is how many entries of a full intra request are looked at.
	maxFIR    = 8
	maxEvents = 64
)

// Packet types and formats: RFC 3550 §12.1, RFC 4585 §6.1, RFC 5104 §4.2.
const (
	typeSR       = 200
	typeRR       = 201
	typeSDES     = 202
	typeBYE      = 203
	typeFeedback = 205 // transport layer
	typePayload  = 206 // payload specific

	formatNACK = 1
	formatTWCC = 15
	formatPLI  = 1
	formatFIR  = 4
	formatREMB = 15

	reportBlock = 24
	senderInfo  = 20
)

// maxBitrate caps what REMB may say, bit/s: 18 bits of mantissa and 6 of exponent could say more than a uint64 holds.
const maxBitrate = 1 << 40

// walk reads the compound packet p and appends what it means. Reduced-size packets (RFC 5506) are as good. A
// malformed sub-packet ends the walk, unknown ones are passed over. now is wall-clock time as NTP has it.
func (s *Session) walk(dst []Event, p []byte, now NTP) []Event {
	limit := len(dst) + maxEvents
	for part := 0; len(p) > 0; part++ {
		if part == maxParts {
			s.drop(DropParts)
			return dst
		}
		if len(p) < 4 || p[0]>>6 != 2 {
			s.drop(DropRTCP)
			return dst
		}
		size := 4 * (int(binary.BigEndian.Uint16(p[2:])) + 1)
		if size > len(p) {
			s.drop(DropRTCP)
			return dst
		}
		body, rest := p[4:size], p[size:]
		if p[0]&0x20 != 0 { // padding, only allowed in the last one
			n := 0
			if len(body) > 0 {
				n = int(body[len(body)-1])
			}
			if n == 0 || n > len(body) || len(rest) > 0 {
				s.drop(DropRTCP)
				return dst
			}
			body = body[:len(body)-n]
		}
		var ok bool
		if dst, ok = s.part(dst, p[1], p[0]&0x1F, body, now, limit); !ok {
			s.drop(DropRTCP)
			return dst
		}
		p = rest
	}
	return dst
}

// part reads one sub-packet; count is the field that is also called format. body begins with the sender's SSRC. ok
// is false if it is malformed.
func (s *Session) part(dst []Event, kind, count byte, body []byte, now NTP, limit int) (_ []Event, ok bool) {
	switch kind {
	case typeSR:
		if len(body) < 4+senderInfo {
			return dst, false
		}
		return s.blocks(dst, body[4+senderInfo:], int(count), now, limit)
	case typeRR:
		if len(body) < 4 {
			return dst, false
		}
		return s.blocks(dst, body[4:], int(count), now, limit)
	case typeBYE:
		if len(body) < 4*int(count) {
			return dst, false
		}
		return s.push(dst, Event{Kind: EventBye}, limit), true
	case typeFeedback, typePayload:
		if len(body) < 8 {
			return dst, false
		}
		return s.feedback(dst, kind, count, binary.BigEndian.Uint32(body[4:]), body[8:], limit)
	}
	return dst, true
}

// push appends an event if there is room.
func (s *Session) push(dst []Event, e Event, limit int) []Event {
	if len(dst) >= limit {
		s.drop(DropParts)
		return dst
	}
	return append(dst, e)
}

func (s *Session) blocks(dst []Event, body []byte, count int, now NTP, limit int) (_ []Event, ok bool) {
	if len(body) < count*reportBlock {
		return dst, false
	}
	for ; count > 0; count-- {
		track, resend := s.trackOf(binary.BigEndian.Uint32(body))
		if track != nil {
			report := ReceptionReport{
				FractionLost: body[4],
				Lost:         int32(binary.BigEndian.Uint32(body[4:])<<8) >> 8,
				Highest:      binary.BigEndian.Uint32(body[8:]),
				Jitter:       binary.BigEndian.Uint32(body[12:]),
				RoundTrip:    roundTrip(now, binary.BigEndian.Uint32(body[16:]), binary.BigEndian.Uint32(body[20:])),
			}
			dst = s.push(dst, Event{Kind: EventReport, Track: track, Resend: resend, Report: report}, limit)
		}
		body = body[reportBlock:]
	}
	return dst, true
}

// roundTrip is now - last - delay, RFC 3550 §6.4.1, all in units of 2^-16 s. What cannot be true is 0.
func roundTrip(now NTP, last, delay uint32) time.Duration {
	if last == 0 {
		return 0
	}
	d := int32(uint32(now>>16) - last - delay)
	if d < 0 {
		return 0
	}
	return time.Duration(int64(d) * int64(time.Second) >> 16)
}

func (s *Session) feedback(dst []Event, kind, format byte, media uint32, fci []byte, limit int) (_ []Event, ok bool) {
	track, resend := s.trackOf(media)
	switch {
	case kind == typeFeedback && format == formatNACK:
		if len(fci) == 0 || len(fci)%4 != 0 {
			return dst, false
		}
		if track == nil {
			return dst, true
		}
		e := Event{Kind: EventNack, Track: track, Resend: resend}
		for ; len(fci) > 0; fci = fci[4:] {
			if e.Pairs == MaxPairs {
				s.drop(DropParts)
				break
			}
			e.Nack[e.Pairs] = NackPair{binary.BigEndian.Uint16(fci), binary.BigEndian.Uint16(fci[2:])}
			e.Pairs++
		}
		return s.push(dst, e, limit), true
	case kind == typeFeedback && format == formatTWCC:
		f, ok := parseFeedback(fci)
		if !ok {
			return dst, false
		}
		return s.push(dst, Event{Kind: EventFeedback, Feedback: f}, limit), true
	case kind == typePayload && format == formatPLI:
		if track != nil {
			dst = s.push(dst, Event{Kind: EventKeyframe, Track: track, Resend: resend}, limit)
		}
		return dst, true
	case kind == typePayload && format == formatFIR:
		return s.fir(dst, fci, limit)
	case kind == typePayload && format == formatREMB:
		bitrate, ok := parseREMB(fci)
		if !ok {
			return dst, true // 206/15 is any application's message, RFC 4585 §6.4
		}
		return s.push(dst, Event{Kind: EventBitrate, Bitrate: bitrate}, limit), true
	}
	return dst, true
}

// fir reads full intra requests, RFC 5104 §4.3.1.1. The SSRC that counts is in the entry. Repeats of one command
// look like the first; the keyframe gate makes one request of them.
func (s *Session) fir(dst []Event, fci []byte, limit int) (_ []Event, ok bool) {
	if len(fci) == 0 || len(fci)%8 != 0 {
		return dst, false
	}
	for n := 0; len(fci) > 0; n, fci = n+1, fci[8:] {
		if n == maxFIR {
			s.drop(DropParts)
			break
		}
		if track, resend := s.trackOf(binary.BigEndian.Uint32(fci)); track != nil {
			dst = s.push(dst, Event{Kind: EventKeyframe, Track: track, Resend: resend}, limit)
		}
	}
	return dst, true
}

// parseREMB reads draft-alvestrand-rmcat-remb-03 §2.2: "REMB", number of SSRCs, 6 bits exponent, 18 bits mantissa.
// Which SSRCs it names does not matter: the estimate is for the connection.
func parseREMB(fci []byte) (bitrate uint64, ok bool) {
	if len(fci) < 8 || string(fci[:4]) != "REMB" || len(fci) != 8+4*int(fci[4]) {
		return 0, false
	}
	exponent := fci[5] >> 2
	mantissa := uint64(fci[5]&3)<<16 | uint64(binary.BigEndian.Uint16(fci[6:]))
	if mantissa == 0 {
		return 0, true
	}
	if exponent > 40 || mantissa<<exponent > maxBitrate {
		return maxBitrate, true
	}
	return mantissa << exponent, true
}

// trackOf finds the track with that SSRC, nil if there is none.
func (s *Session) trackOf(ssrc uint32) (t *Track, resend bool) {
	for _, t := range s.tracks {
		if t.main.ssrc == ssrc {
			return t, false
		}
		if t.CanResend() && t.resend.ssrc == ssrc {
			return t, true
		}
	}
	return nil, false
}
