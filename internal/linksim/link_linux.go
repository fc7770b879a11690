package linksim

import (
	"container/heap"
	"os"
	"sync"
	"time"
)

const (
	maxPacket = 65536
	// lineRoom bounds the packets that are on their way on one direction of a link.
	lineRoom = 16384
)

// Link joins two namespaces. Its methods may be called from any goroutine.
type Link struct {
	there, back *line
	files       []*os.File
	wg          sync.WaitGroup
}

// line is one direction of a link.
type line struct {
	from, to *os.File
	begun    time.Time
	kick     chan struct{} // there is something earlier to wait for
	quit     chan struct{}

	// guarded by mu
	mu     sync.Mutex
	shaper *Shaper
	waits  transit
	serial uint64
}

// parcel is a packet on its way.
type parcel struct {
	at     int64
	serial uint64 // of two that arrive at one time the earlier one is first
	p      []byte
}

// transit is a heap of what is on its way, the next arrival first.
type transit []parcel

func (t transit) Len() int      { return len(t) }
func (t transit) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t transit) Less(i, j int) bool {
	return t[i].at < t[j].at || t[i].at == t[j].at && t[i].serial < t[j].serial
}
func (t *transit) Push(x any) { *t = append(*t, x.(parcel)) } //nolint:errcheck // heap.Push below is the only caller
func (t *transit) Pop() any {
	last := len(*t) - 1
	x := (*t)[last]
	(*t)[last] = parcel{}
	*t = (*t)[:last]
	return x
}

func newLink(a, b *os.File, there, back *Shaper) *Link {
	l := &Link{there: newLine(a, b, there), back: newLine(b, a, back), files: []*os.File{a, b}}
	for _, d := range []*line{l.there, l.back} {
		l.wg.Go(d.read)
		l.wg.Go(d.write)
	}
	return l
}

func newLine(from, to *os.File, s *Shaper) *line {
	return &line{
		from: from, to: to, begun: time.Now(), shaper: s, kick: make(chan struct{}, 1), quit: make(chan struct{}),
	}
}

// close ends the link and waits for its goroutines.
func (l *Link) close() {
	for _, f := range l.files {
		_ = f.Close() // ends the readers; nothing can be done about an error
	}
	close(l.there.quit)
	close(l.back.quit)
	l.wg.Wait()
}

// Set changes what the link does from now on, from its first namespace to its second and back. What is on its way
// arrives as it was to.
func (l *Link) Set(there, back Conditions) {
	l.there.set(there)
	l.back.set(back)
}

// Counts says what became of the packets so far, in both directions.
func (l *Link) Counts() (there, back Counts) { return l.there.counts(), l.back.counts() }

func (d *line) set(c Conditions) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shaper.Set(c)
}

func (d *line) counts() Counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shaper.Counts()
}

func (d *line) now() int64 { return int64(time.Since(d.begun)) }

// read takes packets from one end until it is closed. It is a goroutine of the link.
func (d *line) read() {
	buf := make([]byte, maxPacket)
	var at []int64
	for {
		n, err := d.from.Read(buf)
		if err != nil {
			return
		}
		d.mu.Lock()
		at = d.shaper.Plan(at[:0], n, d.now())
		for _, due := range at {
			if len(d.waits) >= lineRoom {
				d.shaper.counts.Overflowed++
				continue
			}
			d.serial++
			heap.Push(&d.waits, parcel{due, d.serial, append([]byte(nil), buf[:n]...)})
		}
		d.mu.Unlock()
		select {
		case d.kick <- struct{}{}:
		default: // it is kicked already
		}
	}
}

// write gives the other end what is due until the link is closed. It is a goroutine of the link.
func (d *line) write() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		p, wait := d.due()
		if p != nil {
			_, _ = d.to.Write(p) // what a closed or full device does not take is lost, as on any network
			continue
		}
		timer.Reset(wait)
		select {
		case <-d.quit:
			return
		case <-d.kick:
		case <-timer.C:
		}
	}
}

// due takes out the packet whose time has come; without one it says how long that will be.
func (d *line) due() (p []byte, wait time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waits) == 0 {
		return nil, time.Hour
	}
	if wait = time.Duration(d.waits[0].at - d.now()); wait > 0 {
		return nil, wait
	}
	next, _ := heap.Pop(&d.waits).(parcel)
	return next.p, 0
}
