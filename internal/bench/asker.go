//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// askTick is how often viewers look whether it is time to ask again, as Chromium does.
const askTick = 20 * time.Millisecond

// asker asks for lost packets of one viewer. The library's generator does not know that a packet came by RTX and asks
// for it ten times, which no browser does.
type asker struct {
	interceptor.NoOp

	mu      sync.Mutex
	out     interceptor.RTCPWriter // guarded by mu
	media   uint32                 // SSRC; guarded by mu
	resends uint32                 // SSRC; guarded by mu
	book    book                   // guarded by mu
}

// NewInterceptor makes an asker the factory of itself.
func (a *asker) NewInterceptor(string) (interceptor.Interceptor, error) { return a, nil }

// BindRTCPWriter is interceptor.Interceptor's.
func (a *asker) BindRTCPWriter(w interceptor.RTCPWriter) interceptor.RTCPWriter {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.out = w
	return w
}

// BindRemoteStream is interceptor.Interceptor's.
func (a *asker) BindRemoteStream(_ *interceptor.StreamInfo, r interceptor.RTPReader) interceptor.RTPReader {
	return interceptor.RTPReaderFunc(func(b []byte, attributes interceptor.Attributes) (int, interceptor.Attributes, error) {
		n, attributes, err := r.Read(b, attributes)
		if err == nil {
			a.take(b[:n], time.Now())
		}
		return n, attributes, err
	})
}

// streams tells the asker the SSRCs that the answer announces (RFC 5576 section 4.2, RFC 4588 section 8.8).
func (a *asker) streams(answer string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, line, _ := strings.Cut(answer, "a=ssrc-group:FID ")
	if _, err := fmt.Sscan(line, &a.media, &a.resends); err != nil {
		return fmt.Errorf("the answer announces no stream for resends: %w", err)
	}
	return nil
}

// take books one packet, and asks for those that should have come before.
func (a *asker) take(b []byte, now time.Time) {
	var p rtp.Packet
	if p.Unmarshal(b) != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case p.SSRC == a.media:
		a.ask(a.book.came(p.SequenceNumber, now), false)
	case p.SSRC == a.resends && len(p.Payload) >= 2: // RFC 4588 section 4: the original number comes first
		a.book.resent(binary.BigEndian.Uint16(p.Payload), now)
	}
}

// again asks again for what is due.
func (a *asker) again(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ask(a.book.due(now))
}

// ask sends what is asked for. Called with mu held. What cannot be sent is asked for again.
func (a *asker) ask(numbers []uint16, key bool) {
	var packets []rtcp.Packet
	if len(numbers) > 0 {
		packets = append(packets, &rtcp.TransportLayerNack{MediaSSRC: a.media, Nacks: rtcp.NackPairsFromSequenceNumbers(numbers)})
		a.book.Nacks++
	}
	if key {
		packets = append(packets, &rtcp.PictureLossIndication{MediaSSRC: a.media})
		a.book.Keyframes++
	}
	if len(packets) > 0 && a.out != nil {
		_, _ = a.out.Write(packets, interceptor.Attributes{})
	}
}

// report returns what was booked since the last report.
func (a *asker) report() Repairs {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.book.Repairs
	a.book.Repairs = Repairs{}
	return r
}

// askers lets all askers of the process ask again, on one goroutine that ends with close.
type askers struct {
	mu   sync.Mutex
	list []*asker      // guarded by mu
	stop chan struct{} // nil before the first
	done chan struct{}
}

// add makes an asker. Called by one goroutine, as is close.
func (s *askers) add() *asker {
	a := &asker{}
	s.mu.Lock()
	s.list = append(s.list, a)
	s.mu.Unlock()
	if s.stop == nil {
		s.stop, s.done = make(chan struct{}), make(chan struct{})
		go s.run()
	}
	return a
}

func (s *askers) run() {
	defer close(s.done)
	ticker := time.NewTicker(askTick)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case now := <-ticker.C:
			s.mu.Lock()
			list := s.list
			s.mu.Unlock()
			for _, a := range list {
				a.again(now)
			}
		}
	}
}

func (s *askers) close() {
	if s.stop != nil {
		close(s.stop)
		<-s.done
	}
}
