package tcp

import "castcode/internal/stunwire"

const (
	frameHeader = 2
	// minFrame is an RTP header: nothing that may come is shorter. What the class of a datagram asks for, the guard knows.
	minFrame = 12
	maxFrame = stunwire.MaxDatagram
	// readSize is read at once, three frames of video.
	readSize = 4096
)

// frames cuts a stream into frames, RFC 4571 section 2. It takes what comes in any pieces, allocates nothing and does
// not panic. The zero value is ready.
type frames struct {
	buf      [readSize]byte
	from, to int // what was read and not handed out
}

// next returns the next whole frame, without its length, good until the next call of space; nil when there is none yet.
// bad says that the stream is none of frames: the length is 0, too short or too large. It stays so.
func (f *frames) next() (p []byte, bad bool) {
	if f.to-f.from < frameHeader {
		return nil, false
	}
	size := int(f.buf[f.from])<<8 | int(f.buf[f.from+1])
	if size < minFrame || size > maxFrame {
		return nil, true
	}
	end := f.from + frameHeader + size
	if end > f.to {
		return nil, false
	}
	p = f.buf[f.from+frameHeader : end : end]
	f.from = end
	return p, false
}

// space is where to read what comes next. There is some whenever next has none.
func (f *frames) space() []byte {
	if f.from > 0 {
		f.to = copy(f.buf[:], f.buf[f.from:f.to])
		f.from = 0
	}
	return f.buf[f.to:]
}

// took says that n bytes were read into space.
func (f *frames) took(n int) { f.to += n }

// part says whether a frame has begun and is not whole.
func (f *frames) part() bool { return f.to > f.from }
