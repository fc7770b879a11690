package codec

import "testing"

func TestKeyframe(t *testing.T) {
	for _, c := range []struct {
		name, mime string
		payload    []byte
		want       bool
	}{
		{"VP8 key, no extension", "video/VP8", []byte{0x10, 0x00, 1, 2}, true},
		{"VP8 key, lower case name", "video/vp8", []byte{0x10, 0x00}, true},
		{"VP8 inter", "video/VP8", []byte{0x10, 0x01}, false},
		{"VP8 later packet of a key frame", "video/VP8", []byte{0x00, 0x00}, false},
		{"VP8 other partition", "video/VP8", []byte{0x11, 0x00}, false},
		{"VP8 key, 15 bit picture id, tl0, tid", "video/VP8", []byte{0x90, 0xf0, 0x80, 0x01, 0x02, 0x20, 0x00}, true},
		{"VP8 inter, 15 bit picture id, tl0, tid", "video/VP8", []byte{0x90, 0xf0, 0x80, 0x01, 0x02, 0x20, 0x01}, false},
		{"VP8 key, 7 bit picture id", "video/VP8", []byte{0x90, 0x80, 0x05, 0x00}, true},
		{"VP8 cut in the picture id", "video/VP8", []byte{0x90, 0x80}, false},
		{"VP8 cut in the extension", "video/VP8", []byte{0x90}, false},
		{"VP9 key without layers", "video/VP9", []byte{0x88, 0x01, 0}, true},
		{"VP9 inter", "video/VP9", []byte{0xc8, 0x01, 0}, false},
		{"VP9 key, base layer, 15 bit id", "video/VP9", []byte{0xa8, 0x80, 0x01, 0x00, 0x05, 0x82}, true},
		{"VP9 key picture, upper layer", "video/VP9", []byte{0xa8, 0x80, 0x01, 0x02, 0x05, 0x82}, false},
		{"VP9 not the first packet", "video/VP9", []byte{0x80, 0x01}, false},
		{"H264 IDR", "video/H264", []byte{0x65, 1}, true},
		{"H264 SPS", "video/H264", []byte{0x67, 1}, true},
		{"H264 slice", "video/H264", []byte{0x41, 1}, false},
		{"H264 STAP-A with PPS, IDR", "video/H264", []byte{0x78, 0, 2, 0x68, 1, 0, 2, 0x65, 1}, true},
		{"H264 STAP-A of SEI", "video/H264", []byte{0x78, 0, 2, 0x06, 1}, false},
		{"H264 STAP-A whose size runs over", "video/H264", []byte{0x78, 0xff, 0xff, 0x06, 1}, false},
		{"H264 STAP-A of size 0", "video/H264", []byte{0x78, 0, 0, 0x06, 1}, false},
		{"H264 FU-A first of IDR", "video/H264", []byte{0x7c, 0x85, 1}, true},
		{"H264 FU-A middle of IDR", "video/H264", []byte{0x7c, 0x05, 1}, false},
		{"AV1 new sequence", "video/AV1", []byte{0x18, 1}, true},
		{"AV1 other", "video/AV1", []byte{0x10, 1}, false},
		{"AV1 continued fragment", "video/AV1", []byte{0x98, 1}, false},
		{"audio", "audio/opus", []byte{0x10, 0x00}, false},
	} {
		if got := Keyframe(c.mime, c.payload); got != c.want {
			t.Errorf("%s: Keyframe = %v, want %v", c.name, got, c.want)
		}
	}
}

func TestKeyframeAllocatesNothing(t *testing.T) {
	p := []byte{0x90, 0xf0, 0x80, 0x01, 0x02, 0x20, 0x00}
	if n := testing.AllocsPerRun(100, func() { Keyframe("video/VP8", p) }); n != 0 {
		t.Errorf("%v allocations a packet, want 0", n)
	}
}

func FuzzKeyframe(f *testing.F) {
	for _, p := range [][]byte{{}, {0x10}, {0x90, 0xff, 0xff}, {0x78, 0, 2, 0x68, 1}, {0xa8, 0x80}, {0x7c}} {
		f.Add(p)
	}
	f.Fuzz(func(_ *testing.T, p []byte) {
		for _, mime := range []string{"video/VP8", "video/VP9", "video/H264", "video/AV1", "audio/opus"} {
			Keyframe(mime, p)
		}
	})
}
