package packet

import "castcode/sfu/codec"

// maxInsertions is how many insertions are remembered for late packets. There is at most one for a keyframe, and none
// is later than the span of a ring.
const maxInsertions = 16

// insertions are the places at which a parser has put a packet of its own between two of the caster's: what comes
// after it has a number that is higher by one.
type insertions struct {
	sets  codec.Parameters
	total uint64
	// at are the numbers, as the caster has them, of the packets before which the newest insertions were made; a
	// circle of which total says the position.
	at [maxInsertions]uint64
}

// place is the number in the log of the packet with the caster's number seq.
func (i *insertions) place(seq uint64) uint64 {
	later := uint64(0)
	for n := range min(i.total, maxInsertions) {
		if i.at[(i.total-1-n)%maxInsertions] <= seq {
			break
		}
		later++
	}
	return seq + i.total - later
}

// parameters learns the parameter sets that p carries. If p is the newest packet and begins a keyframe without any, it
// returns a packet with the newest ones and makes room for it before p.
func (r *Parser) parameters(p *Packet, payload []byte) (before *Packet) {
	i := &r.inserted
	i.sets.Learn(r.kind, payload)
	if !p.Keyframe || p.Parameters || p.Seq != r.last {
		return nil
	}
	made, ok := i.sets.Append(nil, r.kind)
	if !ok {
		return nil // the caster's offer may have them
	}
	i.at[i.total%maxInsertions] = p.Seq - i.total
	i.total++
	before = &Packet{
		Source: p.Source, Codec: p.Codec, Seq: p.Seq, TS: p.TS,
		Arrival: p.Arrival, Captured: p.Captured, AbsCapture: p.AbsCapture, Payload: made,
		Traits: codec.Traits{
			Keyframe: true, FrameStart: true, Parameters: true, Layered: p.Layered, Spatial: p.Spatial, Temporal: p.Temporal,
		},
	}
	p.Seq++
	p.Keyframe, p.FrameStart = false, false // the keyframe begins with the other
	r.last = p.Seq
	return before
}
