package forward

import "castcode/sfu/codec"

const (
	// Window is how far behind the newest outgoing number a late packet or a NACK may be, in packets. It covers two
	// seconds of 2,000 packets a second.
	Window = 4096
	// maxRuns bounds the memory of a History. A viewer from whom every second frame of 60 a second is kept back makes
	// 30 runs a second; they are the two seconds that the ring has too.
	maxRuns = 64
)

// run is a range of consecutive incoming numbers of one source that kept their distance to the outgoing ones.
type run struct {
	source      uint32 // 0: a number without a packet behind it
	top         uint8  // spatial layer whose end is the end of the picture
	shift       codec.Shift
	first, last uint64 // incoming
	seq, ts     uint64 // outgoing is incoming plus this, modulo 2^64
}

// History remembers which incoming packet went out under which number. It needs no memory per packet: as long as
// nothing is dropped or switched, one run describes everything. The zero value is empty. It grows to 64 runs at most
// and forgets the oldest.
type History struct {
	runs []run // a circle once it is full
	next int   // where the oldest lies in a full circle
	sent [Window / 64]uint64
	out  uint64 // newest outgoing number, extended; 0: none
}

// push begins a run.
func (h *History) push(r run) {
	if len(h.runs) < maxRuns {
		h.runs = append(h.runs, r)
		return
	}
	h.runs[h.next] = r
	h.next = (h.next + 1) % maxRuns
}

// newest returns the run in use, nil before the first.
func (h *History) newest() *run {
	if len(h.runs) == 0 {
		return nil
	}
	return h.back(0)
}

// back returns the run i before the newest.
func (h *History) back(i int) *run {
	n := len(h.runs)
	return &h.runs[(h.next+n-1-i)%n]
}

// byIncoming finds the run that holds the place of an incoming number.
func (h *History) byIncoming(source uint32, seq uint64) *run {
	for i := range h.runs {
		if r := h.back(i); r.source == source && r.first <= seq && seq <= r.last {
			return r
		}
	}
	return nil
}

// byOutgoing finds the run that an outgoing number belongs to.
func (h *History) byOutgoing(out uint64) *run {
	for i := range h.runs {
		if r := h.back(i); r.first+r.seq <= out && out <= r.last+r.seq {
			return r
		}
	}
	return nil
}

// advance makes out the newest number; those between it and the one before are unused.
func (h *History) advance(out uint64) {
	if out-h.out >= Window {
		h.sent = [Window / 64]uint64{}
		h.out = out
		return
	}
	for h.out < out {
		h.out++
		h.sent[h.out/64%(Window/64)] &^= 1 << (h.out % 64)
	}
}

// use marks a number as sent. It is refused if it was sent or is too old to know.
func (h *History) use(out uint64) Drop {
	if h.out-out >= Window {
		return TooLate
	}
	word, bit := &h.sent[out/64%(Window/64)], uint64(1)<<(out%64)
	if *word&bit != 0 {
		return AlreadySent
	}
	*word |= bit
	return Forward
}

func (h *History) used(out uint64) bool {
	return h.out-out < Window && h.sent[out/64%(Window/64)]&(1<<(out%64)) != 0
}

// extend takes a 16-bit number of a viewer's feedback for the nearest one not newer than the newest sent. ok is false
// if that is further back than Window, or ahead of what was sent.
func (h *History) extend(seq uint16) (out uint64, ok bool) {
	back := uint64(uint16(h.out) - seq)
	return h.out - back, h.out != 0 && back < Window
}
