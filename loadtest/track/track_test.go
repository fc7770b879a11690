package track

import (
	"testing"
	"time"

	"castcode/loadtest/stream"
)

// starts are the sequence numbers that every test begins at.
var starts = []uint16{0, 1, 2, 99, 255, 256, 32766, 32767, 32768, 32769, 65000, 65500, 65530, 65533, 65534, 65535}

// wire makes packets of a source and hands them to a track, but for those that the test withholds.
type wire struct {
	t      *Track
	source stream.Source
	seq    uint16
	number uint32
	now    time.Time
	ages   []time.Duration
	kept   map[uint16]Packet
}

func newWire(c stream.Codec, start uint16, config Config) *wire {
	w := &wire{
		seq: start, now: time.Unix(1000, 0), kept: map[uint16]Packet{},
		source: stream.NewVideo(stream.Video{Codec: c, Width: 640, Height: 360, FPS: 30, Bitrate: 1_000_000, Source: 1 << 8, Seed: 1}),
	}
	config.Codec, config.Room, config.Sink = c, 1, w
	w.t = New(config)
	w.t.Begin(w.now)
	return w
}

// Shown is Sink's.
func (w *wire) Shown(age time.Duration) { w.ages = append(w.ages, age) }

// frame sends one frame 10 ms old; those packets for which lose is true are kept back. It returns its first number.
func (w *wire) frame(key bool, lose func(i, n int) bool) uint16 {
	first := w.seq
	payloads := w.source.Next(w.number, w.now.Add(-10*time.Millisecond), key).Payloads
	for i, p := range payloads {
		q := Packet{Seq: w.seq, Time: w.number * 3000, Marker: i == len(payloads)-1, Payload: p}
		if lose != nil && lose(i, len(payloads)) {
			w.kept[w.seq] = q
		} else {
			w.t.Take(q, w.now)
		}
		w.seq++
	}
	w.number++
	w.now = w.now.Add(time.Second / 30)
	return first
}

func TestNothingIsLost(t *testing.T) {
	for _, start := range starts {
		for _, c := range []stream.Codec{stream.VP8, stream.VP9, stream.H264, stream.AV1} {
			w := newWire(c, start, Config{Repair: true})
			for i := range 100 {
				w.frame(i == 0 || i == 50, nil)
				if ask, key := w.t.Due(w.now); len(ask) > 0 || key {
					t.Fatalf("%v from %d: asks for %v, key %v", c, start, ask, key)
				}
			}
			w.t.End(w.now)
			f := w.t.Figures
			if f.Frames != 100 || f.Keyframes != 2 || f.Missing+f.Damaged+f.Lost+f.GivenUp+f.Freezes+f.Foreign+f.Twice+f.Streams != 0 || f.Layer[0] != 100 {
				t.Errorf("%v from %d: %+v", c, start, f)
			}
			if len(w.ages) != 100 || w.ages[99] != 10*time.Millisecond {
				t.Errorf("%v: %d ages", c, len(w.ages))
			}
			r, ok := w.t.Report(w.now)
			if !ok || r.FractionLost != 0 || r.TotalLost != 0 || uint16(r.LastSequenceNumber) != w.seq-1 || f.Jitter > time.Millisecond {
				t.Errorf("%v from %d: report %+v, jitter %v", c, start, r, f.Jitter)
			}
		}
	}
}

func TestWhatIsResentIsNotLost(t *testing.T) {
	for _, start := range starts {
		w := newWire(stream.VP8, start, Config{Repair: true})
		w.frame(true, nil)
		first := w.frame(false, func(i, _ int) bool { return i == 1 })
		w.frame(false, nil)
		if w.t.Frames != 1 || !w.t.Urgent() {
			t.Fatalf("from %d: %d frames behind a gap", start, w.t.Frames)
		}
		ask, key := w.t.Due(w.now)
		if len(ask) != 1 || ask[0] != first+1 || key {
			t.Fatalf("from %d: asks %v, key %v", start, ask, key)
		}
		if ask, _ := w.t.Due(w.now.Add(99 * time.Millisecond)); len(ask) > 0 {
			t.Errorf("from %d: asks again at once", start)
		}
		if ask, _ := w.t.Due(w.now.Add(100 * time.Millisecond)); len(ask) != 1 {
			t.Errorf("from %d: does not ask again", start)
		}
		w.t.TakeResent(w.kept[first+1], w.now)
		w.t.TakeResent(w.kept[first+1], w.now)
		w.t.Take(w.kept[first+1], w.now)
		f := w.t.Figures
		if f.Frames != 3 || f.Lost != 1 || f.Resent != 1 || f.GivenUp != 0 || f.Twice != 2 || f.Nacks != 2 || f.Missing != 0 {
			t.Errorf("from %d: %+v", start, f)
		}
		if r, _ := w.t.Report(w.now); r.TotalLost == 0 && r.FractionLost == 0 {
			t.Errorf("from %d: the report hides the loss: %+v", start, r)
		}
	}
}

func TestWhatNeverComesIsGivenUpAndAKeyframeIsAskedFor(t *testing.T) {
	for _, start := range starts {
		w := newWire(stream.H264, start, Config{Repair: true})
		w.frame(true, nil)
		w.frame(false, func(i, _ int) bool { return i == 0 })
		asked := 0
		for range 45 {
			w.frame(false, nil)
			if _, key := w.t.Due(w.now); key {
				asked++
			}
		}
		f := w.t.Figures
		if f.Frames != 1 || f.GivenUp != 1 || asked == 0 || asked > 2 || uint64(asked) != f.Asked {
			t.Fatalf("from %d: asked %d, %+v", start, asked, f)
		}
		w.frame(true, nil)
		w.frame(false, nil)
		if f = w.t.Figures; f.Frames != 3 || f.Missing != 46 || f.Freezes != 0 {
			t.Errorf("from %d: %+v", start, f) // a freeze needs a mean, which two frames do not give
		}
		if _, key := w.t.Due(w.now.Add(time.Second)); key {
			t.Errorf("from %d: asks although it has a keyframe", start)
		}
	}
}

func TestANewerKeyframeEndsTheWait(t *testing.T) {
	for _, start := range starts {
		w := newWire(stream.AV1, start, Config{Repair: true})
		w.frame(true, nil)
		for range 30 {
			w.frame(false, nil)
		}
		for range 10 {
			w.frame(false, func(i, _ int) bool { return i == 1 })
		}
		w.frame(true, nil)
		w.frame(false, nil)
		f := w.t.Figures
		if f.Frames != 33 || f.GivenUp != 10 || f.Missing != 10 || f.Freezes != 1 || f.FreezeTime < 300*time.Millisecond {
			t.Errorf("from %d: %+v", start, f)
		}
	}
}

func TestAnotherStream(t *testing.T) {
	for _, start := range starts {
		w := newWire(stream.VP9, start, Config{Repair: true})
		w.frame(true, nil)
		w.seq += 20_000
		w.frame(true, nil)
		w.frame(false, nil)
		if f := w.t.Figures; f.Frames != 3 || f.Lost != 0 || f.Streams != 1 {
			t.Errorf("from %d: %+v", start, f)
		}
	}
}

func TestNewcomersBegForAKeyframe(t *testing.T) {
	w := newWire(stream.VP8, 7, Config{Repair: true})
	begun := w.now
	asked := []time.Duration{}
	for w.now.Sub(begun) < 1500*time.Millisecond {
		w.frame(false, nil)
		if _, key := w.t.Due(w.now); key {
			asked = append(asked, w.now.Sub(begun).Round(50*time.Millisecond))
		}
	}
	if len(asked) != 3 || asked[0] > 250*time.Millisecond || w.t.Frames != 0 {
		t.Errorf("asked at %v, %d frames", asked, w.t.Frames)
	}
}

func TestOldPicturesOfANewcomerHaveNoAge(t *testing.T) {
	w := newWire(stream.VP8, 7, Config{})
	joined := w.now.Add(2 * time.Second)
	for i := range uint32(90) { // those of the first two seconds come at once
		sent := w.now
		payloads := w.source.Next(i, sent, i == 0).Payloads
		for j, p := range payloads {
			at := sent
			if at.Before(joined) {
				at = joined
			}
			w.t.Take(Packet{Seq: w.seq, Time: i * 3000, Marker: j == len(payloads)-1, Payload: p}, at)
			w.seq++
		}
		w.now = sent.Add(time.Second / 30)
	}
	if f := w.t.Figures; f.Frames != 90 || len(w.ages) > 31 || len(w.ages) < 30 || f.Freezes != 0 || f.Live.Sub(joined) > 50*time.Millisecond {
		t.Errorf("%d ages count, %+v", len(w.ages), f)
	}
}

func TestFreezesAreThoseOfGetStats(t *testing.T) {
	for _, c := range []struct {
		gap  time.Duration
		want uint64
	}{{140 * time.Millisecond, 0}, {182 * time.Millisecond, 0}, {184 * time.Millisecond, 1}, {time.Second, 1}} {
		w := newWire(stream.VP8, 7, Config{})
		for i := range 40 {
			w.frame(i == 0, nil)
		}
		w.now = w.now.Add(c.gap - time.Second/30)
		w.frame(false, nil)
		if w.t.Freezes != c.want {
			t.Errorf("gap of %v: %d freezes", c.gap, w.t.Freezes)
		}
	}
	w := newWire(stream.VP8, 7, Config{})
	for i := range 40 {
		w.frame(i == 0, nil)
	}
	if w.t.End(w.now.Add(2 * time.Second)); w.t.Freezes != 1 {
		t.Errorf("a picture that stands still at the end: %d freezes", w.t.Freezes)
	}
}

func TestForeignAndDamagedFrames(t *testing.T) {
	w := newWire(stream.VP8, 7, Config{})
	w.t.config.Room, w.t.view.config.Room = 2, 2
	w.frame(true, nil)
	if w.t.Foreign != 1 {
		t.Errorf("foreign %d", w.t.Foreign)
	}
	p := w.source.Next(9, w.now, true).Payloads
	for i, q := range p[:len(p)-1] { // somebody left the last packet out and numbered on
		w.t.Take(Packet{Seq: w.seq, Time: 9 * 3000, Marker: i == len(p)-2, Payload: q}, w.now)
		w.seq++
	}
	if w.t.Damaged != 1 {
		t.Errorf("damaged %d", w.t.Damaged)
	}
}

func TestSoundIsCounted(t *testing.T) {
	for _, start := range starts {
		s, now := stream.NewSound(1<<8, 64_000), time.Unix(0, 0)
		track := New(Config{Codec: stream.Opus, Room: 1})
		track.Begin(now)
		for i := range uint16(100) {
			if i%10 != 5 {
				track.Take(Packet{Seq: start + i, Time: uint32(i) * 960, Payload: s.Next(uint32(i), now, false).Payloads[0]}, now)
			}
			if ask, key := track.Due(now); len(ask) > 0 || key {
				t.Fatalf("asks for %v, %v", ask, key)
			}
			now = now.Add(stream.OpusEvery)
		}
		track.End(now)
		if f := track.Figures; f.Packets != 90 || f.GivenUp != 10 || f.Lost != 10 || f.Foreign != 0 {
			t.Errorf("from %d: %+v", start, f)
		}
	}
}

func FuzzTrack(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 200, 4, 5}, uint16(65533))
	f.Fuzz(func(t *testing.T, script []byte, start uint16) {
		w := newWire(stream.VP8, start, Config{Repair: true})
		for i, step := range script {
			switch {
			case step > 240:
				w.seq += uint16(step) << 8
			case step > 200:
				w.t.Due(w.now.Add(time.Duration(step) * time.Millisecond))
			case step > 190:
				for _, p := range w.kept {
					w.t.TakeResent(p, w.now)
				}
			default:
				w.frame(i%17 == 0, func(i, _ int) bool { return i == int(step%8) })
			}
		}
		w.t.End(w.now)
		if f := w.t.Figures; f.Frames > uint64(w.number) || f.Resent+f.Late > f.Lost {
			t.Fatalf("%+v of %d frames", f, w.number)
		}
	})
}
