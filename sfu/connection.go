package sfu

import (
	"context"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v3"

	"castcode/sfu/transport"
)

// connection is a caster's PeerConnection, its goroutines and its end.
//
//	answered -> connected <-> disconnected -> failed -> closed
//	answered -> closed (not connected within connectTimeout)
type connection struct {
	// fixed
	id     string
	engine *Engine
	cast   *cast
	pc     *webrtc.PeerConnection
	self   peer   // who this connection is
	up     func() // it is connected, or will not be; may be called several times

	connected atomic.Bool
	deadline  *time.Timer
	done      chan struct{}

	// guarded by mu
	mu     sync.Mutex
	closed bool
	user   string // our ICE user fragment that the socket expects
	wg     sync.WaitGroup
}

func (c *connection) init(e *Engine, id string, on *cast, api *webrtc.API, self peer, up func()) error {
	pc, err := api.NewPeerConnection(webrtc.Configuration{Certificates: e.certificates})
	if err != nil {
		return err
	}
	c.id, c.engine, c.cast, c.pc, c.self, c.up = id, e, on, pc, self, up
	c.done = make(chan struct{})
	c.deadline = time.AfterFunc(e.patience, func() {
		if !c.connected.Load() {
			c.tell("failed")
			e.drop(c.self)
		}
	})
	pc.OnConnectionStateChange(c.changed)
	return nil
}

func (c *connection) changed(s webrtc.PeerConnectionState) {
	switch s {
	case webrtc.PeerConnectionStateConnected:
		c.deadline.Stop()
		c.up()
		c.connected.Store(true)
		c.tell("connected")
	case webrtc.PeerConnectionStateDisconnected:
		c.tell("disconnected")
	case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
		c.connected.Store(false)
		c.tell(s.String())
		c.engine.drop(c.self)
	}
}

// tell reports the state of the connection, unless it is no longer the peer's.
func (c *connection) tell(state string) { c.engine.peerChanged(c.self, state) }

// start runs f as a goroutine of the connection. It returns false when the connection is closed already.
func (c *connection) start(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.wg.Go(func() {
		defer c.recover()
		f()
	})
	return true
}

// recover keeps a fault in one connection's goroutine from taking the others down with the process: the connection
// is dropped and the fault counted and logged.
func (c *connection) recover() {
	if fault := recover(); fault != nil {
		c.engine.faults.Add(1)
		c.engine.log.Error("connection dropped after a fault", "peer", c.id, "fault", fault, "stack", string(debug.Stack()))
		c.engine.drop(c.self)
	}
}

func (c *connection) peerID() string { return c.id }
func (c *connection) on() *cast      { return c.cast }

// close ends the PeerConnection and waits for the connection's goroutines, so none of them may call it. It may be
// called several times.
func (c *connection) close() {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	user := c.user
	c.mu.Unlock()
	if first {
		close(c.done)
		c.up()
		c.deadline.Stop()
		c.connected.Store(false)
		c.engine.socket.Dismiss(user)
		_ = c.pc.Close() // it only tells which of its parts were closed before
	}
	c.wg.Wait()
}

// expect lets checks for the credentials of an answer through to pion, and those for the ones before no longer.
func (c *connection) expect(answer string) error {
	user, password := sdpValue(answer, "ice-ufrag"), sdpValue(answer, "ice-pwd")
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errEnded
	}
	c.engine.socket.Dismiss(c.user)
	c.user = user
	c.engine.socket.Expect(user, password, c.flooded)
	return nil
}

// flooded is called by the socket for a peer that sends media of more SSRCs than a caster has. The SRTP library would
// keep state for each of them before it knows whether they are the peer's.
func (c *connection) flooded() {
	c.start(func() {
		c.engine.log.Warn("caster closed: it sends media of too many sources", "peer", c.id)
		c.tell("failed")
		c.engine.drop(c.self)
	})
}

// sdpValue is the first value of an attribute, "" without one.
func sdpValue(sdp, attribute string) string {
	_, rest, _ := strings.Cut(sdp, "\na="+attribute+":")
	value, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSuffix(value, "\r")
}

// answer takes the peer's offer, of which o was read, and returns the answer, with all candidates in it. Another offer of
// the same connection restarts ICE. ssrcs is as for Unified.
func (c *connection) answer(ctx context.Context, offer string, o *transport.Offer, ssrcs map[string]uint32) (string, error) {
	answer, err := c.describe(offer, o, ssrcs)
	if err != nil {
		return "", err
	}
	if err := c.expect(answer.SDP); err != nil {
		return "", err
	}
	gathered := webrtc.GatheringCompletePromise(c.pc)
	if err := c.pc.SetLocalDescription(answer); err != nil {
		return "", transport.BadOffer("%v", err)
	}
	select {
	case <-gathered:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	return o.Answered(c.pc.LocalDescription().SDP, c.engine.candidates())
}

// describe gives pion the offer and returns what it would answer.
func (c *connection) describe(offer string, o *transport.Offer, ssrcs map[string]uint32) (answer webrtc.SessionDescription, err error) {
	remote := webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: o.Unified(offer, ssrcs)}
	if _, err := remote.Unmarshal(); err != nil {
		return answer, transport.BadSDP("%v", err)
	}
	if err := c.pc.SetRemoteDescription(remote); err != nil {
		return answer, transport.BadOffer("%v", err)
	}
	if answer, err = c.pc.CreateAnswer(nil); err != nil {
		return answer, transport.BadOffer("%v", err)
	}
	return answer, nil
}
