package sfu

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/logging"
	"github.com/pion/webrtc/v3"

	"castcode/sfu/tcp"
	"castcode/sfu/transport"
	"castcode/sfu/udp"
)

// Events is how the engine tells the signal plane what happened to media. It is called from one goroutine, without
// any lock of the engine held, and always with the newest state: changes in quick succession may be told as one.
type Events interface {
	// CastChanged says which slots of cast carry media and with which codec (mime type); live is whether any does.
	CastChanged(cast string, live bool, slots map[string]string)
	// PeerChanged says that a peer's connection is now connected, disconnected (may come back), failed or closed
	// (it will not), or unsupported (connected, but it cannot decode what is cast).
	PeerChanged(peer, state string)
}

// Config is what an Engine needs.
type Config struct {
	// Socket is the media socket. Viewers' datagrams come to the engine as its receiver, casters' through Media().
	Socket *udp.Socket
	// Addresses are the ICE candidates that answers carry: the ip:port pairs by which peers reach Socket, the preferred
	// one first. It is asked for every answer.
	Addresses func() []netip.AddrPort
	// Streams is where peers connect over TCP (ICE-TCP, RFC 6544), by the same addresses and ports; the engine closes it.
	// nil: they cannot.
	Streams net.Listener
	Events  Events
	Log     *slog.Logger
	Pion    logging.LoggerFactory // where pion's own lines go; nil: nowhere
}

// Engine is the media plane of one server. Its methods may be called from any goroutine.
type Engine struct {
	// fixed
	begun        time.Time
	settings     webrtc.SettingEngine // of casters' connections
	clock        transport.Clock      // wall-clock time as viewers are told it
	transport    *transport.Server
	shards       []*shard
	socket       *udp.Socket
	tcp          *tcp.Server // nil: no ICE-TCP
	certificates []webrtc.Certificate
	mux          *mux
	addresses    func() []netip.AddrPort
	log          *slog.Logger
	patience     time.Duration // connectTimeout; shorter in tests
	rising       rising        // casters
	drops        Drops
	faults       atomic.Uint64
	nextShard    atomic.Uint32
	lastStream   atomic.Uint32
	notify       *notifier

	// guarded by mu
	mu     sync.Mutex
	closed bool
	byID   map[string]*cast
	peers  map[string]peer
	wg     sync.WaitGroup // connections that are being answered or closed
}

// peer is a caster or a viewer.
type peer interface {
	peerID() string
	on() *cast
	restart(ctx context.Context, o *transport.Offer, sdp string) (string, error)
	close() // may take a while; may be called several times
}

// now is the engine's clock in nanoseconds, never 0.
func (e *Engine) now() int64 { return int64(time.Since(e.begun)) + 1 }

// nextStream numbers the logs.
func (e *Engine) nextStream() uint32 { return e.lastStream.Add(1) }

// New makes an engine on cfg.Socket, with a DTLS certificate of its own that is never written anywhere.
func New(cfg Config) (*Engine, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	certificate, err := webrtc.GenerateCertificate(key)
	if err != nil {
		return nil, err
	}
	if cfg.Pion == nil {
		cfg.Pion = &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}
	}
	e := &Engine{
		certificates: []webrtc.Certificate{*certificate},
		begun:        time.Now(),
		socket:       cfg.Socket,
		addresses:    cfg.Addresses,
		mux:          newMux(cfg.Socket.Media(), cfg.Addresses, cfg.Pion.NewLogger("mux")),
		log:          cfg.Log,
		patience:     connectTimeout,
		rising:       newRising(halfOpen),
		byID:         map[string]*cast{},
		peers:        map[string]peer{},
	}
	e.clock = transport.NewClock(e.begun, 0)
	e.settings = settings(e.mux, cfg.Pion)
	e.transport, err = transport.NewServer(transport.Config{
		Candidates: e.candidates, Send: handshakes{cfg.Socket}, Refused: cfg.Socket.Refused,
		Clock: e.clock, Logs: cfg.Pion,
	})
	if err != nil {
		return nil, err
	}
	for range runtime.GOMAXPROCS(0) {
		e.shards = append(e.shards, newShard(e, cfg.Socket))
	}
	e.notify = newNotifier(cfg.Events)
	cfg.Socket.SetReceiver(intake{e})
	if cfg.Streams != nil {
		e.tcp = tcp.Serve(cfg.Streams, cfg.Socket, cfg.Log)
	}
	return e, nil
}

// Publish makes id the caster of castID and returns the answer to its offer. slots gives the mid of every active
// m-line its slot. Whoever cast there before is closed; viewers stay. Errors with a Code are the peer's fault or
// tell it what to do; on any error nothing has changed.
func (e *Engine) Publish(ctx context.Context, castID, id, offer string, slots map[string]string) (string, error) {
	parsed, ms, err := casterOffer(offer, slots)
	if err != nil {
		return "", err
	}
	on, err := e.hold(castID)
	if err != nil {
		return "", err
	}
	defer e.release(on)
	up, err := e.rising.enter(ctx)
	if err != nil {
		return "", err
	}
	c, answer, err := newCaster(ctx, e, id, on, offer, parsed, ms, up)
	if err != nil {
		return "", err
	}
	e.mu.Lock()
	if e.closed || e.byID[castID] != on {
		e.mu.Unlock()
		c.close()
		return "", errEnded
	}
	e.retire(e.peers[id])
	if on.caster != nil {
		e.retire(on.caster)
	}
	e.peers[id], on.caster = c, c
	e.mu.Unlock()
	e.castChanged(on)
	return answer, nil
}

// Watch connects id to the slots of castID and returns the answer to its offer. The cast need not have a caster. A
// connection that id had before is closed. Errors are as for Publish.
func (e *Engine) Watch(ctx context.Context, castID, id, offer string, slots map[string]string) (string, error) {
	parsed, ms, err := viewerOffer(offer, slots)
	if err != nil {
		return "", err
	}
	on, err := e.hold(castID)
	if err != nil {
		return "", err
	}
	defer e.release(on)
	v, answer, err := newViewer(ctx, e, id, on, parsed, ms)
	if err != nil {
		return "", err
	}
	e.mu.Lock()
	if e.closed || e.byID[castID] != on {
		e.mu.Unlock()
		v.close()
		return "", errEnded
	}
	e.retire(e.peers[id])
	e.peers[id], on.viewers[id] = v, v
	e.mu.Unlock()
	return answer, nil
}

// Leave closes the connection of id, if it has one.
func (e *Engine) Leave(id string) {
	e.mu.Lock()
	p := e.peers[id]
	e.retire(p)
	e.mu.Unlock()
	if p != nil {
		e.castChanged(p.on())
	}
}

// End closes everybody's connection to castID and forgets it.
func (e *Engine) End(castID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if on := e.byID[castID]; on != nil {
		e.end(on)
	}
}

// Close ends all casts, closes the socket and waits for every goroutine of the engine.
func (e *Engine) Close() {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return
	}
	e.closed = true
	for _, on := range e.byID {
		e.end(on)
	}
	e.mu.Unlock()
	e.wg.Wait()
	if e.tcp != nil {
		e.tcp.Close()
	}
	e.socket.SetReceiver(nil)
	for _, s := range e.shards {
		s.stop()
	}
	e.transport.Close()
	_ = e.mux.Close()
	e.notify.close()
}

// end retires all of on. Called with mu held.
func (e *Engine) end(on *cast) {
	delete(e.byID, on.id)
	if on.caster != nil {
		e.retire(on.caster)
	}
	for _, v := range on.viewers {
		e.retire(v)
	}
}

// hold finds or makes the cast castID and keeps it from being forgotten, and the engine from being closed, until
// release.
func (e *Engine) hold(castID string) (*cast, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, errClosed
	}
	on := e.byID[castID]
	if on == nil {
		on = newCast(castID, &e.drops, e.shards)
		e.byID[castID] = on
	}
	on.held++
	e.wg.Add(1)
	return on, nil
}

func (e *Engine) release(on *cast) {
	e.mu.Lock()
	defer e.mu.Unlock()
	on.held--
	e.prune(on)
	e.wg.Done()
}

// prune forgets a cast that nobody is in. Called with mu held.
func (e *Engine) prune(on *cast) {
	if on.held == 0 && on.caster == nil && len(on.viewers) == 0 && e.byID[on.id] == on {
		delete(e.byID, on.id)
	}
}

// retire takes p out of the maps and closes it on a goroutine of its own, because that takes a while. Called with mu
// held; p may be nil.
func (e *Engine) retire(p peer) {
	if p == nil {
		return
	}
	id, on := p.peerID(), p.on()
	if e.peers[id] == p {
		delete(e.peers, id)
	}
	switch p := p.(type) {
	case *caster:
		if on.caster == p {
			on.caster = nil
		}
	case *viewer:
		if on.viewers[id] == p {
			delete(on.viewers, id)
		}
	}
	e.prune(on)
	e.wg.Go(p.close)
}

// drop retires p if it is still the one of its id. It is how a connection ends itself.
func (e *Engine) drop(p peer) {
	e.mu.Lock()
	mine := e.peers[p.peerID()] == p
	if mine {
		e.retire(p)
	}
	e.mu.Unlock()
	if mine {
		e.castChanged(p.on())
	}
}

// casts says whether c is the caster of its cast.
func (e *Engine) casts(c *caster) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return c.cast.caster == c
}

// castChanged tells the signal plane what the cast of on's id carries now. It is read when it is told, so the last
// word is right.
func (e *Engine) castChanged(on *cast) {
	e.notify.cast(on.id, func() (bool, map[string]string) {
		e.mu.Lock()
		now := e.byID[on.id]
		e.mu.Unlock()
		if now == nil {
			return false, map[string]string{}
		}
		return now.state()
	})
}

// peerChanged tells the signal plane the state of p, unless the peer has another connection by now.
func (e *Engine) peerChanged(p peer, state string) {
	e.mu.Lock()
	mine := e.peers[p.peerID()] == p
	e.mu.Unlock()
	if mine {
		e.notify.peer(p.peerID(), state)
	}
}
