package udp

import (
	"bytes"
	"sync"
	"time"

	"castcode/internal/stunwire"
)

// Kind is the class of a datagram that passed the guard.
type Kind uint8

// The kinds of datagrams that a Receiver gets.
const (
	KindCheck   Kind = iota // Binding request with USERNAME and MESSAGE-INTEGRITY, not verified yet
	KindAnswer              // Binding success, signed
	KindDTLS                // whole records, RFC 6347
	KindRTP                 // RFC 3711: the header and a tag fit in
	KindRTCP                // RFC 3711 section 3.4: likewise
	kindTURN                // STUN for the TURN server
	kindChannel             // ChannelData
	kinds       = iota
)

func (k Kind) forTURN() bool { return k >= kindTURN }

// Datagram is a received datagram on its way to a Receiver. It is good during the call only.
type Datagram struct {
	// P passed the guard: it is what Kind says by its clear bytes and at most stunwire.MaxDatagram long.
	P    []byte
	From Route
	Kind Kind
	// User is our own ICE user fragment, from the USERNAME of a check (RFC 8445 section 7.2.2: what stands before
	// the colon). It is nil for other kinds.
	User []byte
	// Owner is for Owns to set and for Receive to read: whose datagram it is, so that nobody looks twice. A
	// pointer in it costs no allocation.
	Owner any
}

// Receiver takes the datagrams of its own peers, the viewers, out of the stream before the libraries of the casters
// see them. The first two methods run on the goroutine that reads the socket, and at the same time on those that inject into
// attached paths: neither may block or wait for a lock that is held for long. Table answers Owns without one.
type Receiver interface {
	// Owns says whether d belongs to a peer of the receiver: by d.From, or for a check by d.User. It is asked
	// about every datagram of media, those of casters among them. It must not trust a byte: a check has not been
	// verified, and everything else may be spoofed.
	Owns(d *Datagram) bool
	// Receive gets what Owns took, up to 32 datagrams at a time, in the order in which they came.
	Receive(batch []Datagram)
	// Ready says that a Stream whose Route.Await was called takes more. The goroutine that writes the stream calls it.
	Ready(to Route)
}

// SetReceiver makes r take its share of what comes from now on. At first there is no receiver, and all media is the
// casters'. It may be called from any goroutine; nil takes the receiver away, but a call into it may still run.
func (s *Socket) SetReceiver(r Receiver) {
	if r == nil {
		s.receiver.Store(nil)
		return
	}
	s.receiver.Store(&r)
}

// intake sorts one batch of the reader.
type intake struct {
	socket   *Socket
	receiver Receiver // of this batch, may be nil
	now      time.Time
	ours     []Datagram // what the receiver owns; its room is fixed
}

// sort sends d on its way. It says whether d was taken; d.buf must stay as it is until flush.
func (in *intake) sort(d *datagram) bool {
	s := in.socket
	p := d.buf[:d.n]
	v := inspect(p)
	if v.drop != passed {
		if v.fault != stunwire.NotSigned || !s.questions.answer(d.src, p) {
			s.counters.drop(v.drop, v.fault)
		}
		return false
	}
	if s.path(d.src) != nil {
		s.counters.drop(dropSpoofed, stunwire.OK)
		return false
	}
	if v.kind == KindCheck && s.floods.over(d.src, in.now) {
		s.counters.drop(dropFlood, stunwire.OK)
		return false
	}
	to := s.turn
	if !v.kind.forTURN() {
		if in.own(p, Route{addr: d.src, local: d.local}, v) {
			return false
		}
		to = s.media
		if reason := s.admit(p, Route{addr: d.src, local: d.local}, v, in.now); reason != passed {
			s.counters.drop(reason, stunwire.OK)
			return false
		}
	}
	s.counters.kinds[v.kind].Add(1)
	if to == s.turn {
		d.from = s.address(Route{addr: d.src, local: d.local})
	} else {
		d.from = s.address(Route{addr: d.src})
	}
	return to.put(d)
}

// admit says whether a datagram that is not the receiver's may go to the agents of the casters.
func (s *Socket) admit(p []byte, from Route, v verdict, now time.Time) drop {
	if v.kind != KindCheck {
		reason, excess := s.remotes.admit(from.seen(), from.local, v, now)
		if excess {
			s.counters.givenUp.Add(1)
			s.agents.giveUp(from)
		}
		return reason
	}
	reason := s.agents.admit(p, from, v, now)
	switch reason {
	case dropUser, dropIntegrity:
		s.floods.note(from.addr, now)
	case passed:
		s.asked.note(p, from.local)
	}
	return reason
}

// own offers a datagram to the receiver and notes it for flush if it was taken.
func (in *intake) own(p []byte, from Route, v verdict) bool {
	if in.receiver == nil {
		return false
	}
	in.ours = append(in.ours, Datagram{P: p, From: from, Kind: v.kind})
	d := &in.ours[len(in.ours)-1]
	if v.kind == KindCheck {
		if at := bytes.IndexByte(v.user, ':'); at >= 0 {
			d.User = v.user[:at]
		}
	}
	if !in.receiver.Owns(d) {
		in.ours = in.ours[:len(in.ours)-1]
		return false
	}
	in.socket.counters.owned.Add(1)
	in.socket.counters.kinds[v.kind].Add(1)
	return true
}

// flush gives the receiver what it owns.
func (in *intake) flush() {
	if len(in.ours) == 0 {
		return
	}
	in.receiver.Receive(in.ours)
	clear(in.ours)
	in.ours = in.ours[:0]
}

// intakes are for those who inject: one datagram at a time, from many goroutines.
var intakes = sync.Pool{New: func() any { return &intake{ours: make([]Datagram, 0, 1)} }}

// offer gives one injected datagram to the receiver, if it wants it.
func (s *Socket) offer(p []byte, from Route, v verdict) bool {
	r := s.receiver.Load()
	if r == nil {
		return false
	}
	in, _ := intakes.Get().(*intake)
	in.socket, in.receiver = s, *r
	taken := in.own(p, from, v)
	in.flush()
	in.socket, in.receiver = nil, nil
	intakes.Put(in)
	return taken
}
