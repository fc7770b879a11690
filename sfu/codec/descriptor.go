package codec

import "slices"

// Limits of the dependency descriptor (AV1 RTP payload format, appendix A): a template id has six bits, a count of
// decode targets five; chains are no more than decode targets.
const (
	maxTemplates = 64
	maxTargets   = 32
	maxChains    = maxTargets
)

// Indication is what a frame is to a decode target (appendix A.8.2).
type Indication uint8

// The indications, by the value that a descriptor has for them.
const (
	NotPresent  Indication = iota // the target does without it
	Discarded                     // in the target, and no frame of the target refers to it
	SwitchPoint                   // in the target, and the target can be begun with it
	Required                      // in the target
)

// Template is a frame that most frames of a stream are like.
type Template struct {
	Spatial, Temporal uint8
	Refers            bool   // to another frame
	Indications       uint64 // two bits per decode target
	Chains            [maxChains]uint8
}

// Structure is the template dependency structure of a coded sequence. It is immutable: packets share it.
type Structure struct {
	Offset    uint8 // template id of Templates[0]
	Targets   uint8 // decode targets, 1 to 32
	Chains    uint8 // 0 to 32
	Templates []Template
	// ProtectedBy is the chain that protects a decode target; only with Chains > 0.
	ProtectedBy [maxTargets]uint8
	// TargetSpatial and TargetTemporal are the highest layers that a decode target contains.
	TargetSpatial, TargetTemporal [maxTargets]uint8
	// Width and Height are the largest picture of each spatial layer in pixels, 0 when the structure does not say.
	Width, Height [4]uint16
}

// Indication returns what a frame with the given indications is to decode target t.
func (s *Structure) Indication(indications uint64, t int) Indication {
	return Indication(indications >> (2 * t) & 3)
}

// Target returns the best decode target that needs no layer above the given ones, and of those only active ones
// count. ok is false when even the lowest is above them or nothing is active.
func (s *Structure) Target(spatial, temporal uint8, active uint32) (target int, ok bool) {
	best := -1
	for t := range int(s.Targets) {
		ts, tt := s.TargetSpatial[t], s.TargetTemporal[t]
		if active&(1<<t) == 0 || ts > spatial || tt > temporal {
			continue
		}
		if best < 0 || ts > s.TargetSpatial[best] || ts == s.TargetSpatial[best] && tt > s.TargetTemporal[best] {
			best = t
		}
	}
	return max(best, 0), best >= 0
}

// Descriptor is what a dependency descriptor says about the frame that its packet is a part of.
type Descriptor struct {
	Start, End        bool // first, last packet of the frame
	Frame             uint16
	Fresh             bool       // the structure came with this packet
	Structure         *Structure // nil while none has come: then only the fields above are known
	Spatial, Temporal uint8
	Refers            bool // to another frame
	Indications       uint64
	Chains            [maxChains]uint8 // frames back to the previous one of each chain; 0: the chain begins here
	Active            uint32           // bit t: decode target t is being sent
}

// anyReferred says whether a frame of any decode target may refer to this one.
func (d *Descriptor) anyReferred() bool { return d.Indications&0xaaaa_aaaa_aaaa_aaaa != 0 }

// Templates reads the dependency descriptors of one incoming stream. It keeps the structure that they refer to. The
// zero value has none.
type Templates struct {
	current *Structure
	active  uint32
	next    Structure // scratch: it becomes current only when the whole descriptor is valid
	room    [maxTemplates]Template
}

// Read parses raw, the payload of the header extension. ok is false when it is malformed or names a template that
// the structure does not have; then nothing is remembered. Before the first structure it returns what a descriptor
// says without one. It allocates only when a descriptor brings another structure.
func (t *Templates) Read(raw []byte) (d Descriptor, ok bool) {
	if len(raw) < 3 {
		return d, false
	}
	b := bits{p: raw}
	d.Start, d.End = b.flag(), b.flag()
	id := uint8(b.read(6))
	d.Frame = uint16(b.read(16))

	s, active := t.current, t.active
	var ownIndications, ownReferences, ownChains bool
	if len(raw) > 3 {
		var structure, mask bool
		structure, mask = b.flag(), b.flag()
		ownIndications, ownReferences, ownChains = b.flag(), b.flag(), b.flag()
		if structure {
			if !t.readStructure(&b) {
				return d, false
			}
			d.Fresh = true
			s = &t.next
			active = ^uint32(0) >> (32 - s.Targets)
		}
		if s != nil && mask {
			active = b.read(int(s.Targets))
		}
	}
	if s == nil {
		return d, true
	}
	index := int((id + maxTemplates - s.Offset) % maxTemplates)
	if index >= len(s.Templates) {
		return d, false
	}
	d.fromTemplate(&s.Templates[index], active)
	d.readOwn(&b, s, ownIndications, ownReferences, ownChains)
	if b.short {
		return d, false
	}
	t.adopt(&d, active)
	return d, true
}

func (d *Descriptor) fromTemplate(from *Template, active uint32) {
	d.Spatial, d.Temporal, d.Refers = from.Spatial, from.Temporal, from.Refers
	d.Indications, d.Chains, d.Active = from.Indications, from.Chains, active
}

// readOwn reads what the frame has of its own in the template's place (appendix A.8.3, frame_dtis and following).
func (d *Descriptor) readOwn(b *bits, s *Structure, indications, references, chains bool) {
	if indications {
		d.Indications = 0
		for t := range int(s.Targets) {
			d.Indications |= uint64(b.read(2)) << (2 * t)
		}
	}
	if references {
		d.Refers = false
		for size := b.read(2); size != 0; size = b.read(2) {
			b.read(4 * int(size))
			d.Refers = true
		}
	}
	if chains {
		for c := range int(s.Chains) {
			d.Chains[c] = uint8(b.read(8))
		}
	}
}

// adopt remembers a fresh structure, unless it is the one that the stream has anyway: encoders repeat it with each
// key frame.
func (t *Templates) adopt(d *Descriptor, active uint32) {
	t.active = active
	if d.Fresh && !t.current.equal(&t.next) {
		s := t.next
		s.Templates = slices.Clone(t.next.Templates)
		t.current = &s
	}
	d.Structure = t.current
}

func (s *Structure) equal(o *Structure) bool {
	return s != nil && s.Offset == o.Offset && s.Targets == o.Targets && s.Chains == o.Chains &&
		s.ProtectedBy == o.ProtectedBy && s.Width == o.Width && s.Height == o.Height &&
		slices.Equal(s.Templates, o.Templates)
}

// readStructure reads a template dependency structure (appendix A.8.3) into t.next.
func (t *Templates) readStructure(b *bits) bool {
	s := &t.next
	*s = Structure{Offset: uint8(b.read(6)), Targets: uint8(b.read(5)) + 1}
	if !t.readLayers(b) {
		return false
	}
	for i := range s.Templates {
		for target := range int(s.Targets) {
			s.Templates[i].Indications |= uint64(b.read(2)) << (2 * target)
		}
	}
	for i := range s.Templates {
		for b.flag() {
			b.read(4)
			s.Templates[i].Refers = true
		}
	}
	s.Chains = uint8(b.below(uint32(s.Targets) + 1))
	if s.Chains > 0 {
		for target := range int(s.Targets) {
			s.ProtectedBy[target] = uint8(b.below(uint32(s.Chains)))
		}
		for i := range s.Templates {
			for c := range int(s.Chains) {
				s.Templates[i].Chains[c] = uint8(b.read(4))
			}
		}
	}
	s.findTargetLayers()
	if b.flag() {
		top := s.Templates[len(s.Templates)-1].Spatial
		for l := range int(top) + 1 {
			s.Width[l], s.Height[l] = uint16(b.read(16)+1), uint16(b.read(16)+1)
		}
	}
	return !b.short
}

// readLayers reads how many templates there are and to which layer each belongs.
func (t *Templates) readLayers(b *bits) bool {
	const same, up, wider = 0, 1, 2
	var spatial, temporal uint8
	n := 0
	for {
		if n == maxTemplates || spatial > 3 || temporal > 7 || b.short {
			return false
		}
		t.room[n] = Template{Spatial: spatial, Temporal: temporal}
		n++
		switch b.read(2) {
		case same:
		case up:
			temporal++
		case wider:
			temporal = 0
			spatial++
		default:
			t.next.Templates = t.room[:n]
			return true
		}
	}
}

// findTargetLayers derives the layers of each decode target from the templates that it contains.
func (s *Structure) findTargetLayers() {
	for t := range int(s.Targets) {
		for i := range s.Templates {
			if s.Indication(s.Templates[i].Indications, t) != NotPresent {
				s.TargetSpatial[t] = max(s.TargetSpatial[t], s.Templates[i].Spatial)
				s.TargetTemporal[t] = max(s.TargetTemporal[t], s.Templates[i].Temporal)
			}
		}
	}
}
