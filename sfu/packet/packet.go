// Package packet holds RTP packets as the data path sees them: parsed once, immutable, kept in a ring that one
// goroutine writes and any number read. It does no I/O and has no clock of its own: times are nanoseconds of the
// engine's clock.
//
// Two rules bind every caller. A packet is immutable from the moment it is put into a ring. And only one goroutine,
// the read loop of the layer, calls Parser.Parse and Ring.Put.
package packet

import (
	"sync/atomic"

	"castcode/sfu/codec"
)

// Packet is one RTP packet after parsing.
type Packet struct {
	// Source is the number of the incoming stream, unique in the engine and never 0.
	Source uint32
	Codec  codec.Kind
	Marker bool
	// Level is the audio level of RFC 6464 as it came (voice bit and -dBov); only with HasLevel.
	Level    uint8
	HasLevel bool
	// Picture is the VP8 or VP9 picture id in 15 bits, whatever width it came with. Only with PictureAt > 0.
	Picture uint16
	// Traits is what the payload and the descriptor say. FrameStart, FrameEnd, Keyframe and the layers are completed by
	// what the packets before this one said.
	codec.Traits

	Seq uint64 // extended, at least First/2
	TS  uint64 // extended, in the codec's clock
	// Arrival is when the packet came, in nanoseconds of the engine's clock.
	Arrival int64
	// Captured is when its content was captured, in nanoseconds of the engine's clock, as the source's sender reports
	// tell it; 0 while there was none.
	Captured int64
	// AbsCapture is the abs-capture-time extension, put on the clock that viewers are told: NTP time in UQ32.32; 0 when
	// absent.
	AbsCapture uint64
	Payload    []byte // without padding; that of video has room for some
	Descriptor []byte // the dependency descriptor as it came; nil when absent

	padding atomic.Uint32
}

// maxPadding is by how many bytes a packet is made longer at most, to be as long as the others of its frame.
const maxPadding = 8

// Padded is the payload with RTP padding behind it (RFC 3550 §5.1) and how many bytes of padding there are, 0 for most
// packets. It may be more when it is called again.
func (p *Packet) Padded() (payload []byte, padding uint8) {
	n := p.padding.Load()
	return p.Payload[:len(p.Payload)+int(n)], uint8(n)
}

// pad makes p longer by n bytes for those who call Padded from now on. Only the ring's writer may call it, once.
func (p *Packet) pad(n int) {
	whole := p.Payload[:len(p.Payload)+n]
	clear(whole[len(p.Payload):])
	whole[len(whole)-1] = byte(n)
	p.padding.Store(uint32(n))
}

// Incoming is an RTP packet as it came from the wire, its header read and its padding taken away. Its slices belong
// to the caller.
type Incoming struct {
	Seq        uint16
	TS         uint32
	Marker     bool
	Payload    []byte
	Descriptor []byte // dependency descriptor extension; nil when absent
	AbsCapture uint64 // abs-capture-time extension on the viewers' clock; 0 when absent
	Level      uint8  // RFC 6464; only with HasLevel
	HasLevel   bool
	Arrival    int64 // nanoseconds of the engine's clock
	Captured   int64 // nanoseconds of the engine's clock; 0 when not known
}

// slab is how many bytes of payload are allocated at once. Packets of one slab are freed together, so it is small
// against what a ring holds.
const slab = 32 << 10

// Parser turns the packets of one incoming stream into Packets. It belongs to the stream's read loop.
type Parser struct {
	source uint32
	kind   codec.Kind

	seq, ts   Unwrapper
	templates codec.Templates
	free      []byte
	picture   uint16
	pictured  bool

	// the newest packet by sequence number
	last     uint64 // 0: none
	lastTS   uint64
	ended    bool // it was the last of its frame
	keyTS    uint64
	temporal uint8
	spatial  uint8

	inserted insertions
}

// NewParser returns a parser for the stream with the given number, which is unique in the engine and not 0.
func NewParser(source uint32, kind codec.Kind) *Parser { return &Parser{source: source, kind: kind} }

// Parse makes a Packet of in, copying what it keeps. ok is false when the payload is no valid one of the codec; its
// sequence number stays a hole. Where the packet begins a keyframe of H.264 or H.265 that comes without its parameter
// sets, before is the packet that has them, for the place before p: later numbers make room for it. Otherwise it is
// nil.
func (r *Parser) Parse(in *Incoming) (p, before *Packet, ok bool) {
	var dd *codec.Descriptor
	if in.Descriptor != nil {
		d, valid := r.templates.Read(in.Descriptor)
		if !valid {
			return nil, nil, false
		}
		dd = &d
	}
	info, ok := codec.Inspect(r.kind, in.Payload, dd)
	if !ok {
		return nil, nil, false
	}
	p = &Packet{
		Source: r.source, Codec: r.kind, Marker: in.Marker, Traits: info,
		Seq: r.inserted.place(r.seq.Extend16(in.Seq)), TS: r.ts.Extend32(in.TS),
		Arrival: in.Arrival, Captured: in.Captured, AbsCapture: in.AbsCapture,
		Level: in.Level, HasLevel: in.HasLevel,
	}
	room := 0
	if r.kind.Video() {
		room = maxPadding
	}
	p.Payload = r.keep(in.Payload, room)
	if in.Descriptor != nil {
		p.Descriptor = r.keep(in.Descriptor, 0)
	}
	if info.PictureAt > 0 {
		p.Picture = r.widen(info.PictureID, info.PictureBits)
	}
	if r.kind.Video() {
		r.border(p, dd != nil)
	}
	if r.kind == codec.H264 || r.kind == codec.H265 {
		before = r.parameters(p, in.Payload)
	}
	return p, before, true
}

// keep copies b into the slab and leaves that much room behind it.
func (r *Parser) keep(b []byte, room int) []byte {
	size := len(b) + room
	if size > len(r.free) {
		r.free = make([]byte, max(slab, size))
	}
	kept := r.free[:len(b):size]
	r.free = r.free[size:]
	copy(kept, b)
	return kept
}

// widen gives a picture id of 7 bits the upper 8 bits that the ones before it had. Some senders write 7 bits while
// the number is small and 15 later.
func (r *Parser) widen(id uint16, width uint8) uint16 {
	if width == 7 && r.pictured {
		d := (id - r.picture) & 0x7f
		if d >= 0x40 {
			d |= 0xff80 // backwards
		}
		id = (r.picture + d) & 0x7fff
	}
	if !r.pictured || (id-r.picture)&0x7fff < 0x4000 {
		r.picture = id
	}
	r.pictured = true
	return id
}

// border completes what the payload says about its frame by what the packets before it said.
func (r *Parser) border(p *Packet, described bool) {
	own := described || r.kind == codec.VP8 || r.kind == codec.VP9 // these mark the start of a frame
	if !described && r.kind != codec.VP9 {
		p.FrameEnd = p.Marker
	}
	sameFrame := r.last != 0 && p.TS == r.lastTS
	next, gap := r.last != 0 && p.Seq == r.last+1, r.last != 0 && p.Seq > r.last+1
	switch {
	case own:
	case next:
		p.FrameStart = !sameFrame || r.ended
	case gap && sameFrame:
		p.FrameStart = false
	}
	if !p.Layered && sameFrame && !p.FrameStart {
		p.Spatial, p.Temporal = r.spatial, r.temporal // a fragment that carries no header of its own
	}
	if p.Keyframe && !own {
		r.keyframe(p, gap)
	}
	if p.Seq > r.last {
		r.last, r.lastTS, r.ended = p.Seq, p.TS, p.Marker
		r.spatial, r.temporal = p.Spatial, p.Temporal
	}
}

// keyframe decides whether p is where its keyframe begins. Parameter sets and each slice look like a beginning; the
// first of them is it. A picture after a gap is not, if its parameter sets may have been in the gap.
func (r *Parser) keyframe(p *Packet, gap bool) {
	if p.TS == r.keyTS || gap && !p.Parameters {
		p.Keyframe = false
		return
	}
	r.keyTS = p.TS
	// The frame may have begun with something that no decoder needs (an access unit delimiter, SEI).
	p.FrameStart = true
}
