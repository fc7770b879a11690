package loadtest

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// The size of a chart in its own units, and of the frame around what is drawn.
const (
	chartWidth  = 640.0
	chartHeight = 240.0
	chartLeft   = 46.0
	chartRight  = 12.0
	chartTop    = 12.0
	chartBottom = 26.0
)

// series is one line of a chart. Class is a colour of the page's style.
type series struct {
	Name, Class string
	Y           []float64
	Area        bool // filled to the bottom
	Bars        bool
}

// chart is figures over time.
type chart struct {
	Title, Unit, Says string
	X                 []float64 // seconds
	Series            []series
	Log               bool // decades on the way up
	Least             float64
	Labels            []string // under bars instead of seconds
}

// SVG draws the chart. All that goes in is a number or a text of ours.
func (c *chart) SVG() template.HTML {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, chartWidth, chartHeight, template.HTMLEscapeString(c.Title))
	bottom, top, ticks := c.scale()
	y := func(v float64) float64 {
		at := (v - bottom) / (top - bottom)
		if c.Log {
			at = (math.Log10(max(v, bottom)) - math.Log10(bottom)) / (math.Log10(top) - math.Log10(bottom))
		}
		return chartHeight - chartBottom - min(max(at, 0), 1)*(chartHeight-chartTop-chartBottom)
	}
	for _, t := range ticks {
		fmt.Fprintf(&b, `<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text class="tick" x="%g" y="%.1f" text-anchor="end">%s</text>`,
			chartLeft, chartWidth-chartRight, y(t), y(t), chartLeft-8, y(t)+4, number(t))
	}
	x := c.across(&b)
	for _, s := range c.Series {
		c.draw(&b, s, x, y)
	}
	c.hints(&b, x)
	b.WriteString("</svg>")
	return template.HTML(b.String()) //nolint:gosec // numbers, and texts that were escaped
}

// scale is the range of values and where its lines are.
func (c *chart) scale() (bottom, top float64, ticks []float64) {
	high := c.Least
	low := math.Inf(1)
	for _, s := range c.Series {
		for _, v := range s.Y {
			high = max(high, v)
			if v > 0 {
				low = min(low, v)
			}
		}
	}
	if c.Log {
		bottom = math.Pow(10, math.Floor(math.Log10(min(low, 1))))
		top = math.Pow(10, math.Ceil(math.Log10(max(high, bottom*10)*1.001)))
		bottom = max(bottom, top/1e5)
		for t := bottom; t <= top*1.01; t *= 10 {
			ticks = append(ticks, t)
		}
		return bottom, top, ticks
	}
	step := niceStep(high / 4)
	top = max(math.Ceil(high*1.02/step), 1) * step
	for t := 0.0; t <= top*1.001; t += step {
		ticks = append(ticks, t)
	}
	return 0, top, ticks
}

// niceStep is the next of 1, 2, 5, 10, 20, …
func niceStep(v float64) float64 {
	if v <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*unit >= v*0.999 {
			return m * unit
		}
	}
	return 10 * unit
}

// across writes what stands below, and returns where the i-th value is.
func (c *chart) across(b *strings.Builder) func(int) float64 {
	width := chartWidth - chartLeft - chartRight
	text := func(at float64, s string) {
		fmt.Fprintf(b, `<text class="tick" x="%.1f" y="%g" text-anchor="middle">%s</text>`, at, chartHeight-8, s)
	}
	if c.Labels != nil {
		slot := width / float64(max(len(c.Labels), 1))
		every := (len(c.Labels) + 9) / 10
		for i, l := range c.Labels {
			if i%max(every, 1) == 0 {
				text(chartLeft+slot*(float64(i)+0.5), l)
			}
		}
		return func(i int) float64 { return chartLeft + slot*(float64(i)+0.5) }
	}
	end := 1.0
	if n := len(c.X); n > 0 {
		end = max(c.X[n-1], 1)
	}
	for t, step := 0.0, niceStep(end/6); t <= end*1.001; t += step {
		text(chartLeft+t/end*width, number(t)+" s")
	}
	return func(i int) float64 { return chartLeft + c.X[i]/end*width }
}

func (c *chart) draw(b *strings.Builder, s series, x func(int) float64, y func(float64) float64) {
	if len(s.Y) == 0 {
		return
	}
	floor := chartHeight - chartBottom
	if s.Bars {
		width := (chartWidth - chartLeft - chartRight) / float64(len(s.Y)) * 0.78
		for i, v := range s.Y {
			if v > 0 {
				fmt.Fprintf(b, `<rect class="bar %s" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="1.5"/>`, s.Class, x(i)-width/2, y(v), width, max(floor-y(v), 1))
			}
		}
		return
	}
	var points strings.Builder
	for i, v := range s.Y {
		fmt.Fprintf(&points, "%.1f,%.1f ", x(i), y(v))
	}
	if s.Area {
		fmt.Fprintf(b, `<polygon class="area %s" points="%.1f,%g %s%.1f,%g"/>`, s.Class, x(0), floor, points.String(), x(len(s.Y)-1), floor)
	}
	fmt.Fprintf(b, `<polyline class="line %s" points="%s"/>`, s.Class, points.String())
}

// hints are shown under the pointer.
func (c *chart) hints(b *strings.Builder, x func(int) float64) {
	n := len(c.X)
	if c.Labels != nil {
		n = len(c.Labels)
	}
	for i := range n {
		width := (chartWidth - chartLeft - chartRight) / float64(n)
		var says []string
		for _, s := range c.Series {
			if i < len(s.Y) {
				says = append(says, s.Name+" "+number(s.Y[i])+" "+c.Unit)
			}
		}
		at := ""
		if c.Labels != nil {
			at = "up to " + c.Labels[i] + " ms"
		} else {
			at = number(math.Round(c.X[i])) + " s"
		}
		fmt.Fprintf(b, `<rect class="hint" x="%.1f" y="%g" width="%.1f" height="%g"><title>%s: %s</title></rect>`,
			x(i)-width/2, chartTop, width, chartHeight-chartTop-chartBottom, at, template.HTMLEscapeString(strings.Join(says, ", ")))
	}
}

// number writes v with at most three digits, thousands as k.
func number(v float64) string {
	switch {
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'g', 3, 64) + "M"
	case v >= 1e4:
		return strconv.FormatFloat(v/1e3, 'g', 3, 64) + "k"
	case v >= 100:
		return strconv.FormatFloat(math.Round(v), 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
