package sfu

import (
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"

	"castcode/internal/linksim"
	"castcode/sfu/forward"
)

// TestASlowStreamIsNobodyElsesBusiness: of a crowd over UDP one viewer over TCP sits behind a link that is far too narrow,
// and another stops reading. The others' picture is as it was, the slow one gets whole pictures that are not old, and
// what waits for the two is bounded.
func TestASlowStreamIsNobodyElsesBusiness(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	lab := linksim.New(t)
	server, far := lab.Namespace("server"), lab.Namespace("slow")
	link, atServer, atFar := lab.Link(server, far, linksim.Conditions{}, linksim.Conditions{})
	e, seen := newStreamEngine(t, server, atServer.Addr)
	caster := openStudio(t, e, seen, "c", "caster", 1, newWire(t, server, atServer.Addr, 1), crowdRate)
	var crowd []*spectator
	sitIn := func(id string, w *wire) *spectator {
		v := sit(t, e, "c", id, w, nil)
		seen.connected(t, id)
		return v
	}
	for i := range crowdSize(20) {
		crowd = append(crowd, sitIn("viewer-"+string(rune('A'+i)), newWire(t, server, atServer.Addr, 1)))
	}
	slow := sitIn("slow", newFramedWire(t, far, atFar.Addr))
	hung := newFramedWire(t, server, atServer.Addr)
	stopped := sitIn("stopped", hung)
	shows(t, append(crowd, slow, stopped), 30)

	const length = 5 * time.Second
	asked, begun, heap := e.Snapshot().Asked, time.Since(epochOfMarks), heapNow()
	shows(t, crowd, int(length/frameTime)/2)
	middle := time.Since(epochOfMarks)
	link.Set(linksim.Conditions{Rate: narrow}, linksim.Conditions{})
	hung.conn.(*framed).stop()
	shows(t, crowd, int(length/frameTime))
	end := time.Since(epochOfMarks)

	undisturbed(t, crowd, begun, middle, end)
	few := sum([]*spectator{slow}, middle, end)
	n, most := caster.asked.Load()-int64(asked), forward.WishBurst+int64((end-middle)/forward.WishEvery)+1
	now := e.Snapshot()
	t.Logf("slow: %v; %d keyframes asked in %v; streams %+v; heap %+d KiB", few, n, end-middle, now.Streams, (heapNow()-heap)>>10)
	if few.frames < 2 || now.Streams.Full == 0 || now.Drops[DropLag.String()] == 0 {
		t.Errorf("the slow one was shown %d pictures; waited %d times, jumped %d times", few.frames, now.Streams.Full, now.Drops[DropLag.String()])
	}
	if now.Streams.Dropped["queue"] != 0 {
		t.Errorf("%d datagrams found no place", now.Streams.Dropped["queue"])
	}
	if grown := heapNow() - heap; grown > 8<<20 {
		t.Errorf("the heap has grown by %d KiB", grown>>10)
	}
	keepsUp(t, slow, end)
	if n > most {
		t.Errorf("%d keyframes asked for the slow one, want %d at most", n, most)
	}
	link.Set(linksim.Conditions{}, linksim.Conditions{})
	from := time.Since(epochOfMarks)
	eventually(t, "the wide link carries all again", func() bool {
		got := sum([]*spectator{slow}, max(from, time.Since(epochOfMarks)-time.Second), time.Since(epochOfMarks))
		return got.frames >= 20 && got.p99 < 500*time.Millisecond
	})
}

func heapNow() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
