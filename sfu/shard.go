package sfu

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"castcode/sfu/forward"
	"castcode/sfu/packet"
	"castcode/sfu/transport"
	"castcode/sfu/udp"
)

const (
	// tickEvery is the grain of what may be a little late: tails, starts. Each viewer's second is spread over ticks.
	tickEvery = 40 * time.Millisecond
	ticks     = int(time.Second / tickEvery)
	// tailsFor is for how long after it sent something a follow is looked at for tails; longer than any of them.
	tailsFor = 2 * time.Second
	// inboxSize bounds the messages that wait for a shard. A viewer sends 5 to 20 datagrams a second.
	inboxSize = 16384
)

// messageKind says what a message to a shard is.
type messageKind uint8

const (
	messageDatagram messageKind = iota // of a viewer; p is the shard's, to be given back
	messageAdd                         // a viewer that was answered
	messageRemove                      // close(done) when it is gone
	messageTick                        // a viewer's handshake has ended
	messageRestart                     // of a viewer's ICE
	messageChoose                      // a viewer wishes for another layer
	messageReady                       // a viewer's stream has room again
	messageLate                        // packet came late into stream
)

type message struct {
	kind    messageKind
	viewer  *viewer
	p       *[]byte
	from    udp.Route
	follow  *follow
	stream  *stream
	packet  *packet.Packet
	done    chan struct{}
	restart *restart
}

// shard serves a part of the viewers on one goroutine. What belongs to a viewer's media is touched by whoever holds the
// shard alone, so forwarding takes no lock per packet; joins, feedback and late packets come as messages.
//
// One pass: take what changed; for each viewer that has something new, write all that its cursor and its pacer allow
// into the batch; flush. Viewers one after the other, so that the packets of a frame to one viewer leave as one run.
type shard struct {
	// fixed
	engine *Engine
	batch  *udp.Batch
	kick   chan struct{} // something waits
	quit   chan struct{}
	done   chan struct{}

	// guarded by mu
	mu    sync.Mutex
	inbox []message
	dirty []news

	// busy is held by whoever works through the shard: its goroutine, or the socket's reader with what it has just read.
	busy sync.Mutex

	// guarded by busy
	stopped bool
	viewers []*viewer
	ready   []*viewer // have something to send
	paced   []*viewer // wait for their pacer
	served  []*follow // those with downs
	turn    int
	events  []transport.Event
	numbers []uint16
	scratch []byte
	spare   []message
	heard   []news         // the spare of dirty
	wishes  []forward.Wish // of one viewer, while it chooses
	choices []forward.Choice
	menus   []*menu
}

// buffers are for datagrams on their way to a shard.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, udp.MaxSlot+100); return &b }}

func newShard(e *Engine, socket *udp.Socket) *shard {
	s := &shard{
		engine: e, batch: socket.NewBatch(),
		kick: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		scratch: make([]byte, 0, udp.MaxSlot),
	}
	go s.run()
	return s
}

// post leaves a message and sees to it that it is read. It says false when the inbox is full; the message is lost then,
// unless it is one that must arrive (adding and removing viewers, which the engine bounds).
func (s *shard) post(m message) bool {
	ok := s.put(m)
	if ok {
		signal(s.kick)
	}
	return ok
}

// put leaves a message for the next pass.
func (s *shard) put(m message) bool {
	s.mu.Lock()
	if len(s.inbox) >= inboxSize && m.kind != messageAdd && m.kind != messageRemove {
		s.mu.Unlock()
		s.engine.drops.add(DropInbox)
		return false
	}
	s.inbox = append(s.inbox, m)
	s.mu.Unlock()
	return true
}

// news is what a shard has to look at: a log of a track that goes on, or with stream nil all of the track. While it is in
// the shard's list dirty is set.
type news struct {
	follow *follow
	stream *stream
	dirty  *atomic.Bool
}

// wake notes n. If it is not urgent, the shard looks at it when it is awake the next time, at the next tick at the
// latest.
func (s *shard) wake(n news, urgent bool) {
	if n.dirty.CompareAndSwap(false, true) {
		s.mu.Lock()
		s.dirty = append(s.dirty, n)
		s.mu.Unlock()
	}
	if urgent {
		signal(s.kick)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is signalled already
	}
}

// run is the shard's goroutine; it ends with stop.
func (s *shard) run() {
	defer close(s.done)
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	pace := time.NewTimer(time.Hour)
	defer pace.Stop()
	for {
		select {
		case <-s.quit:
			return
		case <-s.kick:
		case <-pace.C:
		case <-tick.C:
			s.tick()
		}
		if wait := s.pass(); wait > 0 {
			pace.Reset(wait)
		}
	}
}

// stop ends the goroutine and waits for it.
func (s *shard) stop() {
	close(s.quit)
	<-s.done
	s.busy.Lock()
	s.stopped = true
	s.busy.Unlock()
}

// pass does all that there is to do now, and returns after how long a pacer allows more, 0 for never.
func (s *shard) pass() time.Duration {
	s.busy.Lock()
	defer s.busy.Unlock()
	now := s.engine.now()
	s.messages(now)
	s.hear()
	for _, v := range s.paced {
		v.waiting = false
		s.mark(v)
	}
	s.paced = s.paced[:0]
	return s.send(now)
}

// hear marks those whom the news concerns. Viewers of another layer of the slot are left alone: they would find nothing, or
// the beginning of a picture that is sent in longer runs when it is whole.
func (s *shard) hear() {
	s.mu.Lock()
	dirty := s.dirty
	s.dirty = s.heard[:0]
	s.mu.Unlock()
	for _, n := range dirty {
		n.dirty.Store(false) // before the ring is read, so that nothing new is missed
		for _, d := range n.follow.downs {
			if n.stream == nil || n.stream == d.stream || n.stream == d.target {
				s.mark(d.viewer)
			}
		}
	}
	clear(dirty)
	s.heard = dirty[:0]
}

// serve answers what has come from viewers, on the goroutine that read it: to wake the shard's own for each datagram
// would cost several times as much as answering it. If the shard is at work it finds the rest by itself.
func (s *shard) serve() {
	if !s.busy.TryLock() {
		signal(s.kick)
		return
	}
	wait := time.Duration(0)
	if !s.stopped {
		now := s.engine.now()
		s.messages(now)
		wait = s.send(now)
	}
	s.busy.Unlock()
	if wait > 0 {
		signal(s.kick) // it has the timer
	}
}

// messages reads the inbox. Called with busy held, like all that follows.
func (s *shard) messages(now int64) {
	s.mu.Lock()
	inbox := s.inbox
	s.inbox = s.spare[:0]
	s.mu.Unlock()
	for i := range inbox {
		s.message(&inbox[i], now)
	}
	clear(inbox)
	s.spare = inbox[:0]
}

// send lets those viewers send that are ready, and returns after how long a pacer allows more, 0 for never.
func (s *shard) send(now int64) time.Duration {
	next := int64(0)
	for _, v := range s.ready {
		v.ready = false
		at := v.advance(now)
		if v.tellTime {
			v.report(now)
		}
		if at > 0 {
			if !v.waiting {
				v.waiting = true
				s.paced = append(s.paced, v)
			}
			if next == 0 || at < next {
				next = at
			}
		}
	}
	s.ready = s.ready[:0]
	s.batch.Flush(now)
	if next == 0 {
		return 0
	}
	return max(time.Duration(next-now), 100*time.Microsecond)
}

// mark puts v on the list of those that have something to send.
func (s *shard) mark(v *viewer) {
	if !v.ready && v.up && !v.gone {
		v.ready = true
		s.ready = append(s.ready, v)
	}
}

func (s *shard) message(m *message, now int64) {
	v := m.viewer
	switch m.kind {
	case messageDatagram:
		if !v.gone {
			s.events = v.session.HandleDatagram(s.events[:0], *m.p, m.from, now, s.batch)
			v.handle(s.events, now)
		}
		buffers.Put(m.p)
	case messageAdd:
		s.viewers = append(s.viewers, v)
		for _, d := range v.downs {
			f := d.follows()
			if len(f.downs) == 0 {
				s.served = append(s.served, f)
			}
			f.downs = append(f.downs, d)
			f.followers.Store(int32(len(f.downs)))
		}
	case messageRemove:
		s.remove(v)
		close(m.done)
	case messageTick:
		if !v.gone {
			s.events = v.session.Tick(s.events[:0], now)
			v.handle(s.events, now)
		}
	case messageRestart:
		m.restart.run(v.session, now)
	case messageChoose:
		if !v.gone {
			v.choose(now)
			s.mark(v)
		}
	case messageReady:
		s.mark(v)
	case messageLate:
		for _, d := range m.follow.downs {
			d.late(m.stream, m.packet, now)
		}
	}
}

func (s *shard) remove(v *viewer) {
	if !v.gone {
		v.gone = true
		v.session.Close()
	}
	s.viewers = slices.DeleteFunc(s.viewers, func(other *viewer) bool { return other == v })
	s.paced = slices.DeleteFunc(s.paced, func(other *viewer) bool { return other == v })
	s.ready = slices.DeleteFunc(s.ready, func(other *viewer) bool { return other == v })
	for _, d := range v.downs {
		d.detach()
		f := d.follows()
		f.downs = slices.DeleteFunc(f.downs, func(other *downTrack) bool { return other == d })
		f.followers.Store(int32(len(f.downs)))
		if len(f.downs) == 0 {
			s.served = slices.DeleteFunc(s.served, func(other *follow) bool { return other == f })
		}
	}
}

// tick lets time pass for the viewers whose turn it is, and shows those with a silent stream where it ended.
func (s *shard) tick() {
	s.busy.Lock()
	defer s.busy.Unlock()
	now := s.engine.now()
	for _, f := range s.served {
		if silent := now - f.sentAt; silent < int64(forward.FirstTail) || silent > int64(tailsFor) {
			continue
		}
		for _, d := range f.downs {
			d.blank(now)
		}
	}
	s.turn = (s.turn + 1) % ticks
	for i := s.turn; i < len(s.viewers); i += ticks {
		if v := s.viewers[i]; !v.gone {
			s.events = v.session.Tick(s.events[:0], now)
			v.handle(s.events, now)
			v.report(now)
			v.reckon(now)
			if v.starved {
				s.mark(v) // should the word that there is room have been lost
			}
		}
	}
}

// deliver leaves a viewer's datagram in the inbox; serve is to be called when all that came at once are there.
func (s *shard) deliver(v *viewer, p []byte, from udp.Route) {
	if !v.share.take(s.engine.now()) {
		s.engine.drops.add(DropFlood)
		return
	}
	b := buffers.Get().(*[]byte)
	*b = append((*b)[:0], p...)
	if !s.put(message{kind: messageDatagram, viewer: v, p: b, from: from}) {
		buffers.Put(b)
	}
}
