package stream

import "math/rand/v2"

// filler is what fills pictures: no zero in it, so that H.264 needs no escapes.
var filler = func() []byte {
	random := rand.New(rand.NewPCG(1, 2))
	p := make([]byte, 64<<10)
	for i := range p {
		p[i] = byte(1 + random.IntN(255))
	}
	return p
}()

// picture makes the bitstream of one picture of about size bytes in dst.
func picture(dst []byte, c Codec, width, height, size int, s *Stamp) []byte {
	switch c {
	case VP9:
		dst = vp9Header(dst, width, height, s.Key)
	case H264:
		dst = h264Header(dst, width, height, s.Key)
	case AV1:
		return av1Unit(dst, width, height, size, s)
	default:
		dst = vp8Header(dst, width, height, size, s.Key)
	}
	return fill(s.append(dst), size)
}

// fill appends filler until dst has size bytes.
func fill(dst []byte, size int) []byte {
	for at := size % 512; len(dst) < size; at = 0 {
		dst = append(dst, filler[at:min(len(filler), at+size-len(dst))]...)
	}
	return dst
}

// vp8Header is the frame tag and, of a keyframe, start code and size (RFC 6386 section 9.1).
func vp8Header(dst []byte, width, height, size int, key bool) []byte {
	tag := uint32(0x10) | uint32(min(size/4, 1<<19-1))<<5 // shown; the size of the first partition
	if !key {
		tag |= 1
	}
	dst = append(dst, byte(tag), byte(tag>>8), byte(tag>>16))
	if key {
		dst = append(dst, 0x9d, 0x01, 0x2a, byte(width), byte(width>>8)&0x3f, byte(height), byte(height>>8)&0x3f)
	}
	return dst
}

// vp9Header is the beginning of the uncompressed header (VP9 bitstream section 6.2).
func vp9Header(dst []byte, width, height int, key bool) []byte {
	if !key {
		return append(dst, 0x86) // marker, profile 0, not a repeat, not a key, shown, not error resilient
	}
	w := writer{bytes: append(dst, 0x82, 0x49, 0x83, 0x42)} // the sync code
	w.put(1, 3)                                             // colour space BT.601
	w.put(0, 1)                                             // studio range
	w.put(uint32(width-1), 16)
	w.put(uint32(height-1), 16)
	w.put(0, 1) // shown as large as it is
	return w.bytes
}

var startCode = []byte{0, 0, 0, 1}

// h264Header is the beginning of an access unit: of a keyframe parameter sets and an IDR slice, else a P slice.
func h264Header(dst []byte, width, height int, key bool) []byte {
	if !key {
		return append(append(dst, startCode...), 0x41, 0x9a) // first macroblock, slice type P
	}
	dst = append(append(dst, startCode...), h264SPS(width, height)...)
	dst = append(append(dst, startCode...), 0x68, 0xce, 0x38, 0x80) // the picture parameter set
	return append(append(dst, startCode...), 0x65, 0x88, 0x84)      // slice type I
}

// h264SPS is a sequence parameter set (H.264 section 7.3.2.1.1), constrained baseline.
func h264SPS(width, height int) []byte {
	level := byte(31)
	if width*height > 1280*720 {
		level = 40
	}
	w := writer{bytes: []byte{0x67, 0x42, 0xe0, level}}
	w.golomb(0)
	w.golomb(0) // frame numbers of four bits
	w.golomb(2) // pictures come in the order of their numbers
	w.golomb(1) // one reference
	w.put(0, 1)
	across, down := (width+15)/16, (height+15)/16
	w.golomb(uint32(across - 1))
	w.golomb(uint32(down - 1))
	w.put(3, 2) // frames, no fields; direct 8 by 8
	if right, bottom := across*16-width, down*16-height; right > 0 || bottom > 0 {
		w.put(1, 1)
		w.golomb(0)
		w.golomb(uint32(right / 2))
		w.golomb(0)
		w.golomb(uint32(bottom / 2))
	} else {
		w.put(0, 1)
	}
	w.put(0, 1) // no VUI
	return escape(w.stop())
}

// escape puts emulation prevention bytes in (H.264 section 7.4.1).
func escape(nal []byte) (out []byte) {
	zeros := 0
	for _, x := range nal {
		if zeros == 2 && x <= 3 {
			out, zeros = append(out, 3), 0
		}
		if x == 0 {
			zeros++
		} else {
			zeros = 0
		}
		out = append(out, x)
	}
	return out
}

const (
	av1Sequence = 1<<3 | 2 // OBU headers: type, has a size
	av1Frame    = 6<<3 | 2
)

// av1Unit is a temporal unit: of a keyframe a sequence header first, then a frame.
func av1Unit(dst []byte, width, height, size int, s *Stamp) []byte {
	first := byte(0x30) // not a repeat, inter frame, shown
	if s.Key {
		first = 0x10
		header := av1SequenceHeader(width, height)
		dst = append(leb128(append(dst, av1Sequence), len(header)), header...)
	}
	frame := fill(s.append([]byte{first}), size)
	return append(leb128(append(dst, av1Frame), len(frame)), frame...)
}

// av1SequenceHeader is AV1 section 5.5.1: main profile, 8 bits, 4:2:0, no tools.
func av1SequenceHeader(width, height int) []byte {
	var w writer
	w.put(0, 3+1+1+1+1)         // profile, not a still, not reduced, no timing, no delays
	w.put(0, 5+12)              // one operating point
	w.put(8, 5)                 // level 4.0
	w.put(0, 1)                 // main tier
	w.put(15<<4|15, 8)          // sizes of 16 bits
	w.put(uint32(width-1), 16)  //
	w.put(uint32(height-1), 16) //
	w.put(0, 1+1+1+1+1+1+1+1)   // no frame ids, 128 by 128, filters, compounds, warps, dual filter, order hint
	w.put(1, 1)                 // screen content tools as each frame says
	w.put(1, 1)                 // integer vectors as each frame says
	w.put(0, 1+1+1)             // no superres, cdef, restoration
	w.put(0, 1+1+1+1)           // 8 bits, colour, not described, studio range
	w.put(0, 2+1)               // chroma position, one delta
	w.put(0, 1)                 // no grain
	return w.stop()
}
