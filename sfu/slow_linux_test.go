package sfu

import (
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"castcode/internal/linksim"
	"castcode/sfu/forward"
	"castcode/sfu/udp"
)

// newEngineIn is newEngine on a socket of a namespace, bound to addr.
func newEngineIn(t *testing.T, ns *linksim.Namespace, addr netip.Addr) (*Engine, *events) {
	t.Helper()
	var socket *udp.Socket
	err := ns.Do(func() (err error) {
		socket, err = udp.Listen(netip.AddrPortFrom(addr, 0), nil)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return engineOn(t, socket)
}

// TestASlowViewerIsNobodyElsesBusiness: of a crowd one viewer sits behind 200 kbit/s, once by a link that queues and
// once by the kernel's token bucket on the server's own device, and another stops reading. The others' picture is as
// it was before, and the caster is asked for few keyframes.
func TestASlowViewerIsNobodyElsesBusiness(t *testing.T) {
	for _, kernel := range []bool{false, true} {
		name := "queueing link"
		if kernel {
			name = "token bucket"
		}
		t.Run(name, func(t *testing.T) { besideTheSlow(t, kernel) })
	}
}

const narrow = 200_000 // bit/s

func besideTheSlow(t *testing.T, kernel bool) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	lab := linksim.New(t)
	server, far := lab.Namespace("server"), lab.Namespace("slow")
	var link *linksim.Link
	var atServer, atFar linksim.End
	if kernel {
		atServer, atFar = lab.Cable(server, far)
	} else {
		link, atServer, atFar = lab.Link(server, far, linksim.Conditions{}, linksim.Conditions{})
	}
	e, seen := newEngineIn(t, server, atServer.Addr)
	caster := openStudio(t, e, seen, "c", "caster", 1, newWire(t, server, atServer.Addr, 1), crowdRate)
	var crowd []*spectator
	sitIn := func(id string, ns *linksim.Namespace, addr netip.Addr) *spectator {
		v := sit(t, e, "c", id, newWire(t, ns, addr, 1), nil)
		seen.connected(t, id)
		return v
	}
	for i := range crowdSize(50) {
		crowd = append(crowd, sitIn("viewer-"+string(rune('A'+i/10))+string(rune('0'+i%10)), server, atServer.Addr))
	}
	slow, stopped := sitIn("slow", far, atFar.Addr), sitIn("stopped", server, atServer.Addr)
	shows(t, append(crowd, slow, stopped), 30)

	const length = 8 * time.Second
	asked, begun := e.Snapshot().Asked, time.Since(epochOfMarks)
	shows(t, crowd, int(length/frameTime)/2)
	middle := time.Since(epochOfMarks)
	if n := e.Snapshot().Asked - asked; n != 0 {
		t.Errorf("%d keyframes were asked before anybody was slow", n)
	}
	if kernel {
		server.Limit(atServer, narrow, 3000, 300*time.Millisecond)
	} else {
		link.Set(linksim.Conditions{Rate: narrow}, linksim.Conditions{})
	}
	stopped.wire.stop()
	shows(t, crowd, int(length/frameTime))
	end := time.Since(epochOfMarks)

	undisturbed(t, crowd, begun, middle, end)
	few := sum([]*spectator{slow}, middle, end)
	n, most := caster.asked.Load()-int64(asked), forward.WishBurst+int64((end-middle)/forward.WishEvery)+1
	t.Logf("slow: %v; %d keyframes asked in %v; drops %v", few, n, end-middle, e.Snapshot().Drops)
	if few.frames < 2 {
		t.Errorf("the slow one was shown %d pictures, want 2 at least", few.frames)
	}
	if lags := e.Snapshot().Drops[DropLag.String()]; lags == 0 {
		t.Error("the slow one's cursor never jumped")
	}
	// What the narrow link's queue held at first is through by now: what comes is a slide show that keeps up.
	keepsUp(t, slow, end)
	if n > most {
		t.Errorf("%d keyframes asked for the slow one, want %d at most", n, most)
	}
}

// undisturbed wants a crowd to have seen between middle and end, beside slow viewers, what it saw between begun and middle
// without them.
func undisturbed(t *testing.T, crowd []*spectator, begun, middle, end time.Duration) {
	t.Helper()
	alone, beside := sum(crowd, begun, middle), sum(crowd, middle, end)
	t.Logf("%d others alone: %v", len(crowd), alone)
	t.Logf("%d others beside: %v", len(crowd), beside)
	if beside.skipped != 0 {
		t.Errorf("the others skipped %d frames", beside.skipped)
	}
	// A shared machine has stalls of its own: they are seen without the slow ones too.
	if beside.freezes > alone.freezes*3+len(crowd)*2 {
		t.Errorf("the others froze %d times, %d times without the slow ones", beside.freezes, alone.freezes)
	}
	if beside.p99 > 2*alone.p99+frameTime {
		t.Errorf("the others' p99 is %v, %v without the slow ones", beside.p99, alone.p99)
	}
}

// keepsUp wants what a slow viewer sees from then on to be a slide show that keeps up.
func keepsUp(t *testing.T, slow *spectator, from time.Duration) {
	t.Helper()
	shows(t, []*spectator{slow}, 2)
	slides := sum([]*spectator{slow}, from, time.Since(epochOfMarks))
	t.Logf("slow, afterwards: %v", slides)
	if slides.farthest > forward.FarthestLag+2*time.Second {
		t.Errorf("the slow one's pictures are up to %v old", slides.farthest)
	}
}
