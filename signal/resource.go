package signal

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// Requests a second to one resource, and how many at once.
const (
	resourceRate  = 30
	resourceBurst = 60
)

// resource is what a guest's session is to HTTP: a URL that only the guest knows. It goes when the session does.
type resource struct {
	// fixed
	door    *door
	session *Session
	path    string // of the URL
	secret  token
	bearer  token             // by which it was made
	slots   map[string]string // by mid
	first   string            // ETag at the beginning
	pace    *rate.Limiter     // of requests
	gone    chan struct{}     // closed when the resource is

	// guarded by Hub.mu
	etag    string // of the present ICE session, quoted
	offer   string // the newest, without candidates; "" when it was too long to be kept
	ufrag   string // of the newest offer
	checked int    // candidates that the client has told in this ICE session
	streams map[token]*eventStream
}

// maxKeptOffer bounds what is kept of an offer for ICE restarts, in bytes. Those of browsers and encoders have less
// than 10 KiB.
const maxKeptOffer = 32 << 10

// openResource makes the resource of a guest whose offer was taken. Called with the lock.
func (h *Hub) openResource(d *door, s *Session, v *visitor) *resource {
	text, secret := newToken()
	res := &resource{
		door: d, session: s, path: d.prefix + "/" + v.room + "/" + text, secret: secret, bearer: hashToken(v.bearer), slots: v.slots,
		first: newETag(), pace: rate.NewLimiter(resourceRate, resourceBurst), gone: make(chan struct{}),
		offer: keptOffer(v.offer), ufrag: sdpValue(v.offer, "ice-ufrag"), streams: map[token]*eventStream{},
	}
	res.etag = res.first
	s.guest = res
	h.resources[secret] = res
	return res
}

// closeResource takes the resource of a session out of the world. Called with the lock.
func (h *Hub) closeResource(res *resource) {
	delete(h.resources, res.secret)
	h.streams -= len(res.streams)
	clear(res.streams)
	close(res.gone)
	res.session.guest = nil
}

// newETag is a strong entity tag (RFC 9110 section 8.8.3).
func newETag() string { return `"` + rand.Text()[:16] + `"` }

// find looks for the resource of a request; nil when there is none of that door, room and secret.
func (d *door) find(parts []string) (res *resource) {
	h := d.hub
	h.section(func() {
		found := h.resources[hashToken(parts[1])]
		if found != nil && found.path == d.prefix+"/"+parts[0]+"/"+parts[1] && found.door.ingest == d.ingest {
			res = found
		}
	})
	return res
}

// errGone is said of a resource, or a stream of one, that is not there.
func errGone() *Error { return refuse(CodeResource, "it is not there, or no longer") }

// below serves what is below PREFIX/{room}/{secret}.
func (d *door) below(w http.ResponseWriter, r *http.Request, parts []string) *Error {
	methods := methodsBelow(parts)
	if methods == "" {
		return refuse(CodeResource, "nothing is here")
	}
	if r.Method == http.MethodOptions {
		if len(parts) == 2 {
			w.Header().Set("Accept-Patch", typeFragment)
		}
		preflight(w, r, methods)
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	res := d.find(parts)
	if res == nil {
		return errGone()
	}
	if !d.hub.mayUse(r, res) {
		return refuse(CodeAuth, "this is not the room's token")
	}
	if now := time.Now(); !res.pace.AllowN(now, 1) {
		return refuseFor(CodeRateLimited, "too many requests", time.Second)
	}
	switch {
	case !strings.Contains(methods, r.Method):
		return notAllowed(w, methods)
	case len(parts) == 2:
		return d.resource(w, r, res)
	case parts[2] == "layer":
		return d.hub.layer(w, r, res)
	case len(parts) == 3:
		return d.hub.openStream(w, r, res)
	default:
		return d.hub.stream(w, r, res, parts[3])
	}
}

// methodsBelow are the methods of a path below PREFIX/{room}, "" where nothing is.
func methodsBelow(parts []string) string {
	switch {
	case len(parts) == 2:
		return "DELETE, GET, HEAD, OPTIONS, PATCH"
	case len(parts) == 3 && (parts[2] == "events" || parts[2] == "layer"):
		return "OPTIONS, POST"
	case len(parts) == 4 && parts[2] == "events":
		return "DELETE, GET, OPTIONS"
	default:
		return ""
	}
}

// token reads a bearer token that is good at the door: of an encoder, or of a player where players come in.
func (d *door) token(bearer string, now time.Time) (tk ticket, ok bool) {
	tk, ok = d.hub.tickets.verify(bearer, publishToken, now)
	if !ok && !d.ingest {
		tk, ok = d.hub.tickets.verify(bearer, watchToken, now)
	}
	return tk, ok
}

// mayUse says whether the bearer of a request, if it has one, is good for the resource's room. The URL itself is a
// secret, so a client that sends no token any more is let in; one with another room's token is confused.
func (h *Hub) mayUse(r *http.Request, res *resource) (ok bool) {
	bearer, given := bearerOf(r)
	if !given || h.cfg.Open || bearer != "" && res.bearer == hashToken(bearer) {
		return true // the one that it came with may have expired since
	}
	now := time.Now()
	tk, claims, ok := res.door.proofOf(bearer, now)
	h.section(func() {
		if claims != nil {
			tk = h.asTicket(claims)
		}
		ok = ok && h.stands(tk, now) && res.session.seat != nil && res.session.seat.room.id == tk.Room
	})
	return ok
}

// resource serves the session itself.
func (d *door) resource(w http.ResponseWriter, r *http.Request, res *resource) *Error {
	switch r.Method {
	case http.MethodPatch:
		return d.hub.patch(w, r, res)
	case http.MethodDelete:
		if !d.hub.deleteResource(res) {
			return errGone()
		}
		w.WriteHeader(http.StatusOK)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
	return nil
}

// deleteResource ends a guest's session at its own wish. It does not wait for a restart that is under way: that ends
// with the session.
func (h *Hub) deleteResource(res *resource) (done bool) {
	var o outside
	h.section(func() {
		if s := res.session; s.guest == res {
			done = true
			h.dismissGuest(&o, s, goneDeleted)
		}
	})
	o.run()
	return done
}

// wake tells the streams of a resource that the room has changed. Called with the lock.
func (res *resource) wake() {
	for _, st := range res.streams {
		st.wake()
	}
}
