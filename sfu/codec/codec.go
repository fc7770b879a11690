// Package codec tells what an RTP payload says about itself: where frames begin and end, which layer they belong to,
// where a decoder may start or climb. It knows byte layouts only: no clock, no I/O, and no input can make it panic.
// The one type with a memory is Templates, because a dependency descriptor refers to an earlier one.
package codec

import "strings"

// Kind is a codec that castcode forwards.
type Kind uint8

// The codecs. Unknown payloads are forwarded whole and never looked into.
const (
	Unknown Kind = iota
	VP8          // RFC 7741
	VP9          // RFC 9628
	H264         // RFC 6184
	H265         // RFC 7798
	AV1          // AV1 RTP payload format 1.0
	Opus         // RFC 7587
)

var kindNames = [...]string{"", "video/VP8", "video/VP9", "video/H264", "video/H265", "video/AV1", "audio/opus"}

// KindOf is the codec with the RTP name mime ("video/VP8", any case), or Unknown.
func KindOf(mime string) Kind {
	for k := VP8; k <= Opus; k++ {
		if strings.EqualFold(mime, kindNames[k]) {
			return k
		}
	}
	return Unknown
}

// String is the codec's RTP name as SDP writes it, empty for an unknown one.
func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return ""
	}
	return kindNames[k]
}

// Video says whether k is a video codec that Inspect can read.
func (k Kind) Video() bool { return k >= VP8 && k <= AV1 }

// Clock is the RTP clock of k in ticks per second.
func (k Kind) Clock() uint32 {
	if k == Opus {
		return 48000 // RFC 7587 §4.1, whatever the sound's own rate
	}
	return 90000
}

// Traits is what one RTP payload says about itself.
type Traits struct {
	// Keyframe: a decoder can start with this packet. In H.264 and H.265 each packet that begins a parameter set or
	// the random access picture says so; which of them comes first in its frame only the packets before it tell.
	Keyframe bool
	// FrameStart, FrameEnd: the packet is the first, the last of a frame of its spatial layer. Where the payload has no
	// such mark (the end in VP8 and H.264, both in AV1 without a descriptor) it is false here and the marker bit and
	// the neighbours decide.
	FrameStart, FrameEnd bool
	// Switch: whoever has the layers below (in time or in space) may begin to receive this packet's layer with this
	// frame.
	Switch bool
	// SwitchUp: whoever has received this packet's temporal layer may receive all higher ones after this frame.
	SwitchUp bool
	// Discardable: no other frame refers to this one.
	Discardable bool
	// Parameters: the packet carries a parameter set (H.264, H.265) or a new sequence (AV1).
	Parameters bool
	// Layered: Spatial and Temporal were read from this packet. Where it is false they are 0.
	Layered           bool
	Spatial, Temporal uint8

	// What a change of source must renumber. Places are offsets into the payload; 0 means that the field is absent.
	// PictureID is as wide as PictureBits, 7 or 15, says.
	PictureID           uint16
	PictureBits         uint8
	PictureAt           uint8
	TL0, TL0At          uint8
	KeyIndex, KeyAt     uint8
	DescriptorFrame     uint16     // frame number of the dependency descriptor
	Indications         uint64     // of the dependency descriptor: two bits per decode target, see Structure.Indication
	Structure           *Structure // what Indications speak of; nil without a dependency descriptor
	ActiveDecodeTargets uint32     // bit t: decode target t is being sent
}

// Inspect reads the RTP payload of a codec, which has no padding. dd is the packet's dependency descriptor as
// Templates.Read returned it, nil without one; where it says something, it is believed before the payload. ok is
// false for a payload that is no valid one of kind: such a packet need not be forwarded, since no decoder can use
// it. Inspect allocates nothing.
func Inspect(kind Kind, payload []byte, dd *Descriptor) (info Traits, ok bool) {
	switch kind {
	case VP8:
		info, ok = inspectVP8(payload)
	case VP9:
		info, ok = inspectVP9(payload)
	case H264:
		info, ok = inspectH264(payload)
	case H265:
		info, ok = inspectH265(payload)
	case AV1:
		info, ok = inspectAV1(payload)
	case Opus:
		return Traits{FrameStart: true, FrameEnd: true, Discardable: true}, len(payload) > 0
	default:
		return Traits{}, true
	}
	if ok && dd != nil {
		dd.describe(&info)
	}
	return info, ok
}

// describe puts what the descriptor says in the place of what the payload said.
func (d *Descriptor) describe(info *Traits) {
	info.FrameStart, info.FrameEnd = d.Start, d.End
	info.DescriptorFrame = d.Frame
	if d.Structure == nil {
		info.Keyframe = false // nobody can start without the structure
		return
	}
	info.Layered, info.Spatial, info.Temporal = true, d.Spatial, d.Temporal
	info.Structure, info.Indications, info.ActiveDecodeTargets = d.Structure, d.Indications, d.Active
	info.Keyframe = d.Start && d.Fresh && !d.Refers && d.Spatial == 0
	info.Switch, info.SwitchUp = false, false // the indications say it for each decode target
	info.Discardable = !d.anyReferred()
}
