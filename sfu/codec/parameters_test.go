package codec

import (
	"bytes"
	"testing"
)

func TestParametersOfH264(t *testing.T) {
	sps, pps := []byte{0x67, 0x42, 0xe0, 0x1f}, []byte{0x68, 0xce, 0x3c}
	want := []byte{0x78, 0, 4, 0x67, 0x42, 0xe0, 0x1f, 0, 3, 0x68, 0xce, 0x3c}
	for name, packets := range map[string][][]byte{
		"alone":      {sps, pps},
		"aggregated": {want},
		"repeated":   {sps, pps, sps, pps},
		"changed":    {{0x67, 1, 2, 3}, {0x68, 0x40, 1}, sps, pps},
		"with more":  {{0x09, 0x10}, sps, {0x06, 1, 2}, pps, {0x65, 0x80, 1}},
	} {
		var s Parameters
		for _, p := range packets {
			s.Learn(H264, p)
		}
		got, ok := s.Append(nil, H264)
		if !ok || !bytes.Equal(got, want) {
			t.Errorf("%s: % x %v", name, got, ok)
		}
		if info, ok := Inspect(H264, got, nil); !ok || !info.Keyframe || !info.Parameters {
			t.Errorf("%s: what was made is %+v %v", name, info, ok)
		}
	}
}

func TestParametersOfH265(t *testing.T) {
	vps, sps, pps := []byte{0x40, 1, 1}, []byte{0x42, 1, 2}, []byte{0x44, 1, 0xc0}
	var s Parameters
	for _, p := range [][]byte{vps, sps} {
		s.Learn(H265, p)
	}
	if _, ok := s.Append(nil, H265); ok {
		t.Error("picture parameters are missing and nobody notices")
	}
	s.Learn(H265, pps)
	got, ok := s.Append(nil, H265)
	if want := []byte{0x60, 1, 0, 3, 0x40, 1, 1, 0, 3, 0x42, 1, 2, 0, 3, 0x44, 1, 0xc0}; !ok || !bytes.Equal(got, want) {
		t.Errorf("% x %v", got, ok)
	}
	if info, ok := Inspect(H265, got, nil); !ok || !info.Keyframe || !info.Parameters {
		t.Errorf("what was made is %+v %v", info, ok)
	}
}

func TestParametersAreBounded(t *testing.T) {
	var s Parameters
	s.Learn(H264, append([]byte{0x67}, make([]byte, 1200)...))
	for id := range byte(64) {
		s.Learn(H264, []byte{0x68, 0x01, id << 2, 1})
	}
	if s.count > maxSets {
		t.Errorf("%d sets", s.count)
	}
	if _, ok := s.Append(nil, H264); ok {
		t.Error("a packet that is too large is made")
	}
	for _, p := range [][]byte{{0x68, 0, 0, 0}, {0x68, 0x00, 0x00}, {0x78, 0xff, 0xff, 0x67}, {0x67}} {
		s.Learn(H264, p) // nothing may break
	}
}

func FuzzParameters(f *testing.F) {
	f.Add([]byte{0x78, 0, 4, 0x67, 0x42, 0xe0, 0x1f, 0, 3, 0x68, 0xce, 0x3c}, true)
	f.Add([]byte{0x60, 1, 0, 3, 0x40, 1, 1, 0, 3, 0x42, 1, 2, 0, 3, 0x44, 1, 0xc0}, false)
	f.Fuzz(func(t *testing.T, p []byte, h264 bool) {
		kind := H265
		if h264 {
			kind = H264
		}
		if _, ok := Inspect(kind, p, nil); !ok {
			return
		}
		var s Parameters
		s.Learn(kind, p)
		if made, ok := s.Append(nil, kind); ok {
			if _, ok := Inspect(kind, made, nil); !ok {
				t.Fatalf("% x makes % x", p, made)
			}
		}
	})
}
