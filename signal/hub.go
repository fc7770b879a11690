package signal

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"castcode/internal/store"

	"github.com/gorilla/websocket"
)

// Codes that one address may cause to be made: opening displays and rooms over and over would use them up, for
// none comes back within 24 h. Far above what a building full of displays behind one address does.
const (
	issuesPerMinute = 60
	issueBurst      = 1000
)

// Hub is the control plane: all sessions, rooms, displays and codes of this process. It is an http.Handler, the
// WebSocket door. All methods may be called from any goroutine.
type Hub struct {
	// fixed
	cfg      Config
	origins  origins
	tickets  tickets
	pins     []byte // key of the PINs' hashes
	timing   timing
	bounds   bounds
	upgrader websocket.Upgrader
	tally    *tally
	begun    time.Time
	fresh    newcomers
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	running  sync.WaitGroup // sockets and timers that are at work; Add only under mu while not closed

	mu sync.Mutex
	// guarded by mu
	closed   bool
	draining bool
	sockets  map[*socket]struct{}
	sessions map[string]*Session // by peer
	resumes  map[token]*Session
	displays map[string]*Session // by the identity in a display's ticket
	showing  int                 // displays that show a code
	rooms    map[string]*Room    // by id
	casts    map[string]*Room    // by the id that the media plane knows
	names    map[string]*Room    // by nameKey, with Config.Open only
	codes    *codes
	dirty    []*Room               // changed in this section
	awaited  map[string][]*Session // displays that wait for a room after a restart, by its id
	devices  map[string]*device    // displays that are kept, by id
	keys     map[deviceKey]*device // the same, by the hash of their key
	groups   map[string]*store.Group

	resources map[token]*resource // by the secret in the URL
	probes    probes
	streams   int // of events, of all resources

	links   map[token]*Room      // by the secret in a room's link
	unbound map[netip.Prefix]int // displays that show a code, by address
	attack  map[string]*alarm    // by kind of code

	displayFailures *addressLimit
	revoked         revocations

	roomFailures  *addressLimit
	guestFailures *addressLimit // requests over WHIP and WHEP that were refused
	issues        *addressLimit
	newRooms      *addressLimit // nil: no limit
}

// NewHub makes a Hub. It starts nothing; it has to be closed all the same. The error says what is wrong with c.
func NewHub(c Config) (*Hub, error) { return newHub(c, protocolTiming, serverBounds) }

func newHub(c Config, t timing, b bounds) (*Hub, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	allowed, err := newOrigins(c.Origins, c.Open)
	if err != nil {
		return nil, err
	}
	ticketKey, err := subkey(c.Key, "tickets")
	if err != nil {
		return nil, fmt.Errorf("signal: %w", err)
	}
	codeKey, err := subkey(c.Key, "codes")
	if err != nil {
		return nil, fmt.Errorf("signal: %w", err)
	}
	pinKey, err := subkey(c.Key, "pins")
	if err != nil {
		return nil, fmt.Errorf("signal: %w", err)
	}
	h := &Hub{
		cfg: c, pins: pinKey, origins: allowed, tickets: tickets{ticketKey}, timing: t, bounds: b, tally: newTally(), begun: time.Now(),
		fresh: newcomers{byAddr: map[netip.Prefix]*newcomer{}},
		upgrader: websocket.Upgrader{
			HandshakeTimeout: t.write,
			ReadBufferSize:   4096, WriteBufferSize: 4096, WriteBufferPool: &sync.Pool{},
			CheckOrigin: func(*http.Request) bool { return true }, // ServeHTTP has looked already
		},
		sockets: map[*socket]struct{}{}, sessions: map[string]*Session{}, resumes: map[token]*Session{},
		displays: map[string]*Session{}, rooms: map[string]*Room{}, casts: map[string]*Room{},
		devices: map[string]*device{}, keys: map[deviceKey]*device{}, groups: map[string]*store.Group{},
		names: map[string]*Room{}, codes: newCodes(codeKey),
		displayFailures: newAddressLimit(5, 10), roomFailures: newAddressLimit(10, 30),
		guestFailures: newAddressLimit(guestFailuresPerMinute, guestFailureBurst),
		issues:        newAddressLimit(issuesPerMinute, issueBurst),
		resources:     map[token]*resource{}, probes: newProbes(), revoked: revocations{},
		links: map[token]*Room{}, unbound: map[netip.Prefix]int{},
		attack: map[string]*alarm{displayCodes: newAlarm(), roomCodes: newAlarm()},
	}
	if c.RoomsPerDay > 0 {
		h.newRooms = newAddressLimit(float64(c.RoomsPerDay)/(24*60), c.RoomsPerDay)
	}
	if err := h.loadDevices(); err != nil {
		return nil, err
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h, nil
}

// ServeHTTP is the WebSocket door. It answers 403 to a foreign Origin and 503 when there are too many sockets or
// the Hub is closed; else it returns when the socket has ended.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	scheme, hostport := h.cfg.External(r)
	if !h.origins.admit(r, scheme, hostport) && !h.vouchedFor(r) {
		h.tally.drop(dropOrigin)
		http.Error(w, "this page may not open a socket here", http.StatusForbidden)
		return
	}
	k := newSocket(h, h.cfg.ClientAddr(r), bareHost(hostport))
	k.agent = r.UserAgent()
	if !h.admit(k) {
		h.tally.drop(dropBusy)
		w.Header().Set("Retry-After", "5")
		http.Error(w, "too many sockets", http.StatusServiceUnavailable)
		return
	}
	defer h.running.Done()
	defer h.release(k)
	if k.arrived = h.fresh.enter(r.Context(), h.ctx.Done(), k.addr); k.arrived == nil {
		h.tally.drop(dropNewcomers)
		w.Header().Set("Retry-After", "5")
		http.Error(w, "too many sockets of this address have said nothing yet", http.StatusServiceUnavailable)
		return
	}
	defer k.arrived()
	conn, err := h.upgrader.Upgrade(w, r, nil)
	if err != nil {
		h.tally.drop(dropUpgrade) // Upgrade has answered
		return
	}
	k.serve(conn)
}

// admit counts k in; it is followed by release and running.Done when it returns true.
func (h *Hub) admit(k *socket) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.sockets) >= h.bounds.sockets {
		return false
	}
	h.sockets[k] = struct{}{}
	h.running.Add(1)
	return true
}

func (h *Hub) release(k *socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sockets, k)
}

// section runs f with the lock and sends what became of the rooms that it changed.
func (h *Hub) section(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
	h.flushDirty()
}

// outside collects what has to be done once the lock is let go, in order.
type outside struct{ calls []func() }

func (o *outside) add(f func()) { o.calls = append(o.calls, f) }

func (o *outside) run() {
	for len(o.calls) > 0 {
		f := o.calls[0]
		o.calls = o.calls[1:]
		f()
	}
}

// after runs f in a section after d, unless the Hub is closed by then. Stopping the timer may come too late: f
// looks for itself whether it is still wanted.
func (h *Hub) after(d time.Duration, f func(*outside)) *time.Timer {
	return time.AfterFunc(d, func() {
		h.mu.Lock()
		if h.closed {
			h.mu.Unlock()
			return
		}
		h.running.Add(1)
		h.mu.Unlock()
		defer h.running.Done()
		var o outside
		defer o.run()
		defer h.caught("timer")
		h.section(func() { f(&o) })
	})
}

// caught is deferred where a goroutine of ours starts: a bug must not take the process along.
func (h *Hub) caught(where string) {
	if fault := recover(); fault != nil {
		h.fault(where, fault)
	}
}

// fault logs a panic of ours and returns the reference under which it stands in the log.
func (h *Hub) fault(where string, fault any) string {
	ref := newID("e_")
	h.cfg.Log.Error("signal: recovered from a fault", "ref", ref, "where", where,
		"fault", plain(fmt.Sprint(fault)), "stack", string(debug.Stack()))
	return ref
}

// ice asks for the ICE servers of peer. It is called without the lock.
func (h *Hub) ice(peer, host string) iceState {
	servers, ttl := h.cfg.ICE(peer, host, 0)
	if servers == nil {
		servers = []ICEServer{}
	}
	return iceState{Servers: servers, TTL: int(ttl / time.Second)}
}

// CastChanged tells that the room of cast has, or no longer has, a caster whose media arrives. slots is what its
// slots carry: name to MIME type. The media plane calls it without its locks, in the order of the changes, also
// from within Publish. A cast that is not known is ignored.
func (h *Hub) CastChanged(cast string, live bool, slots map[string]string) {
	h.section(func() {
		if r := h.casts[cast]; r != nil {
			r.setLive(live, slots)
			h.touch(r)
		}
	})
}

// PeerChanged tells what the media plane sees of the connection of peer: connected, disconnected, failed,
// closed, or unsupported for one that is up and cannot decode what is cast; anything else is ignored. Of a connection that the same peer has replaced by a new offer nothing must
// be told any more, for its end would be taken for that of the new one.
func (h *Hub) PeerChanged(peer, state string) {
	switch state {
	case "connected", "disconnected", "failed", "closed", "unsupported":
	default:
		return
	}
	h.section(func() {
		h.probeChanged(peer, state)
		s := h.sessions[peer]
		if s == nil || s.seat == nil {
			return
		}
		s.push(mediaMessage{head{"media", 0}, state})
		if state == "unsupported" {
			return // the connection stands
		}
		if s.seat.media != state {
			s.seat.media = state
			s.seat.room.sourceMedia(s.seat, state)
			h.touch(s.seat.room)
		}
		if s.guest != nil && (state == "failed" || state == "closed") {
			// Not at once: the media plane calls from where it must not be called back.
			h.after(0, func(o *outside) { h.loseGuest(o, s) })
		}
	})
}

// Counts reads the present numbers.
func (h *Hub) Counts() Counts {
	var c Counts
	h.section(func() {
		c.Kept, c.Groups = len(h.devices), len(h.groups)
		c.Sockets, c.Sessions, c.Rooms, c.Streams = len(h.sockets), len(h.sessions), len(h.rooms), h.streams
		c.Probes = len(h.probes.open)
		for _, s := range h.sessions {
			switch s.role {
			case roleDisplay:
				c.Displays++
			case roleViewer:
				c.Viewers++
				if s.guest != nil {
					c.Players++
				}
			case roleCaster:
				if s.sock != nil {
					c.Casters++
				}
			case roleEncoder:
				c.Encoders++
			case roleWaiting:
				c.Waiting++
			case roleIdle:
			}
		}
		c.Attacked = map[string]bool{}
		for kind, a := range h.attack {
			c.Attacked[kind] = a.active(time.Now())
		}
	})
	h.tally.read(&c)
	return c
}
