package tcp

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"testing"
)

// framed puts the length before each datagram.
func framed(datagrams ...[]byte) (stream []byte) {
	for _, p := range datagrams {
		stream = append(binary.BigEndian.AppendUint16(stream, uint16(len(p))), p...)
	}
	return stream
}

// cut reads a stream that comes in pieces of a size and returns its frames.
func cut(stream []byte, piece int) (got [][]byte, bad bool) {
	var f frames
	for {
		p, bad := f.next()
		switch {
		case bad:
			return got, true
		case p != nil:
			got = append(got, bytes.Clone(p))
		case len(stream) == 0:
			return got, false
		default:
			n := copy(f.space(), stream[:min(piece, len(stream))])
			stream = stream[n:]
			f.took(n)
		}
	}
}

func TestFrames(t *testing.T) {
	sent := [][]byte{make([]byte, minFrame), bytes.Repeat([]byte{1}, maxFrame), make([]byte, 700), bytes.Repeat([]byte{9}, maxFrame)}
	for _, piece := range []int{1, 2, 3, 700, readSize, 1 << 20} {
		got, bad := cut(framed(sent...), piece)
		if bad || len(got) != len(sent) {
			t.Fatalf("pieces of %d: %d frames, bad %v", piece, len(got), bad)
		}
		for i := range got {
			if !bytes.Equal(got[i], sent[i]) {
				t.Errorf("pieces of %d: frame %d is %x", piece, i, got[i])
			}
		}
	}
	for _, stream := range []string{"0000", "ffff", "000b", "05dd", "0001ffec2112a442"} {
		p, err := hex.DecodeString(stream)
		if err != nil {
			t.Fatal(err)
		}
		if got, bad := cut(append(framed(sent[0]), p...), 1); !bad || len(got) != 1 {
			t.Errorf("%s: %d frames, bad %v", stream, len(got), bad)
		}
	}
}

// FuzzFrames: whatever comes and in whatever pieces, the frames are those that the bytes say, all of a size that is
// allowed, and there is always space for more.
func FuzzFrames(f *testing.F) {
	for _, seed := range []string{
		"0000", "ffff", "00", "000b", "05dd", "05dc", "000c000102030405060708090a0b000c",
		// P1, P9, CSRC over the end, extension over the end; framed
		"00200016000c2112a442000102030405060708090a0b001300040000000000120000",
		"00140001ffec2112a442000102030405060708090a0b", "00084000fffc00000000",
		"000c8f600001000000011122334400", "001090600001000000011122334400bedeffff",
	} {
		p, err := hex.DecodeString(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p, 1)
		f.Add(p, 4096)
	}
	f.Fuzz(func(t *testing.T, stream []byte, piece int) {
		piece = max(piece, 1)
		got, bad := cut(stream, piece)
		whole, alike := cut(stream, len(stream)+1)
		if bad != alike || len(got) != len(whole) {
			t.Fatalf("in pieces of %d %d frames, bad %v; at once %d, %v", piece, len(got), bad, len(whole), alike)
		}
		rest := stream
		for i, p := range got {
			if len(p) < minFrame || len(p) > maxFrame || !bytes.Equal(p, whole[i]) || !bytes.HasPrefix(rest, framed(p)) {
				t.Fatalf("frame %d: %x", i, p)
			}
			rest = rest[frameHeader+len(p):]
		}
	})
}
