package udp

import (
	"net/netip"
	"time"
)

const (
	// MaxSlot is the most that Reserve gives, in bytes.
	MaxSlot = 1500

	// arenaSize and maxSlots bound one Batch. The arena stays in a second-level cache; from 64 KiB to 1 MiB no
	// difference was seen above the noise (2026-11).
	arenaSize = 256 << 10
	maxSlots  = 256

	// A run is what one send with UDP GSO may carry: UDP_MAX_SEGMENTS of Linux, and less than an IP packet is.
	maxRunSegments = 64
	maxRunBytes    = 65000

	// maxWait bounds what one Flush waits for room in the kernel's buffer. After it waited in vain it drops without
	// waiting for as long again, so that a full network card takes at most half of a shard's time.
	maxWait = 4 * time.Millisecond
)

// run is a series of datagrams to one route that lie behind each other in the arena. All have the same size but the
// last, which may be shorter.
type run struct {
	to    Route
	at    int // in the arena
	bytes int // in all
	size  int // of one datagram but the last
	count int
}

// open says whether another datagram of that size may follow.
func (r *run) open(to *Route, at, size int) bool {
	return size <= r.size && r.count < maxRunSegments && r.bytes == r.count*r.size && r.at+r.bytes == at &&
		r.bytes+size <= maxRunBytes && r.to == *to
}

// segment returns where datagram i of the run begins and ends in the arena.
func (r *run) segment(i int) (from, to int) {
	from = r.at + i*r.size
	return from, min(from+r.size, r.at+r.bytes)
}

// Batch collects datagrams and sends them together. Consecutive datagrams to one route become one UDP GSO run as
// long as they have the same size (the last may be shorter), and all runs go out with one system call. Each route
// gets its datagrams in the order of Commit. A Batch belongs to one goroutine; it does not allocate.
//
//	slot := b.Reserve(route, n) // write at most n bytes into slot
//	b.Commit(used)
//	...
//	b.Flush(now)
type Batch struct {
	// fixed
	socket *Socket
	outbox outbox
	arena  []byte

	// owned by the goroutine that uses the batch
	used    int // bytes of the arena
	slots   int // datagrams in it
	open    int // bytes reserved at used and not committed yet
	to      Route
	runs    []run
	now     int64 // of the last Flush
	patient int64 // time from which Flush may wait again
}

// NewBatch returns a batch that sends through the socket. It takes about 320 KiB.
func (s *Socket) NewBatch() *Batch {
	return &Batch{socket: s, outbox: s.wire.outbox(), arena: make([]byte, arenaSize), runs: make([]run, 0, maxSlots)}
}

// Reserve returns n bytes for one datagram to the route to, in which anything may stand. They are the caller's until
// the next call. A reservation that was not committed is void. When the batch is full, Reserve flushes it, with the
// time of the last Flush. It returns nil if n is not between 1 and MaxSlot, or the route leads nowhere.
func (b *Batch) Reserve(to Route, n int) []byte {
	if n < 1 || n > MaxSlot || !to.IsValid() {
		b.open = 0
		return nil
	}
	if b.slots == maxSlots || b.used+n > len(b.arena) {
		b.Flush(b.now)
	}
	b.open, b.to = n, to
	return b.arena[b.used : b.used+n : b.used+n]
}

// Commit makes the first used bytes of the reserved ones a datagram. It does nothing, apart from ending the
// reservation, if used is not between 1 and what was reserved.
func (b *Batch) Commit(used int) {
	if used < 1 || used > b.open {
		b.open = 0
		return
	}
	b.open = 0
	b.slots++
	at := b.used
	b.used += used
	if n := len(b.runs); n > 0 {
		if last := &b.runs[n-1]; last.open(&b.to, at, used) {
			last.bytes += used
			last.count++
			return
		}
	}
	b.runs = append(b.runs, run{to: b.to, at: at, bytes: used, size: used, count: 1})
}

// Len is how many datagrams wait for Flush.
func (b *Batch) Len() int { return b.slots }

// Flush sends what was committed and empties the batch. now is the engine's clock in nanoseconds. Flush waits up to
// 4 ms when the kernel's buffer is full, and then drops what is left; like everything that the kernel refuses that
// is lost and counted, as if the network had dropped it.
func (b *Batch) Flush(now int64) {
	b.now, b.open = now, 0
	if b.slots == 0 {
		return
	}
	network := b.runs[:0]
	for i := range b.runs {
		r := &b.runs[i]
		if r.to.path == nil {
			network = append(network, *r)
			continue
		}
		for j := range r.count {
			from, to := r.segment(j)
			b.socket.deliver(r.to.path, b.arena[from:to])
		}
	}
	if len(network) > 0 {
		wait := maxWait
		if now < b.patient {
			wait = 0
		}
		t := b.outbox.flush(b.arena, network, wait)
		if t.full > 0 && wait > 0 {
			b.patient = now + int64(2*maxWait)
		}
		b.socket.counters.add(&t)
	}
	b.used, b.slots, b.runs = 0, 0, b.runs[:0]
}

// tally is what became of one flush.
type tally struct {
	calls        uint64 // system calls that sent something
	sent, bytes  uint64 // datagrams that the kernel took
	gsoRuns, gso uint64 // runs and datagrams among them that went as UDP GSO
	retried      uint64 // runs that the kernel refused as GSO and took one by one
	full         uint64 // datagrams dropped because the kernel's buffer was full
	refused      uint64 // datagrams that the kernel refused
}

// wire is the kernel's socket, served as this system can.
type wire interface {
	// receive waits for a datagram and fills the first n of into with what is there: buf, n, src and local. Only the
	// reader calls it. It returns an error for a transient fault, and for good after close.
	receive(into []*datagram) (n int, err error)
	// rest lets datagrams gather for d: nothing that arrives wakes the reader, which is who calls it.
	rest(d time.Duration)
	// send sends one datagram, from that address of ours. It keeps nothing of p and does not wait.
	send(p []byte, to netip.AddrPort, from local) error
	// outbox makes the sending side of one Batch.
	outbox() outbox
	// gso says why runs go out one by one, or "" if they go as UDP GSO.
	gso() string
	disableGSO()
	close() error
}

// outbox sends the runs of one Batch, in order. It keeps nothing of what it is given.
type outbox interface {
	flush(arena []byte, runs []run, wait time.Duration) tally
}
