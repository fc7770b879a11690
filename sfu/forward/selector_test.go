package forward

import (
	"testing"

	"castcode/sfu/codec"
	"castcode/sfu/packet"
)

// picture is a packet of its own picture of a codec with layer ids in the payload.
func picture(source uint32, seq uint64, info codec.Traits) *packet.Packet {
	info.FrameStart, info.FrameEnd = true, true
	return &packet.Packet{
		Source: source, Codec: codec.VP9, Seq: seq, TS: seq * 3000, Marker: true, Traits: info, Arrival: int64(seq) * 33 * ms,
	}
}

func (s *Selector) drop(p *packet.Packet) Drop { return s.Select(p, p.Arrival).Drop }

func TestSelectorStartsAtAKeyframe(t *testing.T) {
	var s Selector
	if got := s.drop(picture(1, 1, codec.Traits{Keyframe: true})); got != OtherSource {
		t.Errorf("without a target: %v", got)
	}
	s.SetTarget(Layer{Source: 1})
	if source, ok := s.Awaits(); !ok || source != 1 {
		t.Errorf("awaits %d %v", source, ok)
	}
	if got := s.drop(picture(1, 2, codec.Traits{})); got != AwaitKeyframe {
		t.Errorf("an inter frame first: %v", got)
	}
	v := s.Select(picture(1, 3, codec.Traits{Keyframe: true}), 0)
	if v.Drop != Forward || !v.Switched {
		t.Errorf("a keyframe: %+v", v)
	}
	if _, ok := s.Awaits(); ok {
		t.Error("awaits a keyframe after one")
	}
	s.Restart()
	if got := s.drop(picture(1, 4, codec.Traits{})); got != AwaitKeyframe {
		t.Errorf("after a leap: %v", got)
	}
}

func TestSelectorSwitchesSourceBetweenFrames(t *testing.T) {
	var s Selector
	s.SetTarget(Layer{Source: 1})
	s.Select(picture(1, 1, codec.Traits{Keyframe: true}), 0)
	half := picture(1, 2, codec.Traits{})
	half.Marker, half.FrameEnd = false, false
	s.Select(half, 33*ms)
	s.SetTarget(Layer{Source: 2})
	if got := s.drop(picture(1, 3, codec.Traits{})); got != Forward {
		t.Errorf("the old source before the new one's keyframe: %v", got)
	}
	half.Seq, half.TS = 4, 4*3000
	s.Select(half, 99*ms)
	key := picture(2, 900, codec.Traits{Keyframe: true})
	if got := s.Select(key, 100*ms).Drop; got != Unfinished {
		t.Errorf("in the middle of a frame: %v", got)
	}
	if got := s.Select(key, 99*ms+unfinished).Drop; got != Forward {
		t.Errorf("the rest of the frame never comes: %v", got)
	}
	if got := s.drop(picture(1, 5, codec.Traits{})); got != OtherSource {
		t.Errorf("the old source afterwards: %v", got)
	}
}

func TestSelectorTemporalLayers(t *testing.T) {
	for _, kind := range []codec.Kind{codec.VP8, codec.VP9, codec.H265} {
		var s Selector
		s.SetTarget(Layer{Source: 1, Temporal: 0})
		seq := uint64(1)
		step := func(want Drop, info codec.Traits) {
			t.Helper()
			p := picture(1, seq, info)
			p.Codec = kind
			seq++
			if got := s.drop(p); got != want {
				t.Errorf("%v, picture %d: %v, want %v", kind, seq-1, got, want)
			}
		}
		step(Forward, codec.Traits{Keyframe: true})
		step(TemporalLayer, codec.Traits{Temporal: 1})
		s.SetTarget(Layer{Source: 1, Temporal: 2})
		step(TemporalLayer, codec.Traits{Temporal: 1})
		step(TemporalLayer, codec.Traits{Temporal: 2})
		switch kind {
		case codec.VP8: // may climb two at once: it leans on the base layer alone
			step(Forward, codec.Traits{Temporal: 2, Switch: true})
		case codec.VP9:
			step(Forward, codec.Traits{SwitchUp: true})
			step(Forward, codec.Traits{Temporal: 2})
		default:
			step(TemporalLayer, codec.Traits{Temporal: 2, Switch: true})
			step(Forward, codec.Traits{Temporal: 1, Switch: true, SwitchUp: true})
			step(Forward, codec.Traits{Temporal: 2})
		}
		step(Forward, codec.Traits{Temporal: 1})
		s.SetTarget(Layer{Source: 1, Temporal: 1})
		step(TemporalLayer, codec.Traits{Temporal: 2})
		step(Forward, codec.Traits{Temporal: 1})
	}
}

func TestSelectorStepsDownOnlyBetweenPictures(t *testing.T) {
	var s Selector
	s.SetTarget(Layer{Source: 1, Temporal: 1})
	s.Select(picture(1, 1, codec.Traits{Keyframe: true}), 0)
	a, b := picture(1, 2, codec.Traits{Temporal: 1}), picture(1, 3, codec.Traits{Temporal: 1})
	b.TS = a.TS
	s.drop(a)
	s.SetTarget(Layer{Source: 1})
	if got := s.drop(b); got != Forward {
		t.Errorf("the second half of a frame: %v", got)
	}
	if got := s.drop(picture(1, 4, codec.Traits{Temporal: 1})); got != TemporalLayer {
		t.Errorf("the next: %v", got)
	}
}

func TestSelectorSpatialLayers(t *testing.T) {
	var s Selector
	s.SetTarget(Layer{Source: 1, Spatial: 0})
	seq := uint64(0)
	step := func(pic uint64, want Drop, info codec.Traits) Verdict {
		t.Helper()
		seq++
		p := picture(1, seq, info)
		p.TS, p.Marker = pic*3000, info.Spatial == 1
		v := s.Select(p, p.Arrival)
		if v.Drop != want {
			t.Errorf("picture %d, layer %d: %v, want %v", pic, info.Spatial, v.Drop, want)
		}
		return v
	}
	step(1, Forward, codec.Traits{Keyframe: true})
	step(1, SpatialLayer, codec.Traits{Spatial: 1, Switch: true})
	s.SetTarget(Layer{Source: 1, Spatial: 1})
	step(2, Forward, codec.Traits{})
	step(2, SpatialLayer, codec.Traits{Spatial: 1})
	step(3, Forward, codec.Traits{})
	step(3, Forward, codec.Traits{Spatial: 1, Switch: true}) // leans only on the layer below
	s.SetTarget(Layer{Source: 1, Spatial: 0})
	if v := step(4, Forward, codec.Traits{}); v.Top != 0 {
		t.Errorf("the top layer is %d after the step down", v.Top)
	}
	step(4, SpatialLayer, codec.Traits{Spatial: 1})
	s.SetTarget(Layer{Source: 1, Spatial: 1})
	if v := step(5, Forward, codec.Traits{Keyframe: true}); v.Top != 1 {
		t.Errorf("the top layer is %d after a keyframe", v.Top)
	}
	step(5, Forward, codec.Traits{Spatial: 1, Switch: true})
}

func TestRewriterMarksTheTopLayer(t *testing.T) {
	r := NewRewriter(90000)
	p := picture(1, 1<<20, codec.Traits{})
	p.Marker = false
	if n, _ := r.Next(p, 0); !n.Marker {
		t.Error("the end of the highest layer that is sent has no marker")
	}
	q := picture(1, 1<<20+1, codec.Traits{})
	q.Marker = false
	if n, _ := r.Next(q, 1); n.Marker {
		t.Error("the end of a lower layer has a marker")
	}
	for back, want := range []bool{false, true} {
		s, _ := r.Find(uint16(r.Newest()) - uint16(back))
		if got := s.Numbers([]*packet.Packet{q, p}[back]).Marker; got != want {
			t.Errorf("%d before the newest: the resend's marker is %v", back, got)
		}
	}
}

func TestSelectorDecodeTargets(t *testing.T) {
	st := &codec.Structure{Targets: 2, TargetTemporal: [32]uint8{0, 1}}
	const both = uint64(codec.SwitchPoint)<<2 | uint64(codec.SwitchPoint)
	const upper = uint64(codec.Discarded) << 2
	seq := uint64(0)
	frame := func(indications uint64, temporal uint8, key bool) *packet.Packet {
		seq++
		return picture(1, seq, codec.Traits{
			Structure: st, ActiveDecodeTargets: 3, Indications: indications, Temporal: temporal, Keyframe: key,
		})
	}
	var s Selector
	s.SetTarget(Layer{Source: 1, Spatial: 2, Temporal: 2})
	step := func(want Drop, p *packet.Packet) {
		t.Helper()
		if got := s.drop(p); got != want {
			t.Errorf("frame %d: %v, want %v", p.Seq, got, want)
		}
	}
	step(Forward, frame(both, 0, true))
	step(Forward, frame(upper, 1, false))
	s.SetTarget(Layer{Source: 1})
	step(Forward, frame(upper, 1, false)) // no switch point
	step(Forward, frame(both, 0, false))
	step(TemporalLayer, frame(upper, 1, false))
	s.SetTarget(Layer{Source: 1, Temporal: 1})
	step(TemporalLayer, frame(upper, 1, false))
	step(Forward, frame(both, 0, false))
	step(Forward, frame(upper, 1, false))
	p := frame(both, 0, false)
	p.ActiveDecodeTargets = 1 // the caster stops sending the upper one
	step(Forward, p)
	if l, _ := s.Present(); l.Temporal != 0 {
		t.Errorf("shows temporal layer %d, which is not sent", l.Temporal)
	}
}

func TestSelectorAudio(t *testing.T) {
	var s Selector
	s.SetTarget(Layer{Source: 1})
	p := &packet.Packet{Source: 1, Codec: codec.Opus}
	if v := s.Select(p, 0); v.Drop != Forward || !v.Switched || v.Top != noLayer {
		t.Errorf("first packet: %+v", v)
	}
	s.SetTarget(Layer{Source: 2})
	if v := s.Select(p, 0); v.Drop != OtherSource {
		t.Errorf("the old source: %+v", v)
	}
	if v := s.Select(&packet.Packet{Source: 2, Codec: codec.Opus}, 0); v.Drop != Forward || !v.Switched {
		t.Errorf("the new source: %+v", v)
	}
}

func TestDropNames(t *testing.T) {
	seen := map[string]bool{}
	for d := Forward + 1; d < Drops; d++ {
		if seen[d.String()] || d.String() == "" {
			t.Errorf("reason %d has the name %q", d, d)
		}
		seen[d.String()] = true
	}
}
