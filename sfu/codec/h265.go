package codec

// NAL unit types of RFC 7798 §1.1.4 and H.265 table 7-1.
const (
	h265TSAN       = 2 // 2, 3: temporal sub-layer access
	h265STSAN      = 4 // 4, 5: step-wise temporal sub-layer access
	h265IRAPFirst  = 16
	h265IRAPLast   = 21
	h265SliceLast  = 31
	h265VPS        = 32
	h265SPS        = 33
	h265AUD        = 35
	h265Aggregated = 48
	h265Fragment   = 49
)

// inspectH265 reads NAL unit headers: alone, aggregated, or as the first fragment. Decoding order numbers (DONL) and
// PACI packets are not used by WebRTC; the latter are refused.
func inspectH265(p []byte) (info Traits, ok bool) {
	if len(p) < 3 || p[0]&0x80 != 0 || p[1]&0x07 == 0 { // forbidden_zero_bit, nuh_temporal_id_plus1
		return info, false
	}
	info.Layered, info.Temporal = true, p[1]&0x07-1
	info.Spatial = p[0]&0x01<<5 | p[1]>>3
	switch t := p[0] >> 1; {
	case t == h265Aggregated:
		for rest := p[2:]; len(rest) > 0; {
			if len(rest) < 4 {
				return info, false
			}
			size := int(rest[0])<<8 | int(rest[1])
			if size < 2 || len(rest) < 2+size {
				return info, false
			}
			nal := rest[2 : 2+size]
			info.readH265(nal, nal[0]>>1&0x3f, 2)
			rest = rest[2+size:]
		}
	case t == h265Fragment:
		if len(p) < 4 {
			return info, false
		}
		if p[2]&0x80 != 0 { // S
			info.readH265(p, p[2]&0x3f, 3)
		}
	case t > h265Fragment:
		return info, false
	default:
		info.readH265(p, t, 2)
	}
	return info, true
}

// readH265 takes in a NAL unit of type t, or its first fragment, whose content begins at nal[header].
func (i *Traits) readH265(nal []byte, t uint8, header int) {
	switch {
	case t == h265VPS || t == h265SPS:
		i.Keyframe, i.FrameStart, i.Parameters = true, true, true
	case t == h265AUD:
		i.FrameStart = true
	case t <= h265SliceLast:
		// first_slice_segment_in_pic_flag
		i.FrameStart = i.FrameStart || len(nal) > header && nal[header]&0x80 != 0
		i.Keyframe = i.Keyframe || t >= h265IRAPFirst && t <= h265IRAPLast
		if i.Temporal > 0 && t >= h265TSAN && t <= h265STSAN+1 {
			i.Switch = true
			i.SwitchUp = t < h265STSAN
		}
		if t < h265IRAPFirst && t&1 == 0 && t <= 14 {
			i.Discardable = true // sub-layer non-reference picture
		}
	}
}
