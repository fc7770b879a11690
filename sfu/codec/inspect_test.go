package codec

import (
	"bytes"
	"testing"
)

func TestInspect(t *testing.T) {
	for _, c := range []struct {
		name    string
		kind    Kind
		payload []byte
		want    Traits
	}{
		{"VP8 key, all fields", VP8, []byte{0x90, 0xf0, 0x81, 0x02, 0x07, 0x05, 0x00}, Traits{
			Keyframe: true, FrameStart: true, Layered: true, PictureID: 0x102, PictureBits: 15, PictureAt: 2,
			TL0: 7, TL0At: 4, KeyIndex: 5, KeyAt: 5,
		}},
		{"VP8 upper layer with sync", VP8, []byte{0xb0, 0xe0, 0x05, 0x07, 0xa0, 0x01}, Traits{
			FrameStart: true, Layered: true, Temporal: 2, Switch: true, Discardable: true,
			PictureID: 5, PictureBits: 7, PictureAt: 2, TL0: 7, TL0At: 3,
		}},
		{"VP8 sync mark on the base layer is no step", VP8, []byte{0x90, 0x20, 0x20, 0x01}, Traits{
			FrameStart: true, Layered: true,
		}},
		{"VP9 base of a key picture", VP9, []byte{0xa8, 0x80, 0x09, 0x10, 0x04, 0x82}, Traits{
			Keyframe: true, FrameStart: true, Layered: true, SwitchUp: true,
			PictureID: 9, PictureBits: 15, PictureAt: 1, TL0: 4, TL0At: 4,
		}},
		{"VP9 upper layer of a key picture, flexible", VP9, []byte{0x3c, 0x23, 0x86}, Traits{
			FrameStart: true, FrameEnd: true, Layered: true, Switch: true, Temporal: 1, Spatial: 1,
		}},
		{"VP9 inter", VP9, []byte{0x68, 0x40, 0x04, 0x86}, Traits{
			FrameStart: true, Layered: true, Temporal: 2, TL0: 4, TL0At: 2,
		}},
		{"H264 STAP-A of SPS and PPS", H264, []byte{0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 1}, Traits{
			Keyframe: true, FrameStart: true, Parameters: true,
		}},
		{"H264 first slice, nobody refers to it", H264, []byte{0x01, 0x80}, Traits{FrameStart: true, Discardable: true}},
		{"H264 later slice", H264, []byte{0x41, 0x40}, Traits{}},
		{"H264 first fragment of a first slice", H264, []byte{0x5c, 0x81, 0x80}, Traits{FrameStart: true}},
		{"H265 parameter set", H265, []byte{0x40, 0x01, 1}, Traits{
			Keyframe: true, FrameStart: true, Parameters: true, Layered: true,
		}},
		{"H265 first fragment of an IDR", H265, []byte{0x62, 0x01, 0x80 | 19, 0x80}, Traits{
			Keyframe: true, FrameStart: true, Layered: true,
		}},
		{"H265 temporal access", H265, []byte{0x06, 0x02, 0x80}, Traits{
			FrameStart: true, Layered: true, Temporal: 1, Switch: true, SwitchUp: true,
		}},
		{"H265 step-wise access, not referred to", H265, []byte{0x08, 0x03, 0x80}, Traits{
			FrameStart: true, Layered: true, Temporal: 2, Switch: true, Discardable: true,
		}},
		{"H265 aggregate", H265, []byte{0x60, 0x01, 0, 3, 0x40, 0x01, 1, 0, 3, 0x28, 0x01, 0x80}, Traits{
			Keyframe: true, FrameStart: true, Parameters: true, Layered: true,
		}},
		{"AV1 sequence header, then a frame", AV1, []byte{0x28, 2, 0x08, 0, 0x30, 1}, Traits{
			Keyframe: true, FrameStart: true, Parameters: true,
		}},
		{"AV1 with layers", AV1, []byte{0x10, 0x34, 0x30, 1}, Traits{Layered: true, Temporal: 1, Spatial: 2}},
		{"AV1 rest of one, then one with layers", AV1, []byte{0x80, 2, 9, 9, 3, 0x34, 0x20, 1}, Traits{
			Layered: true, Temporal: 1,
		}},
		{"Opus", Opus, []byte{0x78}, Traits{FrameStart: true, FrameEnd: true, Discardable: true}},
		{"unknown", Unknown, nil, Traits{}},
	} {
		if got, ok := Inspect(c.kind, c.payload, nil); !ok || got != c.want {
			t.Errorf("%s:\n got %+v %v\nwant %+v", c.name, got, ok, c.want)
		}
	}
}

func TestInspectRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		kind    Kind
		payload []byte
	}{
		{"VP8 empty", VP8, nil},
		{"VP8 cut in TL0PICIDX", VP8, []byte{0x90, 0x40}},
		{"VP8 cut in TID", VP8, []byte{0x90, 0x20}},
		{"VP8 descriptor alone", VP8, []byte{0x90, 0x80, 0x80, 0x01}},
		{"VP9 cut in the picture id", VP9, []byte{0x88, 0x80}},
		{"VP9 cut in the layers", VP9, []byte{0xa8, 0x01}},
		{"VP9 without TL0PICIDX", VP9, []byte{0x28, 0x00}},
		{"H264 forbidden bit", H264, []byte{0xe5, 1}},
		{"H264 STAP-A cut", H264, []byte{0x78, 0, 9, 0x67, 1}},
		{"H264 MTAP", H264, []byte{0x7a, 0, 0, 0}},
		{"H264 FU-A header alone", H264, []byte{0x7c, 0x85}},
		{"H265 without temporal id", H265, []byte{0x40, 0x00, 1}},
		{"H265 PACI", H265, []byte{0x64, 0x01, 1}},
		{"H265 aggregate of size 1", H265, []byte{0x60, 0x01, 0, 1, 0x40, 0x01}},
		{"AV1 header alone", AV1, []byte{0x10}},
		{"AV1 Z and N", AV1, []byte{0x98, 1}},
		{"AV1 length over the end", AV1, []byte{0x00, 9, 1}},
		{"AV1 endless length", AV1, []byte{0x00, 0xff, 0xff, 0xff, 0xff, 0xff}},
		{"AV1 forbidden bit", AV1, []byte{0x10, 0x80}},
		{"Opus empty", Opus, nil},
	} {
		if info, ok := Inspect(c.kind, c.payload, nil); ok {
			t.Errorf("%s: passes as %+v", c.name, info)
		}
	}
}

func TestKindNames(t *testing.T) {
	for k := VP8; k <= Opus; k++ {
		if KindOf(k.String()) != k {
			t.Errorf("%v is not found by its name", k)
		}
	}
	if KindOf("video/rtx") != Unknown || KindOf("") != Unknown || Kind(200).String() != "" {
		t.Error("an unknown name is taken for a codec")
	}
	if VP8.Clock() != 90000 || Opus.Clock() != 48000 || Opus.Video() || !H265.Video() {
		t.Error("clock or medium")
	}
}

func TestShiftOfVP8(t *testing.T) {
	payload := []byte{0x90, 0xf0, 0xff, 0xff, 0xff, 0xbf, 0x00, 7} // picture 32767, TL0 255, layer 2 with Y, key 31
	info, _ := Inspect(VP8, payload, nil)
	got := Shift{Picture: 3, TL0: 2, KeyIndex: 1}.AppendPayload([]byte{9}, payload, &info, info.PictureID)
	if want := []byte{9, 0x90, 0xf0, 0x80, 0x02, 0x01, 0xa0, 0x00, 7}; !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
	got = Shift{}.AppendPayload(nil, payload, &info, info.PictureID)
	if !bytes.Equal(got, payload) {
		t.Errorf("shift of nothing gives % x", got)
	}
}

func TestShiftWidensA7BitPictureID(t *testing.T) {
	payload := []byte{0x90, 0xe0, 0x7f, 0x05, 0x40, 0x01, 7}
	info, _ := Inspect(VP8, payload, nil)
	got := Shift{Picture: 1, TL0: 1}.AppendPayload(nil, payload, &info, info.PictureID)
	if want := []byte{0x90, 0xe0, 0x80, 0x80, 0x06, 0x40, 0x01, 7}; !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
	back, ok := Inspect(VP8, got, nil)
	if !ok || back.PictureID != 128 || back.TL0 != 6 || back.Temporal != 1 {
		t.Errorf("read back as %+v %v", back, ok)
	}
	got = Shift{Picture: 0x7fff}.AppendPayload(nil, payload, &info, info.PictureID)
	if want := []byte{0x90, 0xe0, 0x7e, 0x05, 0x40, 0x01, 7}; !bytes.Equal(got, want) {
		t.Errorf("one back: % x, want % x", got, want)
	}
}

func TestShiftOfVP9(t *testing.T) {
	payload := []byte{0xa8, 0x80, 0x09, 0x10, 0xff, 0x82}
	info, _ := Inspect(VP9, payload, nil)
	got := Shift{Picture: 0x1000, TL0: 1}.AppendPayload(nil, payload, &info, info.PictureID)
	if want := []byte{0xa8, 0x90, 0x09, 0x10, 0x00, 0x82}; !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
}

func TestShiftOfADescriptor(t *testing.T) {
	got := Shift{Frame: 2}.AppendDescriptor(nil, []byte{0xc0, 0xff, 0xff, 1})
	if want := []byte{0xc0, 0x00, 0x01, 1}; !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
	if got := (Shift{Frame: 2}).AppendDescriptor(nil, []byte{1}); !bytes.Equal(got, []byte{1}) {
		t.Errorf("a cut one becomes % x", got)
	}
}

func TestInspectAllocatesNothing(t *testing.T) {
	payload := []byte{0x90, 0xf0, 0x80, 0x01, 0x02, 0x20, 0x00}
	dst := make([]byte, 0, 64)
	n := testing.AllocsPerRun(100, func() {
		info, _ := Inspect(VP8, payload, nil)
		dst = Shift{Picture: 1}.AppendPayload(dst[:0], payload, &info, info.PictureID)
	})
	if n != 0 {
		t.Errorf("%v allocations a packet, want 0", n)
	}
}

var seeds = [][]byte{
	{},
	{0x10},
	{0x90, 0xff, 0xff},
	{0x90, 0xf0, 0x81, 0x02, 0x07, 0x05, 0x00},
	{0xa8, 0x80, 0x09, 0x10, 0x04, 0x82},
	{0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 1},
	{0x7c, 0x85, 0x80},
	{0x60, 0x01, 0, 3, 0x40, 0x01, 1, 0, 3, 0x28, 0x01, 0x80},
	{0x62, 0x01, 0x93, 0x80},
	{0x28, 2, 0x08, 0, 0x30, 1},
	{0x80, 2, 9, 9, 3, 0x34, 0x20, 1},
	{0x00, 0xff, 0xff, 0xff, 0xff, 0xff},
}

// Whatever passes can be patched, the patched payload passes too, and says what it was made to say.
func FuzzInspect(f *testing.F) {
	for k := Unknown; k <= Opus; k++ {
		for _, p := range seeds {
			f.Add(byte(k), p, uint16(1), byte(3))
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, p []byte, picture uint16, other byte) {
		info, ok := Inspect(Kind(kind), p, nil)
		if !ok {
			return
		}
		s := Shift{Picture: picture, TL0: other, KeyIndex: other}
		out := s.AppendPayload(nil, p, &info, info.PictureID)
		front := info.Front(len(p))
		if parts := append(s.AppendPayload(nil, p[:front], &info, info.PictureID), p[front:]...); !bytes.Equal(parts, out) {
			t.Fatalf("% x becomes % x whole and % x in two parts", p, out, parts)
		}
		if len(out) < len(p) || len(out) > len(p)+1 {
			t.Fatalf("%d bytes become %d", len(p), len(out))
		}
		back, ok := Inspect(Kind(kind), out, nil)
		if !ok {
			t.Fatalf("% x becomes % x, which is refused", p, out)
		}
		if info.PictureAt > 0 && back.PictureID != (info.PictureID+picture)&0x7fff {
			t.Fatalf("picture %d + %d becomes %d", info.PictureID, picture, back.PictureID)
		}
		if back.TL0At > 0 && back.TL0 != info.TL0+other || back.KeyAt > 0 && back.KeyIndex != (info.KeyIndex+other)&0x1f {
			t.Fatalf("TL0 %d, key %d become %d, %d", info.TL0, info.KeyIndex, back.TL0, back.KeyIndex)
		}
		if back.Keyframe != info.Keyframe || back.Temporal != info.Temporal || back.FrameStart != info.FrameStart {
			t.Fatalf("%+v becomes %+v", info, back)
		}
	})
}

func BenchmarkInspectVP8(b *testing.B) {
	payload := []byte{0x90, 0xf0, 0x80, 0x01, 0x02, 0x20, 0x00}
	for b.Loop() {
		Inspect(VP8, payload, nil)
	}
}
