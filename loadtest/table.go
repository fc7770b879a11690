package loadtest

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// way says how viewers and casters reach the server.
func (o *Options) way() string {
	switch {
	case o.URL == "" && o.WHIP == "":
		return "viewers by WHEP, cast by somebody else"
	case o.URL == "":
		return "WHIP and WHEP"
	case o.Via == ByWHIP:
		return "WHIP and WHEP, rooms by code"
	}
	return "codes"
}

// words say what was asked for.
func (o *Options) words(p *plan) []Pair {
	list := []Pair{{"Viewers", fmt.Sprint(o.Viewers)}}
	add := func(when bool, name, format string, args ...any) {
		if when {
			list = append(list, Pair{name, fmt.Sprintf(format, args...)})
		}
	}
	add(o.Displays > 0, "Displays", "%d", o.Displays)
	add(o.Rooms > 1, "Rooms", "%d", o.Rooms)
	add(o.JoinRate > 0, "Joins", "%g per second", o.JoinRate)
	add(o.JoinRate == 0, "Joins", "all at once")
	picture := fmt.Sprintf("%v, %d × %d, %d fps, %s", o.Codec, o.Size.Width, o.Size.Height, o.FPS, o.Bitrate.words())
	if o.File != "" {
		picture = "a file"
	}
	add(true, "Picture", "%s", picture)
	add(o.Screen, "Content", "screen")
	add(o.Layers > 1, "Layers", "%d", o.Layers)
	add(o.Audio > 0, "Sound", "Opus, %s", o.Audio.words())
	add(o.Storm > 0, "Storm", "%d more at once", o.Storm)
	add(o.Churn > 0, "Churn", "%g per second", o.Churn)
	add(o.Loss > 0, "Loss", "%v in bursts of %g", o.Loss, o.LossBurst)
	add(o.Slow > 0, "Narrow paths", "%v of the viewers, %s", o.Slow, o.SlowRate.words())
	add(o.Restart > 0, "Restarts", "every %v", o.Restart)
	add(o.Wrong > 0, "Wrong codes", "%g per second", o.Wrong)
	add(!o.Repair, "Repair", "off")
	add(true, "Length", "%v", (p.end + 50*time.Millisecond).Round(100*time.Millisecond))
	return list
}

// WriteTable prints the report for people.
func (r *Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-18s"+format+"\n", append([]any{name}, args...)...)
	}
	spread := func(name string, s Spread) {
		if s.Count > 0 {
			row(name, "p50 %s   p95 %s   p99 %s   max %s", ms(s.P50), ms(s.P95), ms(s.P99), ms(s.Max))
		}
	}
	v, m := r.Viewers, r.Media
	fmt.Fprintf(&b, "\n%s against %s, %s, %.0f s", r.title(), r.Server, r.Way, r.Seconds)
	if r.Interrupted {
		b.WriteString(", interrupted")
	}
	b.WriteString("\n\n")
	row("viewers", "%d asked, %d joined, %d saw a live picture, %d gave up", v.Asked, v.Joined, v.Seen, v.Failed)
	row("connections", "%d lost, %d ended as planned, %d requests refused", v.Reconnects, v.Returns, v.Refusals)
	row("packets", "%d received, %.3f%% lost before repair, %.3f%% after (%d resends); sound %.3f%%", m.Packets, m.LossRaw, m.Loss, m.Resent, m.SoundLoss)
	if n := r.Narrow; n != nil {
		row("narrow paths", "%d viewers apart, %d saw a picture, %.1f frames a second, %.2f%% lost after repair, %d keyframes asked", n.Viewers, n.Seen, n.FPS, n.Loss, n.Asked)
	}
	if m.Restarts > 0 {
		row("restarts", "%d of casters", m.Restarts)
	}
	row("frames", "%d shown, %.3f%% missing, %d damaged", m.Frames, m.Missing, m.Damaged)
	row("freezes", "%d, %.2f per viewer and minute, %.2f%% of the time", m.Freezes, m.FreezesPerMinute, m.Frozen)
	spread("frame age", r.Delay)
	row("jitter", "%s at the 95th percentile of the viewers", ms(m.JitterP95))
	for _, s := range []struct{ name, key string }{
		{"join: answer", "answer"}, {"  connected", "up"}, {"  first packet", "first"}, {"  whole keyframe", "whole"}, {"  live picture", "live"},
	} {
		spread(s.name, r.Joins[s.key])
	}
	row("keyframes asked", "%d by viewers, %d of the caster", m.ViewersAsked, m.CasterAsked)
	if len(m.Layers) > 1 {
		row("layers", "%s", shares(m.Layers))
	}
	if r.Process != nil {
		row("server", "%.0f%% of a processor (peak %.0f%%), %.0f MB, process %d (%s)", r.Process.CPU, r.Process.Peak, r.Process.MB, r.Process.PID, r.Process.Name)
	}
	t := r.Tester
	row("this tester", "%.0f%% of a processor, %.0f MB; per viewer %.3f%% and %.0f kB; %d datagrams read too late", t.CPU, t.MB, t.CPUPerViewer, t.KBPerViewer, t.Drops)
	writeCounts(&b, "wrong codes", r.Wrong)
	writeCounts(&b, "went wrong", r.Reasons)
	for _, n := range r.Notes {
		row("note", "%s", n)
	}
	b.WriteString("\n")
	for _, v := range r.Verdicts {
		mark := "ok    "
		if v.Failed {
			mark = "FAILED"
		}
		fmt.Fprintf(&b, "%s  fail if %s: it is %s\n", mark, v.Text, quantity(v.Value, v.Unit))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) title() string {
	if r.Title != "" {
		return r.Title
	}
	return "Load test (" + r.Scenario + ")"
}

func writeCounts(b *strings.Builder, name string, counts map[string]int) {
	keys := make([]string, 0, len(counts))
	for k := range counts {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(x, y string) int { return counts[y] - counts[x] })
	for _, k := range keys {
		fmt.Fprintf(b, "%-18s%d × %s\n", name, counts[k], k)
		name = ""
	}
}

func shares(list []float64) string {
	var parts []string
	for i, s := range list {
		parts = append(parts, fmt.Sprintf("%s %.1f%%", rids[i], s))
	}
	return strings.Join(parts, "   ")
}

// ms writes a time of x milliseconds with three digits.
func ms(x float64) string {
	switch {
	case x >= 10_000:
		return fmt.Sprintf("%.1f s", x/1000)
	case x >= 100:
		return fmt.Sprintf("%.0f ms", x)
	case x >= 10:
		return fmt.Sprintf("%.1f ms", x)
	}
	return fmt.Sprintf("%.2f ms", x)
}

func quantity(x float64, unit string) string {
	switch unit {
	case "ms":
		return ms(x)
	case "%":
		return fmt.Sprintf("%.3g%%", x)
	case "":
		return fmt.Sprintf("%.4g", x)
	}
	return fmt.Sprintf("%.4g %s", x, unit)
}

// Line is a sample in one line.
func (s Sample) Line() string {
	text := fmt.Sprintf("%4.0f s  %d/%d live  %.0f Mbit/s  loss %.2f%%", s.At, s.Live, s.Asked, s.Mbps, s.Loss)
	if s.P50 > 0 {
		text += fmt.Sprintf("  age p50 %s p99 %s", ms(s.P50), ms(s.P99))
	}
	if s.Freezes > 0 {
		text += fmt.Sprintf("  %d freezes", s.Freezes)
	}
	if s.Failed > 0 {
		text += fmt.Sprintf("  %d gave up", s.Failed)
	}
	if s.CPU > 0 {
		text += fmt.Sprintf("  server %.0f%%", s.CPU)
	}
	text += fmt.Sprintf("  tester %.0f%%", s.OwnCPU)
	if s.OwnDrops > 0 {
		text += fmt.Sprintf("  %d read too late", s.OwnDrops)
	}
	return text
}
