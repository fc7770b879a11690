//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// sampled is how many viewers read and check what they get.
const sampled = 4

// Plan is what to run.
type Plan struct {
	Viewers []int         // numbers of viewers, one after the other
	Only    []string      // names of contestants; empty for all
	Runs    int           // of each kind, of which the minimum and the median count
	Length  time.Duration // of one run
	Paced   bool          // also at real frame times
	Profile string        // a directory for CPU profiles, of joining and of running; empty for none
}

// Result is what one contestant did for one number of viewers.
type Result struct {
	Name       string
	Viewers    int
	Flat       []Pair        // flat out, or at Speed
	Speed      int           // of Flat, in multiples of real time; 0 for flat out
	Paced      []Pair        // at real frame times; empty if that was not asked for or the machine is too slow
	Ingest     time.Duration // CPU per second of taking the stream in, without viewers; 0 for those that do not
	Upkeep     time.Duration // CPU per viewer and second without media
	JoinCPU    time.Duration
	Memory     int64 // bytes per viewer, resident
	Goroutines float64
}

// Pair is a run of a contestant and the run of the floor just before it, so that what else the machine does meanwhile
// touches both.
type Pair struct {
	Figures
	Floor Figures
}

// Figures are of one run.
type Figures struct {
	Packets uint64        // sent, to all viewers
	CPU     time.Duration // user and system
	Length  time.Duration
	Allocs  uint64
	Late    int // frames that began more than one frame time late
	Seen    Seen
}

// PerPacket is the CPU time of one packet.
func (f Figures) PerPacket() time.Duration { return f.CPU / time.Duration(max(f.Packets, 1)) }

// run lets all contestants of the plan run and tells w about them.
func run(p Plan, w io.Writer) error {
	describeMachine(w)
	for _, n := range p.Viewers {
		var results []Result
		for _, e := range entries() {
			if len(p.Only) > 0 && !slices.Contains(p.Only, e.Name) {
				continue
			}
			r, err := compete(e, n, p)
			if err != nil {
				return fmt.Errorf("%s, %d viewers: %w", e.Name, n, err)
			}
			results = append(results, r)
		}
		table(w, results)
	}
	return nil
}

// compete measures one contestant.
func compete(e Entry, viewers int, p Plan) (r Result, err error) {
	c, err := startChild(receiveWord)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	taking, err := ingest(e, p.Length)
	if err != nil {
		return r, err
	}
	contestant, err := e.New()
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, contestant.Close()) }()

	r = Result{Name: e.Name, Viewers: viewers, Ingest: taking}
	ground, err := startChild(groundWord)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, ground.close()) }()
	if err := admit(c, distant{ground}, viewers); err != nil {
		return r, err
	}
	memory, cpu, goroutines := resident(), cpuTime(), runtime.NumGoroutine()
	finish, err := profile(p.Profile, e.Name, viewers, "join")
	if err != nil {
		return r, err
	}
	if err := errors.Join(admit(c, contestant, viewers), finish()); err != nil {
		return r, err
	}
	r.JoinCPU = (cpuTime() - cpu) / time.Duration(viewers)
	r.Memory = (resident() - memory) / int64(viewers)
	r.Goroutines = float64(runtime.NumGoroutine()-goroutines) / float64(viewers)

	if r.Upkeep, err = upkeep(contestant, viewers); err != nil {
		return r, err
	}
	f := &field{child: c, ground: ground, viewers: viewers, contestant: contestant, stream: NewStream(uint64(viewers))}
	if r.Speed, err = f.warm(p.Length); err != nil {
		return r, err
	}
	if finish, err = profile(p.Profile, e.Name, viewers, "run"); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, finish()) }()
	if r.Flat, err = f.pairs(r.Speed, p); err != nil {
		return r, err
	}
	// Beyond that, frames would queue up, and the figure would be one of flat out again.
	const enough = 0.7
	perSecond := time.Duration(float64(viewers) * frameRate * packetsPerFrame())
	if p.Paced && r.Speed != 1 && r.Flat[0].PerPacket()*perSecond < time.Duration(enough*float64(time.Second)*float64(runtime.NumCPU())) {
		r.Paced, err = f.pairs(1, p)
	}
	if r.Speed == 1 {
		r.Flat, r.Paced = nil, r.Flat
	}
	return r, err
}

// ingest measures what it takes to take the stream in when nobody watches.
func ingest(e Entry, length time.Duration) (perSecond time.Duration, err error) {
	c, err := e.New()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	r, ok := c.(Runner)
	if !ok {
		return 0, nil
	}
	f, err := r.Run(1, length)
	return time.Duration(float64(f.CPU) / length.Seconds()), err
}

// upkeepFor is longer than ICE checks and keep-alives take to come round.
const upkeepFor = 5 * time.Second

// upkeep measures what viewers cost that are connected and get nothing.
func upkeep(c Contestant, viewers int) (time.Duration, error) {
	if c.Bare() {
		return 0, nil
	}
	runtime.GC()
	cpu := cpuTime()
	time.Sleep(upkeepFor)
	return time.Duration(float64(cpuTime()-cpu) / upkeepFor.Seconds() / float64(viewers)), nil
}

// profile begins a CPU profile in a directory; finish ends it.
func profile(dir, name string, viewers int, phase string) (finish func() error, err error) {
	if dir == "" {
		return func() error { return nil }, nil
	}
	file, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.pprof", name, viewers, phase)))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() error { pprof.StopCPUProfile(); return file.Close() }, nil
}

// field is where a contestant and the floor meet.
type field struct {
	child, ground *child
	viewers       int
	contestant    Contestant
	stream        *Stream
}

const (
	// loadedShare is how much of one processor a Runner may use when it does not run in real time; beyond that its
	// caster, which is another process on the same machine, would be what is measured.
	loadedShare = 0.6
	// fastest bounds the caster: more than that and the library on its side cannot keep up.
	fastest = 12
)

// warm lets the contestant run once without counting, so that caches are full, and finds the speed at which a Runner
// loads the machine. It is 0 for those that run flat out.
func (f *field) warm(length time.Duration) (speed int, err error) {
	if _, ok := f.contestant.(Runner); !ok {
		_, err = f.pair(0, length/4)
		return 0, err
	}
	pair, err := f.pair(1, length/2)
	return min(max(int(loadedShare*(length/2).Seconds()/pair.CPU.Seconds()), 1), fastest), err
}

func (f *field) pairs(speed int, p Plan) (list []Pair, err error) {
	for range p.Runs {
		pair, err := f.pair(speed, p.Length)
		if err != nil {
			return nil, err
		}
		list = append(list, pair)
	}
	return list, nil
}

// pair measures the floor and then the contestant.
func (f *field) pair(speed int, length time.Duration) (p Pair, err error) {
	if _, err := f.child.ask(request{Do: "report"}); err != nil {
		return p, err
	}
	a, err := f.ground.ask(request{Do: "run", Speed: speed, Length: length})
	if err != nil {
		return p, err
	}
	p.Floor = a.Figures
	if p.Floor.Seen, err = f.seen(); err != nil {
		return p, err
	}
	if r, ok := f.contestant.(Runner); ok {
		p.Figures, err = r.Run(speed, length)
	} else {
		p.Figures, err = measure(f.contestant, f.stream, f.viewers, speed, length)
	}
	if err != nil {
		return p, err
	}
	p.Seen, err = f.seen()
	return p, err
}

// seen is what the sample saw since it was asked last.
func (f *field) seen() (Seen, error) {
	time.Sleep(100 * time.Millisecond) // what is on its way arrives
	a, err := f.child.ask(request{Do: "report"})
	return a.Seen, err
}

// measure lets a contestant of this process run, without what the sample saw.
func measure(c Contestant, s *Stream, viewers, speed int, length time.Duration) (f Figures, err error) {
	runtime.GC()
	cpu, allocs := cpuTime(), mallocs()
	if speed == 0 {
		f, err = flatOut(c, s, viewers, length)
	} else {
		f, err = paced(c, s, viewers, speed, length)
	}
	if err != nil {
		return f, err
	}
	f.CPU, f.Allocs, f.Length = cpuTime()-cpu, mallocs()-allocs, length
	return f, nil
}

// flatOut forwards one frame after the other.
func flatOut(c Contestant, s *Stream, viewers int, length time.Duration) (f Figures, err error) {
	for began := time.Now(); time.Since(began) < length; {
		if err := f.forward(c, s, viewers); err != nil {
			return f, err
		}
	}
	return f, nil
}

// paced forwards each frame when it is due.
func paced(c Contestant, s *Stream, viewers, speed int, length time.Duration) (f Figures, err error) {
	gap := time.Second / frameRate / time.Duration(speed)
	for next, end := time.Now(), time.Now().Add(length); next.Before(end); next = next.Add(gap) {
		time.Sleep(time.Until(next))
		if time.Since(next) > gap {
			f.Late++
		}
		if err := f.forward(c, s, viewers); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (f *Figures) forward(c Contestant, s *Stream, viewers int) error {
	frame := s.Next(time.Now())
	f.Packets += uint64(viewers * len(frame.Packets))
	return c.Forward(frame)
}

// admit lets all viewers join.
func admit(c *child, contestant Contestant, viewers int) error {
	for i := range viewers {
		reads := i == 0 || i*sampled/viewers != (i-1)*sampled/viewers
		if err := join(c, contestant, i, reads); err != nil {
			return fmt.Errorf("viewer %d: %w", i, err)
		}
	}
	if _, err := c.ask(request{Do: "settle"}); err != nil {
		return err
	}
	return contestant.Ready()
}

// join lets viewer i join.
func join(c *child, contestant Contestant, i int, reads bool) error {
	v := Viewer{SSRC: ssrc(i)}
	v.Key, v.Salt = master(i)
	if contestant.Bare() {
		a, err := c.ask(request{Do: "bare", Index: i, Sample: reads})
		if err != nil {
			return err
		}
		v.Addr = a.Addr
		_, err = contestant.Join(v)
		return err
	}
	a, err := c.ask(request{Do: "offer"})
	if err != nil {
		return err
	}
	v.Offer = a.SDP
	answer, err := contestant.Join(v)
	if err != nil {
		return err
	}
	_, err = c.ask(request{Do: "answer", SDP: answer, Sample: reads})
	return err
}

// packetsPerFrame is the mean of the stream.
func packetsPerFrame() float64 {
	s, packets := NewStream(1), 0
	for range keyEvery {
		packets += len(s.Next(time.Time{}).Packets)
	}
	return float64(packets) / keyEvery
}

// cpuTime is what this process has used, user and system.
func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err) // it cannot fail for one's self
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// resident is the memory of this process in bytes after a garbage collection, 0 if the system does not tell.
func resident() int64 {
	runtime.GC()
	p, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(p))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
