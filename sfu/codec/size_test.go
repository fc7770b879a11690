package codec

import (
	"encoding/hex"
	"testing"
)

func TestPictureSizeOfVP8(t *testing.T) {
	frame := []byte{0x50, 0x42, 0x00, 0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x42} // 1280x720, scaled by 1 in height
	for name, head := range map[string][]byte{
		"bare": {0x10}, "picture id of 7 bits": {0x90, 0x80, 5}, "of 15": {0x90, 0x80, 0x85, 1},
		"all": {0x90, 0xf0, 0x85, 1, 2, 3},
	} {
		p := append(append([]byte{}, head...), frame...)
		if w, h := PictureSize(VP8, p, &Traits{}); w != 1280 || h != 720 {
			t.Errorf("%s: %dx%d", name, w, h)
		}
		for n := range p {
			PictureSize(VP8, p[:n], &Traits{}) // cut anywhere
		}
		p[len(head)+3] = 0
		if w, h := PictureSize(VP8, p, &Traits{}); w != 0 || h != 0 {
			t.Errorf("%s without start code: %dx%d", name, w, h)
		}
	}
	if w, h := PictureSize(VP8, []byte{0x10, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0}, &Traits{}); w != 0 || h != 0 {
		t.Errorf("of no keyframe: %dx%d", w, h)
	}
}

func TestPictureSizeOfADescriptor(t *testing.T) {
	s := &Structure{}
	s.Width[0], s.Height[0], s.Width[1], s.Height[1] = 640, 360, 1280, 720
	if w, h := PictureSize(AV1, nil, &Traits{Structure: s}); w != 1280 || h != 720 {
		t.Errorf("%dx%d", w, h)
	}
	if w, h := PictureSize(H264, []byte{1, 2}, &Traits{Structure: &Structure{}}); w != 0 || h != 0 {
		t.Errorf("%dx%d where nobody says it", w, h)
	}
}

// What x264, libvpx, libaom, SVT-AV1 and rav1e write, with the sizes that they were told.
func TestPictureSizeOfEncoders(t *testing.T) {
	for _, c := range []struct {
		name          string
		kind          Kind
		front         string // what stands before the encoder's bytes in the packet
		bytes         string
		width, height int
	}{
		{"high, cropped", H264, "", "67640028acd940780227e584000003000400000300f03c60c658", 1920, 1080},
		{"baseline", H264, "", "6742c01fd9005005ba10000003001000000303c0f1832480", 1280, 720},
		{"main, cropped in width", H264, "", "674d401feca06c1ef37080000003008000001e078c18cb", 854, 480},
		{"4:4:4", H264, "", "67f4001e919b281405ff1308000003000800000301e078b16cb0", 640, 360},
		{"interlaced", H264, "", "67640028acd94078044fdc20000003002000000783e2c5b2c0", 1920, 1080},
		{"high", H264, "", "6764000dacd941419f9e10000003001000000303c0f1429960", 320, 180},
		{"4:2:2", H264, "", "677a001ebcd940a42fe22784000003000400000300f03c58b658", 642, 362},
		{"aggregated", H264, "7800026809" + "0018", "6742c01fd9005005ba10000003001000000303c0f1832480" + "000468ce3c80", 1280, 720},
		{"VP9", VP9, "08", "82498342004ff02cf60038241c184a180040620c", 1280, 720},
		{"VP9 with a picture id", VP9, "888123", "824983420035501df60038241c184a100070620c", 854, 480},
		{"VP9 with layers", VP9, "a88123" + "0005", "82498342004ff02cf60038241c184a180040620c", 1280, 720},
		{"VP9 that says the sizes of its layers", VP9, "0a" + "30" + "014000b4" + "028001680", "0", 640, 360},
		{"VP9 that says its groups", VP9, "0a" + "08" + "01" + "0401", "82498342004ff02cf60038241c184a180040620c", 1280, 720},
		{"AV1 of libaom", AV1, "18", "0a0b0000002d4cffb3ccaf9004", 1280, 720},
		{"AV1 of SVT", AV1, "28" + "0d", "0a0b00000024c6abdf3efe4010" + "3234", 854, 480},
		{"AV1 of rav1e, with operating points", AV1, "08" + "10", "0a0e000000fa6355ef8842b2040404" + "28", 854, 480},
		{"AV1 without a size of the OBU", AV1, "18", "080000002d4cffb3ccaf9004", 1280, 720},
	} {
		p, err := hex.DecodeString(c.front + c.bytes)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if w, h := PictureSize(c.kind, p, &Traits{}); w != c.width || h != c.height {
			t.Errorf("%s: %dx%d, want %dx%d", c.name, w, h, c.width, c.height)
		}
		for n := range p {
			PictureSize(c.kind, p[:n], &Traits{}) // cut anywhere
		}
	}
}

func FuzzPictureSize(f *testing.F) {
	for _, s := range []string{
		"67640028acd940780227e584000003000400000300f03c60c658", "888123824983420035501df60038241c184a100070620c",
		"180a0b0000002d4cffb3ccaf9004", "67640028ffffffffffffffff", "0a30014000b402800168", "6764ffffb4ffffffffffffffffffffff",
	} {
		p, err := hex.DecodeString(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		for kind := VP8; kind <= Opus; kind++ {
			if w, h := PictureSize(kind, p, &Traits{}); w < 0 || h < 0 || w > largest || h > largest || (w == 0) != (h == 0) {
				t.Errorf("%v: %dx%d", kind, w, h)
			}
		}
	})
}

func TestPictureSizeAllocatesNothing(t *testing.T) {
	p, _ := hex.DecodeString("67640028acd940780227e584000003000400000300f03c60c658")
	info := &Traits{}
	if n := testing.AllocsPerRun(100, func() { PictureSize(H264, p, info) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
