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

// Lossy is a crowd to measure that loses packets.
type Lossy struct {
	Viewers int
	Share   float64       // of the packets that come, resends among them
	Runs    int           // pairs of runs, without loss and with it
	Length  time.Duration // of one run
	Profile string        // a directory for CPU profiles; empty for none
}

// Leg is one run at one share of loss.
type Leg struct {
	Repairs
	Packets uint64        // media packets forwarded, resends not among them
	Sent    uint64        // datagrams sent, resends and reports among them
	CPU     time.Duration // of the server
	Asked   uint64        // key frames asked of the caster
}

// PerPacket is the CPU time of a media packet with all that comes with it, in microseconds.
func (l Leg) PerPacket() float64 { return float64(l.CPU) / float64(max(l.Packets, 1)) / 1e3 }

// Missing is how many of the lost packets had not come after a second.
func (l Leg) Missing() int64 { return int64(l.Dropped) - int64(l.Recovered()) }

// Legs is a run without loss and the one with loss after it.
type Legs struct{ Without, With Leg }

// Ratio is what loss makes of the CPU time of a media packet.
func (l Legs) Ratio() float64 { return l.With.PerPacket() / l.Without.PerPacket() }

// settled is how long a leg waits for what is being repaired.
const settled = giveUp + 4*askTick

// parseLoss reads the options of loss.
func parseLoss(args []string) (p Lossy, err error) {
	flags := flag.NewFlagSet("loss", flag.ContinueOnError)
	flags.IntVar(&p.Viewers, "viewers", 50, "how many watch")
	flags.Float64Var(&p.Share, "loss", 0.02, "share of the packets that each viewer loses")
	flags.IntVar(&p.Runs, "runs", 5, "pairs of runs, without loss and with it")
	flags.DurationVar(&p.Length, "length", 5*time.Second, "length of a run")
	flags.StringVar(&p.Profile, "profile", "", "directory for CPU profiles; they cost a little")
	if err := flags.Parse(args); err != nil {
		return p, err
	}
	if p.Viewers < 1 || p.Runs < 1 || p.Length <= 0 || p.Share <= 0 || p.Share >= 1 {
		return p, errors.New("at least one viewer, one run of some length and a share of loss between 0 and 1 are needed")
	}
	return p, nil
}

// runLoss measures repair and tells w about it.
func runLoss(p Lossy, w io.Writer) error {
	machine(w)
	fmt.Fprintf(w, "%d viewers of 2.5 Mbit/s read everything, in real time; %g %% of the packets that come to them are lost, seeded\n\n", p.Viewers, p.Share*100)
	runs, err := withProduct(func(c *child, server *product) ([]Legs, error) { return endure(p, c, server) })
	if err != nil {
		return err
	}
	lossTable(w, runs)
	return nil
}

// endure lets the viewers watch, by turns without loss and with it.
func endure(p Lossy, c *child, server *product) (runs []Legs, err error) {
	if err := server.start(0); err != nil {
		return nil, err
	}
	if err := seat(c, server, p.Viewers); err != nil {
		return nil, err
	}
	time.Sleep(begAfter) // those who started by a replay are past it
	for range p.Runs {
		var l Legs
		if l.Without, err = leg(c, server, p, 0); err != nil {
			return nil, err
		}
		if l.With, err = leg(c, server, p, p.Share); err != nil {
			return nil, err
		}
		runs = append(runs, l)
	}
	return runs, server.stop()
}

// seat lets viewers join who read everything.
func seat(c *child, server *product, viewers int) error {
	for range viewers {
		a, err := c.ask(request{Do: "listen"})
		if err != nil {
			return err
		}
		answer, err := server.Join(Viewer{Offer: a.SDP})
		if err != nil {
			return err
		}
		if _, err := c.ask(request{Do: "hear", SDP: answer}); err != nil {
			return err
		}
	}
	if _, err := c.ask(request{Do: "settle"}); err != nil {
		return err
	}
	return server.Ready()
}

// leg is one run. What is lost in it may come until a second after its end; the stream goes on meanwhile.
func leg(c *child, server *product, p Lossy, share float64) (l Leg, err error) {
	if _, err := c.ask(request{Do: "repairs"}); err != nil {
		return l, err
	}
	runtime.GC()
	finish, err := profile(p.Profile, fmt.Sprintf("castcode-loss-%g", share), p.Viewers, "run")
	if err != nil {
		return l, err
	}
	begun, sent, cpu := server.engine.Snapshot(), server.socket.Counts().Sent, cpuTime()
	if _, err := c.ask(request{Do: "lose", Loss: share}); err != nil {
		return l, err
	}
	time.Sleep(p.Length)
	l.CPU, l.Sent = cpuTime()-cpu, server.socket.Counts().Sent-sent
	l.Packets = (server.engine.Snapshot().Packets - begun.Packets) * uint64(p.Viewers)
	if _, err := c.ask(request{Do: "lose"}); err != nil {
		return l, err
	}
	if share > 0 {
		time.Sleep(settled)
	}
	a, err := c.ask(request{Do: "repairs"})
	l.Repairs, l.Asked = a.Repairs, server.engine.Snapshot().Asked-begun.Asked
	return l, errors.Join(err, finish())
}

// lossTable prints the figures of all runs.
func lossTable(w io.Writer, runs []Legs) {
	fmt.Fprintln(w, "| run | packets | µs each without loss | with loss | ratio | lost | resends lost | recovered | by resends | not after 1 s | slowest | NACKs | resends not needed | asked by viewers | asked of the caster |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	var without, with, ratios []float64
	for i, r := range runs {
		l := r.With
		fmt.Fprintf(w, "| %d | %d | %.2f | %.2f | %.3f | %d | %d | %d | %d | %d | %.0f ms | %d | %d | %d | %d |\n", i+1, l.Packets, r.Without.PerPacket(),
			l.PerPacket(), r.Ratio(), l.Dropped, l.Again, l.Recovered(), l.Resent, l.Missing(), milliseconds(l.Slowest), l.Nacks, l.Over, l.Keyframes, l.Asked)
		without, with, ratios = append(without, r.Without.PerPacket()), append(with, l.PerPacket()), append(ratios, r.Ratio())
	}
	for _, list := range [][]float64{without, with, ratios} {
		slices.Sort(list)
	}
	fmt.Fprintf(w, "| median | | %.2f | %.2f | %.3f | | | | | | | | | | |\n", middle(without), middle(with), middle(ratios))
}
