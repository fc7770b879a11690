//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"
)

// Rush is a crowd of newcomers to measure.
type Rush struct {
	Viewers int
	Flight  int           // newcomers under way at a time, from the answer until they are live
	Runs    int           // each with an engine of its own
	Warm    time.Duration // of the stream before the first newcomer
	Profile string        // a directory for CPU profiles; empty for none
}

// Rushed is what came of one run.
type Rushed struct {
	Arrived
	Viewers int
	Length  time.Duration // from the first offer that was answered until the last viewer was live
	Server  time.Duration // CPU of the server in that time, with the stream that the viewers got meanwhile
	Asked   uint64        // key frames asked of the caster
}

// Rate is joins per second.
func (r Rushed) Rate() float64 { return float64(r.Viewers) / r.Length.Seconds() }

// parseRush reads the options of joins.
func parseRush(args []string) (p Rush, err error) {
	flags := flag.NewFlagSet("joins", flag.ContinueOnError)
	flags.IntVar(&p.Viewers, "viewers", 1000, "how many join")
	flags.IntVar(&p.Flight, "flight", 8, "how many are under way at a time")
	flags.IntVar(&p.Runs, "runs", 3, "runs")
	flags.DurationVar(&p.Warm, "warm", 2*time.Second, "of the stream before the first joins")
	flags.StringVar(&p.Profile, "profile", "", "directory for CPU profiles; they cost a little")
	if err := flags.Parse(args); err != nil {
		return p, err
	}
	if p.Viewers < 1 || p.Flight < 1 || p.Runs < 1 || p.Warm < 0 {
		return p, errors.New("at least one viewer, one place and one run are needed")
	}
	return p, nil
}

// runRush measures a rush of joins and tells w about it.
func runRush(p Rush, w io.Writer) error {
	machine(w)
	fmt.Fprintf(w, "%d viewers join a cast of 2.5 Mbit/s that has run for %v, %d at a time; live: the picture is %d ms old at most\n\n",
		p.Viewers, p.Warm, p.Flight, liveAge.Milliseconds())
	var runs []Rushed
	for range p.Runs {
		r, err := withProduct(func(c *child, server *product) (Rushed, error) { return rush(p, c, server) })
		if err != nil {
			return err
		}
		runs = append(runs, r)
	}
	rushTable(w, runs)
	return nil
}

// rush is one run.
func rush(p Rush, c *child, server *product) (r Rushed, err error) {
	// Offers, keys and sockets are the newcomers' own affair, and made before.
	var offers []string
	for range p.Viewers {
		a, err := c.ask(request{Do: "expect"})
		if err != nil {
			return r, err
		}
		offers = append(offers, a.SDP)
	}
	if err := server.start(p.Warm); err != nil {
		return r, err
	}
	finish, err := profile(p.Profile, "castcode", p.Viewers, "rush")
	if err != nil {
		return r, err
	}
	r, err = rushIn(p, c, server, offers)
	return r, errors.Join(err, finish(), server.stop())
}

// rushIn lets all join.
func rushIn(p Rush, c *child, server *product, offers []string) (r Rushed, err error) {
	if _, err := c.ask(request{Do: "flight", Count: p.Flight}); err != nil {
		return r, err
	}
	r.Viewers = p.Viewers
	asked, cpu, begun := server.engine.Snapshot().Asked, cpuTime(), time.Now()
	for i, offer := range offers {
		answer, err := server.Join(Viewer{Offer: offer})
		if err != nil {
			return r, err
		}
		if _, err := c.ask(request{Do: "arrive", Index: i, SDP: answer}); err != nil {
			return r, err
		}
	}
	a, err := c.ask(request{Do: "arrived"})
	r.Arrived, r.Length, r.Server = a.Arrived, time.Since(begun), cpuTime()-cpu
	r.Asked = server.engine.Snapshot().Asked - asked
	return r, err
}

// rushTable prints one line for each run, and the median of each column.
func rushTable(w io.Writer, runs []Rushed) {
	columns := []struct {
		name, format string
		of           func(r Rushed) float64
	}{
		{"joins/s", "%.0f", Rushed.Rate},
		{"key frame p50", "%.0f ms", func(r Rushed) float64 { return milliseconds(r.Whole.P50) }},
		{"p99", "%.0f ms", func(r Rushed) float64 { return milliseconds(r.Whole.P99) }},
		{"max", "%.0f ms", func(r Rushed) float64 { return milliseconds(r.Whole.Max) }},
		{"live p50", "%.0f ms", func(r Rushed) float64 { return milliseconds(r.Lively.P50) }},
		{"p99", "%.0f ms", func(r Rushed) float64 { return milliseconds(r.Lively.P99) }},
		{"max", "%.0f ms", func(r Rushed) float64 { return milliseconds(r.Lively.Max) }},
		{"never live", "%.0f", func(r Rushed) float64 { return float64(r.Viewers - r.Arrived.Live) }},
		{"with a hole before", "%.0f", func(r Rushed) float64 { return float64(r.Holes) }},
		{"asked by viewers", "%.0f", func(r Rushed) float64 { return float64(r.Begged) }},
		{"asked of the caster", "%.0f", func(r Rushed) float64 { return float64(r.Asked) }},
		{"server CPU per join, media included", "%.2f ms", func(r Rushed) float64 { return milliseconds(r.Server) / float64(r.Viewers) }},
		{"viewers' CPU per join", "%.2f ms", func(r Rushed) float64 { return milliseconds(r.CPU) / float64(r.Viewers) }},
		{"processors busy with both", "%.0f %%", func(r Rushed) float64 {
			return 100 * float64(r.Server+r.CPU) / float64(r.Length) / float64(runtime.NumCPU())
		}},
	}
	head, rule := "| run |", "|---|"
	for _, c := range columns {
		head, rule = head+" "+c.name+" |", rule+"---|"
	}
	fmt.Fprintf(w, "%s\n%s\n", head, rule)
	for i := range len(runs) + 1 {
		name := fmt.Sprint(i + 1)
		if i == len(runs) {
			name = "median"
		}
		fmt.Fprintf(w, "| %s |", name)
		for _, c := range columns {
			var list []float64
			for _, r := range runs {
				list = append(list, c.of(r))
			}
			if i < len(runs) {
				list = list[i : i+1]
			}
			slices.Sort(list)
			fmt.Fprintf(w, " "+c.format+" |", middle(list))
		}
		fmt.Fprintln(w)
	}
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }
