package udp

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"castcode/internal/stunwire"
)

const (
	// bindingRetry is after how long a Binding request is sent again for the first time; each wait is twice the one
	// before (RFC 8489 section 6.2.1).
	bindingRetry = 500 * time.Millisecond
	// maxQuestions are open at a time.
	maxQuestions = 32
)

var (
	errQuestions = errors.New("too many STUN requests at a time")
	errMapped    = errors.New("the STUN server answers without a usable address")
)

// questions are our own requests to STUN servers whose answers have not come yet. Their answers carry no signature, so
// they are taken only from the server that was asked, and for a transaction that nobody can guess. The zero value is
// ready.
type questions struct {
	mu   sync.Mutex
	open map[[12]byte]question
}

type question struct {
	server netip.AddrPort
	mapped chan<- netip.AddrPort // has room for one
}

func (q *questions) add(id [12]byte, one question) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.open) >= maxQuestions {
		return false
	}
	if q.open == nil {
		q.open = make(map[[12]byte]question)
	}
	q.open[id] = one
	return true
}

func (q *questions) remove(id [12]byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.open, id)
}

// answer says whether p, an unsigned Binding success, answers one of the questions.
func (q *questions) answer(from netip.AddrPort, p []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.open) == 0 {
		return false
	}
	id := [12]byte(p[8:20])
	asked, known := q.open[id]
	if !known || asked.server != from {
		return false
	}
	m, fault := stunwire.Parse(p)
	if fault != stunwire.OK || m.Type != stunwire.BindingSuccess {
		return false
	}
	delete(q.open, id)
	asked.mapped <- m.Mapped
	return true
}

// Binding asks a STUN server which address this socket has as seen from there: the one that NATs on the way give to
// it. It sends from the socket itself, since another one would get another mapping, and asks again until an answer
// comes or ctx ends. It may be called from any goroutine, 32 times at once. The address is unmapped and never
// unspecified, multicast or with port 0.
func (s *Socket) Binding(ctx context.Context, server netip.AddrPort) (netip.AddrPort, error) {
	server = netip.AddrPortFrom(server.Addr().Unmap(), server.Port())
	var p [stunwire.HeaderSize]byte
	binary.BigEndian.PutUint16(p[:2], stunwire.BindingRequest)
	binary.BigEndian.PutUint32(p[4:8], stunwire.Cookie)
	_, _ = rand.Read(p[8:]) // never fails, see crypto/rand
	id, mapped := [12]byte(p[8:]), make(chan netip.AddrPort, 1)
	if !s.questions.add(id, question{server, mapped}) {
		return netip.AddrPort{}, errQuestions
	}
	defer s.questions.remove(id)
	for wait := bindingRetry; ; wait *= 2 {
		if err := s.Send(RouteTo(server), p[:]); err != nil {
			return netip.AddrPort{}, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
			continue
		case <-ctx.Done():
			timer.Stop()
			return netip.AddrPort{}, fmt.Errorf("no answer from the STUN server at %v: %w", server, ctx.Err())
		case <-s.closing:
			timer.Stop()
			return netip.AddrPort{}, errors.New("the socket closes")
		case a := <-mapped:
			timer.Stop()
			if a.Port() == 0 || a.Addr().IsUnspecified() || a.Addr().IsMulticast() {
				return netip.AddrPort{}, errMapped
			}
			return a, nil
		}
	}
}
