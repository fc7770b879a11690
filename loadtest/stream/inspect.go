package stream

// Look is what a payload says about its place in a picture.
type Look struct {
	Begin bool // the picture begins here
	Key   bool // and it is a keyframe
	Body  int  // where the picture's own bytes begin
}

// Inspect reads a payload's descriptor. A malformed one gives the zero Look with Body at the end.
func Inspect(c Codec, p []byte) (l Look) {
	ok := false
	switch c {
	case VP8:
		l, ok = inspectVP8(p)
	case VP9:
		l, ok = inspectVP9(p)
	case H264:
		l, ok = inspectH264(p)
	case AV1:
		l, ok = inspectAV1(p)
	}
	if !ok {
		return Look{Body: len(p)}
	}
	return l
}

// inspectVP8 reads RFC 7741 section 4.2.
func inspectVP8(p []byte) (l Look, ok bool) {
	if len(p) < 2 {
		return l, false
	}
	n := 1
	if p[0]&0x80 != 0 { // X
		x := p[1]
		n++
		if x&0x80 != 0 { // I
			if len(p) <= n {
				return l, false
			}
			if n++; p[n-1]&0x80 != 0 { // M
				n++
			}
		}
		if x&0x40 != 0 { // L
			n++
		}
		if x&0x30 != 0 { // T or K
			n++
		}
	}
	if len(p) <= n {
		return l, false
	}
	begin := p[0]&0x17 == 0x10 // S, and partition 0
	return Look{Begin: begin, Key: begin && p[n]&1 == 0, Body: n}, true
}

// inspectVP9 reads RFC 9628 section 4.2, up to the layer indices; the rest of the descriptor counts as body.
func inspectVP9(p []byte) (l Look, ok bool) {
	if len(p) < 2 {
		return l, false
	}
	const pictureID, inter, layers, flexible, begin = 0x80, 0x40, 0x20, 0x10, 0x08
	n, spatial := 1, byte(0)
	if p[0]&pictureID != 0 {
		if n++; p[1]&0x80 != 0 {
			n++
		}
	}
	if p[0]&layers != 0 {
		if len(p) <= n {
			return l, false
		}
		spatial = p[n] >> 1 & 7
		if n++; p[0]&flexible == 0 {
			n++
		}
	}
	if len(p) <= n {
		return l, false
	}
	first := p[0]&begin != 0 && spatial == 0
	return Look{Begin: first, Key: first && p[0]&inter == 0, Body: n}, true
}

// inspectH264 reads NAL unit headers: alone, in a STAP-A, or of a fragment (RFC 6184 section 5).
func inspectH264(p []byte) (l Look, ok bool) {
	if len(p) < 2 || p[0]&0x80 != 0 {
		return l, false
	}
	const idr, sps, stapA, fuA = 5, 7, 24, 28
	see := func(t byte) {
		l.Begin = l.Begin || t == 1 || t == idr || t == sps
		l.Key = l.Key || t == idr || t == sps
	}
	switch t := p[0] & 0x1f; t {
	case stapA:
		l.Body = 1
		for rest := p[1:]; len(rest) > 2; {
			size := int(rest[0])<<8 | int(rest[1])
			if size == 0 || len(rest) < 2+size {
				return l, false
			}
			see(rest[2] & 0x1f)
			rest = rest[2+size:]
		}
	case fuA:
		if len(p) < 3 {
			return l, false
		}
		if l.Body = 2; p[1]&0x80 != 0 {
			see(p[1] & 0x1f)
		}
	default:
		l.Body = 1
		see(t)
	}
	return l, true
}

// inspectAV1 reads the aggregation header (AV1 RTP section 4.4).
func inspectAV1(p []byte) (l Look, ok bool) {
	if len(p) < 2 {
		return l, false
	}
	const continued, newSequence = 0x80, 0x08
	return Look{Begin: p[0]&continued == 0, Key: p[0]&(continued|newSequence) == newSequence, Body: 1}, true
}
