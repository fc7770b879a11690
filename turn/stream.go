package turn

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"castcode/internal/stunwire"
)

const (
	firstFrame = 10 * time.Second // until the first frame is whole
	wholeFrame = 10 * time.Second // from the first byte of a frame to its last
	idleLife   = time.Minute      // between frames, without a relay

	streamQueue = 256 // frames toward the client
	mediaLife   = 300 * time.Millisecond
	writeLife   = 5 * time.Second
	batchSize   = 16 << 10 // bytes; a TLS record
)

// stream makes a net.PacketConn of a TCP or TLS connection by cutting it into TURN frames (RFC 8656 section 3.1).
// The library's own cutter computes sizes in 16 bits and can be made to spin, so it never sees a byte stream. Any
// failure closes the stream, and the only error is net.ErrClosed.
type stream struct {
	// fixed
	server *Server
	conn   net.Conn
	queue  chan *frame
	done   chan struct{}

	relays atomic.Int32 // open through this stream
	once   sync.Once

	// owned by the read loop
	in    []byte // read and not yet handed over
	buf   [stunwire.MaxFrame]byte
	begun time.Time // when the frame at in began; or the connection, before the first
	any   bool      // a frame was handed over
}

// frame is on its way to the client.
type frame struct {
	at    time.Time
	media bool
	n     int
	buf   [stunwire.MaxFrame]byte
}

var frames = sync.Pool{New: func() any { return new(frame) }}

func newStream(s *Server, conn net.Conn) *stream {
	return &stream{
		server: s, conn: conn, queue: make(chan *frame, streamQueue), done: make(chan struct{}), begun: time.Now(),
	}
}

// ReadFrom returns the next whole frame.
func (s *stream) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		size, fault := stunwire.FrameSize(s.in)
		switch {
		case fault == stunwire.OK && size <= len(s.in):
			n := copy(p, s.in[:size])
			s.in = s.in[size:]
			s.any, s.begun = true, time.Time{}
			return n, s.conn.RemoteAddr(), nil
		case fault != stunwire.OK && fault != stunwire.Short:
			return s.fail(dropFrame)
		}
		if why, ok := s.fill(); !ok {
			return s.fail(why)
		}
	}
}

// fill reads more of the stream, or gives the reason why there will be no more; drops stands for none, an end that
// is nobody's fault.
func (s *stream) fill() (why drop, ok bool) {
	if len(s.in) > 0 && s.begun.IsZero() {
		s.begun = time.Now()
	}
	// What is left goes to the front. A frame always fits: FrameSize gives no more than MaxFrame.
	n := copy(s.buf[:], s.in)
	for {
		var deadline time.Time
		switch {
		case !s.any:
			deadline = s.begun.Add(firstFrame)
		case n > 0:
			deadline = s.begun.Add(wholeFrame)
		default:
			deadline = time.Now().Add(idleLife)
		}
		if err := s.conn.SetReadDeadline(deadline); err != nil {
			return drops, false
		}
		more, err := s.conn.Read(s.buf[n:])
		s.in = s.buf[:n+more]
		switch {
		case more > 0:
			return 0, true // the error comes again
		case err == nil:
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return drops, false
		case n > 0 || !s.any:
			return dropSlow, false
		case s.relays.Load() == 0:
			return dropIdle, false
		}
	}
}

// fail closes the stream and counts why.
func (s *stream) fail(why drop) (int, net.Addr, error) {
	if why != drops {
		s.server.counters.drop(why)
	}
	s.Close()
	return 0, nil, net.ErrClosed
}

// WriteTo queues p for the writer. A client that does not read loses frames; nobody waits for it.
func (s *stream) WriteTo(p []byte, _ net.Addr) (int, error) {
	select {
	case <-s.done:
		return 0, net.ErrClosed
	default:
	}
	if len(p) > stunwire.MaxFrame {
		s.server.counters.drop(dropSize)
		return len(p), nil
	}
	f, _ := frames.Get().(*frame)
	f.at, f.n = time.Now(), copy(f.buf[:], p)
	// Answers are worth sending however old they are.
	f.media = len(p) > 1 && (p[0] >= 0x40 || p[0] == 0 && p[1] == stunwire.DataIndication)
	select {
	case s.queue <- f:
	default:
		s.server.counters.drop(dropStreamQueue)
		frames.Put(f)
	}
	return len(p), nil
}

// write is the writer: it gathers what is queued and writes it at once. It ends with the stream.
func (s *stream) write() {
	out := make([]byte, 0, batchSize+stunwire.MaxFrame)
	for {
		select {
		case <-s.done:
			return
		case f := <-s.queue:
			out = s.gather(out[:0], f)
		}
		if len(out) == 0 {
			continue
		}
		if err := s.conn.SetWriteDeadline(time.Now().Add(writeLife)); err != nil {
			s.Close()
			return
		}
		if _, err := s.conn.Write(out); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				s.server.counters.drop(dropStuck)
			}
			s.Close()
			return
		}
	}
}

// gather appends f, and what else is queued, to out. Media that waited too long is left out: the viewer is served
// better by what comes next.
func (s *stream) gather(out []byte, f *frame) []byte {
	for {
		if f.media && time.Since(f.at) > mediaLife {
			s.server.counters.drop(dropLate)
		} else {
			out = append(out, f.buf[:f.n]...)
		}
		frames.Put(f)
		if len(out) >= batchSize {
			return out
		}
		select {
		case f = <-s.queue:
		default:
			return out
		}
	}
}

// Close ends the stream at once, without flushing.
func (s *stream) Close() error {
	s.once.Do(func() {
		close(s.done)
		s.conn.Close()
		s.server.forget(s)
	})
	return nil
}

// LocalAddr is that of the connection.
func (s *stream) LocalAddr() net.Addr { return s.conn.LocalAddr() }

// SetDeadline is not supported: the stream sets its own.
func (s *stream) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// SetReadDeadline is not supported.
func (s *stream) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// SetWriteDeadline is not supported.
func (s *stream) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
