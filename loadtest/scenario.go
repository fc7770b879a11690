package loadtest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"castcode/loadtest/stream"
)

// Named is a scenario or a preset: what it is called, what it is for, and what it changes.
type Named struct {
	Name, Text string
	set        func(*Options)
}

// Scenarios are ways in which viewers and casters behave. Each only sets what makes it what it is.
var Scenarios = []Named{
	{"steady", "viewers come one after the other and stay", func(*Options) {}},
	{"ramp", "viewers come evenly over the whole time", func(o *Options) {
		o.JoinRate = max(float64(o.Viewers)/max(o.Duration.Seconds(), 1), 0.01)
		o.Duration = max(o.Duration/4, time.Second)
	}},
	{"storm", "as many again join at once in the middle", func(o *Options) { o.Storm = max(o.Viewers, 1) }},
	{"churn", "a tenth of the viewers leave and come back each second", func(o *Options) { o.Churn = max(float64(o.Viewers)/10, 1) }},
	{"loss", "viewers lose 3% of what comes, two packets at a time", func(o *Options) { o.Loss, o.LossBurst = 0.03, 2 }},
	{"slow", "a fifth of the viewers have a path of a third of the bitrate", func(o *Options) {
		o.Slow, o.SlowRate = 0.2, max(o.Bitrate/3, 20_000)
	}},
	{"restart", "the caster begins anew every 10 s", func(o *Options) { o.Restart = 10 * time.Second }},
	{"rooms", "ten rooms share the viewers", func(o *Options) { o.Rooms = 10 }},
	{"codes", "somebody types wrong codes, five a second", func(o *Options) { o.Wrong = 5 }},
}

// Presets are whole situations.
var Presets = []Named{
	{"screen-to-displays", "a screen in 1080p on six displays that show codes, as in a meeting room", func(o *Options) {
		o.Viewers, o.Displays, o.JoinRate, o.Duration = 0, 6, 2, 30*time.Second
		o.Size, o.FPS, o.Bitrate, o.Screen, o.Audio = Size{1920, 1080}, 15, 3_000_000, true, 0
	}},
	{"lecture-200", "200 viewers of a 720p picture with sound", func(o *Options) { lecture(o, 200, 20) }},
	{"lecture-1000", "1000 viewers of a 720p picture with sound; needs --capacity 1100 on the server", func(o *Options) { lecture(o, 1000, 50) }},
}

func lecture(o *Options, viewers int, rate float64) {
	o.Viewers, o.JoinRate, o.Duration = viewers, rate, 60*time.Second
	o.Codec, o.Size, o.FPS, o.Bitrate, o.Audio = stream.VP8, Size{1280, 720}, 30, 2_500_000, 64_000
}

// Assemble makes options: the defaults, a preset ("" for none), then what the changes say, such as those of a file and of
// flags. Where they name a scenario it fills in what they leave open.
func Assemble(preset string, changes ...func(*Options) error) (Options, error) {
	o := Defaults()
	if preset != "" {
		if err := apply(&o, Presets, "preset", preset); err != nil {
			return o, err
		}
		o.Title = preset
	}
	for range 2 { // a scenario is made to the measure of the changes, and then they go before it
		for _, change := range changes {
			if err := change(&o); err != nil {
				return o, err
			}
		}
		if o.Scenario == "" {
			break
		}
		if err := apply(&o, Scenarios, "scenario", o.Scenario); err != nil {
			return o, err
		}
	}
	for _, change := range changes {
		if err := change(&o); err != nil {
			return o, err
		}
	}
	return o, nil
}

func apply(o *Options, list []Named, kind, name string) error {
	i := slices.IndexFunc(list, func(n Named) bool { return n.Name == name })
	if i < 0 {
		return fmt.Errorf("no %s %q: use %s", kind, name, strings.Join(Names(list), ", "))
	}
	list[i].set(o)
	return nil
}

// Names are those of a list.
func Names(list []Named) (names []string) {
	for _, n := range list {
		names = append(names, n.Name)
	}
	return names
}
