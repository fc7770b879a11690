package loadtest

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Report is what one run saw. Times are in milliseconds, shares in per cent.
type Report struct {
	Title       string             `json:"title"`
	Scenario    string             `json:"scenario"`
	Server      string             `json:"server"` // host and port
	Way         string             `json:"way"`
	Began       time.Time          `json:"began"`
	Seconds     float64            `json:"seconds"`
	Interrupted bool               `json:"interrupted"`
	Asked       []Pair             `json:"asked"` // what was asked for, in words
	Viewers     Viewers            `json:"viewers"`
	Media       Media              `json:"media"`
	Narrow      *Narrow            `json:"narrow,omitempty"` // those with a narrow path, who count nowhere else
	Delay       Spread             `json:"delay"`
	Joins       map[string]Spread  `json:"joins"` // by stage
	Tester      Tester             `json:"tester"`
	Process     *Process           `json:"process,omitempty"` // of the server, when it is on this machine
	Wrong       map[string]int     `json:"wrong,omitempty"`   // answers to wrong codes
	Reasons     map[string]int     `json:"reasons,omitempty"` // why viewers were refused or lost
	Metrics     map[string]float64 `json:"metrics"`
	Verdicts    []Verdict          `json:"verdicts"`
	Notes       []string           `json:"notes,omitempty"` // what to know before the figures are believed
	Samples     []Sample           `json:"samples"`
	Buckets     []Bucket           `json:"buckets"` // how ages are spread
}

// Pair is a name and a value.
type Pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Bucket is how many frames were at most that old, and older than those of the bucket before.
type Bucket struct {
	Upto  float64 `json:"upto"` // ms
	Count int64   `json:"count"`
}

// Viewers is how it went for them.
type Viewers struct {
	Asked      int `json:"asked"`      // who came
	Joined     int `json:"joined"`     // who were connected at least once
	Seen       int `json:"seen"`       // who had a live picture
	Failed     int `json:"failed"`     // who gave up
	Reconnects int `json:"reconnects"` // connections that were lost
	Returns    int `json:"returns"`    // that ended as planned
	Refusals   int `json:"refusals"`   // requests that failed, also those that were repeated
}

// Media is what they saw, all together.
type Media struct {
	Packets          uint64    `json:"packets"`
	LossRaw          float64   `json:"lossRaw"`
	Loss             float64   `json:"loss"`
	Resent           uint64    `json:"resent"`
	Nacks            uint64    `json:"nacks"`
	Frames           uint64    `json:"frames"`
	Missing          float64   `json:"missing"`
	Damaged          uint64    `json:"damaged"`
	Foreign          uint64    `json:"foreign"`
	Freezes          uint64    `json:"freezes"`
	FreezesPerMinute float64   `json:"freezesPerMinute"`
	Frozen           float64   `json:"frozen"`
	JitterP95        float64   `json:"jitterP95"`
	ViewersAsked     uint64    `json:"viewersAsked"` // keyframes
	CasterAsked      uint64    `json:"casterAsked"`
	CasterSent       uint64    `json:"casterSent"` // packets
	Layers           []float64 `json:"layers"`     // share of frames by layer, the smallest first
	SoundLoss        float64   `json:"soundLoss"`  // of packets of sound, which nobody asks for again
	Restarts         uint64    `json:"restarts"`   // of casters
	SelfLost         uint64    `json:"selfLost"`   // packets that the scenario took on the viewers' side
}

// Narrow is what viewers with a narrow path saw.
type Narrow struct {
	Viewers int     `json:"viewers"`
	Seen    int     `json:"seen"` // who had a picture
	Loss    float64 `json:"loss"` // %, after repair
	FPS     float64 `json:"fps"`  // frames shown per viewer and second
	Asked   uint64  `json:"asked"`
}

// Spread is how a time is spread.
type Spread struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

// Tester is what the load tester itself needed.
type Tester struct {
	CPU          float64 `json:"cpu"`          // % of one processor while all were there
	MB           float64 `json:"mb"`           // at most
	KBPerViewer  float64 `json:"kbPerViewer"`  // above what it has without viewers
	CPUPerViewer float64 `json:"cpuPerViewer"` // % of one processor, casters included
	Goroutines   int     `json:"goroutines"`
	Drops        uint64  `json:"drops"` // datagrams read too late
}

// Process is the server's.
type Process struct {
	PID  int     `json:"pid"`
	Name string  `json:"name"`
	CPU  float64 `json:"cpu"` // % of one processor while all were there
	Peak float64 `json:"peak"`
	MB   float64 `json:"mb"` // at most
}

// OK says whether all thresholds hold.
func (r *Report) OK() bool {
	return !slices.ContainsFunc(r.Verdicts, func(v Verdict) bool { return v.Failed })
}

// defaultThresholds are those where nobody gives some.
func (o *Options) defaultThresholds() []string {
	list := []string{"failed>0", "dark>0", "loss>0.5%", "foreign>0"}
	if o.Loss == 0 {
		list = append(list, "loss_sound>0.5%")
	}
	return list
}

// stageNames are those of the keys of Report.Joins.
var stageNames = map[stage]string{
	answeredStage: "answer", upStage: "up", firstStage: "first", wholeStage: "whole", liveStage: "live",
}

// report puts together what was seen.
func (c *crowd) report(p *plan, w *watch) *Report {
	o := c.options
	r := &Report{
		Title: o.Title, Scenario: o.Scenario, Server: hostOf(o), Way: o.way(), Began: w.begun, Seconds: w.last.Sub(w.begun).Seconds(),
		Asked: o.words(p), Joins: map[string]Spread{}, Metrics: map[string]float64{}, Samples: w.samples,
		Delay: spreadOf(w.total), Buckets: bucketsOf(w.total),
	}
	if r.Scenario == "" {
		r.Scenario = "steady"
	}
	c.countViewers(r)
	c.books.mu.Lock()
	for s, name := range stageNames {
		r.Joins[name] = spreadOf(c.books.stages[s])
	}
	r.Wrong, r.Reasons = c.books.wrong, c.books.reasons
	c.books.mu.Unlock()
	for _, s := range c.casters {
		r.Media.CasterAsked += s.asked.Load()
		r.Media.CasterSent += s.sent.Load()
		r.Media.Restarts += s.began.Load()
	}
	w.costs(r)
	for _, m := range Metrics {
		r.Metrics[m.Name] = m.value(r)
	}
	thresholds := o.FailIf
	if len(thresholds) == 0 {
		thresholds = o.defaultThresholds()
	}
	for _, text := range thresholds {
		if t, err := ParseThreshold(text); err == nil { // they were checked
			r.Verdicts = append(r.Verdicts, t.judge(r))
		}
	}
	r.Notes = c.notes(r, w)
	return r
}

// countViewers adds up what viewers saw.
func (c *crowd) countViewers(r *Report) {
	list := make([]state, 0, len(c.viewers))
	jitter := histogram()
	watched := 0.0
	for _, v := range c.viewers {
		if v == nil {
			continue
		}
		s := v.look() // all are gone by now, so this is everything
		list = append(list, s)
		r.Tester.Drops += s.Overflow
		r.Media.SelfLost += s.Lost
		if s.narrow {
			continue
		}
		r.Viewers.Asked++
		if v.joined {
			r.Viewers.Joined++
		}
		if s.Video.Frames > 0 {
			r.Viewers.Seen++
		}
		if v.failed != "" {
			r.Viewers.Failed++
		}
		r.Viewers.Reconnects += v.reconnects
		r.Viewers.Returns += max(v.returns-1, 0)
		r.Viewers.Refusals += v.refusals
		record(jitter, v.jitter)
		watched += v.watched.Seconds()
	}
	video, audio := sum(list, false)
	m := &r.Media
	m.Frames, m.Missing = video.Frames, percent(video.Missing, video.Frames+video.Missing)
	m.Damaged, m.Freezes, m.ViewersAsked = video.Damaged, video.Freezes, video.Asked
	m.FreezesPerMinute = ratio(float64(video.Freezes)*60, watched)
	m.Frozen = ratio(video.FreezeTime.Seconds()*100, watched)
	m.Foreign = video.Foreign + audio.Foreign
	m.JitterP95 = milliseconds(jitter, 95)
	for i := range c.options.Layers {
		m.Layers = append(m.Layers, percent(video.Layer[i], video.Frames))
	}
	m.Packets, m.Resent, m.Nacks = video.Packets+audio.Packets, video.Resent, video.Nacks
	m.LossRaw, m.Loss = lossOf(&video)
	_, m.SoundLoss = lossOf(&audio)
	r.Narrow = narrowOf(list, c.viewers)
}

// narrowOf is what those with a narrow path saw; nil without such.
func narrowOf(list []state, viewers []*viewer) *Narrow {
	video, _ := sum(list, true)
	n := Narrow{Asked: video.Asked}
	watched := 0.0
	for i, v := range slices.DeleteFunc(slices.Clone(viewers), func(v *viewer) bool { return v == nil }) {
		if list[i].narrow {
			n.Viewers++
			watched += v.watched.Seconds()
			if list[i].Video.Frames > 0 {
				n.Seen++
			}
		}
	}
	if n.Viewers == 0 {
		return nil
	}
	_, n.Loss = lossOf(&video)
	n.FPS = ratio(float64(video.Frames), watched)
	return &n
}

// costs fills in what the tester and the server needed.
func (w *watch) costs(r *Report) {
	t := &r.Tester
	steady := w.steady()
	for _, s := range w.samples {
		t.MB = max(t.MB, s.OwnMB)
	}
	t.CPU = mean(steady, func(s Sample) float64 { return s.OwnCPU })
	if w.ended != nil {
		t.Goroutines = w.ended.goroutines
		if n := float64(w.ended.viewers); n > 0 {
			t.KBPerViewer = max(float64(w.ended.own.memory)-float64(w.first.memory), 0) / 1024 / n
			t.CPUPerViewer = t.CPU / n
		}
	}
	if w.server == 0 {
		return
	}
	p := &Process{PID: w.server, Name: nameOf(w.server), CPU: mean(steady, func(s Sample) float64 { return s.CPU })}
	for _, s := range w.samples {
		p.Peak, p.MB = max(p.Peak, s.CPU), max(p.MB, s.MB)
	}
	r.Process = p
}

// steady are the samples of the time when all were there; all where there is no such time.
func (w *watch) steady() []Sample {
	if w.settled == nil {
		return w.samples
	}
	from := w.settled.at.Sub(w.begun).Seconds()
	i := slices.IndexFunc(w.samples, func(s Sample) bool { return s.At > from+0.5 })
	if i < 0 {
		return w.samples
	}
	return w.samples[i:]
}

func mean(list []Sample, of func(Sample) float64) float64 {
	total := 0.0
	for _, s := range list {
		total += of(s)
	}
	return ratio(total, float64(len(list)))
}

func (r *Report) serverCPU() float64 {
	if r.Process == nil {
		return 0
	}
	return r.Process.CPU
}

func (r *Report) serverMB() float64 {
	if r.Process == nil {
		return 0
	}
	return r.Process.MB
}

// notes are what to know before the figures are believed.
func (c *crowd) notes(r *Report, w *watch) (notes []string) {
	if r.Tester.Drops > 0 {
		all := r.Media.Packets + r.Tester.Drops
		notes = append(notes, fmt.Sprintf("The tester itself read %d datagrams too late (%.2f%% of all). That loss is its own, not the server's.",
			r.Tester.Drops, percent(r.Tester.Drops, all)))
	}
	if all := r.Tester.CPU + r.serverCPU(); all > 85*float64(runtime.NumCPU()) {
		notes = append(notes, fmt.Sprintf("Tester and server together kept %.0f%% of %d processors busy: ages and freezes tell of this machine, not of the server alone.",
			all/float64(runtime.NumCPU()), runtime.NumCPU()))
	}
	if w.future > 0 {
		notes = append(notes, "Frames came before they were sent: caster and viewers do not share a clock, so ages mean nothing.")
	}
	if r.Media.SelfLost > 0 {
		notes = append(notes, fmt.Sprintf("The scenario took %d packets on the viewers' side.", r.Media.SelfLost))
	}
	if r.Media.Frames > 0 && r.Delay.Count == 0 {
		notes = append(notes, "Frames carry no stamp of ours, so there are no ages, no missing frames and no layers.")
	}
	if r.Process == nil {
		notes = append(notes, "The server's process was not found on this machine, so its CPU is not known (--server-pid names it).")
	}
	return notes
}

func spreadOf(h *hdrhistogram.Histogram) Spread {
	if h.TotalCount() == 0 {
		return Spread{}
	}
	return Spread{h.TotalCount(), milliseconds(h, 50), milliseconds(h, 95), milliseconds(h, 99), milliseconds(h, 100)}
}

// bucketsOf are ages in steps of a quarter of an octave.
func bucketsOf(h *hdrhistogram.Histogram) (list []Bucket) {
	upto := 0.5
	for _, b := range h.Distribution() {
		if b.Count == 0 {
			continue
		}
		at := float64(b.To) / 1000
		for at > upto {
			upto *= 1.189207115
		}
		if n := len(list); n > 0 && list[n-1].Upto == upto {
			list[n-1].Count += b.Count
		} else {
			list = append(list, Bucket{upto, b.Count})
		}
	}
	return list
}

// WriteJSON writes everything.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
