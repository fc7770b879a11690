package loadtest

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// Report is what the viewers of one run saw together.
type Report struct {
	Viewers   int           // asked for
	Joined    int           // that got a packet
	Failed    []string      // why the others did not, at most ten reasons
	Duration  time.Duration // from the last join to the end
	Packets   int
	Lost      int // after repair
	JoinP50   time.Duration
	JoinP99   time.Duration // until the answer
	FirstP50  time.Duration
	FirstP99  time.Duration // until the first packet
	DelayP50  time.Duration
	DelayP99  time.Duration // one way, packet by packet
	Keyframes int64         // asked of the caster
}

// OK says whether every viewer joined and nothing stayed lost.
func (r *Report) OK() bool { return r.Joined == r.Viewers && r.Lost == 0 }

func summarise(asked int, viewers []*viewer, failed []string, keyframes int64, d time.Duration) *Report {
	r := &Report{Viewers: asked, Failed: failed, Keyframes: keyframes, Duration: d}
	var joins, firsts, delays []time.Duration
	for _, v := range viewers {
		v.mu.Lock()
		r.Packets += v.packets
		r.Lost += v.lost
		joins = append(joins, v.joined)
		if v.packets > 0 {
			r.Joined++
			firsts = append(firsts, v.first)
		}
		delays = append(delays, v.delays...)
		v.mu.Unlock()
	}
	r.JoinP50, r.JoinP99 = percentiles(joins)
	r.FirstP50, r.FirstP99 = percentiles(firsts)
	r.DelayP50, r.DelayP99 = percentiles(delays)
	return r
}

func percentiles(d []time.Duration) (p50, p99 time.Duration) {
	if len(d) == 0 {
		return 0, 0
	}
	slices.Sort(d)
	return d[len(d)/2], d[min(len(d)*99/100, len(d)-1)]
}

// Write prints the report for people.
func (r *Report) Write(w io.Writer) error {
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
	_, err := fmt.Fprintf(w, `viewers          %d asked, %d got media
packets          %d received, %d lost after repair
answer           p50 %s, p99 %s
first packet     p50 %s, p99 %s
one-way delay    p50 %s, p99 %s
keyframes asked  %d
measured for     %s
`, r.Viewers, r.Joined, r.Packets, r.Lost, ms(r.JoinP50), ms(r.JoinP99), ms(r.FirstP50), ms(r.FirstP99),
		ms(r.DelayP50), ms(r.DelayP99), r.Keyframes, r.Duration.Round(time.Millisecond))
	for _, f := range r.Failed {
		if err == nil {
			_, err = fmt.Fprintln(w, "failed          ", f)
		}
	}
	return err
}
