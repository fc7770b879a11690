package forward

import "time"

const (
	// MaxWait is how long media waits in a pacer at most while no estimate is known, except while a viewer starts.
	MaxWait = 40 * time.Millisecond
	// Burst is how many bytes leave at once at most: a frame of 2.5 Mbit/s with room to spare, and less than what
	// Wi-Fi and home routers queue. What comes in larger pieces is spread.
	Burst = 24 << 10
	// StartTime is over how much time the replay at a viewer's start is spread.
	StartTime = 150 * time.Millisecond

	// startLimit ends a start that does not end by itself.
	startLimit = time.Second
	// paceRate is the rate in bytes per second while no estimate is known: 25 Mbit/s, several times what screens are cast
	// with, so that it is keyframes that are spread and not every frame.
	paceRate = 25_000_000 / 8
	// piece is how many bytes a pacer lets gather before it wakes anybody: packet by packet would cost much more.
	piece = 8 << 10
	// headroom is how fast a pacer goes, in percent of the viewer's rate, so that a large frame does not wait long. What
	// has waited longer than brief does so because the path is too narrow for it, and leaves at the rate itself.
	headroom = 150
	brief    = 250 * time.Millisecond
	// burstTime and pieceTime bound the burst and the piece by the rate, where it is known: the queue of a narrow path
	// is short too. leastBurst is two packets, leastPiece one, in bytes.
	burstTime  = 100 * time.Millisecond
	pieceTime  = 40 * time.Millisecond
	leastBurst = 2400
	leastPiece = 1200
)

// Class is what a packet is to a pacer. Lower classes go first.
type Class uint8

// The classes.
const (
	Audio Class = iota
	Resends
	Video
	Classes // how many there are
)

// Queue is what waits in one class.
type Queue struct {
	Size   int   // bytes of the first packet; 0: nothing waits
	Bytes  int   // of all that waits
	Oldest int64 // since when the first packet could have left, in nanoseconds of the engine's clock
}

// Pacer decides when packets leave toward one viewer. It holds no packets: it is asked which class may send its first
// one. Audio always may. Resends and video draw on a credit that grows with the rate. While the rate is not known it
// grows faster when what waits would otherwise wait longer than MaxWait; when it is known, the log is where the rest
// waits (CheckLag says for how long). The zero value is ready.
type Pacer struct {
	rate   int64 // bytes per second; 0: not known
	speed  int64 // at which the credit grew last
	credit int64 // bytes; what left beyond it makes it negative
	goal   int64 // credit that is worth waking for
	burst  int64 // most credit
	at     int64
	begun  bool

	starting bool
	started  int64
	push     int64 // bytes per second while starting
}

// SetRate sets the rate that the viewer's path is thought to carry, in bits per second; 0: that is not known.
func (p *Pacer) SetRate(bitsPerSecond int) { p.rate = int64(bitsPerSecond) / 8 }

// Start says that a replay of so many bytes begins. Until it has left, video may wait longer than MaxWait.
func (p *Pacer) Start(bytes int, now int64) {
	p.starting, p.started = true, now
	p.push = int64(bytes) * int64(time.Second) / int64(StartTime)
}

// Next returns the class whose first packet leaves now. ok is false when nothing may: Wake says until when. After ok
// the caller sends the packet and calls Take.
func (p *Pacer) Next(q *[Classes]Queue, now int64) (c Class, ok bool) {
	p.grow(q, now)
	if q[Audio].Size > 0 {
		return Audio, true
	}
	for _, c := range [...]Class{Resends, Video} {
		if q[c].Size > 0 && (p.credit > 0 || p.rate == 0 && !p.starting && now-q[c].Oldest >= int64(MaxWait)) {
			return c, true
		}
	}
	return 0, false
}

// Free says whether there is credit left for more of the class that Next returned last, as long as nothing else has come
// to wait.
func (p *Pacer) Free() bool { return p.credit > 0 }

// Resends says whether a packet that was asked for again may leave now, ahead of the video. It may unless the path is
// known to be narrow and has been given as much beyond its rate as it may get.
func (p *Pacer) Resends() bool { return p.rate == 0 || p.credit > -p.burst }

// Take says that a packet of size bytes left.
func (p *Pacer) Take(size int) { p.credit -= int64(size) }

// Wake returns when the credit suffices for a piece of what waits.
func (p *Pacer) Wake(now int64) int64 {
	if p.credit > 0 {
		return now
	}
	return p.at + (p.goal-p.credit)*int64(time.Second)/max(p.speed, 1) + 1
}

// grow adds the credit earned since it was called last.
func (p *Pacer) grow(q *[Classes]Queue, now int64) {
	if !p.begun {
		p.begun, p.at, p.credit = true, now, Burst
	}
	waiting := int64(q[Resends].Bytes + q[Video].Bytes)
	if p.starting && (waiting == 0 || now-p.started > int64(startLimit)) {
		p.starting = false
	}
	since := p.quicken(q, waiting, now)
	p.goal = min(max(waiting, 1), p.goal)
	elapsed := min(max(now-p.at, 0), int64(time.Second))
	// Only the time that made whole bytes is used up, so that asking often does not slow the pacer down. Whoever asks
	// seldom gets more at once, for the time in which something waited.
	if earned := elapsed * p.speed / int64(time.Second); earned > 0 {
		most := max(p.burst, min(elapsed, now-since)*p.speed/int64(time.Second))
		p.credit = min(p.credit+earned, most)
		p.at = now - (elapsed - earned*int64(time.Second)/p.speed)
	}
	p.credit = max(p.credit, -Burst) // what had to leave is not held against the viewer for long
}

// quicken sets the speed, the burst and the piece for what waits, and returns since when something has.
func (p *Pacer) quicken(q *[Classes]Queue, waiting, now int64) (since int64) {
	since = now
	if waiting > 0 {
		since = oldest(q, now)
	}
	p.speed, p.burst, p.goal = p.rate, Burst, piece
	switch {
	case p.rate == 0:
		p.speed = paceRate
	case now-since < int64(brief):
		p.speed = p.rate * headroom / 100
	}
	switch {
	case p.starting:
		p.speed, since = max(p.speed, p.push), p.started
	case p.rate != 0:
		p.burst = min(max(p.speed*int64(burstTime)/int64(time.Second), leastBurst), Burst)
		p.goal = min(max(p.speed*int64(pieceTime)/int64(time.Second), leastPiece), piece)
	case waiting > 0:
		p.speed = max(p.speed, p.needed(waiting, since, now))
	}
	p.speed = min(p.speed, 1<<32) // products with a second stay within 63 bits
	return since
}

// oldest is since when the first packet of those that must not wait forever has waited.
func oldest(q *[Classes]Queue, now int64) int64 {
	since := now
	for _, c := range [...]Class{Resends, Video} {
		if q[c].Size > 0 {
			since = min(since, q[c].Oldest)
		}
	}
	return since
}

// needed is the rate that lets all that waits leave in time.
func (p *Pacer) needed(waiting, since, now int64) int64 {
	left := max(since+int64(MaxWait)-now, int64(time.Millisecond))
	return (waiting + max(-p.credit, 0)) * int64(time.Second) / left
}
