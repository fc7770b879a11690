package codec

import "testing"

// writer writes bit fields, to make descriptors for the tests.
type writer struct {
	p []byte
	n int
}

func (w *writer) put(width int, values ...uint32) *writer {
	for _, v := range values {
		for i := width - 1; i >= 0; i-- {
			if w.n%8 == 0 {
				w.p = append(w.p, 0)
			}
			w.p[w.n/8] |= byte(v>>i&1) << (7 - w.n%8)
			w.n++
		}
	}
	return w
}

// l1t2 is the first packet of a key frame with the structure of one spatial and two temporal layers, two decode
// targets, one chain; template ids begin at 60, so that they wrap.
func l1t2(frame uint32) []byte {
	w := new(writer)
	w.put(1, 1, 0).put(6, 60).put(16, frame) // first packet, template 60
	w.put(1, 1, 0, 0, 0, 0)                  // structure
	w.put(6, 60).put(5, 1)                   // offset, two decode targets
	w.put(2, 0, 1, 3)                        // templates: T0 T0 T1
	w.put(2, 2, 2, 2, 2, 0, 1)               // SS SS -D
	w.put(1, 0)                              // key frame refers to none
	w.put(1, 1).put(4, 1).put(1, 0)          // T0 to two before
	w.put(1, 1).put(4, 0).put(1, 0)          // T1 to the one before
	w.put(2, 2)                              // one chain of at most 2, as the code below(3) has it: 10
	w.put(4, 0, 2, 1)                        // protected by chain 0 takes no bits; distances of the templates
	w.put(1, 1).put(16, 1279, 719)           // resolution
	return w.p
}

func TestTemplatesReadAStructure(t *testing.T) {
	var ts Templates
	d, ok := ts.Read(l1t2(7))
	if !ok || !d.Start || d.End || d.Frame != 7 || !d.Fresh || d.Refers || d.Active != 3 {
		t.Fatalf("got %+v %v", d, ok)
	}
	s := d.Structure
	if s.Targets != 2 || s.Chains != 1 || len(s.Templates) != 3 || s.Width[0] != 1280 || s.Height[0] != 720 {
		t.Fatalf("structure %+v", s)
	}
	if s.TargetTemporal != [maxTargets]uint8{0, 1} || s.Templates[2].Chains[0] != 1 {
		t.Errorf("targets %v, chains %v", s.TargetTemporal[:2], s.Templates[2].Chains[:1])
	}
	for temporal, want := range []int{0, 1, 1} {
		if got, ok := s.Target(0, uint8(temporal), d.Active); !ok || got != want {
			t.Errorf("up to temporal layer %d: target %d %v, want %d", temporal, got, ok, want)
		}
	}
	if got, ok := s.Target(0, 1, 1); !ok || got != 0 {
		t.Errorf("with target 1 not active: %d %v", got, ok)
	}
	if _, ok := s.Target(0, 1, 0); ok {
		t.Error("a target is found although none is active")
	}

	d, ok = ts.Read([]byte{0x80 | 62, 0, 8}) // template 62: T1
	if !ok || d.Temporal != 1 || d.Fresh || !d.Refers || d.Structure != s ||
		s.Indication(d.Indications, 0) != NotPresent || s.Indication(d.Indications, 1) != Discarded {
		t.Errorf("T1: %+v %v", d, ok)
	}
	if again, _ := ts.Read(l1t2(9)); again.Structure != s || !again.Fresh {
		t.Error("the same structure, sent again, is another one")
	}
	if _, ok := ts.Read([]byte{0x80 | 63, 0, 9}); ok {
		t.Error("a template that the structure has not got is accepted")
	}
}

func TestTemplatesReadWhatAFrameHasOfItsOwn(t *testing.T) {
	var ts Templates
	ts.Read(l1t2(1))
	w := new(writer)
	w.put(1, 1, 1).put(6, 61).put(16, 2).put(1, 0, 1, 1, 1, 1) // mask, indications, references, chains
	w.put(2, 1)                                                // only target 0 is active
	w.put(2, 3, 0)                                             // required, not present
	w.put(2, 3).put(12, 99).put(2, 0)                          // refers to 100 frames before
	w.put(8, 200)
	d, ok := ts.Read(w.p)
	s := d.Structure
	if !ok || d.Active != 1 || !d.Refers || d.Chains[0] != 200 ||
		s.Indication(d.Indications, 0) != Required || s.Indication(d.Indications, 1) != NotPresent {
		t.Errorf("got %+v %v", d, ok)
	}
	if d, _ := ts.Read([]byte{61, 0, 3}); d.Active != 1 {
		t.Errorf("the mask is forgotten: %d", d.Active)
	}
	if d, _ := ts.Read(l1t2(4)); d.Active != 3 {
		t.Errorf("a new structure does not make all targets active: %d", d.Active)
	}
}

func TestTemplatesRefuseTheCut(t *testing.T) {
	whole := l1t2(1)
	for n := range len(whole) {
		var ts Templates
		d, ok := ts.Read(whole[:n])
		if n == 3 {
			if !ok || d.Structure != nil {
				t.Errorf("the mandatory fields alone: %+v %v", d, ok)
			}
		} else if ok {
			t.Errorf("%d of %d bytes pass", n, len(whole))
		}
		if ts.current != nil {
			t.Errorf("%d bytes left a structure behind", n)
		}
	}
	var ts Templates
	ts.Read(whole)
	before := ts.current
	if _, ok := ts.Read(whole[:len(whole)-2]); ok || ts.current != before {
		t.Error("a cut structure replaces a good one")
	}
}

func TestTemplatesBoundThemselves(t *testing.T) {
	endless := new(writer).put(1, 1, 1).put(6, 0).put(16, 1).put(1, 1, 0, 0, 0, 0).put(6, 0).put(5, 31)
	for range 200 {
		endless.put(2, 0)
	}
	deep := new(writer).put(1, 1, 1).put(6, 0).put(16, 1).put(1, 1, 0, 0, 0, 0).put(6, 0).put(5, 31)
	for range 20 {
		deep.put(2, 2)
	}
	for name, raw := range map[string][]byte{"templates": endless.p, "spatial layers": deep.put(2, 3).p} {
		var ts Templates
		if _, ok := ts.Read(raw); ok {
			t.Errorf("too many %s pass", name)
		}
	}
}

func TestDescriptorIsBelievedBeforeThePayload(t *testing.T) {
	var ts Templates
	vp8 := []byte{0x10, 0x00} // says: a keyframe
	before, _ := ts.Read([]byte{0x80, 0, 1})
	if info, ok := Inspect(VP8, vp8, &before); !ok || info.Keyframe {
		t.Error("a keyframe without the structure")
	}
	d, _ := ts.Read(l1t2(7))
	info, _ := Inspect(AV1, []byte{0x10, 0x30}, &d)
	if !info.Keyframe || !info.FrameStart || info.FrameEnd || info.DescriptorFrame != 7 || info.Structure == nil {
		t.Errorf("got %+v", info)
	}
	d, _ = ts.Read([]byte{0xc0 | 62, 0, 8})
	info, _ = Inspect(VP8, vp8, &d)
	if info.Keyframe || !info.FrameEnd || info.Temporal != 1 || !info.Discardable {
		t.Errorf("got %+v", info)
	}
}

func TestTemplatesAllocateOnlyForANewStructure(t *testing.T) {
	var ts Templates
	key, delta := l1t2(7), []byte{0x80 | 62, 0, 8}
	ts.Read(key)
	if n := testing.AllocsPerRun(100, func() { ts.Read(key); ts.Read(delta) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func FuzzTemplates(f *testing.F) {
	f.Add(l1t2(1), []byte{0x80 | 62, 0, 2})
	f.Add(l1t2(1), []byte{0x80 | 61, 0, 2, 0x7f, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 0, 0, 0x80}, []byte{})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var ts Templates
		for _, raw := range [][]byte{first, second, first} {
			d, ok := ts.Read(raw)
			if !ok || d.Structure == nil {
				continue
			}
			s := d.Structure
			if len(s.Templates) == 0 || len(s.Templates) > maxTemplates || s.Targets == 0 || s.Targets > maxTargets ||
				s.Chains > maxChains || d.Spatial > 3 || d.Temporal > 7 {
				t.Fatalf("% x gives %+v", raw, s)
			}
			s.Target(d.Spatial, d.Temporal, d.Active)
		}
	})
}

func BenchmarkTemplatesRead(b *testing.B) {
	var ts Templates
	ts.Read(l1t2(7))
	delta := []byte{0x80 | 62, 0, 8}
	for b.Loop() {
		ts.Read(delta)
	}
}
