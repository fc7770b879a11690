//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// describeMachine says where and when the figures came from, and what was carried.
func describeMachine(w io.Writer) {
	machine(w)
	fmt.Fprintf(w, "stream: 2.5 Mbit/s, %d frames/s, %.1f packets a frame; CPU of the sender only; %d viewers read and check\n",
		frameRate, packetsPerFrame(), sampled)
}

// machine says where and when the figures came from.
func machine(w io.Writer) {
	load, _ := os.ReadFile("/proc/loadavg")
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	fmt.Fprintf(w, "%s, Linux %s, %s, %d processors, load before: %s\n", time.Now().UTC().Format(time.DateTime),
		strings.TrimSpace(string(release)), runtime.Version(), runtime.NumCPU(), strings.TrimSpace(string(load)))
}

// ordered returns of(run) of all runs, smallest first: the minimum is the first and the median the middle one.
func ordered(runs []Pair, of func(p Pair) float64) []float64 {
	var list []float64
	for _, p := range runs {
		list = append(list, of(p))
	}
	slices.Sort(list)
	return list
}

func middle(list []float64) float64 { return list[len(list)/2] }

// less is the median ratio to the floor of the runs in real time, when what else was done takes part per second.
func (r *Result) less(part time.Duration) float64 {
	return middle(ordered(r.Paced, func(p Pair) float64 {
		own := p.CPU.Seconds() - part.Seconds()*p.Length.Seconds()
		return own / float64(max(p.Packets, 1)) * 1e6 / p.Floor.microseconds()
	}))
}

// microseconds is the CPU time of a packet.
func (f Figures) microseconds() float64 { return float64(f.CPU) / float64(max(f.Packets, 1)) / 1e3 }

// total adds up what the sample saw; the delays are the worst of the runs.
func total(runs []Pair) (t Seen) {
	for _, f := range runs {
		t.Received += f.Seen.Received
		t.Lost += f.Seen.Lost
		t.Bad += f.Seen.Bad
		t.P50, t.P99 = max(t.P50, f.Seen.P50), max(t.P99, f.Seen.P99)
	}
	return t
}

// table prints the results for one number of viewers. "of floor" is the median of the ratios of each run to the run
// of the floor before it.
func table(w io.Writer, results []Result) {
	if len(results) == 0 {
		return
	}
	fmt.Fprintf(w, "\n## %d viewers\n\n", results[0].Viewers)
	fmt.Fprintln(w, "| contestant | how | µs/packet min | median | floor median | of floor | allocs/packet | checked | bad | lost | delay p50 | p99 | late frames |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, r := range results {
		how := "flat out"
		if r.Speed > 1 {
			how = fmt.Sprintf("%d × real time", r.Speed)
		}
		row(w, r.Name, how, r.Flat)
		row(w, r.Name, "real time", r.Paced)
	}
	fmt.Fprintln(w, "\n| contestant | CPU per join | memory per viewer | goroutines per viewer | upkeep per viewer and second | taking the stream in | of floor without it | and without upkeep |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|")
	for _, r := range results {
		in, without, media := "–", "–", "–"
		if r.Ingest > 0 {
			in = fmt.Sprintf("%.1f ms/s", r.Ingest.Seconds()*1e3)
		}
		if len(r.Paced) > 0 {
			without = fmt.Sprintf("%.2f", r.less(r.Ingest))
			media = fmt.Sprintf("%.2f", r.less(r.Ingest+r.Upkeep*time.Duration(r.Viewers)))
		}
		fmt.Fprintf(w, "| %s | %.2f ms | %.1f KiB | %.2f | %.0f µs | %s | %s | %s |\n", r.Name, r.JoinCPU.Seconds()*1e3, float64(r.Memory)/1024, r.Goroutines, r.Upkeep.Seconds()*1e6, in, without, media)
	}
}

func row(w io.Writer, name, how string, runs []Pair) {
	if len(runs) == 0 {
		fmt.Fprintf(w, "| %s | %s | – | – | – | – | – | – | – | – | – | – | – |\n", name, how)
		return
	}
	var packets, allocs uint64
	late := 0
	for _, f := range runs {
		packets, allocs, late = packets+f.Packets, allocs+f.Allocs, late+f.Late
	}
	own := ordered(runs, func(p Pair) float64 { return p.microseconds() })
	floor := ordered(runs, func(p Pair) float64 { return p.Floor.microseconds() })
	ratio := ordered(runs, func(p Pair) float64 { return p.microseconds() / p.Floor.microseconds() })
	seen := total(runs)
	fmt.Fprintf(w, "| %s | %s | %.3f | %.3f | %.3f | %.2f | %.4f | %d | %d | %d | %.2f ms | %.2f ms | %d |\n", name, how, own[0], middle(own),
		middle(floor), middle(ratio), float64(allocs)/float64(max(packets, 1)), seen.Received, seen.Bad, seen.Lost,
		seen.P50.Seconds()*1e3, seen.P99.Seconds()*1e3, late)
}
