package loadtest

import (
	"math"
	"strings"
	"testing"
	"time"

	"castcode/loadtest/stream"
)

// options are small ones that pass.
func options(t *testing.T, changes ...func(*Options)) Options {
	t.Helper()
	o := Defaults()
	o.URL = "http://localhost:1"
	for _, c := range changes {
		c(&o)
	}
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestPlan(t *testing.T) {
	o := options(t, func(o *Options) {
		o.Viewers, o.Displays, o.JoinRate, o.Duration = 9, 1, 10, 10*time.Second
		o.Storm, o.Churn, o.Wrong, o.Restart, o.Rooms = 5, 2, 1, 3*time.Second, 2
	})
	p := newPlan(&o)
	if p.settled != 900*time.Millisecond || p.end != 10900*time.Millisecond || p.everybody != 15 {
		t.Errorf("settled %v, end %v, everybody %d", p.settled, p.end, p.everybody)
	}
	count, seen := map[deed]int{}, map[int]bool{}
	last := time.Duration(0)
	for _, s := range p.steps {
		if s.at < last || s.at > p.end {
			t.Errorf("step %+v after %v", s, last)
		}
		last = s.at
		count[s.deed]++
		switch s.deed {
		case join:
			if seen[s.who] {
				t.Errorf("viewer %d joins twice", s.who)
			}
			seen[s.who] = true
		case rejoin:
			if s.who < 1 || s.who > 9 || !seen[s.who] {
				t.Errorf("%d comes back", s.who)
			}
		}
	}
	if count[join] != 15 || count[rejoin] != 16 || count[mistype] != 11 || count[restart] != 2*2 {
		t.Errorf("deeds %v", count)
	}
	if again := newPlan(&o); len(again.steps) != len(p.steps) || again.steps[20] != p.steps[20] {
		t.Error("the same options make another plan")
	}
}

func TestAllAtOnce(t *testing.T) {
	o := options(t, func(o *Options) { o.JoinRate, o.Viewers = 0, 100 })
	for _, s := range newPlan(&o).steps {
		if s.at != 0 {
			t.Fatalf("%+v", s)
		}
	}
}

func TestScenariosAndPresetsCanRun(t *testing.T) {
	for _, n := range append(append([]Named{}, Scenarios...), Presets...) {
		o := Defaults()
		n.set(&o)
		o.URL = "http://localhost:1"
		if err := o.Check(); err != nil {
			t.Errorf("%s: %v", n.Name, err)
		}
		if p := newPlan(&o); len(p.steps) == 0 || p.end <= 0 || n.Text == "" {
			t.Errorf("%s: %+v", n.Name, p)
		}
	}
}

func TestAssembleLetsTheChangesWin(t *testing.T) {
	o, err := Assemble("lecture-200", func(o *Options) error {
		return o.Load(strings.NewReader("scenario: storm\nviewers: 50\nbitrate: 800k\nsize: 640x360\nslow: 10%\ncodec: H264\nduration: 5s\nfail-if: [loss>1%]\nurl: http://x\n"))
	}, func(o *Options) error { o.FPS = 15; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if o.Viewers != 50 || o.Storm != 50 || o.Bitrate != 800_000 || o.Size != (Size{640, 360}) || o.Slow != 0.1 || o.Codec != stream.H264 ||
		o.FPS != 15 || o.Duration != 5*time.Second || o.JoinRate != 20 || o.Title != "lecture-200" || len(o.FailIf) != 1 {
		t.Errorf("%+v", o)
	}
	for _, bad := range []string{"viewer: 5", "viewers: many", "scenario: chaos", "bitrate: -1", "slow: 200%", "codec: opus", "token: x", "- 1"} {
		if _, err := Assemble("", func(o *Options) error { return o.Load(strings.NewReader(bad)) }); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
	if o, err := Assemble("", func(o *Options) error { return o.Load(strings.NewReader("")) }); err != nil || o.Viewers != 10 {
		t.Errorf("an empty file: %+v, %v", o, err)
	}
}

func TestWrongOptions(t *testing.T) {
	for text, change := range map[string]func(*Options){
		"no server":      func(o *Options) { o.URL = "" },
		"like https":     func(o *Options) { o.URL = "ftp://x" },
		"not both":       func(o *Options) { o.WHEP = "http://x" },
		"--whep is":      func(o *Options) { o.URL, o.WHIP = "", "http://x" },
		"via":            func(o *Options) { o.Via = "pigeon" },
		"rooms":          func(o *Options) { o.Rooms = 0 },
		"{room}":         func(o *Options) { o.URL, o.WHEP, o.Rooms = "", "http://x", 2 },
		"1 to 50000":     func(o *Options) { o.Viewers = 0 },
		"displays need":  func(o *Options) { o.Displays, o.Via = 1, ByWHIP },
		"wrong codes":    func(o *Options) { o.URL, o.WHEP, o.Wrong = "", "http://x", 1 },
		"duration":       func(o *Options) { o.Duration = 0 },
		"restart":        func(o *Options) { o.Restart = 1 },
		"keyframe every": func(o *Options) { o.KeyEvery = 1 },
		"loss below":     func(o *Options) { o.LossBurst = 0 },
		"slow rate":      func(o *Options) { o.Slow, o.SlowRate = 0.5, 0 },
		"layers":         func(o *Options) { o.Layers = 4 },
		"pictures a":     func(o *Options) { o.FPS = 0 },
		"no metric":      func(o *Options) { o.FailIf = []string{"luck<1"} },
	} {
		o := options(t)
		change(&o)
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestUnits(t *testing.T) {
	for text, want := range map[string]Rate{"800k": 800_000, "2.5M": 2_500_000, "64000": 64_000, " 1M ": 1_000_000} {
		var r Rate
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want {
			t.Errorf("%q: %v, %v", text, r, err)
		}
		var again Rate
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Errorf("%v as a text is %v", r, again)
		}
	}
	for text, want := range map[string]Share{"5%": 0.05, "0.05": 0.05, "100 %": 1, "0": 0} {
		var s Share
		if err := s.UnmarshalText([]byte(text)); err != nil || math.Abs(float64(s-want)) > 1e-9 {
			t.Errorf("%q: %v, %v", text, s, err)
		}
	}
	var size Size
	if size.UnmarshalText([]byte("1x1")) == nil || size.UnmarshalText([]byte("640")) == nil || size.UnmarshalText([]byte("640x360")) != nil {
		t.Errorf("%v", size)
	}
}

func TestPathsLoseWhatTheyAreToLose(t *testing.T) {
	for _, burst := range []float64{1, 5} {
		o := options(t, func(o *Options) { o.Loss, o.LossBurst = 0.05, burst })
		p, lost, runs, losing := o.newPath(3), 0, 0, false
		const all = 200_000
		for range all {
			is := p.loses(1000, time.Time{})
			if is {
				lost++
			}
			if is && !losing {
				runs++
			}
			losing = is
		}
		if share := float64(lost) / all; math.Abs(share-0.05) > 0.006 {
			t.Errorf("burst %g: lost %.3f", burst, share)
		}
		if mean := float64(lost) / float64(runs); math.Abs(mean-burst) > 0.15*burst {
			t.Errorf("burst %g: mean %.2f", burst, mean)
		}
	}
	o := options(t, func(o *Options) { o.Slow, o.SlowRate, o.Viewers = 0.2, 800_000, 10 })
	slow := 0
	for i := range 10 {
		if o.slow(i) {
			slow++
		}
	}
	if slow != 2 {
		t.Errorf("%d of 10 are slow", slow)
	}
	now, through := time.Unix(0, 0), 0
	p := o.newPath(4)
	for range 10_000 { // 8 Mbit/s for ten seconds into 0.8, and into what the path holds at first
		if !p.loses(1000, now) {
			through += 1000
		}
		now = now.Add(time.Millisecond)
	}
	if rate := through * 8 / 11; rate < 790_000 || rate > 810_000 {
		t.Errorf("a path of 800k carries %d", rate)
	}
}

func TestThresholds(t *testing.T) {
	r := &Report{Media: Media{Loss: 0.2}, Joins: map[string]Spread{"live": {P99: 1500}}}
	for text, failed := range map[string]bool{
		"loss>0.1%": true, "loss > 0.1": true, "loss>0.2": false, "loss>=0.2%": true, "loss<0.1": false, "loss<=0.2%": true,
		"join_p99>2s": false, "join_p99>1s": true, "join_p99>1400ms": true, "own_drops>0": false, "server_mb>10MB": false,
	} {
		th, err := ParseThreshold(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if v := th.judge(r); v.Failed != failed {
			t.Errorf("%q: %+v", text, v)
		}
	}
	for _, text := range []string{"", "loss", "loss>", "loss>x", "luck>1", "loss>1ms", "join_p99>1%", "loss=1", "freezes>1s", "loss>-1"} {
		if _, err := ParseThreshold(text); err == nil {
			t.Errorf("%q passes", text)
		}
	}
}

func FuzzParseThreshold(f *testing.F) {
	f.Add("loss>0.1%")
	f.Add("join_p99 >= 2s")
	f.Fuzz(func(t *testing.T, text string) {
		if th, err := ParseThreshold(text); err == nil {
			th.judge(&Report{})
		}
	})
}
