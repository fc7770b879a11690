package transport

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"math/big"
	"strings"
	"sync"
	"time"

	"github.com/pion/logging"

	"castcode/sfu/udp"
)

const (
	// HalfOpen is how many sessions may be on their way up; a whole hall joins at once.
	HalfOpen = 1024
	openWait = 2 * time.Second
	// connectTimeout ends a session that was answered and is not connected.
	connectTimeout = 20 * time.Second
)

// Config is what all sessions of a server have in common. It is not changed after NewServer.
type Config struct {
	// Candidates are the server's addresses, best first. Peers use no other ones. It is asked for every answer.
	Candidates func() []Candidate
	// Send carries datagrams of handshakes.
	Send Sender
	// Refused hears of each check that names a session and is not good: where it came from. Shards call it, several
	// at a time; it does not block. It may be nil.
	Refused func(from Route)
	// Clock is the wall clock for sender reports.
	Clock Clock
	// Logs is for the DTLS library; nil for silence.
	Logs logging.LoggerFactory
	// TransportFeedback asks peers for transport-wide feedback. It costs the peer and the server 13 packets a second
	// more, so it is for those who use the estimate.
	TransportFeedback bool
	// HalfOpen is how many sessions may be on their way up at a time, 0 for the constant of that name.
	HalfOpen int
}

// Server is what the sessions share: certificate, table and limits. Its methods may be called from any goroutine.
type Server struct {
	// fixed
	config      Config
	certificate tls.Certificate
	fingerprint string
	logs        logging.LoggerFactory
	table       *udp.Table[*Session]
	slots       chan struct{} // one token for each session on its way up
	ctx         context.Context
	cancel      context.CancelFunc

	drops   counts
	running sync.WaitGroup // handshakes
}

// NewServer makes a server with a DTLS certificate of its own. Close must be called.
func NewServer(config Config) (*Server, error) {
	if config.Send == nil || config.Candidates == nil {
		return nil, errors.New("transport needs a way to send and an address")
	}
	certificate, fingerprint, err := newCertificate(time.Now())
	if err != nil {
		return nil, err
	}
	if config.Refused == nil {
		config.Refused = func(Route) {}
	}
	if config.HalfOpen <= 0 {
		config.HalfOpen = HalfOpen
	}
	s := &Server{
		config: config, certificate: certificate, fingerprint: fingerprint, logs: config.Logs,
		table: udp.NewTable[*Session](), slots: make(chan struct{}, config.HalfOpen),
	}
	if s.logs == nil {
		silent := logging.NewDefaultLoggerFactory()
		silent.DefaultLogLevel, silent.Writer = logging.LogLevelDisabled, io.Discard
		s.logs = silent
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Close ends all handshakes and waits for them. Sessions are closed by their shards.
func (s *Server) Close() {
	s.cancel()
	s.running.Wait()
}

// Lookup says which session a datagram from from belongs to, nil if to none. For a connectivity check, user is our
// own user fragment in it (udp.Datagram.User), whoever signed it; for everything else it is nil, and the route
// decides. It takes no lock and allocates nothing.
func (s *Server) Lookup(user []byte, from Route) *Session {
	var owner *Session
	if user != nil {
		owner, _ = s.table.ByUser(user)
	} else {
		owner, _ = s.table.ByRoute(from)
	}
	return owner
}

// Count gives how often something was dropped for reason d.
func (s *Server) Count(d Drop) uint64 {
	if int(d) >= Drops {
		return 0
	}
	return s.drops[d].Load()
}

// Open makes a session for offer and the answer to it. names gives a name to the mid of each m-line that is to be
// sent; the other m-lines become inactive. The peer must be ready to begin the DTLS handshake. now is the caller's clock. woken is called when the handshake has ended,
// on its goroutine: it must not block, and should make the shard call Tick. It may be nil. owner is
// what Session.Owner returns.
//
// While too many sessions are on their way up, Open waits up to 2 s for one of them. Errors are *Error, ErrClosed or
// ctx's.
func (s *Server) Open(ctx context.Context, offer *Offer, names map[string]string, now int64, owner any, woken func(*Session)) (*Session, string, error) {
	if err := offer.begins(); err != nil {
		return nil, "", err
	}
	tracks, err := s.agree(offer, names)
	if err != nil {
		return nil, "", err
	}
	if err := s.acquire(ctx); err != nil {
		return nil, "", err
	}
	if woken == nil {
		woken = func(*Session) {}
	}
	id, err := rand.Int(rand.Reader, big.NewInt(1<<62)) // RFC 9429 §5.2.1
	if err != nil {
		<-s.slots
		return nil, "", err
	}
	session := &Session{
		server: s, owner: owner, woken: woken, tracks: tracks, id: id.Uint64(), version: 1, opened: now,
		fingerprints: offer.transport().fingerprints,
	}
	session.identify(offer.transport().ufrag)
	return session, session.answer(offer), nil
}

// agree makes the tracks.
func (s *Server) agree(offer *Offer, names map[string]string) ([]*Track, error) {
	var tracks []*Track
	ssrcs := map[uint32]bool{}
	for i := range offer.Media {
		m := &offer.Media[i]
		name, wanted := names[m.Mid]
		switch {
		case !wanted:
			continue
		case !m.Receives:
			return nil, BadOffer("m-line %q does not receive", clip(m.Mid))
		case !offer.inBundle(m):
			return nil, BadOffer("m-line %q is outside the BUNDLE group", clip(m.Mid))
		case name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }):
			return nil, errors.New("a track name with characters that SDP does not take")
		}
		t := newTrack(m, name, s.config.TransportFeedback)
		if t == nil {
			return nil, ErrCodec
		}
		for _, stream := range []*stream{&t.main, &t.resend} {
			for stream.ssrc != 0 && ssrcs[stream.ssrc] {
				stream.ssrc = random32()
			}
			ssrcs[stream.ssrc] = true
		}
		tracks = append(tracks, t)
	}
	if len(tracks) == 0 {
		return nil, BadOffer("no m-line to send on")
	}
	return tracks, nil
}

func (s *Server) acquire(ctx context.Context) error {
	if s.ctx.Err() != nil {
		return ErrClosed
	}
	select {
	case s.slots <- struct{}{}:
		return nil
	default:
	}
	wait := time.NewTimer(openWait)
	defer wait.Stop()
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-wait.C:
		return ErrBusy
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ctx.Done():
		return ErrClosed
	}
}
