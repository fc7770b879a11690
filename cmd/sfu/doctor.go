package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/alecthomas/kong"

	"castcode/internal/tlsutil"
	"castcode/loadtest"
)

// doctor is the command `sfu doctor`: checks of a server that runs, each with one line.
type doctor struct {
	URL  string `placeholder:"URL" help:"The server. Default: the one of the configuration and data directory of this machine."`
	CA   string `placeholder:"FILE" help:"PEM file of its CA. Default: ca.crt in the data directory." type:"existingfile"`
	Data string `placeholder:"DIR" help:"The data directory, as for serve."`
	Load int    `default:"20" placeholder:"N" help:"Let so many synthetic viewers watch a synthetic cast for ten seconds."`
}

func doctorCommand() kong.Option {
	return kong.DynamicCommand("doctor", "Check the server that runs here: can it carry so many viewers?", "", &doctor{})
}

// state is how a check went.
type state string

const (
	stateOK     state = "ok"
	stateSlow   state = "slow"
	stateFailed state = "failed"
)

// finding is what a check found.
type finding struct {
	state state
	text  string
}

// exam is one thing that the doctor looks at.
type exam struct {
	name string
	look func(context.Context, *patient) finding
}

// patient is the server that is checked.
type patient struct {
	url string
	ca  string // file; empty: the system's
}

const doctorLength = 10 * time.Second

// Run is called by kong. The exit status is 0 when all is well.
func (d *doctor) Run(s *surroundings) error {
	if d.Load < 1 {
		return &UsageError{"--load needs a number of viewers, 1 or more"}
	}
	p, err := d.patient(s.env)
	if err != nil {
		return err
	}
	checks := []exam{{"load", d.load}}
	sick := 0
	for _, c := range checks {
		f := c.look(s.ctx, p)
		if f.state != stateOK {
			sick++
		}
		if err := printFinding(s.stdout, c.name, f); err != nil {
			return err
		}
	}
	if sick > 0 {
		return fmt.Errorf("%d of %d checks are not ok", sick, len(checks))
	}
	return nil
}

func printFinding(w io.Writer, name string, f finding) error {
	_, err := fmt.Fprintf(w, "%-7s %-10s %s\n", f.state, name, f.text)
	return err
}

// patient finds out where the server is: what is not given, the server's own configuration says.
func (d *doctor) patient(env func(string) (string, bool)) (*patient, error) {
	p := &patient{url: d.URL, ca: d.CA}
	var args []string
	if d.Data != "" {
		args = []string{"--data", d.Data}
	}
	command, err := Load(args, env, io.Discard)
	if err != nil {
		if p.url != "" {
			return p, nil
		}
		return nil, err
	}
	c := command.Config
	if p.url == "" {
		p.url = addressOf(c)
	}
	if own := filepath.Join(c.Data, "ca.crt"); p.ca == "" && c.TLS == tlsutil.LocalCA {
		if _, err := os.Stat(own); err == nil {
			p.ca = own
		}
	}
	return p, nil
}

// addressOf is where a server with that configuration is reached from its own machine.
func addressOf(c *Config) string {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		host, port = "", "8443"
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	switch c.TLS {
	case tlsutil.Off:
		return "http://" + net.JoinHostPort(host, port)
	case tlsutil.ACME, tlsutil.Files:
		if len(c.Hosts) > 0 {
			host = c.Hosts[0] // the certificate is for that name
		}
	}
	return "https://" + net.JoinHostPort(host, port)
}

// load lets viewers watch.
func (d *doctor) load(ctx context.Context, p *patient) finding {
	o, err := loadtest.Assemble("", func(o *loadtest.Options) error {
		o.URL, o.Viewers, o.JoinRate, o.Duration = p.url, d.Load, 20, doctorLength
		return nil
	})
	if err != nil {
		return finding{stateFailed, err.Error()}
	}
	roots, err := readRoots(p.ca)
	if err != nil {
		return finding{stateFailed, err.Error()}
	}
	r, err := loadtest.Run(ctx, o, loadtest.Surroundings{TLS: roots})
	if err != nil {
		return finding{stateFailed, p.url + ": " + err.Error()}
	}
	return judge(r)
}

// What a server has to do to be called ok: it goes by what viewers notice.
const (
	mostLoss   = 0.1  // %, after repair
	oldest     = 150  // ms, 99 % of the frames
	slowest    = 2000 // ms, 99 % of the joins
	mostFrozen = 0.5  // % of the time
)

// judge says what a load test found.
func judge(r *loadtest.Report) finding {
	v := r.Viewers
	text := fmt.Sprintf("%d of %d viewers saw a live picture; loss %.2f%%, age of a frame %.0f ms (99%%: %.0f ms), live after %.0f ms (99%%: %.0f ms)",
		v.Seen, v.Asked, r.Media.Loss, r.Delay.P50, r.Delay.P99, r.Joins["live"].P50, r.Joins["live"].P99)
	if r.Process != nil {
		text += fmt.Sprintf(", server %.0f%% of a processor", r.Process.CPU)
	}
	switch {
	case v.Asked == 0 || v.Seen < v.Asked || v.Failed > 0:
		for reason, n := range r.Reasons {
			text += fmt.Sprintf("; %d times: %s", n, reason)
		}
		return finding{stateFailed, text}
	case r.Media.Loss > mostLoss || r.Media.SoundLoss > mostLoss || r.Delay.P99 > oldest || r.Joins["live"].P99 > slowest || r.Media.Frozen > mostFrozen:
		return finding{stateSlow, text}
	}
	return finding{stateOK, text}
}
