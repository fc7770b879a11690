// Package metrics serves the counters of the server to Prometheus. The parts of the server keep their own counters;
// they are read when somebody asks.
package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Sample is one figure at one moment. Label values come from fixed lists (reasons, roles), never from peers or codes.
type Sample struct {
	Name  string // without the prefix castcode_
	Text  string // what it counts, and its unit
	Label string // name of the one label; "" for none
	Value string // of the label
	Count float64
	Total bool // it only grows
}

// Handler serves what read returns, and the figures of the process and the Go run time.
func Handler(read func() []Sample) http.Handler {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(collector{read}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

type collector struct{ read func() []Sample }

// Describe sends nothing: which samples there are is known when they are read.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the samples.
func (c collector) Collect(out chan<- prometheus.Metric) {
	for _, s := range c.read() {
		kind := prometheus.GaugeValue
		if s.Total {
			kind = prometheus.CounterValue
		}
		var labels, values []string
		if s.Label != "" {
			labels, values = []string{s.Label}, []string{s.Value}
		}
		m, err := prometheus.NewConstMetric(prometheus.NewDesc("castcode_"+s.Name, s.Text, labels, nil), kind, s.Count, values...)
		if err != nil {
			m = prometheus.NewInvalidMetric(prometheus.NewDesc("castcode_invalid", "a sample that could not be made", nil, nil), err)
		}
		out <- m
	}
}
