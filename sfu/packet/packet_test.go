package packet

import (
	"bytes"
	"testing"

	"castcode/sfu/codec"
)

// feed parses payloads one after the other: a packet each, the marker and the timestamp as given.
type feed struct {
	t   *testing.T
	r   *Parser
	seq uint16
}

func (f *feed) put(seq uint16, ts uint32, marker bool, payload ...byte) *Packet {
	f.t.Helper()
	p, _, ok := f.r.Parse(&Incoming{Seq: f.seq + seq, TS: ts, Marker: marker, Payload: payload})
	if !ok {
		f.t.Fatalf("payload % x is refused", payload)
	}
	return p
}

func (f *feed) want(p *Packet, key, start, end bool) {
	f.t.Helper()
	if p.Keyframe != key || p.FrameStart != start || p.FrameEnd != end {
		f.t.Errorf("start %d, packet %d: keyframe %v, start %v, end %v; want %v %v %v", f.seq, uint16(p.Seq)-f.seq,
			p.Keyframe, p.FrameStart, p.FrameEnd, key, start, end)
	}
}

func everyStart(t *testing.T, kind codec.Kind, story func(f *feed)) {
	for _, start := range starts {
		story(&feed{t: t, r: NewParser(1, kind), seq: start})
	}
}

func TestParserBordersOfH264(t *testing.T) {
	everyStart(t, codec.H264, func(f *feed) {
		f.want(f.put(0, 100, false, 0x09, 0x10), false, true, false) // access unit delimiter
		f.want(f.put(1, 100, false, 0x67, 1), true, true, false)     // the decoder starts here
		f.want(f.put(2, 100, false, 0x68, 1), false, false, false)
		f.want(f.put(3, 100, false, 0x7c, 0x85, 0x80), false, false, false) // first slice, first fragment
		f.want(f.put(4, 100, false, 0x7c, 0x05, 1), false, false, false)
		f.want(f.put(5, 100, true, 0x65, 0x40), false, false, true) // second slice
		f.want(f.put(6, 3100, true, 0x41, 0x80), false, true, true) // one packet
		f.want(f.put(7, 6100, false, 0x41, 0x80), false, true, false)
		f.want(f.put(9, 6100, true, 0x41, 0x20), false, false, true) // after a gap in the frame
		f.want(f.put(8, 6100, false, 0x41, 0x40), false, false, false)
	})
}

func TestParserH264KeyframeAfterAGap(t *testing.T) {
	everyStart(t, codec.H264, func(f *feed) {
		f.put(0, 100, true, 0x41, 0x80)
		f.want(f.put(3, 3100, false, 0x65, 0x80), false, true, false) // its parameter sets may be in the gap
		f.want(f.put(2, 3100, false, 0x68, 1), false, false, false)
		f.want(f.put(1, 3100, false, 0x67, 1), true, true, false) // and were
	})
	everyStart(t, codec.H264, func(f *feed) {
		f.put(0, 100, true, 0x41, 0x80)
		f.want(f.put(1, 3100, true, 0x65, 0x80), true, true, true) // a sender whose parameter sets are in SDP
	})
}

func TestParserBordersOfVP9AndVP8(t *testing.T) {
	everyStart(t, codec.VP9, func(f *feed) {
		f.want(f.put(0, 100, false, 0x28, 0x00, 1, 0x82), true, true, false)
		f.want(f.put(1, 100, false, 0x24, 0x00, 1, 0x82), false, false, true) // the base layer's last
		f.want(f.put(2, 100, true, 0x2c, 0x03, 1, 0x82), false, true, true)   // the layer above it
	})
	everyStart(t, codec.VP8, func(f *feed) {
		f.want(f.put(0, 100, false, 0x10, 0x00), true, true, false)
		f.want(f.put(1, 100, true, 0x00, 0x00), false, false, true)
		f.want(f.put(2, 3100, true, 0x10, 0x01), false, true, true)
	})
}

func TestParserInheritsAV1Layers(t *testing.T) {
	everyStart(t, codec.AV1, func(f *feed) {
		p := f.put(0, 100, false, 0x18, 0x34, 0x48, 1) // N, one element: a frame header OBU with layers 2 and 1
		if f.want(p, true, true, false); p.Temporal != 2 || p.Spatial != 1 {
			t.Errorf("temporal %d, spatial %d, want 2 1", p.Temporal, p.Spatial)
		}
		p = f.put(1, 100, true, 0x90, 1, 2, 3)
		if f.want(p, false, false, true); p.Temporal != 2 || p.Spatial != 1 {
			t.Errorf("continued: temporal %d, spatial %d, want 2 1", p.Temporal, p.Spatial)
		}
	})
}

func TestParserWidensPictureIDs(t *testing.T) {
	r := NewParser(1, codec.VP8)
	want := uint16(100)
	for i := range uint16(100) {
		id := (100 + i) & 0x7f
		p, _, ok := r.Parse(&Incoming{Seq: i, TS: uint32(i), Payload: []byte{0x90, 0x80, byte(id), 1}})
		if !ok || p.Picture != want {
			t.Fatalf("picture %d becomes %d, want %d", id, p.Picture, want)
		}
		want++
	}
	// The sender that writes 15 bits from 128 on, and one that came late.
	p, _, _ := r.Parse(&Incoming{Seq: 100, TS: 100, Payload: []byte{0x90, 0x80, 0x80, 200, 1}})
	late, _, _ := r.Parse(&Incoming{Seq: 99, TS: 99, Payload: []byte{0x90, 0x80, 199 & 0x7f, 1}})
	if p.Picture != 200 || late.Picture != 199 {
		t.Errorf("got %d and %d, want 200 and 199", p.Picture, late.Picture)
	}
}

func TestParserCopiesWhatItKeeps(t *testing.T) {
	r := NewParser(1, codec.Opus)
	payload := []byte{1, 2, 3}
	p, _, _ := r.Parse(&Incoming{Payload: payload})
	q, _, _ := r.Parse(&Incoming{Seq: 1, Payload: []byte{4, 5}})
	payload[0] = 9
	if !bytes.Equal(p.Payload, []byte{1, 2, 3}) || !bytes.Equal(q.Payload, []byte{4, 5}) || cap(p.Payload) != 3 {
		t.Errorf("kept % x (capacity %d) and % x", p.Payload, cap(p.Payload), q.Payload)
	}
}

func TestParserRefusesWhatNoDecoderReads(t *testing.T) {
	r := NewParser(1, codec.VP8)
	if _, _, ok := r.Parse(&Incoming{Payload: []byte{0x90}}); ok {
		t.Error("a cut VP8 descriptor passes")
	}
	if _, _, ok := r.Parse(&Incoming{Payload: []byte{0x10, 0}, Descriptor: []byte{1}}); ok {
		t.Error("a cut dependency descriptor passes")
	}
}

func TestParseAllocations(t *testing.T) {
	r := NewParser(1, codec.VP8)
	in := Incoming{Payload: make([]byte, 1200)}
	in.Payload[0] = 0x10
	n := testing.AllocsPerRun(1000, func() {
		in.Seq++
		in.TS += 300
		if _, _, ok := r.Parse(&in); !ok {
			t.Fatal("refused")
		}
	})
	if n > 1.5 { // the packet, and a slab for each 27 payloads
		t.Errorf("%v allocations for an incoming packet", n)
	}
}

func FuzzParser(f *testing.F) {
	f.Add([]byte{3, 0x67, 1, 2, 0x68, 1, 2, 0x65, 0x80}, byte(codec.H264))
	f.Add([]byte{4, 0x90, 0x80, 5, 0, 4, 0x90, 0x80, 6, 1}, byte(codec.VP8))
	f.Fuzz(func(t *testing.T, b []byte, kind byte) {
		r, ring := NewParser(1, codec.Kind(kind)), NewRing(16)
		for i := uint16(0); len(b) > 0; i++ {
			n := min(int(b[0]), len(b)-1)
			in := Incoming{Seq: i * uint16(b[0]), TS: uint32(b[0]) << 8, Marker: b[0]&1 == 0, Payload: b[1 : 1+n]}
			if b[0]&2 != 0 {
				in.Descriptor = in.Payload
			}
			b = b[1+n:]
			if p, _, ok := r.Parse(&in); ok {
				ring.Put(p)
			}
		}
		if ring.held > 16 || ring.bytes < 0 {
			t.Fatalf("%d packets, %d bytes", ring.held, ring.bytes)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	r := NewParser(1, codec.VP8)
	in := Incoming{Payload: make([]byte, 1200)}
	in.Payload[0] = 0x10
	b.ReportAllocs()
	for b.Loop() {
		in.Seq++
		in.TS += 300
		r.Parse(&in)
	}
}
