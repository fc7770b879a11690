package stream

import (
	"encoding/binary"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
)

// MaxPayload is how many bytes of payload a packet has at most, as browsers cut it.
const MaxPayload = 1160

// newPayloader cuts bitstreams of one codec into payloads.
func newPayloader(c Codec) rtp.Payloader {
	switch c {
	case VP9:
		return &codecs.VP9Payloader{}
	case H264:
		return &codecs.H264Payloader{}
	case AV1:
		return &codecs.AV1Payloader{}
	case Opus:
		return &codecs.OpusPayloader{}
	default:
		return &vp8Payloader{}
	}
}

// vp8Payloader writes the descriptor of RFC 7741 section 4.2 as browsers do: a picture id of 15 bits, always.
type vp8Payloader struct{ picture uint16 }

const vp8Descriptor = 4

// Payload is rtp.Payloader's.
func (v *vp8Payloader) Payload(mtu uint16, frame []byte) (payloads [][]byte) {
	room := int(mtu) - vp8Descriptor
	for first := true; len(frame) > 0; first = false {
		n := min(len(frame), room)
		p := make([]byte, vp8Descriptor, vp8Descriptor+n)
		p[0], p[1] = 0x80, 0x80 // X; I
		if first {
			p[0] |= 0x10 // S
		}
		binary.BigEndian.PutUint16(p[2:], 0x8000|v.picture)
		payloads = append(payloads, append(p, frame[:n]...))
		frame = frame[n:]
	}
	v.picture = (v.picture + 1) & 0x7fff
	return payloads
}
