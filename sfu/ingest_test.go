package sfu

import (
	"testing"
	"time"
)

// player sends pictures of a packet each at 50 a second of its own time.
type player struct {
	*sender
	seq  uint16
	ts   uint32
	tick *time.Ticker
}

// play sends n pictures whose timestamps are shifted against their turn, in ticks, one shift after the other.
func (p *player) play(n int, shifts ...int) {
	p.t.Helper()
	for i := range n {
		<-p.tick.C
		p.send(p.seq, p.ts+uint32(shifts[i%len(shifts)]), false)
		p.seq++
		p.ts += 1800
	}
}

func TestIngestSaysWhatIsSent(t *testing.T) {
	e, seen := newEngine(t)
	if got := e.Ingest("c"); len(got) != 0 {
		t.Errorf("of no cast: %+v", got)
	}
	p := &player{sender: publish(t, e, "c", "caster"), seq: 65500, ts: 1<<32 - 9000, tick: time.NewTicker(20 * time.Millisecond)}
	defer p.tick.Stop()
	seen.connected(t, "caster")
	now := func() Ingest {
		if all := e.Ingest("c"); len(all) == 1 {
			return all[0]
		}
		return Ingest{}
	}
	began := time.Now()
	p.send(p.seq-1, p.ts-1800, true)
	p.play(120, 0)
	in := now()
	if in.Slot != "screen" || in.Codec != "video/VP8" || in.RID != "" || in.Reordered || in.Jumps+in.Lost > 0 || in.Bitrate <= 0 {
		t.Errorf("an ordinary stream: %+v", in)
	}
	if elapsed := time.Since(began).Seconds(); in.FPS < 100/elapsed || in.FPS > 56 {
		t.Errorf("%v pictures a second, sent %v", in.FPS, 120/elapsed)
	}
	if elapsed := time.Since(began); in.KeyframeAge < elapsed-time.Second || in.KeyframeAge > elapsed {
		t.Errorf("the keyframe is %v old, was sent %v ago", in.KeyframeAge, elapsed)
	}
	p.send(p.seq, p.ts, true)
	p.seq, p.ts = p.seq+1, p.ts+1800
	eventually(t, "the keyframe is new", func() bool { age := now().KeyframeAge; return age > 0 && age < time.Second })

	p.play(30, 3600, -1800, -1800) // P B B
	eventually(t, "B-frames are seen", func() bool { p.play(3, 3600, -1800, -1800); return now().Reordered })
	eventually(t, "and forgotten", func() bool { p.play(5, 0); return !now().Reordered })
	if in := now(); in.Jumps > 0 || in.Lost > 0 {
		t.Errorf("after B-frames: %+v", in)
	}

	p.ts += 90000 * 10
	p.play(5, 0)
	eventually(t, "the jump is seen", func() bool { return now().Jumps == 1 })
	p.seq += 5
	p.play(2, 0)
	eventually(t, "five are lost", func() bool { return now().Lost == 5 })
	p.send(p.seq-4, p.ts-1800*4, false)
	eventually(t, "one of them came after all", func() bool { return now().Lost == 4 })
	if in := now(); in.Reordered || in.Jumps != 1 {
		t.Errorf("a packet that comes late: %+v", in)
	}
	e.End("c")
	if got := e.Ingest("c"); len(got) != 0 {
		t.Errorf("of a cast that has ended: %+v", got)
	}
}
