package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"castcode/loadtest"
	"castcode/loadtest/stream"
)

// loadTest is the command `sfu loadtest`. What is nil was not given: the preset, the file or the default says it.
type loadTest struct {
	URL string `arg:"" optional:"" help:"A server of ours, such as https://localhost:8443: rooms and codes."`

	WHIP   *string `group:"server" placeholder:"URL" help:"Cast by WHIP to this endpoint of any server. {room} stands for a name made up for each room."`
	WHEP   *string `group:"server" placeholder:"URL" help:"Watch by WHEP from this endpoint."`
	Token  string  `group:"server" placeholder:"TOKEN" env:"CASTCODE_LOADTEST_TOKEN" help:"Bearer for both; better in $$CASTCODE_LOADTEST_TOKEN."`
	Via    *string `group:"server" placeholder:"code|whip" help:"How a server of ours is reached: as people do, by code (the default), or by WHIP and WHEP."`
	CA     string  `group:"server" placeholder:"FILE" help:"PEM file of the server's CA (DATA/ca.crt), when it is not installed here." type:"existingfile"`
	Config string  `group:"server" placeholder:"FILE" help:"Read options from this YAML file. Its keys are the names of these flags." type:"existingfile"`
	Preset string  `group:"who" placeholder:"NAME" help:"${presets}"`

	Scenario *string        `group:"who" placeholder:"NAME" help:"${scenarios}"`
	Viewers  *int           `group:"who" placeholder:"N" help:"Viewers, in all rooms together. Default: 10."`
	Displays *int           `group:"who" placeholder:"N" help:"Displays, each with a code of its own."`
	Rooms    *int           `group:"who" placeholder:"N" help:"Casters. Default: 1."`
	JoinRate *float64       `group:"who" placeholder:"N" help:"Viewers who join per second; 0: all at once. Default: 20."`
	Duration *time.Duration `group:"who" placeholder:"TIME" help:"How long to measure once all were let in. Default: 10s."`

	Storm        *int            `group:"how" placeholder:"N" help:"So many more join at once in the middle."`
	Churn        *float64        `group:"how" placeholder:"N" help:"Viewers per second who leave and come back."`
	Loss         *loadtest.Share `group:"how" placeholder:"SHARE" help:"Lose so much on the viewers' side, such as 3%."`
	LossBurst    *float64        `group:"how" placeholder:"N" help:"Mean length of a loss in packets. Default: 1."`
	Slow         *loadtest.Share `group:"how" placeholder:"SHARE" help:"So many of the viewers have a narrow path."`
	SlowRate     *loadtest.Rate  `group:"how" placeholder:"RATE" help:"What that carries. Default: 500k."`
	RestartEvery *time.Duration  `group:"how" placeholder:"TIME" help:"Casters begin anew that often."`
	WrongCodes   *float64        `group:"how" placeholder:"N" help:"Wrong codes typed per second."`
	WrongFrom    *string         `group:"how" placeholder:"IP" help:"Local address of who types them. Default: 127.0.0.2 for a server on 127.0.0.1."`
	NoRepair     bool            `group:"how" help:"Viewers do not ask for lost packets."`

	Codec    *stream.Codec  `group:"what" placeholder:"NAME" help:"vp8, vp9, h264 or av1. Default: vp8."`
	Size     *loadtest.Size `group:"what" placeholder:"WxH" help:"Of the picture. Default: 1280x720."`
	FPS      *int           `group:"what" placeholder:"N" help:"Pictures per second. Default: 30."`
	Bitrate  *loadtest.Rate `group:"what" placeholder:"RATE" help:"Of the largest layer. Default: 2.5M."`
	Layers   *int           `group:"what" placeholder:"N" help:"Simulcast layers, 1 to 3. Default: 1."`
	Screen   *bool          `group:"what" help:"Content like a screen: little moves, then much."`
	KeyEvery *time.Duration `group:"what" placeholder:"TIME" help:"Keyframes also unasked, that often."`
	Audio    *loadtest.Rate `group:"what" placeholder:"RATE" help:"Of the sound; 0: none. Default: 64k."`
	File     *string        `group:"what" placeholder:"FILE" help:"Cast this IVF or H.264 file in a loop instead."`
	Sound    *string        `group:"what" placeholder:"FILE" help:"Cast this Ogg file with Opus in a loop instead."`

	JSON      string   `group:"out" placeholder:"FILE" help:"Write all figures here; - for standard output."`
	HTML      string   `group:"out" placeholder:"FILE" help:"Write a report with charts here: one file that needs no other."`
	FailIf    []string `group:"out" sep:"none" placeholder:"'NAME>N'" help:"${failif}"`
	Title     *string  `group:"out" placeholder:"TEXT" help:"Of the report."`
	ServerPID *int     `group:"out" placeholder:"PID" help:"Whose CPU to watch. Default: whoever owns the port, when that is on this machine."`
	Seed      *uint64  `group:"out" placeholder:"N" help:"Of all that is random. Default: 1."`
	Quiet     bool     `group:"out" short:"q" help:"No progress."`
}

var loadTestGroups = []kong.Group{
	{Key: "server", Title: "Server:"},
	{Key: "who", Title: "Who comes:"},
	{Key: "how", Title: "How they behave:"},
	{Key: "what", Title: "What is cast:"},
	{Key: "out", Title: "What comes out:"},
}

func loadTestCommand() kong.Option {
	return kong.DynamicCommand("loadtest", "Cast synthetic streams to synthetic viewers and say what they saw.", "", &loadTest{})
}

// loadTestWords are the texts of help that come from the package.
func loadTestWords() kong.Vars {
	list := func(named []loadtest.Named) string {
		var parts []string
		for _, n := range named {
			parts = append(parts, n.Name+" ("+n.Text+")")
		}
		return strings.Join(parts, ", ")
	}
	var metrics []string
	for _, m := range loadtest.Metrics {
		text := m.Name
		if m.Unit != "" {
			text += " in " + m.Unit
		}
		metrics = append(metrics, text)
	}
	return kong.Vars{
		"presets":   "A whole situation: " + list(loadtest.Presets) + ".",
		"scenarios": "How it goes: " + list(loadtest.Scenarios) + ".",
		"failif":    "Exit with 1 if this holds, such as 'loss>0.1%' or 'join_p99>2s'; repeatable. Default: failed>0, dark>0, loss>0.5%, foreign>0, loss_sound>0.5%. There are " + strings.Join(metrics, ", ") + ".",
	}
}

// errBelow is what a run ends with that was measured and not good.
var errBelow = errors.New("the run failed a threshold")

// Run is called by kong. The exit status is 0 when no threshold is passed, 1 when one is, 2 for wrong options.
func (l *loadTest) Run(s *surroundings) error {
	o, err := loadtest.Assemble(l.Preset, l.file, l.flags)
	if err == nil {
		err = o.Check()
	}
	if err != nil {
		return &UsageError{err.Error()}
	}
	roots, err := readRoots(l.CA)
	if err != nil {
		return err
	}
	p := newProgress(s.stderr, l.Quiet)
	report, err := loadtest.Run(s.ctx, o, loadtest.Surroundings{TLS: roots, Progress: p.show})
	p.end()
	if err != nil {
		return err
	}
	if err := l.write(report, s.stdout); err != nil {
		return err
	}
	if !report.OK() {
		return errBelow
	}
	return nil
}

// file changes options as the file says.
func (l *loadTest) file(o *loadtest.Options) error {
	if l.Config == "" {
		return nil
	}
	f, err := os.Open(l.Config)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	return o.Load(f)
}

// set takes over what was given.
func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// flags changes options as the command line says.
func (l *loadTest) flags(o *loadtest.Options) error {
	if l.URL != "" {
		o.URL = strings.TrimRight(l.URL, "/")
	}
	if l.Token != "" {
		o.Token = l.Token
	}
	set(&o.WHIP, l.WHIP)
	set(&o.WHEP, l.WHEP)
	set(&o.Via, l.Via)
	set(&o.Scenario, l.Scenario)
	set(&o.Viewers, l.Viewers)
	set(&o.Displays, l.Displays)
	set(&o.Rooms, l.Rooms)
	set(&o.JoinRate, l.JoinRate)
	set(&o.Duration, l.Duration)
	set(&o.Storm, l.Storm)
	set(&o.Churn, l.Churn)
	set(&o.Loss, l.Loss)
	set(&o.LossBurst, l.LossBurst)
	set(&o.Slow, l.Slow)
	set(&o.SlowRate, l.SlowRate)
	set(&o.Restart, l.RestartEvery)
	set(&o.Wrong, l.WrongCodes)
	set(&o.WrongFrom, l.WrongFrom)
	set(&o.Codec, l.Codec)
	set(&o.Size, l.Size)
	set(&o.FPS, l.FPS)
	set(&o.Bitrate, l.Bitrate)
	set(&o.Layers, l.Layers)
	set(&o.Screen, l.Screen)
	set(&o.KeyEvery, l.KeyEvery)
	set(&o.Audio, l.Audio)
	set(&o.File, l.File)
	set(&o.Sound, l.Sound)
	set(&o.Title, l.Title)
	set(&o.ServerPID, l.ServerPID)
	set(&o.Seed, l.Seed)
	if l.NoRepair {
		o.Repair = false
	}
	if len(l.FailIf) > 0 {
		o.FailIf = l.FailIf
	}
	return nil
}

// write puts the report where it was asked for.
func (l *loadTest) write(r *loadtest.Report, stdout io.Writer) error {
	if l.JSON != "-" {
		if err := r.WriteTable(stdout); err != nil {
			return err
		}
	}
	for _, out := range []struct {
		path  string
		write func(io.Writer) error
	}{{l.JSON, r.WriteJSON}, {l.HTML, r.WriteHTML}} {
		if err := writeReport(out.path, stdout, out.write); err != nil {
			return err
		}
	}
	return nil
}

func writeReport(path string, stdout io.Writer, write func(io.Writer) error) error {
	if path == "" {
		return nil
	}
	if path == "-" {
		return write(stdout)
	}
	f, err := os.Create(filepath.Clean(path))
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// readRoots are the CAs to trust: nil for the system's.
func readRoots(path string) (*tls.Config, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", path)
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}
