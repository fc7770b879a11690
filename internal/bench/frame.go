//go:build linux

package main

import (
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// The stream: 2.5 Mbit/s of VP8 at 30 frames a second, a key frame every ten seconds.
const (
	frameRate   = 30
	meanFrame   = 2_500_000 / 8 / frameRate // bytes
	frameSpread = 1200                      // bytes around the mean
	keyFrame    = 55_000                    // bytes
	keyEvery    = 300                       // frames
	maxPayload  = 1160                      // bytes of payload per packet, as browsers cut it
	clockRate   = 90_000

	// stampAt is where in a payload the send time stands, in nanoseconds of the machine's clock. Nothing before it
	// depends on the time.
	stampAt = 8
	seqAt   = stampAt + 8 // the sequence number that the caster gave it; viewers see others
	bodyAt  = seqAt + 2
)

// text is what the bodies of all payloads are cut from: that of sequence number n begins at n modulo 512.
var text = func() []byte {
	random := rand.New(rand.NewPCG(1, 2))
	p := make([]byte, 512+maxPayload+1)
	for i := range p {
		p[i] = byte(random.Uint32())
	}
	return p
}()

// body is what follows the stamp in a payload of n bytes.
func body(seq uint16, n int) []byte {
	at := int(seq % 512)
	return text[at : at+n-bodyAt]
}

// Packet is one RTP packet of the stream before anybody numbered it for a viewer.
type Packet struct {
	Seq       uint16
	Timestamp uint32
	Marker    bool
	Payload   []byte
}

// Frame is one picture. Its packets have sizes that differ by one byte at most.
type Frame struct {
	Packets []Packet
	Largest int // bytes of the largest payload
}

// Stream makes frames. The same seed makes the same ones.
type Stream struct {
	// Key makes the next frame a key frame.
	Key    bool
	random *rand.Rand
	seq    uint16
	frames int
	buf    []byte
	frame  Frame
}

// NewStream starts at sequence number 1.
func NewStream(seed uint64) *Stream {
	return &Stream{random: rand.New(rand.NewPCG(seed, seed)), seq: 1, buf: make([]byte, keyFrame+frameSpread)}
}

// Next returns the next frame, stamped with the time now. It is good until the next call.
func (s *Stream) Next(now time.Time) *Frame {
	key := s.frames%keyEvery == 0 || s.Key
	s.Key = false
	size := meanFrame - frameSpread + s.random.IntN(2*frameSpread)
	if key {
		size = keyFrame
	}
	count := (size + maxPayload - 1) / maxPayload
	s.frame.Packets = s.frame.Packets[:0]
	s.frame.Largest = (size + count - 1) / count
	stamp := uint64(now.UnixNano())
	for i, at := 0, 0; i < count; i++ {
		n := size / count
		if i >= count-size%count { // the longer ones come last, as libwebrtc does it
			n++
		}
		p := s.buf[at : at+n : at+n]
		describe(p, i == 0, key, s.frames)
		binary.BigEndian.PutUint64(p[stampAt:], stamp)
		binary.BigEndian.PutUint16(p[seqAt:], s.seq)
		copy(p[bodyAt:], body(s.seq, n))
		s.frame.Packets = append(s.frame.Packets, Packet{
			Seq: s.seq, Timestamp: uint32(s.frames) * (clockRate / frameRate), Marker: i == count-1, Payload: p,
		})
		s.seq++
		at += n
	}
	s.frames++
	return &s.frame
}

// describe writes the VP8 payload descriptor (RFC 7741 section 4.2) with a picture id of 15 bits, and for the first
// packet the frame tag that says whether the frame is a key frame.
func describe(p []byte, first, key bool, picture int) {
	p[0], p[1] = 0x80, 0x80 // X; I
	if first {
		p[0] |= 0x10 // S
	}
	binary.BigEndian.PutUint16(p[2:], 0x8000|uint16(picture)&0x7FFF)
	p[4] = 0x01 // not a key frame
	if key {
		p[4] = 0
	}
	if first && key { // RFC 6386 section 9.1: start code, 1280 by 720
		copy(p[4:8], []byte{0x10, 0, 0, 0x9D})
	}
}
