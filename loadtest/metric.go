package loadtest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Metric is a figure that a threshold may be about.
type Metric struct {
	Name, Unit, Text string
	value            func(*Report) float64
}

// Metrics are all of them, in the order of the table.
var Metrics = []Metric{
	{"failed", "%", "viewers who did not get in", func(r *Report) float64 { return percent(uint64(r.Viewers.Failed), uint64(r.Viewers.Asked)) }},
	{"dark", "%", "viewers who never had a live picture", func(r *Report) float64 {
		return percent(uint64(r.Viewers.Asked-r.Viewers.Seen), uint64(r.Viewers.Asked))
	}},
	{"reconnects", "", "connections that were lost and made anew", func(r *Report) float64 { return float64(r.Viewers.Reconnects) }},
	{"loss", "%", "packets of pictures lost after repair", func(r *Report) float64 { return r.Media.Loss }},
	{"loss_raw", "%", "packets of pictures lost before repair", func(r *Report) float64 { return r.Media.LossRaw }},
	{"loss_sound", "%", "packets of sound lost", func(r *Report) float64 { return r.Media.SoundLoss }},
	{"missing", "%", "frames that could not be shown", func(r *Report) float64 { return r.Media.Missing }},
	{"freezes", "", "freezes per viewer and minute", func(r *Report) float64 { return r.Media.FreezesPerMinute }},
	{"frozen", "%", "of the time that viewers saw a picture that stood still", func(r *Report) float64 { return r.Media.Frozen }},
	{"delay_p50", "ms", "age of a frame when it could be shown", func(r *Report) float64 { return r.Delay.P50 }},
	{"delay_p95", "ms", "the same, 95% of frames within", func(r *Report) float64 { return r.Delay.P95 }},
	{"delay_p99", "ms", "the same, 99% of frames within", func(r *Report) float64 { return r.Delay.P99 }},
	{"jitter", "ms", "RFC 3550 jitter of the viewer at the 95th percentile", func(r *Report) float64 { return r.Media.JitterP95 }},
	{"join_p50", "ms", "from the request to a live picture", func(r *Report) float64 { return r.Joins["live"].P50 }},
	{"join_p99", "ms", "the same, 99% of joins within", func(r *Report) float64 { return r.Joins["live"].P99 }},
	{"first_packet_p99", "ms", "from the request to the first packet of a picture", func(r *Report) float64 { return r.Joins["first"].P99 }},
	{"keyframe_p99", "ms", "from the request to a whole keyframe", func(r *Report) float64 { return r.Joins["whole"].P99 }},
	{"keyframes", "", "keyframes asked of the caster", func(r *Report) float64 { return float64(r.Media.CasterAsked) }},
	{"foreign", "", "frames of another room", func(r *Report) float64 { return float64(r.Media.Foreign) }},
	{"own_drops", "", "datagrams that this tester read too late", func(r *Report) float64 { return float64(r.Tester.Drops) }},
	{"server_cpu", "%", "of one processor, while all were there", func(r *Report) float64 { return r.serverCPU() }},
	{"server_mb", "MB", "of memory, at most", func(r *Report) float64 { return r.serverMB() }},
	{"code_limited", "", "wrong codes that the server refused to look at", func(r *Report) float64 { return float64(r.Wrong["code_limited"]) }},
}

// Threshold says when a run has failed.
type Threshold struct {
	Text   string // as it was given
	metric Metric
	op     string
	limit  float64
}

// Verdict is what became of a threshold.
type Verdict struct {
	Text   string  `json:"text"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Says   string  `json:"says"`
	Failed bool    `json:"failed"`
}

var thresholdForm = regexp.MustCompile(`^\s*([a-z0-9_]+)\s*(>=|<=|>|<)\s*([0-9]+(?:\.[0-9]+)?)\s*(%|ms|s|MB|)\s*$`)

// ParseThreshold reads "loss>0.1%". A unit may be left out; seconds may stand for milliseconds.
func ParseThreshold(text string) (Threshold, error) {
	m := thresholdForm.FindStringSubmatch(text)
	if m == nil {
		return Threshold{}, fmt.Errorf("%q is no threshold; write one like loss>0.1%% or join_p99>2s", text)
	}
	i := slices.IndexFunc(Metrics, func(x Metric) bool { return x.Name == m[1] })
	if i < 0 {
		return Threshold{}, fmt.Errorf("no metric %q; there are %s", m[1], strings.Join(MetricNames(), ", "))
	}
	limit, err := strconv.ParseFloat(m[3], 64)
	if err != nil {
		return Threshold{}, fmt.Errorf("%q: %w", text, err)
	}
	t := Threshold{Text: strings.TrimSpace(text), metric: Metrics[i], op: m[2], limit: limit}
	switch unit := m[4]; {
	case unit == "" || unit == t.metric.Unit:
	case unit == "s" && t.metric.Unit == "ms":
		t.limit *= 1000
	default:
		return Threshold{}, fmt.Errorf("%q: %s is in %s", text, t.metric.Name, orNone(t.metric.Unit))
	}
	return t, nil
}

func orNone(unit string) string {
	if unit == "" {
		return "no unit"
	}
	return unit
}

// MetricNames are those of Metrics.
func MetricNames() (names []string) {
	for _, m := range Metrics {
		names = append(names, m.Name)
	}
	return names
}

// judge says what becomes of the threshold.
func (t Threshold) judge(r *Report) Verdict {
	v := Verdict{Text: t.Text, Value: t.metric.value(r), Unit: t.metric.Unit, Says: t.metric.Text}
	switch t.op {
	case ">":
		v.Failed = v.Value > t.limit
	case ">=":
		v.Failed = v.Value >= t.limit
	case "<":
		v.Failed = v.Value < t.limit
	case "<=":
		v.Failed = v.Value <= t.limit
	}
	return v
}
