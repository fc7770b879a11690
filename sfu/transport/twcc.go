package transport

import (
	"encoding/binary"
	"time"
)

// maxStatuses bounds the packets of one transport-wide feedback. A browser reports at least every 250 ms; a forged
// feedback of 1,400 bytes could name 65,535 in a few run-length chunks.
const maxStatuses = 4096

// Symbols of draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1.1.
const (
	symbolLost  = 0
	symbolSmall = 1 // one byte, 0 to 63.75 ms
	symbolLarge = 2 // two bytes, signed
)

const (
	deltaUnit     = 250 * time.Microsecond
	referenceUnit = 64 * time.Millisecond
)

// Feedback is a transport-wide congestion control feedback, checked as a whole. It aliases the datagram.
type Feedback struct {
	// First is the transport-wide number of the first packet reported, Count how many are reported.
	First uint16
	Count int
	// Reference is the time that arrivals are relative to, on the peer's clock: 0 to 2^24 units of 64 ms, wrapping.
	Reference time.Duration
	// Number counts feedback packets, to see which are missing.
	Number uint8

	chunks, deltas []byte
}

// parseFeedback reads the FCI and checks that it holds what it promises. It allocates nothing.
func parseFeedback(fci []byte) (f Feedback, ok bool) {
	if len(fci) < 8 {
		return f, false
	}
	word := binary.BigEndian.Uint32(fci[4:])
	f = Feedback{
		First: binary.BigEndian.Uint16(fci), Count: int(binary.BigEndian.Uint16(fci[2:])),
		Reference: time.Duration(word>>8) * referenceUnit, Number: uint8(word),
		chunks: fci[8:],
	}
	if f.Count == 0 || f.Count > maxStatuses {
		return f, false
	}
	need, at := 0, 0
	for left := f.Count; left > 0; at += 2 {
		if at+2 > len(f.chunks) {
			return f, false
		}
		chunk := binary.BigEndian.Uint16(f.chunks[at:])
		n := chunkLength(chunk)
		if n == 0 {
			return f, false
		}
		for i := range min(n, left) {
			symbol := chunkSymbol(chunk, i)
			if symbol > symbolLarge {
				return f, false
			}
			need += symbol // one byte for a small delta, two for a large one
		}
		left -= min(n, left)
	}
	f.chunks, f.deltas = f.chunks[:at], f.chunks[at:]
	return f, need <= len(f.deltas) // padding to a whole word may follow
}

// chunkLength is how many packets a status chunk is about.
func chunkLength(chunk uint16) int {
	switch {
	case chunk>>15 == 0:
		return int(chunk & 0x1FFF) // run length
	case chunk>>14 == 2:
		return 14 // one bit each
	default:
		return 7 // two bits each
	}
}

// chunkSymbol is the symbol of the packet i of a chunk.
func chunkSymbol(chunk uint16, i int) int {
	switch {
	case chunk>>15 == 0:
		return int(chunk >> 13 & 3)
	case chunk>>14 == 2:
		return int(chunk >> (13 - i) & 1)
	default:
		return int(chunk >> (12 - 2*i) & 3)
	}
}

// Arrivals begins to read the packets of the feedback, in order.
func (f *Feedback) Arrivals() Arrivals { return Arrivals{f: f, Arrival: f.Reference, Seq: f.First - 1} }

// Arrivals goes through a Feedback: after each Next that is true, its fields speak of one packet.
type Arrivals struct {
	// Seq is the packet's transport-wide number.
	Seq uint16
	// Received says whether it came, Arrival when, on the peer's clock; without meaning if it did not come.
	Received bool
	Arrival  time.Duration

	f        *Feedback
	done     int // packets
	chunk    int // where the next chunk begins
	i, n     int // the next packet of the chunk, and how many it has
	present  uint16
	consumed int // bytes of deltas
}

// Next goes to the next packet and is false after the last. It allocates nothing.
func (a *Arrivals) Next() bool {
	if a.done == a.f.Count {
		return false
	}
	if a.i == a.n {
		a.present = binary.BigEndian.Uint16(a.f.chunks[a.chunk:])
		a.chunk += 2
		a.i, a.n = 0, chunkLength(a.present)
	}
	symbol := chunkSymbol(a.present, a.i)
	a.i++
	a.done++
	a.Seq++
	a.Received = symbol != symbolLost
	switch symbol {
	case symbolSmall:
		a.Arrival += time.Duration(a.f.deltas[a.consumed]) * deltaUnit
	case symbolLarge:
		a.Arrival += time.Duration(int16(binary.BigEndian.Uint16(a.f.deltas[a.consumed:]))) * deltaUnit
	}
	a.consumed += symbol
	return true
}
