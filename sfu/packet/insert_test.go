package packet

import (
	"bytes"
	"testing"

	"castcode/sfu/codec"
)

// A caster that sends its parameter sets once: each later keyframe gets them, and all numbers stay continuous, late
// packets included.
func TestParserPutsParameterSetsBeforeKeyframes(t *testing.T) {
	sets := []byte{0x78, 0, 3, 0x67, 1, 2, 0, 3, 0x68, 0xce, 1}
	for _, start := range starts {
		r, ring := NewParser(1, codec.H264), NewRing(1024)
		ts, keyframes := uint32(start)<<16, 0
		seq := start
		put := func(n uint16, marker bool, payload ...byte) *Packet {
			t.Helper()
			p, before, ok := r.Parse(&Incoming{Seq: n, TS: ts, Marker: marker, Payload: payload, Arrival: 1})
			if !ok {
				t.Fatalf("% x is refused", payload)
			}
			if before != nil {
				keyframes++
				if !bytes.Equal(before.Payload, sets) || before.Seq != p.Seq-1 || before.TS != p.TS || !before.Keyframe ||
					!before.FrameStart || p.Keyframe || p.FrameStart {
					t.Fatalf("start %d: %+v before %+v", start, before, p)
				}
				if placed := ring.Put(before); placed != Appended {
					t.Fatalf("start %d: the sets are %v", start, placed)
				}
			}
			if placed := ring.Put(p); placed != Appended && placed != Late {
				t.Fatalf("start %d: number %d is %v", start, n, placed)
			}
			return p
		}
		first := put(seq, false, 0x67, 1, 2).Seq
		put(seq+1, false, 0x68, 0xce, 1)
		put(seq+2, true, 0x65, 0x80, 1)
		seq += 3
		for range 20 {
			ts += 3000
			put(seq, true, 0x41, 0x80, 2)
			ts += 3000
			late := seq + 1 // its packet comes after the keyframe has begun
			put(seq+2, true, 0x41, 0x80, 3)
			ts += 3000
			put(seq+3, false, 0x7c, 0x85, 0x80, 1) // a keyframe in two fragments
			put(seq+4, true, 0x7c, 0x45, 1)
			ts -= 3000
			put(late, false, 0x41, 0x80, 4)
			ts += 3000
			seq += 5
		}
		if keyframes != 20 {
			t.Fatalf("start %d: %d keyframes got parameter sets, want 20", start, keyframes)
		}
		for n := first; n <= ring.Newest(); n++ {
			if ring.Get(n) == nil {
				t.Fatalf("start %d: a hole at %d of %d", start, n-first, ring.Newest()-first)
			}
		}
		at, ok := ring.Keyframe()
		if !ok || !ring.Get(at).Parameters || ring.Get(at + 1).Payload[0] != 0x7c {
			t.Fatalf("start %d: a viewer that starts at the keyframe gets %+v", start, ring.Get(at))
		}
	}
}

func TestParserLeavesCompleteKeyframesAlone(t *testing.T) {
	everyStart(t, codec.H264, func(f *feed) {
		for i := range uint16(5) {
			// STAP-A with the sets, then the picture, with one timestamp.
			p, before, _ := f.r.Parse(&Incoming{Seq: f.seq + 2*i, TS: uint32(i), Payload: []byte{0x78, 0, 3, 0x67, 1, 2, 0, 3, 0x68, 0xce, 1}})
			q, between, _ := f.r.Parse(&Incoming{Seq: f.seq + 2*i + 1, TS: uint32(i), Marker: true, Payload: []byte{0x65, 0x80, 1}})
			if before != nil || between != nil || !p.Keyframe || q.Keyframe || q.Seq != p.Seq+1 {
				t.Fatalf("start %d: %+v, %+v", f.seq, p, q)
			}
		}
	})
}
