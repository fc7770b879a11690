package packet

import (
	"sync/atomic"
	"time"
)

const (
	// Span is how long a packet stays in a ring at least, unless bytes or slots run out: what a viewer may ask again
	// is not older.
	Span = 2 * time.Second
	// MaxBytes is how many bytes of payload a ring holds at most.
	MaxBytes = 8 << 20
	// VideoSlots and AudioSlots are how many packets a ring for one kind of medium has room for: 8 MiB of full
	// packets, and 10 s of Opus.
	VideoSlots = 8192
	AudioSlots = 512
)

// Ring holds the recent packets of one layer: all of the last two seconds, and all since the newest keyframe as far
// as MaxBytes and the slots go. One goroutine puts, any number get, without a lock: a slot is an atomic pointer and
// the sequence number in the packet says whether it is the one that was asked for. A packet that has left the ring
// lives on with whoever still holds it.
type Ring struct {
	// fixed
	slots []atomic.Pointer[Packet]
	mask  uint64

	// stored by the writer, loaded by all; 0 while the ring is empty
	newest, oldest, keyframe atomic.Uint64

	// owned by the writer
	bytes int
	held  int
	floor uint64 // what is below has left the ring
}

// NewRing returns a ring with room for at least the given number of packets.
func NewRing(slots int) *Ring {
	n := 1
	for n < slots {
		n <<= 1
	}
	return &Ring{slots: make([]atomic.Pointer[Packet], n), mask: uint64(n - 1)}
}

// Placed is what became of a packet that was put into a ring.
type Placed uint8

// The outcomes of Put.
const (
	Appended  Placed = iota // it is the newest
	Late                    // it fills a hole; readers may have passed it and must be told
	Duplicate               // it lay there already
	TooLate                 // its place has left the ring
)

// String names the outcome as a counter's label does.
func (p Placed) String() string { return [...]string{"appended", "late", "duplicate", "too_late"}[p] }

// Put places p, which is immutable from now on. Only the writer may call it. A packet that comes out as Duplicate or
// TooLate is not in the ring and must not be forwarded.
func (r *Ring) Put(p *Packet) Placed {
	placed := Appended
	newest := r.newest.Load()
	switch {
	case newest == 0:
		r.floor = p.Seq - min(r.mask, p.Seq-1)
		r.oldest.Store(p.Seq)
	case p.Seq < r.floor || p.Seq+r.mask < newest:
		return TooLate
	case p.Seq <= newest:
		if r.slots[p.Seq&r.mask].Load() != nil {
			return Duplicate
		}
		placed = Late
		if p.Seq < r.oldest.Load() {
			r.oldest.Store(p.Seq)
		}
	default:
		r.makeRoom(p)
	}
	r.slots[p.Seq&r.mask].Store(p)
	r.held++
	r.bytes += p.size()
	if p.Keyframe && p.Seq > r.keyframe.Load() {
		r.keyframe.Store(p.Seq)
	}
	if placed == Appended {
		r.newest.Store(p.Seq)
	}
	return placed
}

func (p *Packet) size() int { return len(p.Payload) + len(p.Descriptor) }

// makeRoom lets go what must leave before p becomes the newest.
func (r *Ring) makeRoom(p *Packet) {
	oldest, keyframe := r.oldest.Load(), r.keyframe.Load()
	for r.held > 0 {
		old := r.slots[oldest&r.mask].Load()
		if old != nil {
			crowded := oldest+r.mask < p.Seq || r.bytes+p.size() > MaxBytes
			// Letting go is in order, so whatever reaches the newest keyframe waits there for the next one.
			stale := p.Arrival-old.Arrival > int64(Span) && oldest != keyframe
			if !crowded && !stale {
				break
			}
			r.slots[oldest&r.mask].Store(nil)
			r.held--
			r.bytes -= old.size()
		}
		oldest++
		r.floor = oldest
	}
	if r.held == 0 {
		oldest = p.Seq
		r.floor = max(r.floor, p.Seq-min(r.mask, p.Seq-1))
	}
	r.oldest.Store(oldest)
}

// even bounds how far Even goes back: a keyframe has 50 to 200 packets.
const even = 256

// Even gives the packets of the frame that ends with end one size, as far as a few bytes of RTP padding do it, so that
// they leave in one run: a batch of datagrams to one destination must have equal sizes but for the last. Browsers cut a
// frame into packets that differ by one byte. Packets that were sent before have left as they were. Only the writer may
// call it, once for each frame.
func (r *Ring) Even(end *Packet) {
	largest := len(end.Payload)
	first := end.Seq
	for n := 1; n < even && first > 1; n++ {
		p := r.Get(first - 1)
		if p == nil || p.TS != end.TS {
			break
		}
		first--
		largest = max(largest, len(p.Payload))
	}
	for seq := first; seq < end.Seq; seq++ {
		p := r.Get(seq)
		if n := largest - len(p.Payload); n > 0 && n <= maxPadding && p.padding.Load() == 0 {
			p.pad(n)
		}
	}
}

// Get returns the packet with the extended sequence number seq, or nil when it has not come, or has left.
func (r *Ring) Get(seq uint64) *Packet {
	p := r.slots[seq&r.mask].Load()
	if p == nil || p.Seq != seq {
		return nil
	}
	return p
}

// Newest is the highest sequence number in the ring; 0 while it is empty.
func (r *Ring) Newest() uint64 { return r.newest.Load() }

// Oldest is the lowest sequence number that may still be in the ring; 0 while it is empty.
func (r *Ring) Oldest() uint64 { return r.oldest.Load() }

// Keyframe is the sequence number at which the newest keyframe begins. ok is false when none has come, or when it
// has left the ring: then a viewer can start only with a new one.
func (r *Ring) Keyframe() (seq uint64, ok bool) {
	seq = r.keyframe.Load()
	return seq, seq != 0 && seq >= r.oldest.Load() && r.Get(seq) != nil
}
