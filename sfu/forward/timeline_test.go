package forward

import (
	"testing"
	"time"
)

// feed is a stream of pictures of a packet each, at so many ticks a picture.
type feed struct {
	t    *Timeline
	seq  uint64
	ts   uint64
	at   int64 // of the next picture
	seen [3]int
}

// picture sends one whose timestamp is shifted against its turn, in ticks, and which waited on its way.
func (f *feed) picture(shift int64, waited time.Duration) TimeStep {
	step := f.t.Packet(f.seq, f.ts+uint64(shift), f.at+int64(waited))
	f.seen[step]++
	f.seq++
	f.ts += 3000
	f.at += int64(time.Second) / 30
	return step
}

// begins are places around the wraps of numbers and timestamps, as the parser extends them.
func begins(check func(name string, f *feed)) {
	for _, ts := range []uint64{1 << 31, 1<<32 - 1, 1<<32 - 3000, 1 << 32} {
		for _, seq := range []uint64{1 << 15, 1<<16 - 1, 1 << 16, 1<<16 - 10} {
			timeline := NewTimeline(90000)
			check(time.Duration(ts).String()+" "+time.Duration(seq).String(), &feed{t: &timeline, seq: seq, ts: ts, at: 1e9})
		}
	}
}

func TestTimelineOfAnOrdinaryStream(t *testing.T) {
	begins(func(name string, f *feed) {
		for i := range 3000 {
			f.picture(0, time.Duration(i%7)*10*time.Millisecond)
			if i%100 == 0 { // late and again: they say nothing
				f.t.Packet(f.seq-5, f.ts-15000, f.at)
				f.t.Packet(f.seq-1, f.ts-3000, f.at)
			}
		}
		if f.seen != [3]int{3000, 0, 0} {
			t.Errorf("%s: %v", name, f.seen)
		}
	})
}

func TestTimelineOfAClockThatDrifts(t *testing.T) {
	for _, drift := range []int64{-30, 30} { // 1 %: a hundred times what a crystal does
		begins(func(name string, f *feed) {
			for range 30 * 60 * 10 {
				f.ts += uint64(drift)
				f.picture(0, 0)
			}
			if f.seen[TimeBack]+f.seen[TimeJump] > 0 {
				t.Errorf("%s, %d ticks a picture: %v", name, drift, f.seen)
			}
		})
	}
}

func TestTimelineSeesPicturesInAnotherOrder(t *testing.T) {
	begins(func(name string, f *feed) {
		for range 100 { // I P B B, decoded before they are shown
			f.picture(6000, 0)
			f.picture(-3000, 0)
			f.picture(-3000, 0)
		}
		if f.seen[TimeBack] != 100 || f.seen[TimeJump] != 0 {
			t.Errorf("%s: %v", name, f.seen)
		}
	})
}

func TestTimelineSeesJumps(t *testing.T) {
	for _, shift := range []int64{200_000, -200_000, 1 << 33, -1 << 30} {
		begins(func(name string, f *feed) {
			for range 100 {
				f.picture(0, 0)
			}
			f.ts += uint64(shift)
			for range 30 * 6 {
				f.picture(0, 0)
			}
			if f.seen[TimeJump] != 1 || f.seen[TimeBack] != 0 {
				t.Errorf("%s, %d ticks: %v", name, shift, f.seen)
			}
		})
	}
}

// An encoder that was paused goes on where it stopped: its time has jumped back against ours. That is told when packets
// that were only held up would have caught up.
func TestTimelineSeesAPauseThatTookNoTime(t *testing.T) {
	begins(func(name string, f *feed) {
		f.picture(0, 0)
		f.at += int64(time.Minute)
		first := -1
		for i := range 30 * 10 {
			if f.picture(0, 0) == TimeJump && first < 0 {
				first = i
			}
		}
		if f.seen[TimeJump] != 1 || first < 30*5 || first > 30*5+2 {
			t.Errorf("%s: %v, the first with picture %d", name, f.seen, first)
		}
	})
}

func TestTimelineForgivesWhatDoesNotLast(t *testing.T) {
	begins(func(name string, f *feed) {
		f.picture(0, 0)
		f.ts, f.at = f.ts+90000*60, f.at+int64(time.Minute) // a screen that stood still
		f.picture(0, 0)
		for i := range 120 { // a network that held four seconds of pictures up, and then let them go
			f.picture(0, 4*time.Second-time.Duration(i)*time.Second/30)
		}
		f.picture(0, 0)
		if f.seen[TimeBack]+f.seen[TimeJump] > 0 {
			t.Errorf("%s: %v", name, f.seen)
		}
	})
}
