package codec

import "bytes"

const (
	// maxSets is how many picture parameter sets are kept; encoders for WebRTC use one.
	maxSets = 4
	// maxParameters bounds the packet that Append makes, so that it is no larger than what casters send.
	maxParameters = 1100

	h264PPS = 8
	h265PPS = 34
)

// Parameters are the parameter sets of one H.264 or H.265 stream as it sent them last. A caster may send them once, at
// its beginning, but whoever joins later needs them before a keyframe. The zero value has none.
type Parameters struct {
	vps, sps []byte
	pps      [maxSets][]byte
	ids      [maxSets]uint32 // of pps
	count    int
}

// Learn takes the sets that payload, which Inspect has found valid, carries: alone or aggregated. It keeps copies.
func (s *Parameters) Learn(kind Kind, payload []byte) {
	switch {
	case kind == H264 && payload[0]&0x1f == h264STAPA:
		s.aggregated(kind, payload[1:])
	case kind == H265 && payload[0]>>1 == h265Aggregated:
		s.aggregated(kind, payload[2:])
	case kind == H264 || kind == H265:
		s.take(kind, payload)
	}
}

func (s *Parameters) aggregated(kind Kind, rest []byte) {
	for len(rest) > 2 {
		size := int(rest[0])<<8 | int(rest[1])
		if size > len(rest)-2 {
			return
		}
		s.take(kind, rest[2:2+size])
		rest = rest[2+size:]
	}
}

// take keeps nal if it is a parameter set.
func (s *Parameters) take(kind Kind, nal []byte) {
	if len(nal) < 3 {
		return
	}
	t, header := nal[0]&0x1f, 1
	if kind == H265 {
		t, header = nal[0]>>1&0x3f, 2
	}
	switch {
	case kind == H265 && t == h265VPS:
		s.vps = keep(s.vps, nal)
	case kind == H264 && t == h264SPS, kind == H265 && t == h265SPS:
		if !bytes.Equal(s.sps, nal) {
			s.sps, s.count = keep(s.sps, nal), 0 // picture parameters belong to their sequence's
		}
	case kind == H264 && t == h264PPS, kind == H265 && t == h265PPS:
		s.takePicture(nal, header)
	}
}

func (s *Parameters) takePicture(nal []byte, header int) {
	id, ok := expGolomb(nal[header:])
	if !ok {
		return
	}
	for i := range s.count {
		if s.ids[i] == id {
			s.pps[i] = keep(s.pps[i], nal)
			return
		}
	}
	if s.count < maxSets {
		s.pps[s.count], s.ids[s.count] = keep(nil, nal), id
		s.count++
	}
}

// keep returns a copy of nal, or old if it is the same.
func keep(old, nal []byte) []byte {
	if bytes.Equal(old, nal) {
		return old
	}
	return bytes.Clone(nal)
}

// Append appends one aggregation packet (STAP-A, RFC 6184 §5.7.1; AP, RFC 7798 §4.4.2) with all sets to dst. ok is
// false when a decoder would need more than has come, or the packet would be too large.
func (s *Parameters) Append(dst []byte, kind Kind) (_ []byte, ok bool) {
	if s.sps == nil || s.count == 0 || kind == H265 && s.vps == nil {
		return dst, false
	}
	begin := len(dst)
	if kind == H265 {
		dst = append(dst, h265Aggregated<<1, 1) // layer 0, temporal id 0
		dst = appendSized(dst, s.vps)
	} else {
		dst = append(dst, s.sps[0]&0x60|h264STAPA)
	}
	dst = appendSized(dst, s.sps)
	for _, p := range s.pps[:s.count] {
		dst = appendSized(dst, p)
	}
	if len(dst)-begin > maxParameters {
		return dst[:begin], false
	}
	return dst, true
}

func appendSized(dst, nal []byte) []byte {
	return append(append(dst, byte(len(nal)>>8), byte(len(nal))), nal...)
}

// expGolomb reads the unsigned number that p begins with (H.264 §9.1). ok is false if it is cut or has more than 16
// leading zeros.
func expGolomb(p []byte) (value uint32, ok bool) {
	b := bits{p: p}
	zeros := 0
	for !b.flag() {
		if zeros++; zeros > 16 || b.short {
			return 0, false
		}
	}
	value = 1<<zeros - 1 + b.read(zeros)
	return value, !b.short
}
