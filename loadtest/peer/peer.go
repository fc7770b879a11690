package peer

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pion/rtp"

	"castcode/loadtest/stream"
	"castcode/loadtest/track"
)

const (
	// connectWithin bounds ICE and DTLS together.
	connectWithin = 20 * time.Second
	// mostEarly is how many media datagrams are kept that come before the keys.
	mostEarly = 2000
)

// Config is what a peer is made of.
type Config struct {
	Identity  *Identity
	Clock     *Clock
	Addresses []netip.Addr   // of this machine, for candidates
	Codecs    []stream.Codec // to offer; empty: all
	Repair    bool           // ask for lost packets
	Room      uint32         // see track.Config
	Sink      track.Sink     // may be nil
	Ledger    track.Ledger   // may be nil
	// Lose decides whether a media datagram of that size is lost before it comes; nil: none is. One goroutine at a time
	// calls it.
	Lose func(size int, now time.Time) bool
}

// Errors that end a connection.
var (
	ErrClosed  = errors.New("closed")
	ErrSilence = errors.New("the server answers no more (ICE consent)")
	ErrBye     = errors.New("the server ended the connection (DTLS)")
)

// Peer is one receiving peer. New makes it, Connect connects it once, Close ends it.
type Peer struct {
	config Config
	socket *socket
	local  credentials
	offer  string
	chosen chan struct{} // closed when a path is nominated
	done   chan struct{} // closed when the connection is lost, or Close was called
	reader sync.WaitGroup

	mu       sync.Mutex
	answer   *answer // guarded by mu, as is all below
	agent    *agent
	wire     *wire
	flight   [][]byte // of our handshake, for a far end that did not hear it
	again    int      // how often it was sent again
	keys     *keying
	early    [][]byte
	header   rtp.Header
	video    *track.Track
	audio    *track.Track
	codec    stream.Codec
	ssrcs    ssrcs
	reportAt time.Time
	up       time.Time
	lost     uint64 // by Lose
	past     track.Figures
	err      error
}

// ssrcs of the sender.
type ssrcs struct{ video, audio uint32 }

// New opens a socket and makes an offer.
func New(c Config) (*Peer, error) {
	s, err := openSocket()
	if err != nil {
		return nil, err
	}
	p := &Peer{
		config: c, socket: s, chosen: make(chan struct{}), done: make(chan struct{}),
		local: credentials{rand.Text()[:8], rand.Text()},
	}
	var candidates []netip.AddrPort
	for _, a := range c.Addresses {
		candidates = append(candidates, netip.AddrPortFrom(a, s.port()))
	}
	p.offer = writeOffer(random64()>>2, p.local, c.Identity.fingerprint, candidates, c.Codecs)
	return p, nil
}

func random64() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return binary.BigEndian.Uint64(b[:])
}

// Offer is the SDP to send. Mids are VideoMid and AudioMid.
func (p *Peer) Offer() string { return p.offer }

// Connect takes the answer and returns when media can come. After an error the peer is of no use but to be closed.
func (p *Peer) Connect(ctx context.Context, sdp string) error {
	a, err := readAnswer(sdp)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	p.mu.Lock()
	p.answer, p.agent = a, newAgent(p.local, a.credentials, random64(), a.candidates, time.Now())
	p.wire = newWire(p.toPath)
	p.mu.Unlock()
	p.reader.Go(func() { p.socket.read(p.take, p.pause) })
	p.config.Clock.add(p)
	p.tick(time.Now())
	select {
	case <-p.chosen:
	case <-p.done:
		return p.Err()
	case <-ctx.Done():
		return errors.New("no path to the server: no answer to connectivity checks")
	}
	keys, flight, err := handshake(ctx, p.wire, p.config.Identity, a)
	if err != nil {
		return errors.Join(errors.New("DTLS failed"), err)
	}
	p.ready(keys, flight)
	return nil
}

// ready lets media in, those first that came early.
func (p *Peer) ready(keys *keying, flight [][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.keys, p.flight, p.wire, p.up = keys, flight, nil, now
	if !p.answer.active {
		p.flight = nil // the server's last words were heard, so it heard ours
	}
	p.reportAt = now.Add(reportEvery)
	plain := make([]byte, 0, 2048)
	for _, b := range p.early {
		p.media(b, plain, now)
	}
	p.early = nil
}

// Done is closed when the connection is lost, or closed. Err says why.
func (p *Peer) Done() <-chan struct{} { return p.done }

// Err is why the connection is no more, nil while it is.
func (p *Peer) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Close ends the peer and waits for its goroutine. The far end is not told: that is up to the signaling.
func (p *Peer) Close() {
	p.config.Clock.remove(p)
	p.mu.Lock()
	now := time.Now()
	for _, t := range []*track.Track{p.video, p.audio} {
		if t != nil && p.err == nil {
			t.End(now)
		}
	}
	p.fail(ErrClosed)
	if p.wire != nil {
		_ = p.wire.Close()
	}
	p.mu.Unlock()
	p.socket.close()
	p.reader.Wait()
}

// fail ends the connection. Called with mu held.
func (p *Peer) fail(err error) {
	if p.err == nil {
		p.err = err
		close(p.done)
	}
}

// toPath sends a DTLS datagram.
func (p *Peer) toPath(b []byte) {
	p.mu.Lock()
	to := p.agent.path()
	p.mu.Unlock()
	p.socket.send(b, to)
}

// take takes one datagram; it runs on the peer's goroutine. First bytes are those of RFC 7983 section 7.
func (p *Peer) take(b, plain []byte, from netip.AddrPort) {
	if len(b) == 0 {
		return
	}
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch first := b[0]; {
	case p.err != nil:
	case first < 4:
		out, chosen := p.agent.take(b, from, now)
		p.sendAll(out)
		if chosen {
			close(p.chosen)
		}
	case !p.agent.valid(from):
	case first >= 20 && first < 64:
		p.takeDTLS(b)
	case first >= 128 && first < 192 && p.keys != nil:
		p.media(b, plain, now)
	case first >= 128 && first < 192 && len(p.early) < mostEarly:
		p.early = append(p.early, slices.Clone(b))
	}
}

// takeDTLS gives a datagram to the handshake. After it, one of the handshake means that our last flight was lost, and an
// alert that the server ends the connection (it is encrypted: the only alert that a finished connection gets is that).
func (p *Peer) takeDTLS(b []byte) {
	const alert, hello, mostAgain = 21, 22, 8
	switch {
	case p.wire != nil:
		p.wire.give(b)
	case b[0] == hello && p.again < mostAgain:
		p.again++
		for _, f := range p.flight {
			p.socket.send(f, p.agent.path())
		}
	case b[0] == alert:
		p.fail(ErrBye)
	}
}

func (p *Peer) sendAll(out []outgoing) {
	for _, o := range out {
		p.socket.send(o.data, o.to)
	}
}

// Snapshot is what a peer knows about itself.
type Snapshot struct {
	Video, Audio track.Figures
	Codec        stream.Codec // of the picture, None before the first packet
	Up           time.Time    // when media could come; zero: not yet
	Lost         uint64       // media datagrams that Lose took
	Overflow     uint64       // datagrams that the kernel dropped because this process was too slow
}

// Snapshot returns the present figures.
func (p *Peer) Snapshot() Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Snapshot{Codec: p.codec, Up: p.up, Lost: p.lost, Overflow: uint64(p.socket.dropped.Load())}
	if p.video != nil {
		s.Video = p.video.Figures
	}
	s.Video.Add(&p.past)
	if p.audio != nil {
		s.Audio = p.audio.Figures
	}
	return s
}
