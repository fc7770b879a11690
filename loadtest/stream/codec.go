package stream

import (
	"fmt"
	"strings"
)

// Codec is what a stream is encoded with.
type Codec uint8

// The codecs; None is no codec.
const (
	None Codec = iota
	VP8
	VP9
	H264
	AV1
	Opus
)

// AudioClock and VideoClock are RTP clock rates in hertz.
const (
	AudioClock = 48_000
	VideoClock = 90_000
)

var names = [...]string{"none", "VP8", "VP9", "H264", "AV1", "opus"}

// String is the encoding name that SDP has for it.
func (c Codec) String() string { return names[c] }

// Clock is the rate of the codec's RTP timestamps.
func (c Codec) Clock() int {
	if c == Opus {
		return AudioClock
	}
	return VideoClock
}

// Video says whether the codec is one for pictures.
func (c Codec) Video() bool { return c != None && c != Opus }

// MarshalText and UnmarshalText let a Codec stand in flags and files, by name and in any case.
func (c Codec) MarshalText() ([]byte, error) { return []byte(strings.ToLower(c.String())), nil }

// UnmarshalText is encoding.TextUnmarshaler's.
func (c *Codec) UnmarshalText(text []byte) error {
	got := ByName(string(text))
	if !got.Video() {
		return fmt.Errorf("%q is no codec; use vp8, vp9, h264 or av1", text)
	}
	*c = got
	return nil
}

// ByName finds a codec by its encoding name, in any case; None for one that is not known.
func ByName(name string) Codec {
	for i, n := range names {
		if i > 0 && strings.EqualFold(n, name) {
			return Codec(i)
		}
	}
	return None
}
