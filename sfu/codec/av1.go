package codec

// inspectAV1 reads the aggregation header of the AV1 RTP payload format (§4.4) and the header of the first OBU that
// begins in the packet.
func inspectAV1(p []byte) (info Traits, ok bool) {
	if len(p) < 2 {
		return info, false
	}
	const continued, newSequence = 0x80, 0x08 // Z, N
	if p[0]&continued != 0 && p[0]&newSequence != 0 {
		return info, false // §4.4: a new sequence does not begin with the rest of an old OBU
	}
	count := int(p[0] >> 4 & 0x03) // W; 0: each element has a length
	rest := p[1:]
	for element := 1; len(rest) > 0; element++ {
		body := rest
		rest = nil
		if count == 0 || element < count {
			size, n := leb128(body)
			if n == 0 || size > len(body)-n {
				return info, false
			}
			body, rest = body[n:n+size], body[n+size:]
		}
		if element == 1 && p[0]&continued != 0 {
			continue
		}
		if len(body) == 0 || body[0]&0x80 != 0 { // forbidden bit
			return info, false
		}
		if body[0]&0x04 != 0 { // extension header, AV1 §5.3.3
			if len(body) < 2 {
				return info, false
			}
			info.Layered, info.Temporal, info.Spatial = true, body[1]>>5, body[1]>>3&0x03
		}
		break
	}
	if p[0]&newSequence != 0 {
		info.Keyframe, info.FrameStart, info.Parameters = true, true, true
	}
	return info, true
}

// leb128 reads a length of at most four bytes, which is more than any packet holds, and says how many bytes it took;
// 0 if it is cut or too long.
func leb128(p []byte) (value, n int) {
	for n < len(p) && n < 4 {
		value |= int(p[n]&0x7f) << (7 * n)
		n++
		if p[n-1]&0x80 == 0 {
			return value, n
		}
	}
	return 0, 0
}
