package stream

import (
	"math"
	"testing"
	"time"

	"github.com/pion/rtp/codecs"
	"github.com/pion/rtp/codecs/vp9"
)

var pictures = []Codec{VP8, VP9, H264, AV1}

func TestPicturesAreWhatTheySay(t *testing.T) {
	for _, c := range pictures {
		v := Video{Codec: c, Width: 1280, Height: 720, FPS: 30, Bitrate: 2_500_000, Source: 7, Layer: 2, Seed: 1}
		if err := v.Check(); err != nil {
			t.Fatal(err)
		}
		s := NewVideo(v)
		sent := time.Unix(1_700_000_000, 123_456_789)
		for number := range uint32(40) {
			key := number%20 == 0
			f := s.Next(number, sent, key)
			begins, keys, stamps := 0, 0, 0
			for i, p := range f.Payloads {
				if len(p) > MaxPayload {
					t.Fatalf("%v: %d bytes", c, len(p))
				}
				l := Inspect(c, p)
				if l.Body >= len(p) {
					t.Fatalf("%v: packet %d is malformed", c, i)
				}
				if l.Begin {
					begins++
				}
				if l.Key {
					keys++
				}
				got, ok := ReadStamp(p)
				if !ok {
					continue
				}
				stamps++
				want := Stamp{Number: number, Sent: sent, Source: 7, Layer: 2, Key: key, Packets: uint16(len(f.Payloads))}
				if !got.Sent.Equal(want.Sent) {
					t.Errorf("%v: sent %v", c, got.Sent)
				}
				if got.Sent = want.Sent; got != want {
					t.Errorf("%v: %+v, want %+v", c, got, want)
				}
			}
			if stamps != 1 || begins == 0 || !Inspect(c, f.Payloads[0]).Begin || (keys > 0) != key {
				t.Errorf("%v picture %d: %d stamps, %d begins, %d keys", c, number, stamps, begins, keys)
			}
		}
	}
}

// TestOthersReadThem lets the library's parsers read what we write.
func TestOthersReadThem(t *testing.T) {
	for _, c := range pictures {
		s := NewVideo(Video{Codec: c, Width: 1918, Height: 1080, FPS: 30, Bitrate: 4_000_000})
		for _, key := range []bool{true, false} {
			for i, p := range s.Next(0, time.Now(), key).Payloads {
				var err error
				var head bool
				switch c {
				case VP8:
					d := &codecs.VP8Packet{}
					_, err = d.Unmarshal(p)
					head = d.S == 1
				case VP9:
					d := &codecs.VP9Packet{}
					var body []byte
					body, err = d.Unmarshal(p)
					head = d.B
					var h vp9.Header
					if i == 0 && (h.Unmarshal(body) != nil || h.NonKeyFrame == key || key && (h.Width() != 1918 || h.Height() != 1080)) {
						t.Errorf("VP9 header %+v", h)
					}
				case H264:
					_, err = (&codecs.H264Packet{}).Unmarshal(p)
					head = i == 0
				case AV1:
					d := &codecs.AV1Depacketizer{}
					_, err = d.Unmarshal(p)
					head = !d.Z
				}
				if err != nil || head != (i == 0) && c != H264 && (c != AV1 || !key) {
					t.Errorf("%v packet %d: %v, head %v", c, i, err, head)
				}
			}
		}
	}
}

func TestSizesComeToTheBitrate(t *testing.T) {
	for _, screen := range []bool{false, true} {
		s := NewVideo(Video{Codec: VP8, Width: 1280, Height: 720, FPS: 30, Bitrate: 2_500_000, Screen: screen, Seed: 3})
		bytes, largest, key := 0, 0, 0
		for i := range uint32(3000) {
			n := 0
			for _, p := range s.Next(i, time.Now(), i%300 == 0).Payloads {
				n += len(p)
			}
			if i%300 == 0 {
				key = n
			} else {
				largest = max(largest, n)
			}
			bytes += n
		}
		rate := float64(bytes) * 8 / 100
		low, high := 2.3e6, 2.75e6
		if screen { // its bitrate is that of its changes, most of the time it is less
			low, high = 0.8e6, 2.75e6
		}
		if rate < low || rate > high || largest < 2*2_500_000/8/30*9/10 || key < 30_000 {
			t.Errorf("screen %v: %.0f bit/s, largest %d, keyframe %d", screen, rate, largest, key)
		}
	}
}

func TestSound(t *testing.T) {
	s := NewSound(9, 64_000)
	f := s.Next(3, time.Unix(5, 0), false)
	if got, ok := ReadStamp(f.Payloads[0]); !ok || got.Number != 3 || got.Source != 9 || len(f.Payloads[0]) != 160 {
		t.Errorf("%+v %v of %d bytes", got, ok, len(f.Payloads[0]))
	}
	if s.Interval() != 20*time.Millisecond || s.Codec().Clock() != 48000 {
		t.Errorf("%v, clock %d", s.Interval(), s.Codec().Clock())
	}
}

func TestWrongShapes(t *testing.T) {
	good := Video{Codec: VP8, Width: 640, Height: 360, FPS: 30, Bitrate: 1e6}
	for i, change := range []func(*Video){
		func(v *Video) { v.Codec = Opus }, func(v *Video) { v.Width = 8 }, func(v *Video) { v.Height = math.MaxInt32 },
		func(v *Video) { v.FPS = 0 }, func(v *Video) { v.Bitrate = 1 },
	} {
		v := good
		if change(&v); v.Check() == nil || good.Check() != nil {
			t.Errorf("%d: %+v passes", i, v)
		}
	}
	var c Codec
	if c.UnmarshalText([]byte("AV1")) != nil || c != AV1 || c.UnmarshalText([]byte("opus")) == nil {
		t.Errorf("codec by name: %v", c)
	}
}

func FuzzInspect(f *testing.F) {
	for _, c := range pictures {
		for _, p := range NewVideo(Video{Codec: c, Width: 64, Height: 64, FPS: 30, Bitrate: 1e6}).Next(0, time.Unix(0, 0), true).Payloads {
			f.Add(uint8(c), p)
		}
	}
	f.Fuzz(func(t *testing.T, c uint8, p []byte) {
		if l := Inspect(Codec(c%6), p); l.Body > len(p) || l.Key && !l.Begin {
			t.Fatalf("%+v of %d bytes", l, len(p))
		}
		ReadStamp(p)
	})
}
