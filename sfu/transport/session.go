package transport

import (
	"strings"
	"time"
)

// state of a session:
//
//	connecting --handshake done--> connected --Close, silence--> closed
//	     \------- Close, failure, 20 s -------------------------/
type state uint8

const (
	connecting state = iota
	connected
	closed
)

const (
	maxRTP      = 100 // packets of media that a viewer may send before it is closed
	flightPause = int64(20 * time.Millisecond)
)

// Session is one viewer's wire. All methods are called by the goroutine that owns it, one after the other.
type Session struct {
	// fixed
	server       *Server
	owner        any
	woken        func(*Session)
	tracks       []*Track
	id           uint64
	opened       int64
	fingerprints []fingerprintOf

	// owned by the shard
	state   state
	version int // of the SDP
	ice     agent
	media   int   // RTP packets received
	doomed  int64 // when the session ends unless a check or report comes, 0 for never

	hand       *handshake // while connecting
	secured    Route      // where DTLS was heard from last
	flight     [][]byte   // our last flight, until the peer has shown that it has it
	flightSent int
	flightAt   int64

	sealMedia   *crypt
	sealReports *crypt
	openReports *crypt
	rtcpIndex   uint32
	senders     senders
}

// Owner is what Open was given: whose session it is. It may be called from any goroutine.
func (s *Session) Owner() any { return s.owner }

// Tracks are the m-lines that are sent, in the order of the offer. The caller changes nothing.
func (s *Session) Tracks() []*Track { return s.tracks }

// Route is where media goes. It changes when the peer nominates another address. It is not valid before the peer has
// shown an address.
func (s *Session) Route() Route {
	if s.ice.selected.IsValid() {
		return s.ice.selected
	}
	return s.secured
}

// Connected says whether Seal works.
func (s *Session) Connected() bool { return s.state == connected }

// Closed says whether the session is over.
func (s *Session) Closed() bool { return s.state == closed }

// GCM says which protection was agreed: AES-GCM if true, AES-CM with HMAC-SHA1 otherwise. Before EventConnected it
// means nothing.
func (s *Session) GCM() bool { return s.sealMedia != nil && s.sealMedia.aead != nil }

func (s *Session) drop(d Drop) { s.server.drops.add(d) }

// identify begins a generation of ICE with a user fragment that no session of the server has.
func (s *Session) identify(remoteUfrag string) {
	for {
		c := newCredentials()
		if s.server.table.ClaimUser(c.Ufrag, s) {
			s.ice.current = identity{local: c, remoteUfrag: strings.Clone(remoteUfrag), sign: newSigner(c.Password)}
			return
		}
	}
}

// Restart begins an ICE restart (RFC 8445 §2.4) for an offer of the same peer, and returns the answer. Media goes on
// over the old route until the first check under the new credentials, and keys stay. The offer must have the same
// fingerprints and another user fragment, and the tracks' m-lines must still receive. The errors are *Error,
// ErrRestarts and ErrClosed; nothing has changed then.
func (s *Session) Restart(offer *Offer, now int64) (answer string, err error) {
	if s.state == closed {
		return "", ErrClosed
	}
	if err := offer.begins(); err != nil {
		return "", err
	}
	if err := offer.renews(s.ice.current.remoteUfrag, s.fingerprints); err != nil {
		return "", err
	}
	for _, t := range s.tracks {
		found := false
		for i := range offer.Media {
			m := &offer.Media[i]
			found = found || m.Mid == t.mid && m.Kind == t.kind && m.Receives && offer.inBundle(m)
		}
		if !found {
			return "", BadOffer("a restart without m-line %q", t.mid)
		}
	}
	if _, err := s.RestartICE(offer.transport().ufrag, now); err != nil {
		return "", err
	}
	s.version++
	return s.answer(offer), nil
}

// RestartICE is Restart for those who carry the credentials without SDP (RFC 9725 §4.3): it takes the peer's new user
// fragment and returns our new credentials. The errors are ErrRestarts (two a minute are allowed) and ErrClosed.
func (s *Session) RestartICE(remoteUfrag string, now int64) (Credentials, error) {
	if s.state == closed {
		return Credentials{}, ErrClosed
	}
	if !s.ice.restarts.Allow(now) {
		return Credentials{}, ErrRestarts
	}
	if s.ice.previous == nil {
		old := s.ice.current
		s.ice.previous = &old
	} else {
		s.server.table.ForgetUser(s.ice.current.local.Ufrag, s)
	}
	s.identify(remoteUfrag)
	return s.ice.current.local, nil
}

// HandleDatagram takes a datagram that Lookup gave to this session, and appends to dst what it brings about. It
// changes p; events alias it until p is used again. Answers go into out. It never fails and never blocks: what is no
// good is dropped and counted.
func (s *Session) HandleDatagram(dst []Event, p []byte, from Route, now int64, out Batch) []Event {
	dst = s.settle(dst, now)
	if s.state == closed {
		return dst
	}
	switch {
	case len(p) == 0:
		s.drop(DropClass)
	case p[0] <= 3:
		s.check(p, from, now, out)
	case s.ice.find(from) == nil:
		s.drop(DropRoute)
	case p[0] >= 20 && p[0] <= 63:
		return s.secure(dst, p, from, now, out)
	case p[0] >= 128 && p[0] <= 191:
		return s.packet(dst, p, from, now)
	default:
		s.drop(DropClass)
	}
	return dst
}

// check takes a connectivity check. Nothing changes before its integrity is shown.
func (s *Session) check(p []byte, from Route, now int64, out Batch) {
	c, ok := parseCheck(p)
	if !ok {
		s.drop(DropSTUN)
		return
	}
	id := s.ice.identify(c)
	switch {
	case id == nil:
		s.drop(DropUfrag)
		s.server.config.Refused(from)
		return
	case !id.sign.verify(p, c):
		s.drop(DropSigned)
		s.server.config.Refused(from)
		return
	case c.controlled:
		s.drop(DropRole)
		return
	}
	sign := id.sign
	if id == &s.ice.current && s.ice.previous != nil {
		s.server.table.ForgetUser(s.ice.previous.local.Ufrag, s)
		s.ice.previous = nil
	}
	fresh, evicted := s.ice.note(from, now)
	if evicted.IsValid() {
		s.server.table.ForgetRoute(evicted, s)
	}
	if fresh {
		s.server.table.ClaimRoute(from, s)
	}
	if c.nominate {
		s.ice.nominate(from, c.priority, now)
	}
	s.doomed = 0

	answer := out.Reserve(from, maxAnswer)
	if answer == nil {
		s.drop(DropFull)
		return
	}
	n := sign.answer(answer, p, from.Addr())
	if n == 0 {
		s.drop(DropShort)
	}
	out.Commit(n)
}

// secure takes DTLS from a checked address.
func (s *Session) secure(dst []Event, p []byte, from Route, now int64, out Batch) []Event {
	if s.state == connected {
		s.afterwards(p, from, now, out)
		return dst
	}
	if s.hand == nil {
		if !isHello(p) {
			s.drop(DropHello)
			return dst
		}
		s.hand = s.server.begin(s.fingerprints, from, func() { s.woken(s) })
	}
	s.secured = from
	if s.hand.bytes += len(p); s.hand.bytes > handshakeBytes {
		s.drop(DropFlood)
		return s.end(dst, ClosedHandshake)
	}
	if !s.hand.wire.deliver(p, from) {
		s.drop(DropQueue)
	}
	return dst
}

// afterwards takes DTLS when the handshake is over. Handshake records say that our last flight was lost; it is the
// same bytes again, as RFC 6347 §4.2.4 has it. An alert may mean that the peer is going.
func (s *Session) afterwards(p []byte, from Route, now int64, out Batch) {
	switch {
	case p[0] == recordAlert:
		if s.doomed == 0 {
			s.doomed = now + int64(farewell)
		}
	case p[0] == recordHandshake && s.flightSent < flightAnswers && now-s.flightAt >= flightPause:
		s.flightSent++
		s.flightAt = now
		for _, f := range s.flight {
			room := out.Reserve(from, len(f))
			if room == nil {
				s.drop(DropFull)
				return
			}
			out.Commit(copy(room, f))
		}
	}
}

// packet takes RTP, of which there must be none, or RTCP (RFC 5761 §4 tells them apart) from a checked address.
func (s *Session) packet(dst []Event, p []byte, from Route, now int64) []Event {
	if len(p) < rtcpHeader || p[1] < 192 || p[1] > 223 {
		s.drop(DropRTP)
		if s.media++; s.media > maxRTP {
			return s.end(dst, ClosedMedia)
		}
		return dst
	}
	if s.openReports == nil {
		s.drop(DropEarly)
		return dst
	}
	plain, index, ok := s.openReports.openRTCP(p)
	if !ok {
		s.drop(DropSRTCP)
		return dst
	}
	if d := s.senders.take(senderOf(plain), index); d != Kept {
		s.drop(d)
		return dst
	}
	if s.senders.newest(senderOf(plain), index) {
		s.ice.follow(from, now)
		s.doomed = 0
	}
	s.flight = nil // the peer has the keys, so it has had our last flight
	return s.walk(dst, plain, s.server.config.Clock.NTP(now))
}

// Tick lets time pass. It is to be called about once a second, and when woken was.
func (s *Session) Tick(dst []Event, now int64) []Event {
	dst = s.settle(dst, now)
	if s.state == closed {
		return dst
	}
	for _, route := range s.ice.expire(now) {
		s.server.table.ForgetRoute(route, s)
	}
	switch {
	case s.state == connecting && now-s.opened >= int64(connectTimeout):
		return s.end(dst, ClosedUnready)
	case s.state == connected && len(s.ice.remotes) == 0, s.doomed != 0 && now >= s.doomed:
		return s.end(dst, ClosedSilent)
	}
	return dst
}

// settle takes over from a handshake that has ended.
func (s *Session) settle(dst []Event, now int64) []Event {
	if s.state != connecting || s.hand == nil {
		return dst
	}
	select {
	case <-s.hand.done:
	default:
		return dst
	}
	if s.hand.err != nil {
		return s.end(dst, ClosedHandshake)
	}
	k := s.hand.keys
	s.sealMedia = newCrypt(k.gcm, &k.localKey, &k.localSalt, 0)
	s.sealReports = newCrypt(k.gcm, &k.localKey, &k.localSalt, labelsOfRTCP)
	s.openReports = newCrypt(k.gcm, &k.remoteKey, &k.remoteSalt, labelsOfRTCP)
	s.flight, s.flightAt, s.hand = s.hand.flight, now, nil
	s.state = connected
	<-s.server.slots
	return append(dst, Event{Kind: EventConnected})
}

// Close ends the session at once. The peer is told nothing: it hears by signaling, or by the silence. It may be
// called more than once.
func (s *Session) Close() { s.end(nil, ClosedByCaller) }

func (s *Session) end(dst []Event, reason CloseReason) []Event {
	if s.state == closed {
		return dst
	}
	if s.state == connecting {
		<-s.server.slots
	}
	s.state = closed
	if s.hand != nil {
		s.hand.cancel()
		s.hand = nil
	}
	s.server.table.ForgetUser(s.ice.current.local.Ufrag, s)
	if s.ice.previous != nil {
		s.server.table.ForgetUser(s.ice.previous.local.Ufrag, s)
	}
	for _, r := range s.ice.remotes {
		s.server.table.ForgetRoute(r.route, s)
	}
	s.sealMedia, s.sealReports, s.openReports, s.flight = nil, nil, nil, nil
	return append(dst, Event{Kind: EventClosed, Closed: reason})
}
