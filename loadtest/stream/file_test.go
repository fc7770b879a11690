package stream

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// ivf is an IVF file with n pictures, every fifth a keyframe.
func ivf(c Codec, fourCC string, n int) []byte {
	var b bytes.Buffer
	b.WriteString("DKIF")
	for _, v := range []uint16{0, 32} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	b.WriteString(fourCC)
	for _, v := range []uint16{640, 360} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	for _, v := range []uint32{25, 1, uint32(n), 0} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	for i := range n {
		frame := picture(nil, c, 640, 360, 3000+i, &Stamp{Key: i%5 == 0, Number: uint32(i)})
		_ = binary.Write(&b, binary.LittleEndian, uint32(len(frame)))
		_ = binary.Write(&b, binary.LittleEndian, uint64(i))
		b.Write(frame)
	}
	return b.Bytes()
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFilesOfPictures(t *testing.T) {
	var annexB []byte
	for i := range 12 {
		annexB = append(annexB, picture(nil, H264, 640, 360, 3000+i, &Stamp{Key: i%5 == 0})...)
	}
	for _, c := range []struct {
		path  string
		codec Codec
		every time.Duration
	}{
		{write(t, "a.ivf", ivf(VP8, "VP80", 12)), VP8, 40 * time.Millisecond},
		{write(t, "b.ivf", ivf(VP9, "VP90", 12)), VP9, 40 * time.Millisecond},
		{write(t, "c.ivf", ivf(AV1, "AV01", 12)), AV1, 40 * time.Millisecond},
		{write(t, "d.h264", annexB), H264, 20 * time.Millisecond},
	} {
		s, err := OpenPictures(c.path, 50)
		if err != nil {
			t.Errorf("%v: %v", c.codec, err)
			continue
		}
		if s.Codec() != c.codec || s.Interval() != c.every {
			t.Errorf("%v every %v", s.Codec(), s.Interval())
		}
		ledger := &Ledger{}
		for i := range uint32(30) { // two loops and a half
			f := s.Next(i, time.Time{}, false)
			if len(f.Payloads) < 3 || f.Key != (i%12%5 == 0) {
				t.Fatalf("%v picture %d: %d packets, key %v", c.codec, i, len(f.Payloads), f.Key)
			}
			ledger.Add(c.codec, f, Stamp{Number: i})
			last := f.Payloads[len(f.Payloads)-1]
			if got, ok := ledger.Find(Hash(last[Inspect(c.codec, last).Body:])); !ok || got.Number != i || int(got.Packets) != len(f.Payloads) || got.Key != f.Key {
				t.Errorf("%v picture %d in the ledger: %+v %v", c.codec, i, got, ok)
			}
		}
	}
}

// ogg is an Ogg file of packets, several to a page as encoders write them.
func ogg(packets ...[]byte) (file []byte) {
	for len(packets) > 0 {
		n := min(3, len(packets))
		var sizes, body []byte
		for _, p := range packets[:n] {
			for range len(p) / 255 {
				sizes = append(sizes, 255)
			}
			sizes = append(sizes, byte(len(p)%255))
			body = append(body, p...)
		}
		page := append(append([]byte("OggS"), make([]byte, 22)...), byte(len(sizes)))
		file = append(append(append(file, page...), sizes...), body...)
		packets = packets[n:]
	}
	return file
}

func TestFilesOfSound(t *testing.T) {
	packets := [][]byte{[]byte("OpusHead…"), []byte("OpusTags…")}
	for i := range 10 {
		packets = append(packets, append([]byte{0xfc}, bytes.Repeat([]byte{byte(i)}, 50*i)...))
	}
	s, err := OpenSound(write(t, "a.ogg", ogg(packets...)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint32(25) {
		if f := s.Next(i, time.Time{}, false); len(f.Payloads) != 1 || !bytes.Equal(f.Payloads[0], packets[2+i%10]) {
			t.Errorf("packet %d: %d bytes", i, len(f.Payloads[0]))
		}
	}
	if s.Interval() != 20*time.Millisecond {
		t.Errorf("every %v", s.Interval())
	}
}

func TestFilesThatAreNone(t *testing.T) {
	for name, data := range map[string][]byte{
		"empty.ivf": nil, "text.ivf": []byte("nothing of the kind, but long enough for a header"), "vp6.ivf": ivf(VP8, "VP60", 1),
		"none.ivf": ivf(VP8, "VP80", 0), "none.h264": []byte("no start code"),
	} {
		if s, err := OpenPictures(write(t, name, data), 30); err == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
	for name, data := range map[string][]byte{"text.ogg": []byte("text"), "empty.ogg": nil, "head.ogg": ogg([]byte("OpusHead")), "other.ogg": ogg([]byte("vorbis"), []byte("a"), []byte("b"))} {
		if s, err := OpenSound(write(t, name, data)); err == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if _, err := OpenPictures(filepath.Join(t.TempDir(), "absent.ivf"), 30); err == nil {
		t.Error("an absent file opens")
	}
}

func FuzzOgg(f *testing.F) {
	f.Add(ogg([]byte("OpusHead"), []byte("OpusTags"), bytes.Repeat([]byte{1}, 600)))
	f.Fuzz(func(t *testing.T, data []byte) {
		packets, err := oggPackets(data)
		size := 0
		for _, p := range packets {
			size += len(p)
			opusLength(p)
		}
		if err == nil && size > len(data) {
			t.Fatalf("%d bytes out of %d", size, len(data))
		}
	})
}
