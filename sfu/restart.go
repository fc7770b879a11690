package sfu

import (
	"context"
	"errors"

	"castcode/sfu/transport"
)

// Refusals of a restart. The peer then makes a new connection.
var (
	errUnknown  = transport.NewError("bad_state", "no connection to restart")
	errRestarts = transport.NewError("rate_limited", "more ICE restarts than are allowed in a minute")
	errInbox    = transport.NewError("server_busy", "too much is waiting")
)

// Restart begins an ICE restart (RFC 8445 §2.4) of the connection that id has to castID, for an offer of the same
// m-lines and the same certificate with new ICE credentials, and returns the answer. Keys, SSRCs and numbers stay. A
// viewer's media goes on over the old path until the new one is checked, a caster's is let in again with its first
// check under the new credentials. Errors with a Code are for the peer: bad_state when there is no such connection,
// rate_limited beyond two restarts a minute, bad_offer when the offer is not one of the same connection; the
// connection is then as it was, except that a caster whose offer only pion refuses has to come anew.
func (e *Engine) Restart(ctx context.Context, castID, id, offer string) (string, error) {
	o, err := transport.ParseOffer(offer)
	if err != nil {
		return "", err
	}
	p, err := e.keep(castID, id)
	if err != nil {
		return "", err
	}
	defer e.wg.Done()
	answer, err := p.restart(ctx, o, offer)
	switch {
	case errors.Is(err, transport.ErrClosed):
		return "", errUnknown
	case errors.Is(err, transport.ErrRestarts):
		return "", errRestarts
	case err != nil:
		return "", err
	}
	return answer, nil
}

// keep finds the connection of id to castID. Without an error the engine is not closed before e.wg.Done.
func (e *Engine) keep(castID, id string) (peer, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, errClosed
	}
	p := e.peers[id]
	if p == nil || p.on().id != castID {
		return nil, errUnknown
	}
	e.wg.Add(1)
	return p, nil
}

// restart is a restart of a viewer on its way to the shard and back. The shard writes before it closes done.
type restart struct {
	offer  *transport.Offer
	done   chan struct{}
	answer string
	err    error
}

// restart has the shard do it, to which the session belongs.
func (v *viewer) restart(ctx context.Context, o *transport.Offer, _ string) (string, error) {
	r := &restart{offer: o, done: make(chan struct{})}
	if !v.shard.post(message{kind: messageRestart, viewer: v, restart: r}) {
		return "", errInbox
	}
	select {
	case <-r.done:
		return r.answer, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// run is called by the shard.
func (r *restart) run(s *transport.Session, now int64) {
	r.answer, r.err = s.Restart(r.offer, now)
	close(r.done)
}

// restart answers a new offer over the same PeerConnection: pion takes new credentials in it for an ICE restart.
func (c *caster) restart(ctx context.Context, o *transport.Offer, sdp string) (string, error) {
	c.restartMu.Lock()
	defer c.restartMu.Unlock()
	if err := o.Restarts(c.offer, c.passive); err != nil {
		return "", err
	}
	if !c.restarts.Allow(c.engine.now()) {
		return "", transport.ErrRestarts
	}
	answer, err := c.connection.answer(ctx, sdp, o, c.streams.ssrcs)
	if err != nil {
		return "", err
	}
	c.offer = o
	if len(c.undeclared) > 0 {
		c.sdp = sdp
	}
	return answer, nil
}
