package codec

// inspectVP9 reads the payload descriptor of RFC 9628 §4.2.
func inspectVP9(p []byte) (info Traits, ok bool) {
	if len(p) < 2 {
		return info, false
	}
	const (
		pictureID = 0x80 // I
		inter     = 0x40 // P: predicted from an earlier picture
		layers    = 0x20 // L
		flexible  = 0x10 // F
		begin     = 0x08 // B
		end       = 0x04 // E
	)
	n := 1
	if p[0]&pictureID != 0 {
		if n, ok = info.readPictureID(p, n); !ok {
			return info, false
		}
	}
	if p[0]&layers != 0 {
		if len(p) <= n {
			return info, false
		}
		info.Layered = true
		info.Temporal, info.Spatial = p[n]>>5, p[n]>>1&0x07
		info.SwitchUp = p[n]&0x10 != 0 // U
		n++
		if p[0]&flexible == 0 {
			if len(p) <= n {
				return info, false
			}
			info.TL0, info.TL0At = p[n], uint8(n)
			n++
		}
	}
	if len(p) <= n {
		return info, false
	}
	info.FrameStart, info.FrameEnd = p[0]&begin != 0, p[0]&end != 0
	info.Keyframe = info.FrameStart && p[0]&inter == 0 && info.Spatial == 0
	// A frame of an upper layer that leans on no earlier picture needs only the layer below it.
	info.Switch = p[0]&inter == 0 && info.Spatial > 0
	return info, true
}
