package tcp

import (
	"bytes"
	"testing"
	"time"
)

func newQueue() *queue { return &queue{kick: make(chan struct{}, 1)} }

// drain writes all that waits and says how often there was room for those who waited.
func drain(q *queue) (written []byte, ready int) {
	for {
		piece := q.piece()
		if len(piece) == 0 {
			return written, ready
		}
		written = append(written, piece...)
		if q.wrote(len(piece)) {
			ready++
		}
	}
}

func TestQueueKeepsFramesWhole(t *testing.T) {
	q := newQueue()
	var want []byte
	for i := range 40 {
		p := bytes.Repeat([]byte{byte(i)}, 1000+i)
		want = append(want, framed(p)...)
		if !q.put(p) {
			t.Fatalf("no place for frame %d", i)
		}
	}
	if got, _ := drain(q); !bytes.Equal(got, want) {
		t.Error("what is written is not what was queued")
	}
	if len(q.piece()) != 0 {
		t.Error("something is left")
	}
}

// TestQueueHasABound: it welcomes little, has a place for what must go out, and then none.
func TestQueueHasABound(t *testing.T) {
	for _, size := range []int{minFrame, maxFrame} {
		q := newQueue()
		p := make([]byte, size)
		welcome, taken := 0, 0
		for ; q.room() > 0; welcome++ {
			q.put(p)
		}
		if bytes := welcome * (size + frameHeader); welcome > queuePackets || bytes > freshRoom+size {
			t.Errorf("%d frames of %d are welcome", welcome, size)
		}
		for taken = welcome; q.put(p); taken++ {
		}
		if taken <= welcome || taken > hardPackets || taken*size > hardRoom {
			t.Errorf("%d frames of %d taken", taken, size)
		}
		if drain(q); q.room() <= 0 || !q.put(p) {
			t.Error("no room after all was written")
		}
	}
}

// TestQueueTellsWhenThereIsRoom, once for each time that somebody waits.
func TestQueueTellsWhenThereIsRoom(t *testing.T) {
	q := newQueue()
	if !q.wait() {
		t.Error("an empty queue has no room")
	}
	p := make([]byte, 1200)
	for q.room() > 0 {
		q.put(p)
	}
	if _, ready := drain(q); ready != 0 {
		t.Error("told though nobody waits")
	}
	for q.room() > 0 {
		q.put(p)
	}
	if q.wait() {
		t.Error("a full queue has room")
	}
	if _, ready := drain(q); ready != 1 {
		t.Errorf("told %d times", ready)
	}
}

// TestQueueMeasures what a connection carries while more waits, welcomes as much as leaves soon, and lets as much be on
// its way.
func TestQueueMeasures(t *testing.T) {
	const roundTrip = 50 * time.Millisecond
	for _, rate := range []int{100_000, 1_000_000, 20_000_000} { // bit/s
		q, now, acked := newQueue(), time.Unix(1000, 0), uint64(0)
		if got := q.flight(roundTrip); got != freshFlight {
			t.Errorf("%d may be on their way at first", got)
		}
		p := make([]byte, 1200)
		for range 200 {
			for q.room() > 0 {
				q.put(p)
			}
			n := len(q.piece())
			q.arrived(acked, now)
			q.wrote(n)
			acked += uint64(n)
			now = now.Add(time.Duration(n*8) * time.Second / time.Duration(rate))
		}
		if q.rate < rate*9/10 || q.rate > rate*11/10 {
			t.Errorf("%d bit/s measured as %d", rate, q.rate)
		}
		drain(q)
		if got, want := q.room(), min(max(q.rate/8*150/1000, leastRoom), mostRoom); got < want*9/10 || got > want*11/10 {
			t.Errorf("room of %d at %d bit/s, want %d", got, rate, want)
		}
		if got, want := q.flight(roundTrip), max(q.rate/8*300/1000, leastFlight); got < want*9/10 || got > want*11/10 {
			t.Errorf("%d on their way at %d bit/s, want %d", got, rate, want)
		}
	}
	// What leaves while nothing waits says nothing.
	q, now := newQueue(), time.Unix(1000, 0)
	for i := range 1000 {
		q.put(make([]byte, 1200))
		drain(q)
		now = now.Add(time.Millisecond)
		q.arrived(uint64(i), now)
	}
	if q.rate != 0 {
		t.Errorf("%d bit/s measured though nothing ever waited", q.rate)
	}
}
