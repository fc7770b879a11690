package transport

import "strings"

// Format is a codec that the offer has for a track, with the offer's numbers.
type Format struct {
	// Codec is "audio/opus", "video/VP8" and so on; Parameters its fmtp as offered.
	Codec      string
	Parameters string
	// Clock is the RTP clock rate, Hz; Channels is 0 for video.
	Clock    uint32
	Channels int
	// PayloadType is the one to send, RTX that of resends, -1 without.
	PayloadType uint8
	RTX         int16

	feedback []string // what was offered and is answered
}

// Track is one m-line that is sent: its numbers toward the peer stay the same while the session lives, whoever casts.
type Track struct {
	// fixed
	name    string
	mid     string
	kind    string
	formats []Format
	ids     extensions

	// owned by the shard
	main   stream
	resend stream
}

// Name is what Tracks said the m-line shows.
func (t *Track) Name() string { return t.name }

// Mid is the m-line's identification.
func (t *Track) Mid() string { return t.mid }

// SSRC is the one of the track itself.
func (t *Track) SSRC() uint32 { return t.main.ssrc }

// CanResend says whether resends have their own SSRC (RFC 4588). If not, a resend is a Repeat: the same bytes again.
func (t *Track) CanResend() bool { return t.resend.ssrc != 0 }

// ParsesDependency says whether the peer takes the AV1 dependency descriptor.
func (t *Track) ParsesDependency() bool { return t.ids.dependency != 0 }

// CountsTransport says whether packets of the track carry a transport-wide number.
func (t *Track) CountsTransport() bool { return t.ids.transportSeq != 0 }

// Sent gives how many packets and bytes of payload the track has sent, resends not counted (RFC 3550 §6.4.1).
func (t *Track) Sent() (packets, octets uint32) { return t.main.packets, t.main.octets }

// Resent gives the same for resends and probes.
func (t *Track) Resent() (packets, octets uint32) { return t.resend.packets, t.resend.octets }

// Format finds the peer's format for a caster's codec: codec is its name as in Format, parameters its fmtp. For H.264 it
// is the nearest profile: the highest that is not above the caster's, else the highest of all, and of equal ones the
// first. Decoders nearly always take more than they announce, and a viewer that is sent nothing sees that least of all.
// ok is false if the peer has none of the codec.
func (t *Track) Format(codec, parameters string) (f *Format, ok bool) {
	wanted := profileOf(parameters)
	for i := range t.formats {
		c := &t.formats[i]
		if !strings.EqualFold(c.Codec, codec) {
			continue
		}
		if f == nil || c.Codec == codecH264 && nearer(profileOf(c.Parameters), profileOf(f.Parameters), wanted) {
			f = c
		}
	}
	return f, f != nil
}

// Formats are all formats of the track in the offer's order. The caller changes nothing.
func (t *Track) Formats() []Format { return t.formats }

// memory is how many sequence numbers back a stream knows what it has sealed: 0.5 s at 20 Mbit/s.
const memory = 1024

// stream counts what one SSRC has sent.
type stream struct {
	ssrc    uint32
	packets uint32
	octets  uint32

	started bool
	newest  uint64 // packet index, RFC 3711 §3.3.1
	sealed  [memory / 64]uint64
}

// index extends seq to the 48-bit packet index that the peer will come to as well. ok is false if the number would
// lie before the first rollover.
func (s *stream) index(seq uint16) (index uint64, ok bool) {
	if !s.started {
		return uint64(seq), true
	}
	d := int64(int16(seq - uint16(s.newest)))
	if d < 0 && uint64(-d) > s.newest {
		return 0, false
	}
	return s.newest + uint64(d), true
}

// take books index as sealed and says why it must not be. again says that the bytes are those of the first time.
func (s *stream) take(index uint64, again bool) Drop {
	word, bit := &s.sealed[index/64%uint64(len(s.sealed))], uint64(1)<<(index%64)
	switch {
	case !s.started && again:
		return DropResend
	case !s.started:
		s.started, s.newest = true, index
	case index > s.newest:
		if again {
			return DropResend
		}
		if index-s.newest >= memory {
			clear(s.sealed[:])
		} else {
			for i := s.newest + 1; i < index; i++ {
				s.sealed[i/64%uint64(len(s.sealed))] &^= 1 << (i % 64)
			}
		}
		s.newest = index
	case s.newest-index >= memory:
		return DropLate
	case *word&bit != 0 && !again:
		return DropReuse
	case *word&bit == 0 && again:
		return DropResend
	}
	*word |= bit
	return Kept
}
