package signal

import (
	"slices"
	"time"
)

// reports are what a room's caster is told every timing.report of the displays in its cast, while there are any.
type reports struct{ timer *time.Timer }

func (r *Room) stopReports() {
	if r.reports.timer != nil {
		r.reports.timer.Stop()
		r.reports.timer = nil
	}
}

// startReports makes sure that the next report is due.
func (r *Room) startReports() {
	if r.reports.timer != nil || r.ended {
		return
	}
	r.reports.timer = r.hub.after(r.hub.timing.report, func(o *outside) {
		r.reports.timer = nil
		shown := r.displays()
		if r.ended || len(shown) == 0 {
			return
		}
		r.startReports()
		if r.caster != nil && r.caster.session.sock != nil {
			o.add(func() { r.report(shown) })
		}
	})
}

// displays are the peers of those in the room, in the order in which they came.
func (r *Room) displays() (peers []string) {
	for _, p := range r.seats {
		if p.role == roleDisplay {
			peers = append(peers, p.session.peer)
		}
	}
	return peers
}

// report asks the media plane what the displays get, and tells the caster. It runs without the lock.
func (r *Room) report(shown []string) {
	defer r.hub.caught("Media.View")
	list := make([]viewedState, 0, len(shown))
	for _, peer := range shown {
		if v, ok := r.hub.cfg.Media.View(peer); ok {
			path := "UDP"
			if v.Streams {
				path = "TCP"
			}
			list = append(list, viewedState{
				Path: path,
				Peer: peer, Width: v.Width, Height: v.Height, Loss: float64(int(v.Loss*1000+0.5)) / 1000, RoundTrip: milliseconds(v.RoundTrip),
			})
		}
	}
	r.hub.section(func() {
		if r.caster == nil || r.ended {
			return
		}
		here := r.displays()
		list = slices.DeleteFunc(list, func(v viewedState) bool { return !slices.Contains(here, v.Peer) })
		r.caster.session.push(displaysMessage{head{"displays", 0}, list})
	})
}
