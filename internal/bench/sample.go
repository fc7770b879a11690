//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/pion/rtp"
)

// Seen is what the viewers of the sample saw since the last report.
type Seen struct {
	Received uint64        `json:"received"` // packets that were whole
	Lost     uint64        `json:"lost"`     // gaps in the sequence numbers
	Bad      uint64        `json:"bad"`      // packets that did not decrypt or were not what was sent
	P50      time.Duration `json:"p50"`      // from the stamp to the receiver
	P99      time.Duration `json:"p99"`
}

// sample collects what the viewers see that read. Its methods may be called from any goroutine.
type sample struct {
	mu     sync.Mutex
	seen   Seen            // guarded by mu
	delays []time.Duration // guarded by mu
}

// maxDelays bounds the delays kept for one report.
const maxDelays = 1 << 20

// eye checks the packets of one viewer.
type eye struct {
	of    *sample
	begun bool
	next  uint16
}

// bad notes a packet that did not decrypt.
func (s *sample) bad() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen.Bad++
}

// look checks one decrypted packet that came now.
func (e *eye) look(p *rtp.Packet, now time.Time) {
	s := e.of
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.begun {
		if gap := p.SequenceNumber - e.next; gap < 1<<15 {
			s.seen.Lost += uint64(gap)
		}
	}
	e.begun, e.next = true, p.SequenceNumber+1
	if len(p.Payload) == 0 {
		return // a blank packet that shows where a silent stream ended
	}
	if !whole(p) {
		s.seen.Bad++
		return
	}
	s.seen.Received++
	if len(s.delays) < maxDelays {
		stamp := int64(binary.BigEndian.Uint64(p.Payload[stampAt:]))
		s.delays = append(s.delays, time.Duration(now.UnixNano()-stamp))
	}
}

// whole says whether the payload is one that Stream makes.
func whole(p *rtp.Packet) bool {
	q := p.Payload
	return len(q) > bodyAt && len(q) <= maxPayload+1 && q[0]&^0x10 == 0x80 && q[1] == 0x80 &&
		bytes.Equal(q[bodyAt:], body(binary.BigEndian.Uint16(q[seqAt:]), len(q)))
}

// report returns what was seen and begins anew.
func (s *sample) report() Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.delays)
	seen := s.seen
	if n := len(s.delays); n > 0 {
		seen.P50, seen.P99 = s.delays[n/2], s.delays[n*99/100]
	}
	s.seen, s.delays = Seen{}, s.delays[:0]
	return seen
}
