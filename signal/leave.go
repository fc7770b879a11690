package signal

import (
	"math/rand/v2"
	"time"

	"github.com/gorilla/websocket"
)

// Drain lets everybody go in good order: each socket is told how long it has, each another time, spread over
// within, and is closed with 1012 when that is over; players with an event stream are told to reconnect then. New sockets, rooms, displays and viewers are refused from
// the first moment; casts go on. It returns when all sockets were told to close, or when the Hub is closed.
func (h *Hub) Drain(within time.Duration) {
	type departure struct {
		sock   *socket      // or
		stream *eventStream // of a player
		at     time.Time
	}
	var leaving []departure
	start := time.Now()
	h.section(func() {
		h.draining = true
		for k := range h.sockets {
			leaving = append(leaving, departure{sock: k})
		}
		for _, res := range h.resources {
			for _, st := range res.streams {
				leaving = append(leaving, departure{stream: st})
			}
		}
		rand.Shuffle(len(leaving), func(i, j int) { leaving[i], leaving[j] = leaving[j], leaving[i] })
		for i := range leaving {
			// The i-th of n slices, and somewhere within it: nobody comes back at the same moment as another.
			slice := within / time.Duration(len(leaving))
			own := time.Duration(i)*slice + time.Duration((0.5+rand.Float64()/2)*float64(slice))
			leaving[i].at = start.Add(own)
			if leaving[i].sock == nil {
				continue // it is told when it is to go
			}
			leaving[i].sock.push(encode(drainingMessage{head{"draining", 0}, milliseconds(own)}))
		}
	})
	h.cfg.Log.Info("signal: draining", "sockets", len(leaving), "within", within)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for _, d := range leaving {
		timer.Reset(time.Until(d.at))
		select {
		case <-h.ctx.Done():
			return
		case <-timer.C:
			if d.sock != nil {
				d.sock.shut(websocket.CloseServiceRestart, dropDraining, "server is leaving")
				continue
			}
			h.section(func() { d.stream.leave = true })
			d.stream.wake()
		}
	}
}

// Close ends every socket (1001), session and room, and returns when all goroutines of the Hub have ended. It
// does not close anything in the media plane: that is closed by who made it. Close may be called twice.
func (h *Hub) Close() {
	h.section(func() {
		if h.closed {
			return
		}
		for _, r := range h.rooms {
			r.tellEnd(endedClosing)
		}
		h.closed = true
		for k := range h.sockets {
			k.shut(websocket.CloseGoingAway, dropClosing, "server is going away")
		}
		for _, s := range h.sessions {
			s.stopTimers()
		}
		for _, r := range h.rooms {
			r.stopTimer()
		}
		for _, p := range h.probes.open {
			if p.timer != nil {
				p.timer.Stop()
			}
		}
		for _, a := range h.attack {
			a.stopTimer()
		}
	})
	h.cancel()
	h.running.Wait()
}
