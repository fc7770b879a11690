package codec

// NAL unit types of RFC 6184 §5.2 and H.264 table 7-1.
const (
	h264Slice = 1
	h264IDR   = 5
	h264SPS   = 7
	h264AUD   = 9
	h264STAPA = 24
	h264FUA   = 28
)

// inspectH264 reads NAL unit headers: alone, in a STAP-A, or as the first fragment of an FU-A. The interleaved mode
// (STAP-B, MTAP, FU-B) is not used by WebRTC and refused.
func inspectH264(p []byte) (info Traits, ok bool) {
	if len(p) < 2 || p[0]&0x80 != 0 { // forbidden_zero_bit
		return info, false
	}
	info.Discardable = p[0]&0x60 == 0 // nal_ref_idc; a STAP-A and an FU-A carry that of their content
	switch t := p[0] & 0x1f; t {
	case h264STAPA:
		for rest := p[1:]; len(rest) > 0; {
			if len(rest) < 3 {
				return info, false
			}
			size := int(rest[0])<<8 | int(rest[1])
			if size == 0 || len(rest) < 2+size {
				return info, false
			}
			info.readH264(rest[2:2+size], rest[2]&0x1f, 1)
			rest = rest[2+size:]
		}
	case h264FUA:
		if len(p) < 3 {
			return info, false
		}
		if p[1]&0x80 != 0 { // S
			info.readH264(p, p[1]&0x1f, 2)
		}
	case 0, 25, 26, 27, 29, 30, 31:
		return info, false
	default:
		info.readH264(p, t, 1)
	}
	return info, true
}

// readH264 takes in a NAL unit of type t, or its first fragment, whose content begins at nal[header].
func (i *Traits) readH264(nal []byte, t uint8, header int) {
	switch t {
	case h264SPS:
		i.Keyframe, i.FrameStart, i.Parameters = true, true, true
	case h264AUD:
		i.FrameStart = true
	case h264IDR:
		i.Keyframe = true
		fallthrough
	case h264Slice:
		// first_mb_in_slice is 0, which Exp-Golomb writes as one set bit: the picture's first slice.
		i.FrameStart = i.FrameStart || len(nal) > header && nal[header]&0x80 != 0
	}
}
