package udp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"castcode/internal/stunwire"
)

const (
	mediaQueue = 4096 // datagrams; 4 s of one caster, or some ms of all
	turnQueue  = 512

	// kernelBuffer in bytes, for a key frame of every caster at once. The kernel may give less.
	kernelBuffer = 4 << 20

	maxAddresses = 4096 // cached net.UDPAddr values
	maxPause     = 100 * time.Millisecond
	loudRun      = 8 // so many read errors in a row are worth a line in the log
)

// Socket is the one media socket. Its methods may be called from any goroutine.
type Socket struct {
	// fixed
	wire        wire
	local       *net.UDPAddr
	log         *slog.Logger
	media, turn *half
	closing     chan struct{}
	finished    chan struct{} // the reader has returned

	remotes   remotes
	asked     asked
	questions questions
	agents    agents
	floods    floods
	counters  counters
	pool      sync.Pool // of *datagram
	attached  atomic.Int32
	receiver  atomic.Pointer[Receiver]

	// owned by the reader
	addresses map[Route]*net.UDPAddr

	closeOnce sync.Once
	closeErr  error

	// guarded by mu
	mu          sync.RWMutex
	paths       map[netip.AddrPort]*path // by the address by which Media() knows them
	lastVirtual int                      // port that a stream got last
}

// datagram is one packet on its way from the reader, or from a path, to ReadFrom.
type datagram struct {
	src   netip.AddrPort // unmapped; written by the wire, as local is
	from  *net.UDPAddr   // shared and never changed
	n     int
	local local
	// One byte more than is allowed, so that a longer datagram shows.
	buf [stunwire.MaxDatagram + 1]byte
}

// Listen opens the socket and starts its reader. The zero address and :: take IPv4 and IPv6, where the machine
// has both; 0.0.0.0 takes IPv4 only. Port 0 lets the kernel choose. log may be nil.
func Listen(addr netip.AddrPort, log *slog.Logger) (*Socket, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	conn, local, err := listenUDP(addr)
	if err != nil {
		return nil, fmt.Errorf("media socket: %w", err)
	}
	if err := setBuffers(conn); err != nil {
		log.Warn("media socket keeps small kernel buffers", "err", err)
	}
	return open(newWire(conn, log), local, log), nil
}

// open starts a socket on w, which it closes.
func open(w wire, local *net.UDPAddr, log *slog.Logger) *Socket {
	s := &Socket{
		wire: w, local: local, log: log,
		closing: make(chan struct{}), finished: make(chan struct{}),
		remotes:   remotes{byAddr: make(map[netip.AddrPort]*remote)},
		agents:    agents{byUser: make(map[string]*agent)},
		floods:    floods{bySrc: make(map[netip.AddrPort]int), byAddr: make(map[netip.Addr]int)},
		pool:      sync.Pool{New: func() any { return new(datagram) }},
		addresses: make(map[Route]*net.UDPAddr),
		paths:     make(map[netip.AddrPort]*path),
	}
	s.media = &half{socket: s, queue: make(chan *datagram, mediaQueue), done: make(chan struct{}), full: dropMediaQueue, gone: dropMediaClosed}
	s.turn = &half{socket: s, queue: make(chan *datagram, turnQueue), done: make(chan struct{}), full: dropTURNQueue, gone: dropTURNClosed}
	go s.read()
	return s
}

// Media returns the end for the ICE agents: connectivity checks, DTLS, SRTP and SRTCP of authenticated peers. It
// is the same value at every call. ReadFrom returns only net.ErrClosed as an error; WriteTo swallows and counts
// what the kernel refuses. Deadlines are not supported: setting one returns os.ErrNoDeadline. Closing it does
// not close the socket.
func (s *Socket) Media() net.PacketConn { return s.media }

// TURN returns the end for the TURN server: STUN other than connectivity checks, and ChannelData. Otherwise it
// is like Media.
func (s *Socket) TURN() net.PacketConn { return s.turn }

// LocalAddr is the address that the socket is bound to.
func (s *Socket) LocalAddr() *net.UDPAddr { return s.local }

// Counts returns what happened so far.
func (s *Socket) Counts() Counts {
	n := s.counters.snapshot()
	n.Remotes = s.remotes.count()
	n.Agents = s.agents.count()
	n.Paths = int(s.attached.Load())
	n.GSO = s.wire.gso()
	return n
}

// DisableGSO makes all batches send datagram by datagram, for good. It is for networks that lose runs without saying
// so. It may be called from any goroutine.
func (s *Socket) DisableGSO() { s.wire.disableGSO() }

// Close closes the socket and both ends, and waits for the reader. Attached paths stay until they are detached,
// but nothing passes through them any more.
func (s *Socket) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		s.closeErr = s.wire.close()
		s.media.Close()
		s.turn.Close()
	})
	<-s.finished
	return s.closeErr
}

// read is the reader. It returns when the socket is closed and at nothing else: ECONNREFUSED and its kin, which
// an ICMP message can cause, mean one datagram.
func (s *Socket) read() {
	defer close(s.finished)
	run := 0 // errors in a row
	slots := make([]*datagram, readBatch)
	for i := range slots {
		slots[i] = s.take()
	}
	in := &intake{socket: s, ours: make([]Datagram, 0, readBatch)}
	var moderation moderation
	for {
		n, err := s.wire.receive(slots)
		if err != nil {
			select {
			case <-s.closing:
				return
			default:
			}
			s.counters.readErrors.Add(1)
			if run++; !s.rest(run, err) {
				return
			}
			continue
		}
		run = 0
		own := s.batch(in, slots[:n])
		if d := moderation.after(own, n, in.now.UnixNano()); d > 0 {
			s.wire.rest(d)
		}
	}
}

// batch sorts what was received at once and replaces what was taken. It says how many went to the receiver.
func (s *Socket) batch(in *intake, slots []*datagram) (own int) {
	in.receiver, in.now = nil, time.Now()
	if r := s.receiver.Load(); r != nil {
		in.receiver = *r
	}
	bytes := 0
	for i, d := range slots {
		bytes += d.n
		if in.sort(d) {
			slots[i] = s.take()
		}
	}
	own = len(in.ours)
	in.flush()
	s.counters.reads.Add(1)
	s.counters.received.Add(uint64(len(slots)))
	s.counters.receivedBytes.Add(uint64(bytes))
	return own
}

// rest waits after a read error, longer when it follows others, so that a socket which only fails does not take a
// processor. run is how many came in a row; the first is not waited for. It returns false when the socket closes.
func (s *Socket) rest(run int, err error) bool {
	if run == 1 {
		return true
	}
	if run == loudRun {
		s.log.Warn("media socket cannot read", "err", err)
	}
	timer := time.NewTimer(min(time.Millisecond<<min(run, 10), maxPause))
	defer timer.Stop()
	select {
	case <-s.closing:
		return false
	case <-timer.C:
		return true
	}
}

// address gives the form that net.PacketConn wants, without an allocation per datagram. Only the reader calls it.
func (s *Socket) address(from Route) *net.UDPAddr {
	if known := s.addresses[from]; known != nil {
		return known
	}
	if len(s.addresses) >= maxAddresses {
		clear(s.addresses)
	}
	fresh := marked(from)
	s.addresses[from] = fresh
	return fresh
}

// send hands p to the kernel. A datagram that the kernel does not take now (ENOBUFS, ECONNREFUSED, EPERM,
// ENETUNREACH, EMSGSIZE ...) is lost like one that the network drops; the only error is net.ErrClosed.
func (s *Socket) send(p []byte, to netip.AddrPort, from local) (int, error) {
	if err := s.wire.send(p, to, from); err != nil {
		select {
		case <-s.closing:
			return 0, net.ErrClosed
		default:
		}
		s.counters.sendErrors.Add(1)
		if s.log.Enabled(context.Background(), slog.LevelDebug) {
			s.log.Debug("media socket cannot send", "err", errors.Unwrap(err))
		}
		return len(p), nil
	}
	s.counters.sent.Add(1)
	s.counters.sentBytes.Add(uint64(len(p)))
	return len(p), nil
}

func (s *Socket) take() *datagram {
	d, _ := s.pool.Get().(*datagram)
	return d
}

func (s *Socket) give(d *datagram) {
	d.from = nil
	s.pool.Put(d)
}
