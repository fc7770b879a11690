package codec

// inspectVP8 reads the payload descriptor of RFC 7741 §4.2 and the frame header of RFC 6386 §9.1.
func inspectVP8(p []byte) (info Traits, ok bool) {
	if len(p) < 2 {
		return info, false
	}
	n := 1
	if p[0]&0x80 != 0 {
		flags := p[1]
		n = 2
		if flags&0x80 != 0 {
			if n, ok = info.readPictureID(p, n); !ok {
				return info, false
			}
		}
		if flags&0x40 != 0 { // TL0PICIDX
			if len(p) <= n {
				return info, false
			}
			info.TL0, info.TL0At = p[n], uint8(n)
			n++
		}
		if flags&0x30 != 0 { // TID, Y, KEYIDX share a byte
			if len(p) <= n {
				return info, false
			}
			if flags&0x20 != 0 {
				info.Layered, info.Temporal = true, p[n]>>6
				// Y (§4.2): this frame depends on the base layer alone. The base layer itself is no step up.
				info.Switch = p[n]&0x20 != 0 && info.Temporal > 0
			}
			if flags&0x10 != 0 {
				info.KeyIndex, info.KeyAt = p[n]&0x1f, uint8(n)
			}
			n++
		}
	}
	if len(p) <= n {
		return info, false
	}
	info.Discardable = p[0]&0x20 != 0
	info.FrameStart = p[0]&0x10 != 0 && p[0]&0x07 == 0
	info.Keyframe = info.FrameStart && p[n]&0x01 == 0
	return info, true
}

// readPictureID reads the picture id at p[n], 7 or 15 bits, as VP8 and VP9 write it, and returns the offset after it.
func (i *Traits) readPictureID(p []byte, n int) (next int, ok bool) {
	if len(p) <= n {
		return n, false
	}
	i.PictureAt, i.PictureBits, i.PictureID = uint8(n), 7, uint16(p[n]&0x7f)
	if p[n]&0x80 == 0 {
		return n + 1, true
	}
	if len(p) <= n+1 {
		return n, false
	}
	i.PictureBits, i.PictureID = 15, i.PictureID<<8|uint16(p[n+1])
	return n + 2, true
}

// vp8Size reads the size from a key frame's header (RFC 6386 §9.1), which begins a frame's first packet.
func vp8Size(p []byte) (width, height int) {
	info, ok := inspectVP8(p)
	if !ok || !info.Keyframe {
		return 0, 0
	}
	n := vp8Header(p)
	if len(p) < n+10 || p[n+3] != 0x9d || p[n+4] != 0x01 || p[n+5] != 0x2a {
		return 0, 0
	}
	return int(p[n+7]&0x3f)<<8 | int(p[n+6]), int(p[n+9]&0x3f)<<8 | int(p[n+8])
}

// vp8Header is the length of the payload descriptor of p, which inspectVP8 has found valid.
func vp8Header(p []byte) int {
	if p[0]&0x80 == 0 {
		return 1
	}
	flags, n := p[1], 2
	if flags&0x80 != 0 {
		n++
		if p[2]&0x80 != 0 {
			n++
		}
	}
	if flags&0x40 != 0 {
		n++
	}
	if flags&0x30 != 0 {
		n++
	}
	return n
}
