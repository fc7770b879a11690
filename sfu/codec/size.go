package codec

// largest is what a side of a picture may be at most, in pixels; a stream that says more is lying.
const largest = 16384

// PictureSize is the size in pixels of the picture that payload begins, where payload is the first packet of a keyframe
// or carries a parameter set: what its dependency descriptor, its VP8 or VP9 header, its H.264 sequence parameter set or
// its AV1 sequence header says. It is 0, 0 where nothing says it. Of a stream with spatial layers it is the largest one.
func PictureSize(kind Kind, payload []byte, info *Traits) (width, height int) {
	if s := info.Structure; s != nil {
		for l := range s.Width {
			width, height = max(width, int(s.Width[l])), max(height, int(s.Height[l]))
		}
		if width > 0 {
			return width, height
		}
	}
	switch kind {
	case VP8:
		width, height = vp8Size(payload)
	case VP9:
		width, height = vp9Size(payload)
	case H264:
		width, height = h264Size(payload)
	case AV1:
		width, height = av1Size(payload)
	}
	if width <= 0 || height <= 0 || width > largest || height > largest {
		return 0, 0
	}
	return width, height
}

// vp9Size reads the size from the scalability structure of the payload descriptor (RFC 9628 §4.2.1), else from the
// frame's own header (VP9 bitstream §6.2).
func vp9Size(p []byte) (width, height int) {
	info, ok := inspectVP9(p)
	if !ok || !info.Keyframe {
		return 0, 0
	}
	n := vp9Header(p)
	if n < len(p) && p[0]&0x02 != 0 { // V
		layers := int(p[n]>>5) + 1
		sized, groups := p[n]&0x10 != 0, p[n]&0x08 != 0 // Y, G
		n++
		if sized {
			if len(p) < n+4*layers {
				return 0, 0
			}
			last := p[n+4*(layers-1):]
			return int(last[0])<<8 | int(last[1]), int(last[2])<<8 | int(last[3])
		}
		if groups && n < len(p) {
			count := int(p[n])
			for n++; count > 0 && n < len(p); count-- {
				n += 1 + int(p[n]>>2&0x03) // R
			}
		}
	}
	if n > len(p) {
		return 0, 0
	}
	b := bits{p: p[n:]}
	const marker, syncCode, sRGB = 2, 0x498342, 7
	if b.read(2) != marker || b.read(2) != 0 || b.flag() || b.flag() { // profile 0, no repeated frame, a keyframe
		return 0, 0
	}
	b.read(2) // show_frame, error_resilient_mode
	if b.read(24) != syncCode || b.read(3) == sRGB {
		return 0, 0
	}
	b.read(1) // color_range
	width, height = int(b.read(16))+1, int(b.read(16))+1
	if b.short {
		return 0, 0
	}
	return width, height
}

// vp9Header is the length of the payload descriptor of p, a keyframe's that inspectVP9 has found valid, up to the
// scalability structure.
func vp9Header(p []byte) int {
	n := 1
	if p[0]&0x80 != 0 { // I
		n++
		if p[1]&0x80 != 0 {
			n++
		}
	}
	if p[0]&0x20 != 0 { // L
		n++
		if p[0]&0x10 == 0 { // not F
			n++
		}
	}
	return n
}

// h264Size finds a sequence parameter set in p, alone or aggregated.
func h264Size(p []byte) (width, height int) {
	if len(p) < 2 {
		return 0, 0
	}
	switch p[0] & 0x1f {
	case h264SPS:
		return spsSize(p)
	case h264STAPA:
		for rest := p[1:]; len(rest) > 2; {
			size := int(rest[0])<<8 | int(rest[1])
			if size == 0 || size > len(rest)-2 {
				return 0, 0
			}
			if rest[2]&0x1f == h264SPS {
				return spsSize(rest[2 : 2+size])
			}
			rest = rest[2+size:]
		}
	}
	return 0, 0
}

// maxSPS is how much of a sequence parameter set is read; what follows the size does not matter.
const maxSPS = 512

// spsSize reads a sequence parameter set of H.264, §7.3.2.1.1.
func spsSize(nal []byte) (width, height int) {
	var buf [maxSPS]byte
	b := bits{p: unescape(buf[:0], nal[1:])}
	profile := b.read(8)
	b.read(16) // constraints, level
	b.golomb() // its number
	format, separate := uint32(1), false
	switch profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135: // those with a chroma format
		if format = b.golomb(); format == 3 {
			separate = b.flag()
		}
		b.golomb() // bit depths
		b.golomb()
		b.read(1)
		if b.flag() {
			b.scalingLists(format)
		}
	}
	b.golomb() // log2_max_frame_num_minus4
	switch b.golomb() {
	case 0:
		b.golomb()
	case 1:
		b.read(1)
		b.golomb()
		b.golomb()
		for range min(b.golomb(), 255) {
			b.golomb()
		}
	}
	b.golomb() // max_num_ref_frames
	b.read(1)
	width, height = 16*(int(b.golomb())+1), 16*(int(b.golomb())+1)
	fields := 1
	if !b.flag() { // frame_mbs_only_flag
		fields = 2
		b.read(1)
	}
	height *= fields
	b.read(1)
	if b.flag() { // cropping, in units of chroma samples
		x, y := 1, fields
		if !separate && (format == 1 || format == 2) {
			x = 2
		}
		if !separate && format == 1 {
			y = 2 * fields
		}
		width -= x * (int(b.golomb()) + int(b.golomb()))
		height -= y * (int(b.golomb()) + int(b.golomb()))
	}
	if b.short {
		return 0, 0
	}
	return width, height
}

// scalingLists reads over those of a sequence parameter set, H.264 §7.3.2.1.1.1.
func (b *bits) scalingLists(format uint32) {
	lists := 8
	if format == 3 {
		lists = 12
	}
	for i := range lists {
		if !b.flag() {
			continue
		}
		size, last, next := 16, 8, 8
		if i >= 6 {
			size = 64
		}
		for j := 0; j < size && next != 0; j++ {
			delta := int(b.golomb()) // signed: 0, 1, -1, 2, -2 …
			if delta = (delta + 1) / 2 * (delta%2*2 - 1); b.short {
				return
			}
			if next = (last + delta + 256) % 256; next != 0 {
				last = next
			}
		}
	}
}

// unescape appends to dst what p stands for without the emulation prevention bytes of H.264 §7.4.1, as far as dst has
// room.
func unescape(dst, p []byte) []byte {
	zeros := 0
	for _, c := range p {
		if zeros >= 2 && c == 3 {
			zeros = 0
			continue
		}
		if len(dst) == cap(dst) {
			break
		}
		if zeros++; c != 0 {
			zeros = 0
		}
		dst = append(dst, c)
	}
	return dst
}

// av1Size finds a sequence header in p and reads it, AV1 §5.5.
func av1Size(p []byte) (width, height int) {
	if len(p) < 2 || p[0]&0x80 != 0 { // Z
		return 0, 0
	}
	const sequenceHeader = 1
	count, rest := int(p[0]>>4&0x03), p[1:]
	for element := 1; len(rest) > 0; element++ {
		body := rest
		rest = nil
		if count == 0 || element < count {
			size, n := leb128(body)
			if n == 0 || size > len(body)-n {
				return 0, 0
			}
			body, rest = body[n:n+size], body[n+size:]
		}
		if len(body) == 0 || body[0]>>3&0x0f != sequenceHeader {
			continue
		}
		header := 1
		if body[0]&0x04 != 0 {
			header++
		}
		if body[0]&0x02 != 0 { // the OBU says its size, too
			_, n := leb128(body[min(header, len(body)):])
			header += n
		}
		return sequenceSize(body[min(header, len(body)):])
	}
	return 0, 0
}

// sequenceSize reads a sequence header up to the size of the largest picture, AV1 §5.5.1.
func sequenceSize(p []byte) (width, height int) {
	b := bits{p: p}
	b.read(4) // seq_profile, still_picture
	if b.flag() {
		b.read(5) // reduced: one level and nothing else
	} else {
		b.operatingPoints()
	}
	w, h := int(b.read(4))+1, int(b.read(4))+1
	width, height = int(b.read(w))+1, int(b.read(h))+1
	if b.short {
		return 0, 0
	}
	return width, height
}

// operatingPoints reads over what a sequence header says of time and of its operating points.
func (b *bits) operatingPoints() {
	delay := 0 // bits of a decoder's delay; 0: no decoder model
	if b.flag() {
		b.read(32)
		b.read(32)
		if b.flag() {
			b.golomb() // which is how uvlc() is written, too
		}
		if b.flag() {
			delay = int(b.read(5)) + 1
			b.read(32)
			b.read(10)
		}
	}
	display := b.flag()
	for range b.read(5) + 1 {
		b.read(12)
		if b.read(5) > 7 {
			b.read(1)
		}
		if delay > 0 && b.flag() {
			b.read(delay)
			b.read(delay)
			b.read(1)
		}
		if display && b.flag() {
			b.read(4)
		}
	}
}
