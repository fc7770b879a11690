//go:build linux

package main

import (
	"slices"
	"time"
)

const (
	// askAgain is how long a viewer waits before it asks again for a lost packet: Chromium takes this for the round
	// trip while it knows none. askMost is how often it asks; then it wants a key frame.
	askAgain = 100 * time.Millisecond
	askMost  = 10
	// giveUp is after what time a packet counts as not recovered.
	giveUp = time.Second
	// widest is the most numbers that may be missing in a row; more is another stream.
	widest = 1000
)

// Repairs is what became of the packets that viewers lacked. The zero value is that of none.
type Repairs struct {
	Dropped   uint64        `json:"dropped"`   // media packets lost on the way
	Again     uint64        `json:"again"`     // resends lost on the way
	Came      uint64        `json:"came"`      // media packets that came
	Resent    uint64        `json:"resent"`    // recovered by a resend
	Late      uint64        `json:"late"`      // recovered by their own sequence number
	Over      uint64        `json:"over"`      // resends that were not needed any more
	GivenUp   uint64        `json:"givenUp"`   // not there after giveUp
	Nacks     uint64        `json:"nacks"`     // RTCP packets that asked
	Keyframes uint64        `json:"keyframes"` // that viewers asked for
	Slowest   time.Duration `json:"slowest"`   // from the gap to the packet
}

// Recovered is how many packets came after all.
func (r Repairs) Recovered() uint64 { return r.Resent + r.Late }

// add adds what another viewer had.
func (r *Repairs) add(o Repairs) {
	r.Dropped += o.Dropped
	r.Again += o.Again
	r.Came += o.Came
	r.Resent += o.Resent
	r.Late += o.Late
	r.Over += o.Over
	r.GivenUp += o.GivenUp
	r.Nacks += o.Nacks
	r.Keyframes += o.Keyframes
	r.Slowest = max(r.Slowest, o.Slowest)
}

// missed is a packet that did not come in its turn.
type missed struct {
	since, asked time.Time
	times        int
}

// book says which packets of one stream a viewer asks for, as a browser does: at once when it sees a gap, again after
// askAgain, and never once the packet came, by whichever stream. It has no clock and no lock.
type book struct {
	Repairs
	begun   bool
	next    uint16 // one after the newest
	missing map[uint16]*missed
}

// came books a packet of the stream itself. It returns the numbers to ask for now.
func (b *book) came(seq uint16, now time.Time) (ask []uint16) {
	b.Came++
	ahead := seq - b.next
	switch {
	case b.begun && ahead >= 1<<15:
		b.found(seq, &b.Late, now)
		return nil
	case !b.begun || ahead > widest:
		b.begun, b.missing = true, map[uint16]*missed{}
	default:
		for n := b.next; n != seq; n++ {
			b.missing[n] = &missed{since: now, asked: now, times: 1}
			ask = append(ask, n)
		}
	}
	b.next = seq + 1
	return ask
}

// resent books a packet that came as a resend.
func (b *book) resent(seq uint16, now time.Time) {
	if !b.found(seq, &b.Resent, now) {
		b.Over++
	}
}

func (b *book) found(seq uint16, by *uint64, now time.Time) bool {
	m := b.missing[seq]
	if m == nil {
		return false
	}
	delete(b.missing, seq)
	*by++
	b.Slowest = max(b.Slowest, now.Sub(m.since))
	return true
}

// due returns, in order, the numbers to ask for again, and whether a key frame is to be asked for because some were
// given up.
func (b *book) due(now time.Time) (ask []uint16, key bool) {
	for n, m := range b.missing {
		switch {
		case now.Sub(m.since) >= giveUp:
			delete(b.missing, n)
			b.GivenUp++
			key = true
		case m.times < askMost && now.Sub(m.asked) >= askAgain:
			m.asked = now
			m.times++
			ask = append(ask, n)
		}
	}
	slices.SortFunc(ask, func(x, y uint16) int { return int(int16(x-b.next) - int16(y-b.next)) })
	return ask, key
}
