package tcp

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"castcode/sfu/udp"
)

const (
	// maxStreams of all peers, each of two goroutines, 5 KiB and what waits in its queue.
	maxStreams = 8192
	// maxWaiting have no check answered yet, maxPerAddr of them from one address (IPv4, or IPv6 /64), behind which a
	// lecture hall may sit: browsers dial every address that they are told, and leave it at that when UDP works.
	maxWaiting = 1024
	maxPerAddr = 256
	// maxPerUser are of one ICE user fragment: the two sides' interfaces with each other.
	maxPerUser = 16
)

// Server accepts ICE-TCP connections until Close. Its methods may be called from any goroutine.
type Server struct {
	// fixed
	listener net.Listener
	socket   *udp.Socket
	log      *slog.Logger
	counters counters
	tasks    sync.WaitGroup

	// guarded by mu
	mu      sync.Mutex
	closed  bool
	streams map[*stream]struct{}
	waiting int                // of them
	byAddr  map[netip.Addr]int // waiting
	byUser  map[string]int     // open
}

// Serve accepts from l, which it closes in the end, streams of peers of socket. log may be nil.
func Serve(l net.Listener, socket *udp.Socket, log *slog.Logger) *Server {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		listener: l, socket: socket, log: log, streams: make(map[*stream]struct{}), byAddr: make(map[netip.Addr]int),
		byUser: make(map[string]int),
	}
	s.tasks.Go(s.accept)
	return s
}

// Close closes the listener and all streams, and waits until they are gone.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for st := range s.streams {
		st.end(kept)
	}
	s.mu.Unlock()
	s.listener.Close() // it never fails, or was closed before
	s.tasks.Wait()
}

// Counts returns what happened so far.
func (s *Server) Counts() Counts {
	c := &s.counters
	n := Counts{
		Accepted: c.accepted.Load(), Received: c.received.Load(), ReceivedBytes: c.receivedBytes.Load(), Sent: c.sent.Load(),
		SentBytes: c.sentBytes.Load(), Full: c.full.Load(), Dropped: make(map[string]uint64, drops),
	}
	for d := kept + 1; d < drops; d++ {
		n.Dropped[dropNames[d]] = c.drops[d].Load()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n.Streams, n.Waiting = len(s.streams), s.waiting
	return n
}

// accept is the loop that takes connections. It ends with the listener, which deals with errors that pass.
func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				s.log.Error("ICE-TCP accepts no more connections", "err", err)
			}
			return
		}
		s.counters.accepted.Add(1)
		if why := s.admit(conn); why != kept {
			s.counters.drop(why)
			conn.Close() // nothing was written
		}
	}
}

// admit starts the stream of conn, if there is room for it.
func (s *Server) admit(conn net.Conn) drop {
	remote, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return dropRefused
	}
	st := &stream{server: s, conn: conn, done: make(chan struct{}), begun: time.Now()}
	st.queue.kick = make(chan struct{}, 1)
	addr := remote.AddrPort()
	st.addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	link, err := s.socket.Connect(st.addr, st)
	if err != nil {
		return dropFull // the socket is closed
	}
	st.link = link
	st.gauge = tune(conn)

	s.mu.Lock()
	defer s.mu.Unlock()
	site := siteOf(st.addr.Addr())
	switch {
	case s.closed || len(s.streams) >= maxStreams || s.waiting >= maxWaiting:
		return dropFull
	case s.byAddr[site] >= maxPerAddr:
		return dropAddress
	}
	s.streams[st] = struct{}{}
	s.waiting++
	s.byAddr[site]++
	s.tasks.Go(func() { s.run(st) }) // under mu, so that Close cannot miss it
	return kept
}

// run is the life of a stream: its reader, with its writer beside it.
func (s *Server) run(st *stream) {
	var writer sync.WaitGroup
	writer.Go(st.write)
	st.read()
	st.end(kept)
	writer.Wait()
	st.link.Detach()
	s.forget(st)
}

// open notes that the first check of st was answered. It is false when its peer has enough streams.
func (s *Server) open(st *stream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.streams[st]; !there {
		return false
	}
	s.leaveWaiting(st)
	st.counted = *st.user.Load()
	s.byUser[st.counted]++
	return s.byUser[st.counted] <= maxPerUser
}

// leaveWaiting is called with mu held, once for each stream.
func (s *Server) leaveWaiting(st *stream) {
	s.waiting--
	site := siteOf(st.addr.Addr())
	if s.byAddr[site]--; s.byAddr[site] == 0 {
		delete(s.byAddr, site)
	}
}

// forget gives back what a stream that has ended counted for.
func (s *Server) forget(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, st)
	if st.counted == "" {
		s.leaveWaiting(st)
		return
	}
	if s.byUser[st.counted]--; s.byUser[st.counted] == 0 {
		delete(s.byUser, st.counted)
	}
}

// siteOf is what one subscriber holds: an IPv4 address, or 64 bits of an IPv6 one.
func siteOf(addr netip.Addr) netip.Addr {
	if addr.Is4() {
		return addr
	}
	prefix, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return netip.Addr{} // no address at all
	}
	return prefix.Addr()
}
