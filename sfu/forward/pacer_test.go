package forward

import (
	"testing"
	"time"
)

// run lets a pacer work off video that all came at time 0, asked every step, and returns what left at each time.
func paced(p *Pacer, bytes, size int, step int64) (left map[int64]int, end int64) {
	left = map[int64]int{}
	for now := int64(0); bytes > 0; now += step {
		for bytes > 0 {
			n := min(size, bytes)
			q := [Classes]Queue{Video: {Size: n, Bytes: bytes}}
			if _, ok := p.Next(&q, now); !ok {
				break
			}
			p.Take(n)
			bytes -= n
			left[now] += n
			end = now
		}
	}
	return left, end
}

func TestPacerLetsAnOrdinaryFrameGoAtOnce(t *testing.T) {
	var p Pacer
	if left, end := paced(&p, 12_000, 1200, ms); end != 0 || left[0] != 12_000 {
		t.Errorf("took until %d ms", end/ms)
	}
}

func TestPacerSpreadsALargeFrame(t *testing.T) {
	for _, size := range []int{150_000, 400_000} {
		for _, step := range []int64{ms / 4, ms, 5 * ms} {
			var p Pacer
			left, end := paced(&p, size, 1200, step)
			if end > int64(MaxWait) || end < int64(MaxWait)/2 {
				t.Errorf("%d bytes, step %d µs: took %d ms, want at most %v", size, step/1000, end/ms, MaxWait)
			}
			bound := Burst + 1200
			if even := 2 * size * int(step) / int(MaxWait); even > bound {
				bound = even // there are not enough moments for small bursts
			}
			for at, n := range left {
				if n > bound {
					t.Errorf("%d bytes, step %d µs: %d bytes left at once, at %d ms", size, step/1000, n, at/ms)
				}
			}
		}
	}
}

func TestPacerStart(t *testing.T) {
	var p Pacer
	p.SetRate(2_500_000)
	p.Start(750_000, 0)
	left, end := paced(&p, 750_000, 1200, ms)
	if end > int64(StartTime) || end < int64(StartTime)/2 {
		t.Errorf("a replay of 750 kB took %d ms, want about %v", end/ms, StartTime)
	}
	for at, n := range left {
		if n > Burst+1200 {
			t.Errorf("%d bytes left at once, at %d ms", n, at/ms)
		}
	}
	var q [Classes]Queue
	p.Next(&q, end+ms)
	if p.starting {
		t.Error("the start does not end with its backlog")
	}
}

func TestPacerOrder(t *testing.T) {
	var p Pacer
	q := [Classes]Queue{{Size: 100, Bytes: 100}, {Size: 1200, Bytes: 1200}, {Size: 1200, Bytes: 1200}}
	for want := Audio; want < Classes; want++ {
		c, ok := p.Next(&q, 0)
		if !ok || c != want {
			t.Fatalf("got class %d %v, want %d", c, ok, want)
		}
		p.Take(q[c].Size)
		q[c] = Queue{}
	}
	if _, ok := p.Next(&q, 0); ok {
		t.Error("something leaves although nothing waits")
	}
	p.Take(10 * Burst)
	if _, ok := p.Next(&[Classes]Queue{Video: {Size: 1, Bytes: 1, Oldest: 0}}, 0); ok {
		t.Error("video leaves without credit")
	}
	if c, ok := p.Next(&[Classes]Queue{Audio: {Size: 100, Bytes: 100}, Video: {Size: 1, Bytes: 1}}, 0); !ok || c != Audio {
		t.Error("audio waits")
	}
}

func TestPacerWakesWhenItMaySend(t *testing.T) {
	var p Pacer
	q := [Classes]Queue{Video: {Size: 1200, Bytes: 1200, Oldest: 0}}
	p.Next(&q, 0)
	p.Take(Burst + 5000)
	q[Video].Oldest = 0
	if _, ok := p.Next(&q, 0); ok {
		t.Fatal("leaves without credit")
	}
	at := p.Wake(0)
	if at <= 0 || at > int64(MaxWait) {
		t.Fatalf("wakes after %d µs", at/1000)
	}
	if _, ok := p.Next(&q, at); !ok {
		t.Errorf("nothing may leave at the time of waking, %d µs", at/1000)
	}
}

// Asking often must not slow a pacer down by rounding.
func TestPacerKeepsItsRate(t *testing.T) {
	var p Pacer
	p.SetRate(100_000)
	want := 100_000 / 8 * headroom / 100
	sent := 0
	for now := int64(0); now < 2000*ms; now += 300 {
		q := [Classes]Queue{Resends: {Size: 100, Bytes: 100, Oldest: now}}
		if _, ok := p.Next(&q, now); ok {
			p.Take(100)
			sent += 100
		}
		p.speed = 0
	}
	if sent < 2*want-200 || sent > 2*want+Burst+200 {
		t.Errorf("sent %d bytes in 2 s, want %d", sent, 2*want)
	}
}

// A pacer keeps to the rate that it was told, however much waits and however long, and lets no more leave at once than
// a narrow path has room for.
func TestPacerObeysAKnownRate(t *testing.T) {
	for _, rate := range []int{50_000, 200_000, 1_000_000} {
		for _, step := range []int64{ms, 5 * ms, 20 * ms} {
			var p Pacer
			p.SetRate(rate)
			p.Next(&[Classes]Queue{}, 0)
			p.Take(Burst) // the first frames were before
			bytesPerSecond := rate / 8
			left, end := paced(&p, 4*bytesPerSecond, 1200, step)
			if got := time.Duration(end); got < 3600*time.Millisecond || got > 5500*time.Millisecond {
				t.Errorf("%d bit/s, step %d ms: what takes 4 s took %v", rate, step/ms, got)
			}
			most := 1200 + max(leastBurst, bytesPerSecond*headroom/100/10)
			for at, n := range left {
				if n > most {
					t.Errorf("%d bit/s, step %d ms: %d bytes left at once, at %d ms, want %d at most", rate, step/ms, n, at/ms, most)
				}
			}
		}
	}
}

// Who has more room than the stream needs does not wait: a frame passes at once, a keyframe within 300 ms.
func TestPacerDoesNotDelayWhoHasRoom(t *testing.T) {
	var p Pacer
	p.SetRate(2_500_000)
	for i := range int64(60) {
		now, bytes := i*33*ms, 8_000 // 1.9 Mbit/s
		for bytes > 0 {
			q := [Classes]Queue{Video: {Size: 1000, Bytes: bytes, Oldest: now}}
			if _, ok := p.Next(&q, now); !ok {
				t.Fatalf("%d bytes of frame %d wait", bytes, i)
			}
			p.Take(1000)
			bytes -= 1000
		}
	}
	var fresh Pacer
	fresh.SetRate(2_500_000)
	if _, end := paced(&fresh, 120_000, 1200, ms); end > 300*ms {
		t.Errorf("a keyframe of 120 kB took %d ms", end/ms)
	}
}

func TestPacerLetsAudioThroughANarrowPath(t *testing.T) {
	var p Pacer
	p.SetRate(100_000)
	for now := int64(0); now < 1000*ms; now += 20 * ms {
		q := [Classes]Queue{Audio: {Size: 120, Bytes: 120, Oldest: now}, Video: {Size: 1200, Bytes: 50_000}}
		if c, ok := p.Next(&q, now); !ok || c != Audio {
			t.Fatalf("at %d ms: class %d %v while audio waits", now/ms, c, ok)
		}
		p.Take(120)
		q[Audio] = Queue{}
		for range 10 { // what the video may have
			if _, ok := p.Next(&q, now); ok {
				p.Take(1200)
			}
		}
	}
}

func TestPacerBoundsResendsOnANarrowPath(t *testing.T) {
	count := func(rate int) (n int) {
		var p Pacer
		p.SetRate(rate)
		p.Next(&[Classes]Queue{}, 0)
		for ; n < 1000 && p.Resends(); n++ {
			p.Take(1200)
		}
		return n
	}
	if n := count(200_000); n == 0 || n*1200 > Burst+leastBurst*2+1200 {
		t.Errorf("%d packets again at once over 200 kbit/s", n)
	}
	if n := count(0); n != 1000 {
		t.Errorf("only %d packets again while no limit is known", n)
	}
}
