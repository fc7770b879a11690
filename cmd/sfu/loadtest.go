package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/alecthomas/kong"

	"castcode/loadtest"
)

// loadTest is the command `sfu loadtest`.
type loadTest struct {
	URL      *url.URL      `arg:"" help:"The server, such as https://localhost:8443."`
	Viewers  int           `default:"10" help:"How many synthetic viewers join."`
	Bitrate  int           `default:"2500000" help:"Of the synthetic stream, in bits per second."`
	Duration time.Duration `default:"10s" help:"How long to measure once everybody has joined."`
	Parallel int           `default:"4" help:"Joins under way at a time."`
	CA       string        `help:"PEM file of the server's CA (DATA/ca.crt), when it is not installed here." type:"existingfile"`
}

func loadTestCommand() kong.Option {
	return kong.DynamicCommand("loadtest", "Cast a synthetic stream to synthetic viewers and print what they saw.", "", &loadTest{})
}

// errBelow is what a run ends with that was measured and not good.
var errBelow = errors.New("not every viewer got every packet")

// Run is called by kong. The exit status is 0 when every viewer joined and lost nothing.
func (l *loadTest) Run(s *surroundings) error {
	if l.URL.Host == "" || (l.URL.Scheme != "http" && l.URL.Scheme != "https") {
		return &UsageError{"loadtest needs the address of a server, such as https://localhost:8443"}
	}
	o := loadtest.Options{URL: l.URL, Viewers: l.Viewers, Bitrate: l.Bitrate, Duration: l.Duration, Parallel: l.Parallel}
	if l.CA != "" {
		pem, err := os.ReadFile(l.CA)
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return fmt.Errorf("no certificate in %s", l.CA)
		}
		o.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	report, err := loadtest.Run(s.ctx, o)
	if err != nil {
		return err
	}
	if err := report.Write(s.stdout); err != nil {
		return err
	}
	if !report.OK() {
		return errBelow
	}
	return nil
}
