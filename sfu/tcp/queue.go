package tcp

import (
	"sync"
	"time"
)

const (
	// A queue welcomes what the connection carries in queueTime, between leastRoom and mostRoom bytes, and queuePackets
	// packets. freshRoom is while that is not known.
	queueTime    = 150 * time.Millisecond
	leastRoom    = 8 << 10
	mostRoom     = 128 << 10
	freshRoom    = 48 << 10
	queuePackets = 256
	// packetRoom stands for the size of packets that are not there yet.
	packetRoom = 1200
	// What is not welcome, answers to checks and reports, has a place all the same up to hardRoom bytes and hardPackets.
	hardRoom    = 2 * mostRoom
	hardPackets = 4 * queuePackets

	// pieceSize is written at once at most, so that what has left is known soon.
	pieceSize = 16 << 10
	// measureFor is how long a connection must have been full for its rate to be known.
	measureFor = 300 * time.Millisecond

	// What may be on its way: see flight.
	flightTime   = 250 * time.Millisecond
	maxRoundTrip = 2 * time.Second
	leastFlight  = 12 << 10
	freshFlight  = 256 << 10
)

// queue is what waits for one connection, as it goes over the wire. put may be called by any goroutine, piece and wrote
// by the one that writes.
type queue struct {
	kick chan struct{} // something waits

	// guarded by mu
	mu      sync.Mutex
	pending []byte
	packets int // in pending
	unsent  int // bytes that the writer has
	held    int // packets that the writer has
	await   bool
	rate    int // bit/s; 0: not known

	meter

	// owned by the writer
	out  []byte // what it has taken
	done int    // of which so much is written
}

// put queues a frame with p. It is false when there is no place for it.
func (q *queue) put(p []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.pending)+q.unsent+frameHeader+len(p) > hardRoom || q.packets+q.held >= hardPackets {
		return false
	}
	if len(q.pending) == 0 {
		select {
		case q.kick <- struct{}{}:
		default: // it is signalled already
		}
	}
	q.pending = append(q.pending, byte(len(p)>>8), byte(len(p)))
	q.pending = append(q.pending, p...)
	q.packets++
	return true
}

// room is how many more bytes are welcome.
func (q *queue) room() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.free()
}

// free is room. Called with mu held.
func (q *queue) free() int {
	limit := freshRoom
	if q.rate > 0 {
		limit = min(max(q.rate/8*int(queueTime/time.Millisecond)/1000, leastRoom), mostRoom)
	}
	return min(limit-len(q.pending)-q.unsent, (queuePackets-q.packets-q.held)*packetRoom)
}

// wait has wrote say when there is room again, or says itself that there is.
func (q *queue) wait() (ready bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.pending)+q.unsent == 0 {
		return true
	}
	q.await = true
	return false
}

// piece returns what to write next, nil when there is nothing.
func (q *queue) piece() []byte {
	if q.done == len(q.out) {
		q.mu.Lock()
		q.out, q.pending = q.pending, q.out[:0]
		q.unsent, q.held, q.packets = len(q.out), q.packets, 0
		q.mu.Unlock()
		q.done = 0
	}
	return q.out[q.done:min(q.done+pieceSize, len(q.out))]
}

// wrote says that n bytes of the piece were taken. ready is whether those who waited for room have it now.
func (q *queue) wrote(n int) (ready bool) {
	q.done += n
	q.mu.Lock()
	defer q.mu.Unlock()
	q.unsent -= n
	if q.unsent == 0 {
		q.held = 0
	}
	idle := q.unsent == 0 && len(q.pending) == 0
	if !q.await || !idle && q.free() < leastRoom/2 {
		return false
	}
	q.await = false
	return true
}

// arrived says that the peer has acknowledged so many bytes in all.
func (q *queue) arrived(acked uint64, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if rate := q.measure(acked, now, q.unsent > 0 || len(q.pending) > 0); rate > 0 {
		q.rate = rate
	}
}

// flight is how many bytes may be on their way at most, on a path of that round trip: what it carries in that time, and
// in flightTime more, so that a path which is wider than it was seen to be shows it. Without such a bound a connection
// sends until something is lost, and a narrow path with a long queue is seconds long then.
func (q *queue) flight(roundTrip time.Duration) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.rate == 0 {
		return freshFlight
	}
	return max(int(int64(q.rate/8)*int64(min(roundTrip, maxRoundTrip)+flightTime)/int64(time.Second)), leastFlight)
}

// meter measures what a connection carries while more waits: what is acknowledged.
type meter struct {
	last    time.Time
	acked   uint64 // until then
	waiting bool   // something waited then
	bytes   uint64
	time    time.Duration
}

// measure notes how much was acknowledged and whether more waits. It returns the rate in bit/s, 0 when it is not known
// anew.
func (m *meter) measure(acked uint64, now time.Time, waiting bool) (rate int) {
	if m.waiting {
		m.bytes += acked - m.acked
		m.time += now.Sub(m.last)
	}
	m.last, m.acked, m.waiting = now, acked, waiting
	if m.time < measureFor {
		return 0
	}
	rate = int(int64(m.bytes) * 8 * 1000 / int64(m.time/time.Millisecond))
	m.bytes, m.time = 0, 0
	return max(rate, 1)
}
