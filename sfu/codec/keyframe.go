// Package codec tells what an RTP payload says about itself. It knows byte layouts only: no clock, no state, no
// allocation, and no input can make it panic.
package codec

import "strings"

// Keyframe says whether payload begins a frame that a decoder can start with. mime is the codec's RTP name
// ("video/VP8", any case); payload is an RTP payload without padding. For codecs without such frames (audio)
// and unknown ones it returns false.
func Keyframe(mime string, payload []byte) bool {
	switch {
	case strings.EqualFold(mime, "video/VP8"):
		return vp8Keyframe(payload)
	case strings.EqualFold(mime, "video/VP9"):
		return vp9Keyframe(payload)
	case strings.EqualFold(mime, "video/H264"):
		return h264Keyframe(payload)
	case strings.EqualFold(mime, "video/AV1"):
		return av1Keyframe(payload)
	}
	return false
}

// vp8Keyframe reads the payload descriptor of RFC 7741 §4.2 and the frame header of RFC 6386 §9.1.
func vp8Keyframe(p []byte) bool {
	if len(p) < 1 || p[0]&0x10 == 0 || p[0]&0x07 != 0 { // S bit, partition 0
		return false
	}
	n := 1
	if p[0]&0x80 != 0 {
		if len(p) < 2 {
			return false
		}
		ext := p[1]
		n = 2
		if ext&0x80 != 0 { // picture id: 7 or 15 bits
			if len(p) <= n {
				return false
			}
			if p[n]&0x80 != 0 {
				n++
			}
			n++
		}
		if ext&0x40 != 0 { // TL0PICIDX
			n++
		}
		if ext&0x30 != 0 { // TID, KEYIDX
			n++
		}
	}
	return len(p) > n && p[n]&0x01 == 0
}

// vp9Keyframe reads the descriptor of RFC 9628 §4.2: a frame begins, is not inter-picture predicted, and belongs
// to the base layer.
func vp9Keyframe(p []byte) bool {
	if len(p) < 1 || p[0]&0x08 == 0 || p[0]&0x40 != 0 { // B set, P clear
		return false
	}
	n := 1
	if p[0]&0x80 != 0 { // picture id
		if len(p) <= n {
			return false
		}
		if p[n]&0x80 != 0 {
			n++
		}
		n++
	}
	if p[0]&0x20 == 0 { // no layer indices
		return true
	}
	return len(p) > n && p[n]&0x0e == 0 // spatial layer 0
}

// h264Keyframe finds an IDR slice or a sequence parameter set: NAL unit types of RFC 6184 §5.2, alone, in a STAP-A,
// or as the first fragment of an FU-A.
func h264Keyframe(p []byte) bool {
	if len(p) < 1 {
		return false
	}
	const idr, sps, stapA, fuA = 5, 7, 24, 28
	switch p[0] & 0x1f {
	case idr, sps:
		return true
	case stapA:
		for p = p[1:]; len(p) > 2; {
			size := int(p[0])<<8 | int(p[1])
			if t := p[2] & 0x1f; t == idr || t == sps {
				return true
			}
			if size == 0 || len(p) < 2+size {
				return false
			}
			p = p[2+size:]
		}
	case fuA:
		return len(p) > 1 && p[1]&0x80 != 0 && p[1]&0x1f == idr
	}
	return false
}

// av1Keyframe reads the aggregation header of the AV1 RTP payload format (§4.4): N marks the first packet of a coded
// video sequence, which begins with a keyframe.
func av1Keyframe(p []byte) bool {
	return len(p) > 1 && p[0]&0x88 == 0x08 // N set, Z clear
}
