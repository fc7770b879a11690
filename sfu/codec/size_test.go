package codec

import "testing"

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
