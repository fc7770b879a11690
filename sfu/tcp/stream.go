package tcp

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"castcode/internal/stunwire"
	"castcode/sfu/udp"
)

const (
	answerWithin = 10 * time.Second // from the connection to the answer to its first check
	wholeWithin  = 10 * time.Second // from the first bytes of a frame to its last
	consent      = 30 * time.Second // without an answered check, RFC 7675 section 5.1
	writeWithin  = 10 * time.Second // without a byte that the peer took
	launchEvery  = 10 * time.Millisecond
	// firstFrame is the longest check that is looked at before one was answered, firstFrames how many are.
	firstFrame  = 512
	firstFrames = 16
)

// stream is one peer's connection.
//
//	waiting --a check is answered--> open
//	either --a limit, the peer, Close--> closed
type stream struct {
	// fixed
	server *Server
	conn   net.Conn
	addr   netip.AddrPort
	link   *udp.Stream
	queue  queue
	done   chan struct{}
	begun  time.Time

	once     sync.Once
	answered atomic.Int64           // when a check was answered last, in nanoseconds since begun; 0: none yet
	user     atomic.Pointer[string] // whom the newest first check was for

	counted string // user fragment that it counts for; guarded by the server's mu

	// owned by the writer
	written uint64 // bytes that the kernel has taken
	gauge   gauge

	// owned by the reader
	in    frames
	first int       // frames before a check was answered
	part  time.Time // when the frame that is not whole began
}

// read is the reader. It ends with the stream.
func (s *stream) read() {
	for {
		p, bad := s.in.next()
		if bad {
			s.end(dropFrame)
			return
		}
		if p == nil {
			if why, ok := s.fill(); !ok {
				s.end(why)
				return
			}
			continue
		}
		s.part = time.Time{}
		s.server.counters.received.Add(1)
		s.server.counters.receivedBytes.Add(uint64(len(p)))
		if why := s.take(p); why != kept {
			s.end(why)
			return
		}
	}
}

// fill reads more, or gives the reason why there will be no more; kept stands for none, an end that is nobody's fault.
func (s *stream) fill() (why drop, ok bool) {
	if s.in.part() && s.part.IsZero() {
		s.part = time.Now()
	}
	room := s.in.space()
	for {
		deadline, why := s.deadline()
		if err := s.conn.SetReadDeadline(deadline); err != nil {
			return kept, false
		}
		n, err := s.conn.Read(room)
		s.in.took(n)
		switch {
		case n > 0:
			return kept, true // the error comes again
		case err == nil:
			continue
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return kept, false
		}
		if again, _ := s.deadline(); !again.After(deadline) {
			return why, false
		}
	}
}

// deadline is when the stream ends unless something comes, and why.
func (s *stream) deadline() (at time.Time, why drop) {
	answered := time.Duration(s.answered.Load())
	if answered == 0 {
		return s.begun.Add(answerWithin), dropSilent
	}
	at, why = s.begun.Add(answered+consent), dropConsent
	if whole := s.part.Add(wholeWithin); !s.part.IsZero() && whole.Before(at) {
		return whole, dropSlow
	}
	return at, why
}

// take hands a frame on. Before a check was answered it must be one, and a good one as far as that can be said here:
// whether a viewer's is, its shard says by an answer or by Refuse.
func (s *stream) take(p []byte) drop {
	if s.answered.Load() != 0 {
		s.link.Inject(p)
		return kept
	}
	m, fault := stunwire.Parse(p)
	if s.first++; fault != stunwire.OK || m.Type != stunwire.BindingRequest || stunwire.ForMedia(m) != stunwire.OK ||
		len(p) > firstFrame || s.first > firstFrames {
		return dropFirst
	}
	ours, _, _ := bytes.Cut(m.Username, []byte(":"))
	user := string(ours)
	s.user.Store(&user)
	if s.link.Inject(p) != "" {
		return dropRefused
	}
	return kept
}

// write is the writer. It ends with the stream.
func (s *stream) write() {
	for {
		piece := s.queue.piece()
		if len(piece) == 0 {
			select {
			case <-s.done:
				return
			case <-s.queue.kick:
			}
			continue
		}
		if !s.launch() {
			return
		}
		n, err := s.conn.Write(piece)
		s.written += uint64(n)
		if s.queue.wrote(n) {
			s.link.Ready()
		}
		late := errors.Is(err, os.ErrDeadlineExceeded)
		switch {
		case err == nil, late && n > 0:
		case late:
			s.end(dropStuck)
			return
		default:
			s.end(kept)
			return
		}
	}
}

// launch waits until more may be on its way. It is false when the stream has ended.
func (s *stream) launch() bool {
	begun := time.Now()
	for before := uint64(0); ; {
		acked, roundTrip, ok := s.gauge.read()
		now := time.Now()
		if !ok {
			acked = s.written
		}
		s.queue.arrived(acked, now)
		if s.written-min(acked, s.written) <= uint64(s.queue.flight(roundTrip)) {
			return s.conn.SetWriteDeadline(now.Add(writeWithin)) == nil
		}
		if acked != before {
			before, begun = acked, now
		} else if now.Sub(begun) >= writeWithin {
			s.end(dropStuck)
			return false
		}
		timer := time.NewTimer(launchEvery)
		select {
		case <-s.done:
			timer.Stop()
			return false
		case <-timer.C:
		}
	}
}

// Deliver queues p for the peer. An answer to a check says that the check was good: it is given to no other.
func (s *stream) Deliver(p []byte) {
	if len(p) > 1 && p[0] == stunwire.BindingSuccess>>8 && p[1] == stunwire.BindingSuccess&0xFF {
		first := s.answered.Swap(max(int64(time.Since(s.begun)), 1)) == 0
		if first && !s.server.open(s) {
			s.end(dropUser)
			return
		}
	}
	if len(p) > maxFrame || !s.queue.put(p) {
		s.server.counters.drop(dropQueue)
		return
	}
	s.server.counters.sent.Add(1)
	s.server.counters.sentBytes.Add(uint64(len(p)))
}

// Room is how many bytes are welcome.
func (s *stream) Room() int { return s.queue.room() }

// Await has the socket told when there is room again.
func (s *stream) Await() {
	s.server.counters.full.Add(1)
	if s.queue.wait() {
		s.link.Ready()
	}
}

// Rate is what the connection carried while more waited, in bit/s.
func (s *stream) Rate() int {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return s.queue.rate
}

// Refuse ends a stream whose peer has not shown that it is one.
func (s *stream) Refuse() {
	if s.answered.Load() == 0 {
		s.end(dropRefused)
	}
}

// end closes the stream and counts why. It may be called by any goroutine, several times.
func (s *stream) end(why drop) {
	s.once.Do(func() {
		if why != kept {
			s.server.counters.drop(why)
		}
		close(s.done)
		s.conn.Close() // its only errors say that it was closed
	})
}
