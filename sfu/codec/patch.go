package codec

// Shift is how far the numbers inside the payloads of one source are moved so that they continue those of the source
// before it. Each wraps at the width of its field. The zero value moves nothing.
type Shift struct {
	Picture  uint16 // VP8 and VP9 picture id, 15 bits
	Frame    uint16 // frame number of the dependency descriptor
	TL0      uint8  // VP8 and VP9 TL0PICIDX
	KeyIndex uint8  // VP8 KEYIDX, 5 bits
}

// Front is how many bytes at the beginning of a payload of n bytes AppendPayload may change; it may be given these alone.
func (t *Traits) Front(n int) int {
	return min(1+max(int(t.PictureAt)+1, int(t.TL0At), int(t.KeyAt)), n)
}

// AppendPayload appends payload, of which info speaks, with its numbers moved by s to dst and returns the extended
// slice, which is at most one byte longer than payload: a picture id of 7 bits becomes one of 15 when its new value
// asks for it, and stays so wide. picture is the picture id in 15 bits (info.PictureID may have only 7 of them). It
// allocates nothing if dst has the capacity.
func (s Shift) AppendPayload(dst, payload []byte, info *Traits, picture uint16) []byte {
	if info.PictureAt == 0 && info.TL0At == 0 && info.KeyAt == 0 {
		return append(dst, payload...)
	}
	begin, shift := len(dst), 0
	if at := int(info.PictureAt); at != 0 && at < len(payload) {
		id := (picture + s.Picture) & 0x7fff
		dst = append(dst, payload[:at]...)
		switch {
		case info.PictureBits == 15:
			dst = append(dst, 0x80|byte(id>>8), byte(id))
			dst = append(dst, payload[min(at+2, len(payload)):]...)
		case id < 0x80:
			dst = append(dst, byte(id))
			dst = append(dst, payload[at+1:]...)
		default:
			dst = append(dst, 0x80|byte(id>>8), byte(id))
			dst = append(dst, payload[at+1:]...)
			shift = 1
		}
	} else {
		dst = append(dst, payload...)
	}
	out := dst[begin:]
	if at := int(info.TL0At) + shift; info.TL0At != 0 && at < len(out) {
		out[at] += s.TL0
	}
	if at := int(info.KeyAt) + shift; info.KeyAt != 0 && at < len(out) {
		out[at] = out[at]&0xe0 | (out[at]+s.KeyIndex)&0x1f
	}
	return dst
}

// AppendDescriptor appends the dependency descriptor raw with its frame number moved by s to dst. It keeps its
// length.
func (s Shift) AppendDescriptor(dst, raw []byte) []byte {
	begin := len(dst)
	dst = append(dst, raw...)
	if out := dst[begin:]; len(out) >= 3 {
		frame := uint16(out[1])<<8 | uint16(out[2])
		frame += s.Frame
		out[1], out[2] = byte(frame>>8), byte(frame)
	}
	return dst
}
