package signal

import (
	"context"
	"fmt"
	"net/netip"

	"castcode/internal/jointoken"
)

// turn is one request of one session in work. Sections fill it; what is in it runs without the lock.
type turn struct {
	outside
	hub     *Hub
	session *Session
	sock    *socket    // that asked; answers go to it alone; nil for a request over WHIP or WHEP
	addr    netip.Addr // of the client, for limits
	re      uint64
	// token is what the join token of the request says, nil without one; badToken is why it is refused.
	token    *jointoken.Claims
	badToken *Error
	// then asks the media plane and answers, after all of outside.
	then func(context.Context) *Error
}

// answer sends the direct answer.
func (t *turn) answer(message any) { t.sock.push(encode(message)) }

func (t *turn) head(kind string) head { return head{kind, t.re} }

func (t *turn) ok() { t.answer(t.head("ok")) }

// serve does one request of session s, on the reader of socket k.
func (h *Hub) serve(s *Session, k *socket, re uint64, v verb, m request) {
	if !s.begin(h.ctx) {
		return
	}
	defer s.end()
	t := &turn{hub: h, session: s, sock: k, addr: k.addr, re: re}
	defer func() {
		if fault := recover(); fault != nil {
			k.refuse(re, refuse(CodeInternal, h.fault("request", fault)))
			t.run() // somebody may wait for what was left to do
		}
	}()
	h.readTokenOf(t, m)
	var refused *Error
	h.section(func() {
		if s.sock != k {
			t.sock = nil // another socket has the session now; this request came too late
			return
		}
		if s.state()&v.legal == 0 {
			refused = refuse(CodeBadState, "not legal in this state")
			return
		}
		if refused = t.badToken; refused == nil {
			refused = h.do(t, m)
		}
	})
	if t.sock == nil {
		return
	}
	t.run()
	if refused == nil && t.then != nil {
		refused = t.ask()
		t.run()
	}
	if refused != nil {
		k.refuseRequest(re, refused)
	}
}

// do is what each request does under the lock. A request that is refused has changed nothing.
func (h *Hub) do(t *turn, m request) *Error {
	switch m := m.(type) {
	case *pingRequest:
		t.answer(t.head("pong"))
		return nil
	case *iceRequest:
		t.add(func() { t.answer(iceMessage{t.head("ice"), h.ice(t.session.peer, t.sock.host)}) })
		return nil
	case *openRequest:
		return h.open(t, m)
	case *lookRequest:
		return h.look(t, m)
	case *createRequest:
		return h.create(t, m)
	case *publishRequest:
		return h.publish(t, m)
	case *unpublishRequest:
		return h.unpublish(t)
	case *statusRequest:
		return h.status(t, m)
	case *addRequest:
		return h.addDisplay(t, m)
	case *removeRequest:
		return h.remove(t, m)
	case *settingsRequest:
		return h.changeSettings(t, m)
	case *rotateRequest:
		return h.rotate(t, m)
	case *admitRequest:
		return h.admitWaiting(t, m)
	case *endRequest:
		return h.endByCaster(t)
	case *joinRequest:
		return h.join(t, m)
	case *watchRequest:
		return h.watch(t, m)
	case *restartRequest:
		return h.restart(t, m)
	case *configureRequest:
		return h.configure(t, m)
	case *decideRequest:
		return h.decide(t, m)
	case *forgetRequest:
		return h.forgetCaster(t, m)
	case *cancelRequest:
		return h.cancelAsks(t)
	case *displayRequest:
		return h.tuneDisplay(t, m)
	case *groupRequest:
		return h.saveGroup(t, m)
	case *ungroupRequest:
		return h.dropGroup(t, m)
	case *groupsRequest:
		return h.listGroups(t)
	case *leaveRequest:
		return h.leave(t)
	default:
		return refuse(CodeBadState, "not legal in this state") // hello, which is legal in no state of a session
	}
}

// ask runs what the turn wants of the media plane, at most 10 s long and as long as the session.
func (t *turn) ask() *Error {
	ctx, cancel := context.WithTimeout(t.session.ctx, t.hub.timing.media)
	defer cancel()
	if err := t.hub.awaitSettled(ctx, t.session); err != nil {
		return t.hub.refusal(t.session, err)
	}
	return t.then(ctx)
}

// askMedia calls Publish, Watch or Restart, and turns what goes wrong into an answer.
func (h *Hub) askMedia(s *Session, call func() (string, error)) (answer string, refused *Error) {
	defer func() {
		if fault := recover(); fault != nil {
			answer, refused = "", refuse(CodeInternal, h.fault("media", fault))
		}
	}()
	answer, err := call()
	if err != nil {
		return "", h.refusal(s, err)
	}
	return answer, nil
}

// refusal answers an error of the media plane.
func (h *Hub) refusal(s *Session, err error) *Error {
	if coded, ok := asCoded(err); ok {
		if refused, ok := fromMedia(coded); ok {
			return refused
		}
	}
	if s.ctx.Err() != nil {
		return refuse(CodeInternal, "the session has ended") // nobody reads it, and nothing is wrong
	}
	ref := newID("e_")
	h.cfg.Log.Error("signal: the media plane failed", "ref", ref, "peer", s.peer, "error", plain(fmt.Sprint(err)))
	return refuse(CodeInternal, ref)
}
