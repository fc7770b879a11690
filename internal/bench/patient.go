//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
)

// patient is a viewer that reads everything over a socket that loses packets.
type patient struct {
	asker *asker
	wire  *lossy
}

// lossy is a socket that loses some of the RTP packets that come.
type lossy struct {
	*net.UDPConn

	mu      sync.Mutex
	random  *rand.Rand // guarded by mu, as are all
	share   float64
	resends uint32 // SSRC
	dropped uint64
	again   uint64
}

// ReadFrom is net.PacketConn's.
func (l *lossy) ReadFrom(b []byte) (n int, from net.Addr, err error) {
	for {
		n, from, err = l.UDPConn.ReadFrom(b)
		if err != nil || !l.loses(b[:n]) {
			return n, from, err
		}
	}
}

// loses decides about one datagram.
func (l *lossy) loses(b []byte) bool {
	if !isRTP(b) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.share == 0 || l.random.Float64() >= l.share {
		return false
	}
	if binary.BigEndian.Uint32(b[8:]) == l.resends {
		l.again++
	} else {
		l.dropped++
	}
	return true
}

// isRTP tells RTP from RTCP (RFC 5761 section 4) and from what is neither (RFC 7983 section 7).
func isRTP(b []byte) bool {
	return len(b) >= 12 && b[0] >= 128 && b[0] <= 191 && (b[1] < 192 || b[1] > 223)
}

// set sets the share of the packets that are lost from now on.
func (l *lossy) set(share float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.share = share
}

// announce says which SSRC resends have.
func (l *lossy) announce(resends uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resends = resends
}

// count returns what was lost since the last count, of media and of resends.
func (l *lossy) count() (dropped, again uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	dropped, again = l.dropped, l.again
	l.dropped, l.again = 0, 0
	return dropped, again
}

// listen makes a patient viewer and its offer.
func (r *receivers) listen() (string, error) {
	conn, err := r.open()
	if err != nil {
		return "", err
	}
	seed := uint64(len(r.crowd))
	v := &patient{asker: r.askers.add(), wire: &lossy{UDPConn: conn, random: rand.New(rand.NewPCG(seed, seed))}}
	pc, offer, err := r.peer(v.wire, v.asker)
	r.pending, r.socket = pc, conn
	r.crowd = append(r.crowd, v)
	return offer, err
}

// hear begins to connect the patient viewer that was made last.
func (r *receivers) hear(answer string) error {
	if len(r.crowd) == 0 {
		return errors.New("nobody listens")
	}
	v := r.crowd[len(r.crowd)-1]
	if err := v.asker.streams(answer); err != nil {
		return err
	}
	v.wire.announce(v.asker.resends)
	return r.answer(answer, true)
}

// lose sets the share of the packets that all patient viewers lose.
func (r *receivers) lose(share float64) {
	for _, v := range r.crowd {
		v.wire.set(share)
	}
}

// repairs is what became of the packets since the last time.
func (r *receivers) repairs() (sum Repairs) {
	for _, v := range r.crowd {
		one := v.asker.report()
		one.Dropped, one.Again = v.wire.count()
		sum.add(one)
	}
	return sum
}
