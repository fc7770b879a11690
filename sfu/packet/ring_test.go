package packet

import (
	"sync"
	"testing"
	"time"
)

const ms = int64(time.Millisecond)

func at(seq uint64, arrival int64, size int) *Packet {
	return &Packet{Source: 1, Seq: seq, Arrival: arrival, Payload: make([]byte, size)}
}

func key(seq uint64, arrival int64) *Packet {
	p := at(seq, arrival, 100)
	p.Keyframe = true
	return p
}

func TestRingHoldsTwoSeconds(t *testing.T) {
	for _, start := range starts {
		r := NewRing(AudioSlots)
		base := First + uint64(start)
		for i := range uint64(1000) {
			if got := r.Put(at(base+i, int64(i)*20*ms, 100)); got != Appended {
				t.Fatalf("start %d: packet %d is %v", start, i, got)
			}
		}
		if r.Newest() != base+999 || r.Oldest() != base+999-100 {
			t.Fatalf("start %d: holds %d..%d, want 899..999", start, r.Oldest()-base, r.Newest()-base)
		}
		for i := range uint64(1000) {
			if got := r.Get(base+i) != nil; got != (i >= 899) {
				t.Fatalf("start %d: packet %d present: %v", start, i, got)
			}
		}
	}
}

func TestRingKeepsTheRunSinceTheKeyframe(t *testing.T) {
	r := NewRing(VideoSlots)
	r.Put(at(First, 0, 100))
	r.Put(key(First+1, 0))
	for i := range uint64(1000) {
		r.Put(at(First+2+i, int64(i)*30*ms, 1000))
	}
	if seq, ok := r.Keyframe(); !ok || seq != First+1 || r.Oldest() != First+1 {
		t.Errorf("keyframe %d %v, oldest %d; want 1 true 1", seq-First, ok, r.Oldest()-First)
	}
	r.Put(key(First+1002, 30_100*ms))
	r.Put(at(First+1003, 30_101*ms, 100)) // now the old run may go
	if seq, ok := r.Keyframe(); !ok || seq != First+1002 || r.Oldest() < First+900 {
		t.Errorf("after the next: keyframe %d %v, oldest %d", seq-First, ok, r.Oldest()-First)
	}
}

func TestRingBoundsBytes(t *testing.T) {
	r := NewRing(VideoSlots)
	r.Put(key(First, 0))
	for i := range uint64(7000) {
		r.Put(at(First+1+i, ms, 1400))
		if r.bytes > MaxBytes {
			t.Fatalf("%d bytes after %d packets", r.bytes, i)
		}
	}
	if _, ok := r.Keyframe(); ok {
		t.Error("the keyframe has left the ring and is still offered")
	}
	held := 0
	for i := range r.slots {
		if p := r.slots[i].Load(); p != nil {
			held += p.size()
		}
	}
	if held != r.bytes || held < MaxBytes-2000 {
		t.Errorf("holds %d bytes, counts %d", held, r.bytes)
	}
	// Without a keyframe to keep, time counts again.
	r.Put(at(First+7001, 10_000*ms, 10))
	if r.Oldest() != First+7001 {
		t.Errorf("oldest is %d after ten seconds, want the newest", r.Oldest()-First)
	}
}

func TestRingPlacesLatePackets(t *testing.T) {
	for _, start := range starts {
		r := NewRing(AudioSlots)
		base := First + uint64(start)
		step := func(i uint64, want Placed) {
			t.Helper()
			if got := r.Put(at(base+i, 0, 10)); got != want {
				t.Errorf("start %d: packet %d is %v, want %v", start, i, got, want)
			}
		}
		step(10, Appended)
		step(9, Late) // the first two came in the wrong order
		step(12, Appended)
		step(12, Duplicate)
		step(11, Late)
		step(11, Duplicate)
		step(12+AudioSlots, Appended)
		step(12, TooLate)
		step(13, Late)
		if r.Get(base+10) != nil || r.Get(base+13) == nil {
			t.Errorf("start %d: a packet that was pushed out is found, or one in range is not", start)
		}
	}
}

func TestRingSurvivesAJump(t *testing.T) {
	r := NewRing(AudioSlots)
	for i := range uint64(100) {
		r.Put(at(First+i, 0, 10))
	}
	if got := r.Put(at(First+30_000, ms, 10)); got != Appended {
		t.Fatalf("a packet after a jump is %v", got)
	}
	if r.held != 1 || r.bytes != 10 || r.Oldest() != First+30_000 {
		t.Errorf("holds %d packets, %d bytes, oldest %d", r.held, r.bytes, r.Oldest()-First)
	}
	if got := r.Put(at(First+99, ms, 10)); got != TooLate {
		t.Errorf("a packet from before the jump is %v", got)
	}
}

// Readers see a packet with the number they asked for or none, whatever the writer does. Run it with -race.
func TestRingManyReaders(t *testing.T) {
	r := NewRing(AudioSlots)
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				newest := r.Newest()
				for seq := r.Oldest(); seq <= newest && seq != 0; seq++ {
					if p := r.Get(seq); p != nil && (p.Seq != seq || len(p.Payload) != int(seq%7)) {
						t.Errorf("asked for %d, got %d with %d bytes", seq, p.Seq, len(p.Payload))
						return
					}
				}
				if seq, ok := r.Keyframe(); ok && seq%50 != 0 {
					t.Errorf("keyframe at %d", seq)
					return
				}
			}
		})
	}
	for i := range uint64(50_000) {
		seq := First + i
		p := at(seq, int64(i)*10*ms, int(seq%7))
		p.Keyframe = seq%50 == 0
		r.Put(p)
	}
	close(done)
	wg.Wait()
}

func TestRingGetAllocatesNothing(t *testing.T) {
	r := NewRing(AudioSlots)
	r.Put(at(First, 0, 10))
	if n := testing.AllocsPerRun(1000, func() { r.Get(First); r.Keyframe() }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkRingPut(b *testing.B) {
	r := NewRing(VideoSlots)
	packets := make([]Packet, 1<<14)
	payload := make([]byte, 1200)
	seq := uint64(First)
	for b.Loop() {
		p := &packets[seq%(1<<14)]
		*p = Packet{Source: 1, Seq: seq, Arrival: int64(seq) * 4 * ms, Payload: payload, Marker: seq%10 == 0}
		r.Put(p)
		seq++
	}
}

func BenchmarkRingGet(b *testing.B) {
	r := NewRing(VideoSlots)
	for i := range uint64(500) {
		r.Put(at(First+i, int64(i)*ms, 1200))
	}
	i := uint64(0)
	for b.Loop() {
		if r.Get(First+i%500) == nil {
			b.Fatal("lost")
		}
		i++
	}
}
