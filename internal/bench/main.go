//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// These words make this program one of the other processes.
const (
	receiveWord = "receive"
	groundWord  = "ground"
	castWord    = "cast"
)

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func command(args []string) error {
	if len(args) == 0 {
		return errors.New("say what to do: floor, joins, loss or naive")
	}
	switch args[0] {
	case receiveWord:
		return receive(os.Stdin, os.Stdout)
	case groundWord:
		return ground(os.Stdin, os.Stdout)
	case castWord:
		return cast(os.Stdin, os.Stdout)
	case "floor":
		p, err := parse(args[1:])
		if err != nil {
			return err
		}
		return run(p, os.Stdout)
	case "joins":
		p, err := parseRush(args[1:])
		if err != nil {
			return err
		}
		return runRush(p, os.Stdout)
	case "naive":
		return serveNaive(args[1:], os.Stdout)
	case "loss":
		p, err := parseLoss(args[1:])
		if err != nil {
			return err
		}
		return runLoss(p, os.Stdout)
	}
	return fmt.Errorf("cannot do %q, but floor, joins, loss and naive", args[0])
}

// parse reads the options of floor.
func parse(args []string) (p Plan, err error) {
	flags := flag.NewFlagSet("floor", flag.ContinueOnError)
	viewers := flags.String("viewers", "50,200,1000", "numbers of viewers")
	only := flags.String("only", "", "contestants, all by default")
	flags.IntVar(&p.Runs, "runs", 3, "runs of each kind")
	flags.DurationVar(&p.Length, "length", 2*time.Second, "length of a run")
	flags.BoolVar(&p.Paced, "paced", true, "run at real frame times too")
	flags.StringVar(&p.Profile, "profile", "", "directory for CPU profiles; they cost a little")
	if err := flags.Parse(args); err != nil {
		return p, err
	}
	for word := range strings.SplitSeq(*viewers, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 1 {
			return p, fmt.Errorf("%q is no number of viewers", word)
		}
		p.Viewers = append(p.Viewers, n)
	}
	if *only != "" {
		p.Only = strings.Split(*only, ",")
	}
	if p.Runs < 1 || p.Length <= 0 {
		return p, errors.New("at least one run of some length is needed")
	}
	known := map[string]bool{}
	for _, e := range entries() {
		known[e.Name] = true
	}
	for _, name := range p.Only {
		if !known[name] {
			return p, fmt.Errorf("there is no contestant %q", name)
		}
	}
	return p, nil
}
