package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/alecthomas/kong"

	examination "castcode/internal/doctor"
	"castcode/internal/tlsutil"
	"castcode/loadtest"
)

// doctor is the command `sfu doctor`: checks of a server that runs, each with one line. It tries every way that a
// browser on this machine could take to it; on the server's own machine it looks at that as well.
type doctor struct {
	Server string `arg:"" optional:"" name:"server" placeholder:"URL" help:"The server, such as https://cast.example. Default: the one of the configuration and data directory of this machine."`
	URL    string `placeholder:"URL" help:"The same, as a flag."`
	CA     string `placeholder:"FILE" help:"PEM file of its CA. Default: ca.crt in the data directory." type:"existingfile"`
	Data   string `placeholder:"DIR" help:"The data directory, as for serve."`
	Load   int    `default:"20" placeholder:"N" help:"Let so many synthetic viewers watch a synthetic cast for six seconds; 0: none."`
	JSON   bool   `name:"json" help:"Print JSON, for scripts."`
}

func doctorCommand() kong.Option {
	return kong.DynamicCommand("doctor", "Check the way to a server: what is open, what is blocked, and what to open.", "", &doctor{})
}

// patient is the server that is checked.
type patient struct {
	url  string
	ca   string // file; empty: the system's
	data string // its data directory; empty when it is not known to be on this machine
}

// doctorTime is what all checks together may take.
const doctorTime = 20 * time.Second

// Run is called by kong. The exit status is 0 when nothing is blocked.
func (d *doctor) Run(s *surroundings) error {
	if d.Load < 0 {
		return &UsageError{"--load needs a number of viewers, or 0 for no load test"}
	}
	if d.Server != "" && d.URL != "" && d.Server != d.URL {
		return &UsageError{"two servers are named"}
	}
	if d.Server != "" {
		d.URL = d.Server
	}
	p, err := d.patient(s.env)
	if err != nil {
		return err
	}
	at, err := url.Parse(p.url)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Hostname() == "" {
		return &UsageError{fmt.Sprintf("%q is no server; write an address like https://cast.example", p.url)}
	}
	roots, err := readRoots(p.ca)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, doctorTime)
	defer cancel()
	list := d.examine(ctx, p, at, roots)
	if err := d.print(s.stdout, at, list); err != nil {
		return err
	}
	blocked := 0
	for _, f := range list {
		if f.State == examination.Blocked {
			blocked++
		}
	}
	if blocked > 0 {
		return fmt.Errorf("%d of %d checks are blocked", blocked, len(list))
	}
	return nil
}

// examine runs all checks.
func (d *doctor) examine(ctx context.Context, p *patient, at *url.URL, roots *tls.Config) []examination.Finding {
	list := examination.Examine(ctx, examination.Options{URL: at, TLS: roots, OwnCA: p.ca != ""})
	if p.data != "" && onThisMachine(ctx, at.Hostname()) {
		list = append(list, examination.Inspect(examination.Machine{Data: p.data, Process: processOf(at)})...)
	}
	if d.Load == 0 {
		return list
	}
	for _, f := range list {
		if f.Check == "udp" && f.State != examination.OK && f.State != examination.Slow {
			f := loaded(examination.Absent, "doctor.load_skipped")
			return append(list, f)
		}
	}
	return append(list, d.load(ctx, p))
}

func processOf(at *url.URL) int {
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		port = map[string]int{"http": 80, "https": 443}[at.Scheme]
	}
	return loadtest.OwnerOf(at.Hostname(), port)
}

// onThisMachine says whether a name leads to this machine.
func onThisMachine(ctx context.Context, host string) bool {
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(found) == 0 {
		return false
	}
	at := found[0].Unmap()
	own, _ := net.InterfaceAddrs() // without them, only loopback is known
	for _, o := range own {
		if p, err := netip.ParsePrefix(o.String()); err == nil && p.Addr() == at {
			return true
		}
	}
	return at.IsLoopback()
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
	if d.URL == "" || d.Data != "" {
		p.data = c.Data
	}
	// A server elsewhere has a CA of its own, which the system has to know as a browser would.
	if own := filepath.Join(c.Data, "ca.crt"); p.ca == "" && c.TLS == tlsutil.LocalCA && (d.URL == "" || d.Data != "") {
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
