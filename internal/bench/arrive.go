//go:build linux

package main

import (
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v3"
)

// begAfter is how long a browser waits for a key frame before it asks for one, and how long between two requests.
const begAfter = 200 * time.Millisecond

// Spread is how a time is spread over the viewers.
type Spread struct {
	P50 time.Duration `json:"p50"`
	P99 time.Duration `json:"p99"`
	Max time.Duration `json:"max"`
}

// spreadOf sorts list.
func spreadOf(list []time.Duration) (s Spread) {
	slices.Sort(list)
	if n := len(list); n > 0 {
		s = Spread{P50: list[n/2], P99: list[n*99/100], Max: list[n-1]}
	}
	return s
}

// Arrived is what the newcomers saw, from the moment DTLS was up on their side.
type Arrived struct {
	Live   int           `json:"live"`   // newcomers who got there
	Failed int           `json:"failed"` // who did not
	Begged int           `json:"begged"` // requests for a key frame
	Holes  int           `json:"holes"`  // newcomers who lacked packets and went on with a newer key frame
	Whole  Spread        `json:"whole"`  // until the key frame was whole
	Lively Spread        `json:"lively"` // until the picture was live
	CPU    time.Duration `json:"cpu"`    // of the receiving process, since the limit was set
}

// arrivals are the newcomers of a run.
type arrivals struct {
	slots   chan struct{} // one for each that is under way
	waiting []*arrival
	under   sync.WaitGroup
	cpu     time.Duration

	mu          sync.Mutex
	sum         Arrived         // guarded by mu
	whole, live []time.Duration // guarded by mu
}

// limit sets how many may be under way at a time; more wait.
func (s *arrivals) limit(n int) {
	s.slots = make(chan struct{}, n)
	s.cpu = cpuTime()
}

// arrival is one newcomer.
type arrival struct {
	pc    *webrtc.PeerConnection
	conn  *net.UDPConn
	asker *asker
	done  chan struct{} // closed when it is live

	mu   sync.Mutex
	up   time.Time // guarded by mu, as is look
	look look
	ssrc uint32
}

// expect makes a newcomer and its offer.
func (r *receivers) expect() (string, error) {
	conn, err := r.open()
	if err != nil {
		return "", err
	}
	v := &arrival{conn: conn, asker: r.askers.add(), done: make(chan struct{})}
	var offer string
	if v.pc, offer, err = r.peer(conn, v.asker); err != nil {
		return "", err
	}
	v.pc.GetReceivers()[0].Transport().OnStateChange(func(s webrtc.DTLSTransportState) { // a lock of the library is held
		if s == webrtc.DTLSTransportStateConnected {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.up = time.Now()
		}
	})
	v.pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { v.read(track) })
	r.arrivals.waiting = append(r.arrivals.waiting, v)
	return offer, nil
}

// read reads until the connection is closed.
func (v *arrival) read(track *webrtc.TrackRemote) {
	for live := false; ; {
		p, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		v.mu.Lock()
		v.look.take(p, time.Now())
		now := !v.look.Live.IsZero()
		v.mu.Unlock()
		if now && !live {
			live = true
			close(v.done)
		}
	}
}

// arrive lets newcomer i connect, when there is a place.
func (r *receivers) arrive(i int, answer string) error {
	s := &r.arrivals
	if i < 0 || i >= len(s.waiting) || s.slots == nil {
		return errors.New("nobody is expected")
	}
	v := s.waiting[i]
	if err := v.asker.streams(answer); err != nil {
		return err
	}
	v.ssrc = v.asker.media
	s.slots <- struct{}{}
	s.under.Go(func() {
		defer func() { <-s.slots }()
		err := v.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer})
		begged := 0
		if err == nil {
			begged, err = v.wait()
		}
		s.add(v, begged, err)
	})
	return nil
}

// wait returns when the newcomer is live and deaf. Meanwhile it asks for a key frame as often as a browser would.
func (v *arrival) wait() (begged int, err error) {
	patience := time.NewTimer(connectPatience)
	defer patience.Stop()
	tick := time.NewTicker(begAfter / 4)
	defer tick.Stop()
	var last time.Time
	for {
		select {
		case <-v.done:
			return begged, dropMedia(v.conn)
		case <-patience.C:
			return begged, errors.New("not live in time")
		case now := <-tick.C:
			v.mu.Lock()
			late := !v.up.IsZero() && v.look.Whole.IsZero() && now.Sub(v.up) >= begAfter && now.Sub(last) >= begAfter
			v.mu.Unlock()
			if late {
				last = now
				begged++
				if err := v.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: v.ssrc}}); err != nil {
					return begged, err
				}
			}
		}
	}
}

// add books a newcomer whose start is over.
func (s *arrivals) add(v *arrival, begged int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum.Begged += begged + int(v.asker.report().Keyframes)
	if v.look.Holes > 0 {
		s.sum.Holes++
	}
	if err != nil || v.up.IsZero() {
		s.sum.Failed++
		return
	}
	s.sum.Live++
	s.whole = append(s.whole, v.look.Whole.Sub(v.up))
	s.live = append(s.live, v.look.Live.Sub(v.up))
}

// report waits for all that are under way.
func (s *arrivals) report() Arrived {
	s.under.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.sum
	a.Whole, a.Lively, a.CPU = spreadOf(s.whole), spreadOf(s.live), cpuTime()-s.cpu
	return a
}
