package stream

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/pion/rtp"
)

// Frame is one picture or one piece of sound, cut into payloads.
type Frame struct {
	Payloads [][]byte
	Key      bool
}

// Source gives the frames of one stream in turn. It is owned by one goroutine.
type Source interface {
	Codec() Codec
	// Interval is how long a frame lasts.
	Interval() time.Duration
	// Next makes frame number, which is sent at now: a keyframe if key is set and the source can make one at will.
	Next(number uint32, now time.Time, key bool) Frame
}

// Video is the shape of a synthetic stream.
type Video struct {
	Codec   Codec
	Width   int
	Height  int
	FPS     int
	Bitrate int    // bit/s, in the long run
	Screen  bool   // a screen, on which little moves
	Source  uint32 // see Stamp
	Layer   uint8
	Seed    uint64
}

// Check says what is wrong with v; nil if nothing is.
func (v Video) Check() error {
	switch {
	case !v.Codec.Video():
		return fmt.Errorf("%v is no codec for pictures", v.Codec)
	case v.Width < 16 || v.Height < 16 || v.Width > 8192 || v.Height > 8192:
		return fmt.Errorf("a picture of %d by %d", v.Width, v.Height)
	case v.FPS < 1 || v.FPS > 240:
		return fmt.Errorf("%d pictures a second; 1 to 240", v.FPS)
	case v.Bitrate < 10_000 || v.Bitrate > 200_000_000:
		return fmt.Errorf("%d bit/s; 10k to 200M", v.Bitrate)
	}
	return nil
}

// synthetic makes pictures.
type synthetic struct {
	Video
	shape     shape
	payloader rtp.Payloader
	buf       []byte
}

// NewVideo makes a source of pictures. v has been checked.
func NewVideo(v Video) Source {
	return &synthetic{
		Video: v, payloader: newPayloader(v.Codec),
		shape: shape{
			mean: float64(v.Bitrate) / 8 / float64(v.FPS), screen: v.Screen,
			random: rand.New(rand.NewPCG(v.Seed, uint64(v.Layer)+1)),
		},
	}
}

func (s *synthetic) Codec() Codec            { return s.Video.Codec }
func (s *synthetic) Interval() time.Duration { return time.Second / time.Duration(s.FPS) }

func (s *synthetic) Next(number uint32, now time.Time, key bool) Frame {
	stamp := Stamp{Number: number, Sent: now, Source: s.Source, Layer: s.Layer, Key: key}
	s.buf = picture(s.buf[:0], s.Video.Codec, s.Width, s.Height, s.shape.next(key), &stamp)
	f := Frame{Payloads: s.payloader.Payload(MaxPayload, s.buf), Key: key}
	complete(f.Payloads)
	return f
}

// OpusEvery is how long a packet of sound is.
const OpusEvery = 20 * time.Millisecond

// sound makes Opus packets (RFC 6716 section 3.1): one frame of 20 ms, stereo, full band.
type sound struct {
	source uint32
	size   int
}

// NewSound makes a source of Opus at a bitrate in bit/s.
func NewSound(source uint32, bitrate int) Source {
	return &sound{source: source, size: min(max(bitrate/8/50, 1+stampBytes), MaxPayload)}
}

func (s *sound) Codec() Codec            { return Opus }
func (s *sound) Interval() time.Duration { return OpusEvery }

func (s *sound) Next(number uint32, now time.Time, _ bool) Frame {
	stamp := Stamp{Number: number, Sent: now, Source: s.source, Packets: 1}
	return Frame{Payloads: [][]byte{fill(stamp.append([]byte{0xfc}), s.size)}}
}
