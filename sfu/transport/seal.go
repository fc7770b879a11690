package transport

import "encoding/binary"

const rtpHeader = 12

// Form says as what a packet is sent.
type Form uint8

// The forms.
const (
	// First: for the first time, on the track's SSRC, with the caller's sequence number.
	First Form = iota
	// Resend: on the SSRC for resends (RFC 4588) with a number of its own; the caller's goes into the payload.
	Resend
	// Repeat: on the track's SSRC under its own number once more. Every byte, extensions included, must be that of
	// the first time: AES-GCM would give its key away otherwise. It is for peers without RTX; extensions that
	// change with time are never agreed with them.
	Repeat
	// Probe: padding only, on the SSRC for resends. Seq and the payload do not count.
	Probe
)

// RTPHeader is what the caller decides about a packet.
type RTPHeader struct {
	Form      Form
	Marker    bool
	Padding   uint8 // bytes at the end, so that the packets of a frame have one size; RFC 3550 §5.1
	Seq       uint16
	Timestamp uint32
}

// Payload is a payload in two parts: Head replaces what the caller rewrote (a VP8 descriptor), Body aliases the
// shared packet, which nobody changes. Either may be empty.
type Payload struct {
	Head, Body []byte
	// Padded says how many bytes at the end of Body are padding already (RFC 3550 §5.1), the last of them their number.
	// It is instead of RTPHeader.Padding, and saves a copy.
	Padded uint8
}

// Overhead is the most that Seal adds to a payload, in bytes, besides the padding.
const Overhead = rtpHeader + maxExtensions + 2 + maxTag

// Seal writes one packet of track, sealed, into dst and returns its size. The payload type comes from format, which
// is one of track's. With Payload.Head empty and no padding the payload is encrypted straight from where it lies.
//
// n is 0 if the packet must not or cannot be sent, and a counter says why: before EventConnected, a sequence number
// used before or too old (1,024 packets), a Resend or Probe on a track without RTX, a dst that is too small (524 bytes
// at least, whatever the payload). It allocates nothing.
func (s *Session) Seal(dst []byte, track *Track, format *Format, h RTPHeader, ext *Extensions, payload Payload) (n int) {
	if s.sealMedia == nil {
		s.drop(DropEarly)
		return 0
	}
	out, pt, seq := &track.main, format.PayloadType, h.Seq
	prefix := 0
	if h.Form == Resend || h.Form == Probe {
		if !track.CanResend() || format.RTX < 0 {
			s.drop(DropResend)
			return 0
		}
		out, pt, seq = &track.resend, uint8(format.RTX), uint16(track.resend.newest+1)
		if h.Form == Resend {
			prefix = 2
		} else {
			payload, h.Padding = Payload{}, max(h.Padding, 1)
		}
	}
	padding := h.Padding + payload.Padded
	size := prefix + len(payload.Head) + len(payload.Body) + int(h.Padding)
	if len(dst) < rtpHeader+maxExtensions {
		s.drop(DropOversize)
		return 0
	}
	extension := track.ids.write(dst[rtpHeader:], ext, track.mid)
	if rtpHeader+extension+size+s.sealMedia.tag() > len(dst) {
		s.drop(DropOversize)
		return 0
	}
	if h.Form == Repeat && track.ids.changing() {
		s.drop(DropResend)
		return 0
	}
	index, ok := out.index(seq)
	reason := DropLate
	if ok {
		reason = out.take(index, h.Form == Repeat)
	}
	if reason != Kept {
		s.drop(reason)
		return 0
	}
	at := writeHeader(dst, pt, h.Marker, padding > 0, h.Timestamp, seq, out.ssrc, extension)
	body := payload.Body
	if size != len(body) {
		body = assemble(dst[at:at+size], prefix, h, payload)
	}
	if h.Form != Repeat {
		out.packets++
		out.octets += uint32(size - int(padding))
	}
	return s.sealMedia.sealRTP(dst, at, body, out.ssrc, index)
}

// writeHeader writes the fixed header before an extension block of the given size, and returns where the payload
// begins.
func writeHeader(dst []byte, pt uint8, marker, padded bool, timestamp uint32, seq uint16, ssrc uint32, extension int) int {
	dst[0] = 2 << 6
	if padded {
		dst[0] |= 1 << 5
	}
	if extension > 0 {
		dst[0] |= 1 << 4
	}
	dst[1] = pt
	if marker {
		dst[1] |= 1 << 7
	}
	binary.BigEndian.PutUint16(dst[2:], seq)
	binary.BigEndian.PutUint32(dst[4:], timestamp)
	binary.BigEndian.PutUint32(dst[8:], ssrc)
	return rtpHeader + extension
}

// assemble puts the parts of a payload together in p, which has their size.
func assemble(p []byte, prefix int, h RTPHeader, payload Payload) []byte {
	if prefix > 0 {
		binary.BigEndian.PutUint16(p, h.Seq)
	}
	at := prefix + copy(p[prefix:], payload.Head)
	at += copy(p[at:], payload.Body)
	if at < len(p) {
		clear(p[at:])
		p[len(p)-1] = h.Padding
	}
	return p
}
