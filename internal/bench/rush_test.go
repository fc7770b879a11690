//go:build linux

package main

import (
	"strings"
	"testing"
	"time"
)

// TestRush: a few viewers join a running cast; all of them are live, and the caster is asked for nothing.
func TestRush(t *testing.T) {
	r, err := withProduct(func(c *child, server *product) (Rushed, error) {
		return rush(Rush{Viewers: 4, Flight: 2, Runs: 1, Warm: 300 * time.Millisecond}, c, server)
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Arrived.Live != 4 || r.Failed != 0 || r.Asked != 0 {
		t.Errorf("%+v", r)
	}
	if r.Whole.P50 <= 0 || r.Lively.P50 < r.Whole.P50 || r.Lively.Max < r.Lively.P99 || r.Server <= 0 || r.CPU <= 0 {
		t.Errorf("times %+v", r)
	}
}

// TestLoss: what two viewers lose comes again.
func TestLoss(t *testing.T) {
	runs, err := withProduct(func(c *child, server *product) ([]Legs, error) {
		return endure(Lossy{Viewers: 2, Share: 0.1, Runs: 1, Length: 300 * time.Millisecond}, c, server)
	})
	if err != nil {
		t.Fatal(err)
	}
	if l := runs[0].Without; l.Dropped != 0 || l.Nacks != 0 || l.Came == 0 {
		t.Errorf("without loss: %+v", l)
	}
	if l := runs[0].With; l.Dropped == 0 || l.Nacks == 0 || l.Missing() != 0 || l.GivenUp != 0 || l.Asked != 0 || l.CPU <= 0 {
		t.Errorf("with loss: %+v", l)
	}
}

func TestParseOthers(t *testing.T) {
	if p, err := parseRush([]string{"--viewers", "7", "--flight", "3"}); err != nil || p.Viewers != 7 || p.Flight != 3 || p.Runs != 3 {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := parseLoss([]string{"--loss", "0.05"}); err != nil || p.Share != 0.05 || p.Viewers != 50 {
		t.Errorf("%+v, %v", p, err)
	}
	for _, bad := range []string{"--viewers=0", "--runs=0", "--what"} {
		if _, err := parseRush([]string{bad}); err == nil {
			t.Errorf("joins took %s", bad)
		}
		if _, err := parseLoss([]string{bad}); err == nil {
			t.Errorf("loss took %s", bad)
		}
	}
	for _, bad := range []string{"--loss=0", "--loss=1", "--length=0s"} {
		if _, err := parseLoss([]string{bad}); err == nil {
			t.Errorf("loss took %s", bad)
		}
	}
}

func TestOtherTables(t *testing.T) {
	var b strings.Builder
	var runs []Rushed
	for _, s := range []time.Duration{4, 1, 2} {
		runs = append(runs, Rushed{Viewers: 100, Length: s * time.Second, Asked: uint64(s), Arrived: Arrived{Live: 99}})
	}
	rushTable(&b, runs)
	lossTable(&b, []Legs{{Without: Leg{Packets: 100, CPU: 200 * time.Microsecond}, With: Leg{
		Packets: 100, CPU: 220 * time.Microsecond, Repairs: Repairs{Dropped: 5, Resent: 3, Late: 1},
	}}})
	for _, want := range []string{
		"| 1 | 25 |", "| 2 | 100 |", "| median | 50 |", " 1 | 0 | 0 | 4 | 0.00 ms |",
		"| 1 | 100 | 2.00 | 2.20 | 1.100 | 5 | 0 | 4 | 3 | 1 |", "| median | | 2.00 | 2.20 | 1.100 |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
