package loadtest

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
)

//go:embed report.tmpl
var page string

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"ms": ms, "quantity": quantity, "count": grouped,
}).Parse(page))

// tile is one figure that stands large.
type tile struct {
	Name, Value, Unit, Says string
	Bad                     bool
}

// joinRow is one stage of a join.
type joinRow struct {
	Name string
	Spread
}

// reasonRow is one thing that went wrong.
type reasonRow struct {
	Text  string
	Count int
}

// WriteHTML writes a page that stands alone: it loads nothing.
func (r *Report) WriteHTML(w io.Writer) error {
	data := map[string]any{
		"R": r, "Title": r.title(), "OK": r.OK(), "Date": r.Began.Format("2 January 2006, 15:04"), "Tiles": r.tiles(),
		"Charts": r.charts(), "Joins": r.joinRows(), "Reasons": rows(r.Reasons), "Wrong": rows(r.Wrong),
		"Length": fmt.Sprintf("%.0f s", r.Seconds),
	}
	return pageTemplate.Execute(w, data)
}

func rows(counts map[string]int) (list []reasonRow) {
	for text, n := range counts {
		list = append(list, reasonRow{text, n})
	}
	slices.SortFunc(list, func(a, b reasonRow) int { return b.Count - a.Count })
	return list
}

func (r *Report) tiles() []tile {
	v, m := r.Viewers, r.Media
	list := []tile{
		{"Viewers", fmt.Sprint(v.Seen), fmt.Sprintf("of %d", v.Asked), "saw a live picture", v.Seen < v.Asked},
		{"Loss", fmt.Sprintf("%.2f", m.Loss), "%", fmt.Sprintf("of packets after repair; %.2f%% before", m.LossRaw), m.Loss > 0.5},
	}
	if r.Delay.Count > 0 {
		list = append(list, tile{"Frame age", trim(r.Delay.P50), "ms", "median, sent to shown; 99% within " + ms(r.Delay.P99), false})
	}
	if j := r.Joins["live"]; j.Count > 0 {
		list = append(list, tile{"Join", trim(j.P50), "ms", "median to a live picture; 99% within " + ms(j.P99), false})
	}
	list = append(list, tile{"Freezes", fmt.Sprintf("%.2f", m.FreezesPerMinute), "/min", fmt.Sprintf("per viewer; %d in all", m.Freezes), m.FreezesPerMinute > 1})
	if r.Process != nil {
		list = append(list, tile{"Server CPU", fmt.Sprintf("%.0f", r.Process.CPU), "%", fmt.Sprintf("of one processor; peak %.0f%%, %.0f MB", r.Process.Peak, r.Process.MB), false})
	}
	return list
}

// grouped writes a number in groups of three digits, a narrow space between them.
func grouped(n uint64) string {
	s := fmt.Sprint(n)
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "\u202f" + s[at:]
	}
	return s
}

// trim writes a number of milliseconds short.
func trim(v float64) string {
	if v >= 10 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

func (r *Report) joinRows() (list []joinRow) {
	for _, s := range []struct{ key, name string }{
		{"answer", "Answer"},
		{"up", "Connected"},
		{"first", "First packet of the picture"},
		{"whole", "Whole keyframe"},
		{"live", "Live picture"},
	} {
		if j := r.Joins[s.key]; j.Count > 0 {
			list = append(list, joinRow{s.name, j})
		}
	}
	return list
}

// column takes one figure out of all samples.
func (r *Report) column(of func(Sample) float64) (list []float64) {
	for _, s := range r.Samples {
		list = append(list, of(s))
	}
	return list
}

func (r *Report) charts() []*chart {
	x := r.column(func(s Sample) float64 { return s.At })
	list := []*chart{
		{Title: "Viewers", Says: "who came, and who saw a live picture", Series: []series{
			{Name: "let in per second", Class: "c", Y: r.column(func(s Sample) float64 { return float64(s.Joins) }), Bars: true},
			{Name: "live", Class: "a", Y: r.column(func(s Sample) float64 { return float64(s.Live) }), Area: true},
			{Name: "came", Class: "d", Y: r.column(func(s Sample) float64 { return float64(s.Asked) })},
		}},
		{Title: "Frame age", Unit: "ms", Says: "from the caster's clock to the moment a viewer could show the frame", Log: true, Series: []series{
			{Name: "p99", Class: "b", Y: r.column(func(s Sample) float64 { return s.P99 })},
			{Name: "p95", Class: "c", Y: r.column(func(s Sample) float64 { return s.P95 })},
			{Name: "median", Class: "a", Y: r.column(func(s Sample) float64 { return s.P50 })},
		}},
		{Title: "Received", Unit: "Mbit/s", Says: "by all viewers together", Series: []series{
			{Name: "payload", Class: "a", Y: r.column(func(s Sample) float64 { return s.Mbps }), Area: true},
		}},
		{Title: "Loss", Unit: "%", Says: "of packets, before and after repair", Least: 0.1, Series: []series{
			{Name: "before", Class: "c", Y: r.column(func(s Sample) float64 { return s.LossRaw })},
			{Name: "after", Class: "b", Y: r.column(func(s Sample) float64 { return s.Loss }), Area: true},
		}},
		r.loadChart(),
	}
	for _, c := range list {
		c.X = x
	}
	if len(r.Buckets) > 1 {
		list = append(list, r.ageChart())
	}
	return list
}

// loadChart is what the processors do.
func (r *Report) loadChart() *chart {
	c := &chart{Title: "Processor", Unit: "%", Says: "100% is one processor", Least: 10}
	if r.Process != nil {
		c.Series = append(c.Series, series{Name: "server", Class: "b", Y: r.column(func(s Sample) float64 { return s.CPU }), Area: true})
	}
	c.Series = append(c.Series, series{Name: "this tester", Class: "d", Y: r.column(func(s Sample) float64 { return s.OwnCPU })})
	return c
}

// ageChart is how ages are spread over the whole run.
func (r *Report) ageChart() *chart {
	c := &chart{Title: "How old frames are", Unit: "%", Says: "share of all frames by age, in ms"}
	s := series{Name: "frames", Class: "a", Bars: true}
	all := int64(0)
	for _, b := range r.Buckets {
		all += b.Count
	}
	for _, b := range r.Buckets {
		if share := ratio(float64(b.Count)*100, float64(all)); share >= 0.02 {
			s.Y = append(s.Y, share)
			c.Labels = append(c.Labels, trim(b.Upto))
		}
	}
	c.Series = []series{s}
	return c
}
