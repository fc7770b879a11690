package signal

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"time"
)

// Probes: what `sfu doctor` and the page /doctor connect to. A probe is a viewer of a cast of its own, which no room has
// and nobody can cast to: it shows whether media finds a way, and carries none. It needs no code, so it is short-lived
// and scarce: whoever asks for all of them takes them from other probes only.
const (
	probeLife = 10 * time.Second
	// probeICELife is how long the credentials of a probe admit a new relay.
	probeICELife = time.Minute
	// Requests that one address may make: an examination takes about seven, and a hall stands behind one address.
	probesPerMinute = 60
	probeBurst      = 120
	// probeWait is when to ask again while others have all probes.
	probeWait = 5 * time.Second
)

// probe is one that has been let in. Hub.mu guards it.
type probe struct {
	peer, cast string
	network    netip.Prefix
	timer      *time.Timer // nil until it is answered
}

// probes are those that are open.
type probes struct {
	open map[string]*probe    // by peer
	from map[netip.Prefix]int // how many of them one network has
	pace *addressLimit
}

func newProbes() probes {
	return probes{
		open: map[string]*probe{}, from: map[netip.Prefix]int{}, pace: newAddressLimit(probesPerMinute, probeBurst),
	}
}

// Probe is the door for network tests: GET gives ICE servers, POST with an SDP offer an answer as well. docs/protocol.md
// tells its limits. The handler may be used from any goroutine, until Close.
func (h *Hub) Probe() http.Handler { return probeDoor{h} }

type probeDoor struct{ hub *Hub }

// probeAnswer is what both requests are answered.
type probeAnswer struct {
	Answer string   `json:"answer,omitempty"`
	Life   int      `json:"life"` // seconds
	ICE    iceState `json:"ice"`
}

// ServeHTTP implements http.Handler.
func (d probeDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := d.hub
	if !h.enter() {
		h.refuseHTTP(w, refuseFor(CodeDraining, "the server is leaving", drainingWait))
		return
	}
	defer h.running.Done()
	defer func() {
		if fault := recover(); fault != nil {
			h.refuseHTTP(w, refuse(CodeInternal, h.fault("probe", fault)))
		}
	}()
	scheme, hostport := h.cfg.External(r)
	// A foreign page cannot send an offer's media type without asking first, and is never told that it may. Its origin is
	// looked at all the same; a program sends none, or the server's own.
	if r.Header.Get("Origin") != "" && !h.origins.admit(r, scheme, hostport) {
		h.tally.drop(dropOrigin)
		http.Error(w, "this page may not ask for a probe here", http.StatusForbidden)
		return
	}
	answer, refused := d.route(w, r)
	if refused != nil {
		h.refuseHTTP(w, refused)
		return
	}
	servers, ttl := h.cfg.ICE(newID("q_"), bareHost(hostport), probeICELife)
	if servers == nil {
		servers = []ICEServer{}
	}
	w.Header().Set("Content-Type", typeJSON)
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(probeAnswer{ // the client has gone
		answer, int(probeLife / time.Second), iceState{servers, int(ttl / time.Second)},
	})
}

// route returns the answer to an offer, "" where none was asked for.
func (d probeDoor) route(w http.ResponseWriter, r *http.Request) (answer string, refused *Error) {
	addr := d.hub.cfg.ClientAddr(r)
	switch r.Method {
	case http.MethodGet:
		return "", d.hub.pacesProbe(addr)
	case http.MethodPost:
		return d.post(w, r, addr)
	}
	return "", notAllowed(w, "GET, POST")
}

func (d probeDoor) post(w http.ResponseWriter, r *http.Request, addr netip.Addr) (answer string, refused *Error) {
	h := d.hub
	if refused := h.pacesProbe(addr); refused != nil {
		return "", refused
	}
	offer, refused := readBody(w, r, typeSDP)
	if refused != nil {
		return "", refused
	}
	lines, refused := h.outline(offer)
	if refused != nil {
		return "", refused
	}
	slots, refused := slotsToWatch(lines)
	if refused != nil {
		return "", refused
	}
	return h.openProbe(addr, offer, slots)
}

// pacesProbe counts a request of addr, or says how long it has to wait.
func (h *Hub) pacesProbe(addr netip.Addr) (refused *Error) {
	h.section(func() {
		now := time.Now()
		switch wait := h.probes.pace.wait(addr, now); {
		case h.draining:
			refused = refuseFor(CodeDraining, "the server is leaving", drainingWait)
		case wait > 0:
			refused = refuseFor(CodeRateLimited, "too many network tests from this address", wait)
		default:
			h.probes.pace.take(addr, now)
		}
	})
	return refused
}

// openProbe lets a probe in and has the media plane answer its offer.
func (h *Hub) openProbe(addr netip.Addr, offer string, slots map[string]string) (answer string, refused *Error) {
	s := h.newSession(newID("q_"), "")
	defer s.cancel()
	p := &probe{peer: s.peer, cast: newID("c_"), network: network(addr)}
	h.section(func() {
		switch {
		case len(h.probes.open) >= h.bounds.probes:
			refused = refuseFor(CodeServerBusy, "too many network tests at once", probeWait)
		case h.probes.from[p.network] >= h.bounds.probesOfOne:
			refused = refuseFor(CodeRateLimited, "too many network tests at once from this address", probeWait)
		default:
			h.probes.open[p.peer] = p
			h.probes.from[p.network]++
		}
	})
	if refused != nil {
		return "", refused
	}
	ctx, cancel := context.WithTimeout(s.ctx, h.timing.media)
	defer cancel()
	answer, refused = h.askMedia(s, func() (string, error) {
		return h.cfg.Media.Watch(ctx, p.cast, p.peer, offer, slots)
	})
	var o outside
	h.section(func() {
		if refused != nil {
			h.closeProbe(&o, p)
		} else if h.probes.open[p.peer] == p {
			p.timer = h.after(probeLife, func(o *outside) { h.closeProbe(o, p) })
		} else { // its connection ended while it was being answered
			o.add(func() { h.cfg.Media.End(p.cast) })
		}
	})
	o.run()
	return answer, refused
}

// closeProbe forgets p and ends its connection. It is called with the lock, and does nothing the second time.
func (h *Hub) closeProbe(o *outside, p *probe) {
	if h.probes.open[p.peer] != p {
		return
	}
	delete(h.probes.open, p.peer)
	if h.probes.from[p.network]--; h.probes.from[p.network] == 0 {
		delete(h.probes.from, p.network)
	}
	if p.timer != nil {
		p.timer.Stop()
	}
	o.add(func() { h.cfg.Media.End(p.cast) })
}

// probeChanged takes what the media plane says of a peer that may be a probe. It is called with the lock.
func (h *Hub) probeChanged(peer, state string) {
	if p := h.probes.open[peer]; p != nil && (state == "failed" || state == "closed") {
		// Not at once: the media plane calls from where it must not be called back.
		h.after(0, func(o *outside) { h.closeProbe(o, p) })
	}
}
