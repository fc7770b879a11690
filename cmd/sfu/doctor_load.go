package main

import (
	"context"
	"fmt"
	"time"

	examination "castcode/internal/doctor"
	"castcode/loadtest"
)

// loaded is a finding of the load test, whose text is its own.
func loaded(state examination.State, text string) examination.Finding {
	return examination.Finding{Check: "load", State: state, Said: []examination.Phrase{{Key: text}}}
}

// doctorLength is how long the viewers watch. With their joins and the other checks an examination stays below 20 s.
const doctorLength = 6 * time.Second

// load lets viewers watch.
func (d *doctor) load(ctx context.Context, p *patient) examination.Finding {
	o, err := loadtest.Assemble("", func(o *loadtest.Options) error {
		o.URL, o.Viewers, o.JoinRate, o.Duration = p.url, d.Load, 20, doctorLength
		return nil
	})
	if err != nil {
		return loaded(examination.Blocked, err.Error())
	}
	roots, err := readRoots(p.ca)
	if err != nil {
		return loaded(examination.Blocked, err.Error())
	}
	r, err := loadtest.Run(ctx, o, loadtest.Surroundings{TLS: roots})
	if err != nil {
		return loaded(examination.Blocked, p.url+": "+err.Error())
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
func judge(r *loadtest.Report) examination.Finding {
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
		return loaded(examination.Blocked, text)
	case r.Media.Loss > mostLoss || r.Media.SoundLoss > mostLoss || r.Delay.P99 > oldest || r.Joins["live"].P99 > slowest || r.Media.Frozen > mostFrozen:
		return loaded(examination.Slow, text)
	}
	return loaded(examination.OK, text)
}
