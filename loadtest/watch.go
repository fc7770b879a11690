package loadtest

import (
	"net"
	"net/url"
	"runtime"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"castcode/loadtest/track"
)

// Sample is how things stood at one second of a run.
type Sample struct {
	At       float64 `json:"at"`       // seconds since the first join
	Asked    int     `json:"asked"`    // viewers who came
	Viewers  int     `json:"viewers"`  // connected
	Live     int     `json:"live"`     // with a live picture
	Failed   int     `json:"failed"`   // who gave up
	Joins    int     `json:"joins"`    // let in during this second
	Mbps     float64 `json:"mbps"`     // of all viewers together
	FPS      float64 `json:"fps"`      // frames shown per viewer with a live picture
	LossRaw  float64 `json:"lossRaw"`  // %, before repair
	Loss     float64 `json:"loss"`     // %, after repair
	Missing  float64 `json:"missing"`  // %, of frames
	Freezes  uint64  `json:"freezes"`  // that ended during this second
	P50      float64 `json:"p50"`      // age of a frame when it could be shown, ms
	P95      float64 `json:"p95"`      //
	P99      float64 `json:"p99"`      //
	Max      float64 `json:"max"`      //
	Asks     uint64  `json:"asks"`     // keyframes asked for by viewers
	CastAsks uint64  `json:"castAsks"` // keyframes asked of casters
	OwnCPU   float64 `json:"ownCpu"`   // % of one processor
	OwnMB    float64 `json:"ownMb"`
	OwnDrops uint64  `json:"ownDrops"` // datagrams that came and that we read too late
	CPU      float64 `json:"cpu"`      // of the server, % of one processor
	MB       float64 `json:"mb"`
}

// shortest is how long a sample is at least, in seconds: of less the rates say nothing.
const shortest = 0.3

// watch looks at everybody once a second.
type watch struct {
	crowd    *crowd
	progress func(Sample)
	begun    time.Time
	server   int // process id, 0: not known

	samples []Sample
	total   *hdrhistogram.Histogram // ages
	future  uint64

	last    time.Time
	before  counts
	first   usage // of us, before anybody came
	settled *mark // nil before
	ended   *mark
}

// counts are what grows from look to look.
type counts struct {
	video, audio track.Figures
	drops        uint64
	cast         uint64
	own, server  usage
}

// mark is how things stood at a time, for costs per viewer.
type mark struct {
	at         time.Time
	own        usage
	viewers    int
	goroutines int
}

func newWatch(c *crowd, progress func(Sample)) *watch {
	w := &watch{crowd: c, progress: progress, begun: time.Now(), total: histogram(), server: c.options.ServerPID}
	if w.server == 0 {
		w.server = serverProcess(c.options)
	}
	w.last = w.begun
	runtime.GC()
	w.first = self()
	w.before.own = w.first
	w.before.server, _ = processUsage(w.server)
	return w
}

// serverProcess finds the process that serves, when it is on this machine.
func serverProcess(o *Options) int {
	for _, text := range []string{o.URL, o.WHEP} {
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" {
			continue
		}
		port := u.Port()
		if port == "" {
			port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
		}
		if n, err := strconv.Atoi(port); err == nil {
			return OwnerOf(u.Hostname(), n)
		}
	}
	return 0
}

// look takes a sample.
func (w *watch) look(now time.Time) {
	length := now.Sub(w.last).Seconds()
	if length < shortest {
		ages, _ := w.crowd.books.takeAges()
		w.total.Merge(ages)
		return
	}
	list, came := w.crowd.look()
	s := Sample{At: now.Sub(w.begun).Seconds(), Asked: came, Joins: w.crowd.books.takeJoins()}
	var n counts
	n.video, n.audio = sum(list, false)
	for _, one := range list {
		n.drops += one.Overflow
		if one.there {
			s.Viewers++
		}
		if one.there && one.live {
			s.Live++
		}
	}
	for _, c := range w.crowd.casters {
		n.cast += c.asked.Load()
	}
	s.Failed = w.crowd.failed()
	n.own = self()
	n.server, _ = processUsage(w.server)
	w.rates(&s, &n, length)
	ages, future := w.crowd.books.takeAges()
	w.total.Merge(ages)
	w.future = future
	if ages.TotalCount() > 0 {
		s.P50, s.P95, s.P99, s.Max = milliseconds(ages, 50), milliseconds(ages, 95), milliseconds(ages, 99), milliseconds(ages, 100)
	}
	w.before, w.last = n, now
	w.samples = append(w.samples, s)
	if w.progress != nil {
		w.progress(s)
	}
}

// rates fills in what is the difference to the look before.
func (w *watch) rates(s *Sample, n *counts, length float64) {
	video, audio := n.video.Since(&w.before.video), n.audio.Since(&w.before.audio)
	both := video
	both.Add(&audio)
	s.Mbps = float64(both.Bytes) * 8 / 1e6 / length
	s.FPS = ratio(float64(video.Frames)/length, float64(s.Live))
	s.LossRaw, s.Loss = lossOf(&video)
	s.Missing = percent(video.Missing, video.Frames+video.Missing)
	s.Freezes, s.Asks = video.Freezes, video.Asked
	s.CastAsks = n.cast - w.before.cast
	s.OwnDrops = n.drops - min(w.before.drops, n.drops)
	s.OwnCPU = (n.own.cpu - w.before.own.cpu).Seconds() / length * 100
	s.OwnMB = float64(n.own.memory) / (1 << 20)
	if w.server != 0 && n.server.cpu > 0 {
		s.CPU = max((n.server.cpu-w.before.server.cpu).Seconds()/length*100, 0)
		s.MB = float64(n.server.memory) / (1 << 20)
	}
}

// settle marks the beginning of the steady part.
func (w *watch) settle(now time.Time) { w.settled = w.mark(now) }

// close marks its end.
func (w *watch) close() { w.ended = w.mark(time.Now()) }

func (w *watch) mark(now time.Time) *mark {
	m := &mark{at: now, own: self(), goroutines: runtime.NumGoroutine()}
	if len(w.samples) > 0 {
		m.viewers = w.samples[len(w.samples)-1].Viewers
	}
	return m
}

// failed is how many gave up.
func (c *crowd) failed() (n int) {
	for _, v := range c.viewers {
		if v != nil {
			v.mu.Lock()
			if v.failed != "" {
				n++
			}
			v.mu.Unlock()
		}
	}
	return n
}

// lossOf is the loss before and after repair in per cent of what was sent.
func lossOf(f *track.Figures) (raw, after float64) {
	all := f.Packets + f.GivenUp
	return percent(f.Lost, all), percent(f.GivenUp, all)
}

func percent(part, all uint64) float64 { return ratio(float64(part)*100, float64(all)) }

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// milliseconds is a percentile of a histogram.
func milliseconds(h *hdrhistogram.Histogram, p float64) float64 {
	return float64(h.ValueAtQuantile(p)) / 1000
}

// hostOf is what the report says about where the server is, without user names, codes or tokens.
func hostOf(o *Options) string {
	for _, text := range []string{o.URL, o.WHEP} {
		if u, err := url.Parse(text); err == nil && u.Host != "" {
			return net.JoinHostPort(u.Hostname(), portOf(u))
		}
	}
	return ""
}

func portOf(u *url.URL) string {
	if u.Port() != "" {
		return u.Port()
	}
	if u.Scheme == "http" {
		return "80"
	}
	return "443"
}
