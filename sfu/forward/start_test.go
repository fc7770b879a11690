package forward

import (
	"testing"
	"time"

	"castcode/sfu/codec"
	"castcode/sfu/packet"
)

// filled is a ring with a keyframe and so many frames after it, of three packets each; the last one's first packet came
// at (frames-1) * 33 ms. lost packets, counted from the keyframe, are missing.
func filled(start uint16, frames int, lost ...int) (*packet.Ring, []*packet.Packet) {
	ring := packet.NewRing(packet.VideoSlots)
	s := newStream(1, start)
	var all []*packet.Packet
	for i := range frames {
		all = append(all, s.frame(0, i == 0, false, 3)...)
	}
	for i, p := range all {
		missing := false
		for _, n := range lost {
			missing = missing || n == i
		}
		if !missing {
			ring.Put(p)
		}
	}
	return ring, all
}

func TestPlanReplay(t *testing.T) {
	for _, start := range starts {
		ring, all := filled(start, 60)
		end := all[len(all)-1].Arrival
		plan, why := PlanReplay(ring, DefaultStart, end+10*ms)
		if why != Replayable || plan.From != all[0].Seq || plan.Packets != 180 || plan.Bytes != 180*8 {
			t.Fatalf("start %d: %+v %v", start, plan, why)
		}
		broken, _ := filled(start, 60, 100)
		young, _ := filled(start, 60, 178)
		for _, c := range []struct {
			name   string
			ring   *packet.Ring
			limits StartLimits
			now    int64
			want   NoReplay
		}{
			{"empty", packet.NewRing(16), DefaultStart, end, NoKeyframe},
			{"too old", ring, DefaultStart, int64(DefaultStart.Age) + 1, RunOld},
			{"too big", ring, StartLimits{Age: time.Minute, Bytes: 100, Frames: 100}, end, RunBig},
			{"too long", ring, StartLimits{Age: time.Minute, Bytes: 1 << 20, Frames: 59}, end, RunLong},
			{"broken", broken, DefaultStart, end, RunBroken},
			{"broken where it may still heal", young, DefaultStart, end + 10*ms, Replayable},
			{"broken where it did not heal", young, DefaultStart, end + 200*ms, RunBroken},
		} {
			if _, why := PlanReplay(c.ring, c.limits, c.now); why != c.want {
				t.Errorf("start %d, %s: %v, want %v", start, c.name, why, c.want)
			}
		}
	}
}

func TestStartReplaysThenTrustsTheViewer(t *testing.T) {
	ring, _ := filled(0, 30)
	s := NewStart(DefaultStart, 1100*ms)
	if a, _ := s.Step(ring, 1000*ms); a != StartWait {
		t.Errorf("before its time: %v", a)
	}
	if s.Asked(1050 * ms) {
		t.Error("a request before the start goes to the gate")
	}
	if a, plan := s.Step(ring, 1100*ms); a != StartReplay || plan.Packets != 90 {
		t.Errorf("got %v %+v", a, plan)
	}
	if a, _ := s.Step(ring, 1200*ms); a != StartWait {
		t.Errorf("twice: %v", a)
	}
	if s.Asked(1100*ms + int64(answered) - 1) {
		t.Error("a request that crossed the replay goes to the gate")
	}
	if !s.Asked(1100*ms + int64(answered)) {
		t.Error("the viewer still asks and nobody hears")
	}
}

func TestStartAsksWithoutARun(t *testing.T) {
	s := NewStart(DefaultStart, 0)
	if a, _ := s.Step(packet.NewRing(16), 0); a != StartAsk {
		t.Errorf("got %v", a)
	}
	if !s.Asked(0) {
		t.Error("the viewer's own request is not heard")
	}
}

func TestReplayKeepsTimestamps(t *testing.T) {
	ring, all := filled(65000, 60)
	var sel Selector
	sel.SetTarget(Layer{Source: 1})
	s, r := NewStart(DefaultStart, 0), NewRewriter(90000)
	_, plan := s.Step(ring, 2000*ms)
	for i, seq := 0, plan.From; seq <= ring.Newest(); i, seq = i+1, seq+1 {
		p := ring.Get(seq)
		v := sel.Select(p, 2000*ms)
		n, why := r.Next(p, v.Top)
		if v.Drop != Forward || why != Forward || n.TS != uint32(p.TS) || n.Shift != (codec.Shift{}) || p != all[i] {
			t.Fatalf("packet %d: %v %v, timestamp %d of %d", i, v.Drop, why, n.TS, uint32(p.TS))
		}
	}
}
