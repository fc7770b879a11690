//go:build linux

package main

import (
	"encoding/binary"
	"time"

	"github.com/pion/rtp"
)

// liveAge is how old a picture is at most that counts as live: a key frame that answers a request is spread over 40 ms
// (forward.MaxWait), and the rest is left to the machine.
const liveAge = 100 * time.Millisecond

// look is what a newcomer sees first: it takes the packets of a stream, puts them in order, and finds out when the first
// key frame was whole and when a picture was live that can be decoded, since nothing is missing between a key frame and
// it. Where something is missing it goes on with a newer key frame as soon as that is whole, as a decoder does. It has no
// clock and no lock.
type look struct {
	Whole, Live time.Time // zero until then
	Holes       int       // how often it had to go on with a newer key frame
	begun       bool
	next        uint16
	parts       map[uint16]part
	keys        []uint16 // where newer key frames begin
}

// part is a packet whose turn has not come.
type part struct {
	last  bool
	stamp time.Time // zero for a packet without payload
}

// take takes one packet of the media stream that came now.
func (l *look) take(p *rtp.Packet, now time.Time) {
	if l.parts == nil {
		l.parts = map[uint16]part{}
	}
	q := part{last: p.Marker}
	if len(p.Payload) > bodyAt {
		q.stamp = time.Unix(0, int64(binary.BigEndian.Uint64(p.Payload[stampAt:])))
		if beginsKey(p.Payload) {
			if !l.begun {
				l.begun, l.next = true, p.SequenceNumber
			}
			l.keys = append(l.keys, p.SequenceNumber)
		}
	}
	if l.begun && p.SequenceNumber-l.next >= 1<<15 {
		return // had it
	}
	l.parts[p.SequenceNumber] = q
	for l.begun {
		q, ok := l.parts[l.next]
		if !ok && !l.skip() {
			return
		}
		if ok {
			delete(l.parts, l.next)
			l.next++
			l.decode(q, now)
		}
	}
}

// skip goes on with the first newer key frame that is whole.
func (l *look) skip() bool {
	for i, key := range l.keys {
		if key-l.next >= 1<<15 {
			continue // played
		}
		for seq := key; ; seq++ {
			q, ok := l.parts[seq]
			if !ok {
				break
			}
			if q.last {
				l.next, l.keys = key, l.keys[i+1:]
				l.Holes++
				return true
			}
		}
	}
	return false
}

// decode takes the part whose turn it is.
func (l *look) decode(q part, now time.Time) {
	if !q.last || q.stamp.IsZero() {
		return
	}
	if l.Whole.IsZero() {
		l.Whole = now
	}
	if l.Live.IsZero() && now.Sub(q.stamp) <= liveAge {
		l.Live = now
	}
}

// beginsKey says whether the payload is the first one of a key frame (RFC 7741 section 4.3: S, and P is 0).
func beginsKey(p []byte) bool { return p[0]&0x10 != 0 && p[4]&1 == 0 }
