package loadtest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"castcode/loadtest/stream"
)

// Ways by which viewers and casters reach a server.
const (
	ByCode = "code" // as people do: the signaling socket, rooms and codes
	ByWHIP = "whip" // casters by WHIP, viewers by WHEP
)

// Options say what to load and how. Presets and files fill them; the names in a file are those of the flags.
type Options struct {
	Scenario string `yaml:"scenario"` // one of Scenarios; "" is steady

	// URL is a server of ours: https://host:port or http://…. Via says how to reach it.
	URL string `yaml:"url"`
	Via string `yaml:"via"` // ByCode or ByWHIP
	// WHIP and WHEP are endpoints of any server, instead of URL. {room} stands for a name made up for each room.
	WHIP  string `yaml:"whip"`
	WHEP  string `yaml:"whep"`
	Token string `yaml:"-"` // bearer for both; secrets do not stand in files of options

	Rooms    int           `yaml:"rooms"`     // casters
	Viewers  int           `yaml:"viewers"`   // in all rooms together
	Displays int           `yaml:"displays"`  // in all rooms together, by their own codes; only ByCode
	JoinRate float64       `yaml:"join-rate"` // viewers per second; 0: all at once
	Duration time.Duration `yaml:"duration"`  // after the last of them was let in

	Storm     int           `yaml:"storm"`         // viewers more who join at once in the middle
	Churn     float64       `yaml:"churn"`         // viewers per second who leave and come back
	Loss      Share         `yaml:"loss"`          // of media on the viewers' side
	LossBurst float64       `yaml:"loss-burst"`    // mean length of a loss, packets
	Slow      Share         `yaml:"slow"`          // of the viewers, whose path carries
	SlowRate  Rate          `yaml:"slow-rate"`     // that much
	Restart   time.Duration `yaml:"restart-every"` // casters begin anew; 0: they do not
	Wrong     float64       `yaml:"wrong-codes"`   // typed per second
	WrongFrom string        `yaml:"wrong-from"`    // local address of who types them

	Codec    stream.Codec  `yaml:"codec"`
	Size     Size          `yaml:"size"`
	FPS      int           `yaml:"fps"`
	Bitrate  Rate          `yaml:"bitrate"` // of the largest layer
	Layers   int           `yaml:"layers"`  // simulcast, 1 to 3
	Screen   bool          `yaml:"screen"`  // content is that of a screen
	KeyEvery time.Duration `yaml:"key-every"`
	Audio    Rate          `yaml:"audio"` // 0: none
	File     string        `yaml:"file"`  // IVF or H.264, instead of synthetic pictures
	Sound    string        `yaml:"sound"` // Ogg, instead of synthetic sound
	Repair   bool          `yaml:"repair"`

	Seed      uint64   `yaml:"seed"`
	FailIf    []string `yaml:"fail-if"`
	ServerPID int      `yaml:"server-pid"` // 0: whoever owns the port, when that is on this machine

	Title string `yaml:"title"` // of the report
}

// Defaults are what Options are when nobody says anything.
func Defaults() Options {
	return Options{
		Via: ByCode, Rooms: 1, Viewers: 10, JoinRate: 20, Duration: 10 * time.Second, LossBurst: 1, SlowRate: 500_000,
		Codec: stream.VP8, Size: Size{1280, 720}, FPS: 30, Bitrate: 2_500_000, Layers: 1, Audio: 64_000, Repair: true,
		Seed: 1,
	}
}

// Load changes o as a YAML file says. A key that is no option is an error.
func (o *Options) Load(r io.Reader) error {
	decoder := yaml.NewDecoder(io.LimitReader(r, 1<<20))
	decoder.KnownFields(true)
	if err := decoder.Decode(o); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("options: %w", err)
	}
	return nil
}

// Check says all that is wrong with o; nil if nothing is.
func (o *Options) Check() error {
	var faults []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	foreign := o.WHIP != "" || o.WHEP != ""
	want(o.URL != "" || foreign, "no server: give its address, such as https://localhost:8443, or --whip and --whep")
	if _, err := serverURL(o.URL); o.URL != "" && err != nil {
		faults = append(faults, err)
	}
	want(o.URL == "" || !foreign, "either the address of a server or --whip and --whep, not both")
	want(!foreign || o.WHEP != "", "--whep is missing: where viewers watch")
	want(o.Via == ByCode || o.Via == ByWHIP, "via %q: use code or whip", o.Via)
	want(o.Rooms >= 1 && o.Rooms <= 1000, "%d rooms: 1 to 1000", o.Rooms)
	want(o.Rooms == 1 || !foreign || strings.Contains(o.WHEP, "{room}"), "several rooms need {room} in --whip and --whep")
	want(o.Viewers >= 0 && o.Displays >= 0 && o.Storm >= 0, "a number below 0")
	want(o.Viewers+o.Displays+o.Storm >= 1 && o.Viewers+o.Displays+o.Storm <= 50_000, "%d viewers: 1 to 50000", o.Viewers+o.Displays+o.Storm)
	want(o.Displays == 0 || !foreign && o.Via == ByCode, "displays need --via code and a server of ours")
	want(o.Wrong == 0 || !foreign, "wrong codes need a server of ours")
	want(o.Wrong >= 0 && o.Wrong <= 1000, "%g wrong codes a second: 0 to 1000", o.Wrong)
	want(o.JoinRate >= 0 && o.Churn >= 0 && o.Churn <= 1000, "a rate below 0, or a churn above 1000")
	want(o.Duration >= time.Second && o.Duration <= 24*time.Hour, "duration %v: 1s to 24h", o.Duration)
	want(o.Restart == 0 || o.Restart >= time.Second, "restart every %v: at least 1s", o.Restart)
	want(o.KeyEvery == 0 || o.KeyEvery >= 100*time.Millisecond, "keyframe every %v: at least 100ms", o.KeyEvery)
	want(o.Loss < 1 && o.LossBurst >= 1 && o.LossBurst <= 100, "loss below 100%%, in bursts of 1 to 100")
	want(o.Slow == 0 || o.SlowRate >= 10_000, "slow rate %v: at least 10k", o.SlowRate)
	want(o.Layers >= 1 && o.Layers <= 3, "%d layers: 1 to 3", o.Layers)
	want(o.Layers == 1 || o.File == "", "a file has one layer")
	want(o.File == "" || o.Bitrate > 0, "a bitrate of 0")
	if o.File == "" {
		if err := o.video(0, 0).Check(); err != nil {
			faults = append(faults, err)
		}
	}
	for _, text := range o.FailIf {
		if _, err := ParseThreshold(text); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// video is the shape of layer i of Layers, the largest of which comes last.
func (o *Options) video(i int, source uint32) stream.Video {
	down := 1 << (o.Layers - 1 - i)
	bitrate := int(o.Bitrate)
	for range o.Layers - 1 - i {
		bitrate = bitrate * 3 / 10 // a quarter of the pixels want a bit more than a quarter of the bits
	}
	return stream.Video{
		Codec: o.Codec, Width: o.Size.Width / down, Height: o.Size.Height / down, FPS: o.FPS, Bitrate: bitrate,
		Screen: o.Screen, Source: source, Layer: uint8(i), Seed: o.Seed + uint64(source),
	}
}
