package signal

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

const (
	// maxBody bounds the body of a request over WHIP and WHEP, in bytes.
	maxBody = 64 << 10
	// iceLife is how long a guest's TURN credentials admit a new connection: it has no way to renew them.
	iceLife = time.Hour
	// castingWait is when to try again where another source casts, or none: players back off from it.
	castingWait = 2 * time.Second
	// drainingWait is when another server, or this one anew, should be there.
	drainingWait = 5 * time.Second
	// Refused requests without a token that one address may make; beyond that it is not listened to. Far above what a
	// hall full of players with a wrong setting does.
	guestFailuresPerMinute = 30
	guestFailureBurst      = 100
)

// Media types.
const (
	typeSDP      = "application/sdp"
	typeFragment = "application/trickle-ice-sdpfrag"
	typeJSON     = "application/json"
)

// door is an HTTP door to the rooms: WHIP (RFC 9725) for encoders or WHEP (draft-ietf-wish-whep-03) for players. The
// paths are PREFIX/{room} and, for what was made there, PREFIX/{room}/{secret} with what is below it.
type door struct {
	hub    *Hub
	prefix string // "/whip" or "/whep"
	ingest bool   // it is WHIP
}

// WHIP is the door of encoders, for paths that begin with /whip/.
func (h *Hub) WHIP() http.Handler { return &door{h, "/whip", true} }

// WHEP is the door of players, for paths that begin with /whep/.
func (h *Hub) WHEP() http.Handler { return &door{h, "/whep", false} }

// enter counts a request in, so that Close waits for it; it is followed by running.Done when it returns true.
func (h *Hub) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.running.Add(1)
	return true
}

// ServeHTTP implements http.Handler.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	// Pages of everywhere may use these doors: what a request may do is in its URL and its bearer token, which a foreign
	// page does not have, and never in a cookie.
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Access-Control-Expose-Headers", "Location, ETag, Link, Accept-Patch, Accept-Post, Access-Control-Allow-Methods, Retry-After, WWW-Authenticate")
	if !d.hub.enter() {
		d.hub.refuseHTTP(w, refuseFor(CodeDraining, "the server is leaving", drainingWait))
		return
	}
	defer d.hub.running.Done()
	defer func() {
		if fault := recover(); fault != nil {
			d.hub.refuseHTTP(w, refuse(CodeInternal, d.hub.fault(d.prefix, fault)))
		}
	}()
	if refused := d.route(w, r); refused != nil {
		d.hub.refuseHTTP(w, refused)
	}
}

func (d *door) route(w http.ResponseWriter, r *http.Request) *Error {
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), d.prefix+"/")
	parts := strings.Split(path, "/")
	to, named := readTarget(parts[0])
	if !ok || !named {
		return refuse(CodeResource, "no such room")
	}
	if len(parts) == 1 {
		return d.endpoint(w, r, parts[0], to)
	}
	if len(parts) > 2 && d.ingest || len(parts) > 4 {
		return refuse(CodeResource, "nothing is here")
	}
	return d.below(w, r, parts)
}

// endpoint serves PREFIX/{room}.
func (d *door) endpoint(w http.ResponseWriter, r *http.Request, room string, to target) *Error {
	switch r.Method {
	case http.MethodPost:
		return d.post(w, r, room, to)
	case http.MethodOptions:
		w.Header().Set("Accept-Post", typeSDP)
		if !preflight(w, r, "GET, HEAD, OPTIONS, POST") {
			if v := d.visitor(r, room, to); d.hub.admitVisitor(d, v) == nil && d.hub.knowsCode(v) {
				d.links(w, r, newID("p_"))
			}
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	case http.MethodGet, http.MethodHead:
		if d.ingest {
			w.WriteHeader(http.StatusNoContent)
		} else {
			w.Header().Set("Content-Type", typeSDP) // how players know the door
			w.WriteHeader(http.StatusOK)
		}
		return nil
	default:
		return notAllowed(w, "GET, HEAD, OPTIONS, POST")
	}
}

// knowsCode says whether v has a token, or the right code where that is what it came with. A wrong one counts, as with
// any other request: the answer tells the two apart.
func (h *Hub) knowsCode(v *visitor) (yes bool) {
	if v.proof != nil || v.to.code == "" {
		return true
	}
	h.section(func() {
		_, refused := h.find(&turn{hub: h, addr: v.addr}, v.to.code, onlyRoom)
		yes = refused == nil
	})
	return yes
}

// preflight writes what OPTIONS answers to a page, and says whether the request was a browser's question about another
// one (Fetch standard, section 3.3.2), which carries no credentials.
func preflight(w http.ResponseWriter, r *http.Request, methods string) bool {
	header := w.Header()
	header.Set("Allow", methods)
	header.Set("Access-Control-Allow-Methods", "DELETE, GET, HEAD, OPTIONS, PATCH, POST") // some read there what a session can do
	header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match, ETag, Accept, Last-Event-ID, Cache-Control")
	header.Set("Access-Control-Max-Age", "86400")
	return r.Header.Get("Access-Control-Request-Method") != ""
}

func notAllowed(w http.ResponseWriter, methods string) *Error {
	w.Header().Set("Allow", methods)
	return refuse(CodeMethod, "allowed here: "+methods)
}

// visitor is somebody who asks to come in.
type visitor struct {
	addr   netip.Addr
	agent  string
	room   string // segment of the path
	to     target
	given  bool   // there is a bearer
	bearer string // "" when none was given
	proof  *ticket
	offer  string
	slots  map[string]string
}

func (d *door) visitor(r *http.Request, room string, to target) *visitor {
	usual := "player"
	if d.ingest {
		usual = "encoder"
	}
	v := &visitor{
		addr: d.hub.cfg.ClientAddr(r), agent: agentName(r.UserAgent(), usual), room: room, to: to,
	}
	v.bearer, v.given = bearerOf(r)
	return v
}

// bearerOf reads Authorization (RFC 6750 section 2.1); the scheme is written in any case (RFC 9110 section 11.1).
func bearerOf(r *http.Request) (token string, given bool) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return "", false
	}
	scheme, rest, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", true
	}
	return strings.TrimSpace(rest), true
}

// post lets somebody in, or says why not.
func (d *door) post(w http.ResponseWriter, r *http.Request, room string, to target) *Error {
	h, v := d.hub, d.visitor(r, room, to)
	refused := h.admitVisitor(d, v)
	if refused == nil {
		refused = d.readOffer(w, r, v)
	}
	var res *resource
	var answer string
	if refused == nil {
		if d.ingest {
			res, answer, refused = h.ingest(d, v)
		} else {
			res, answer, refused = h.play(d, v)
		}
	}
	if refused != nil {
		h.countFailure(v, refused)
		if d.ingest && v.proof != nil {
			h.tellRefused(*v.proof, refused)
		}
		return refused
	}
	d.links(w, r, res.session.peer)
	header := w.Header()
	header.Set("Content-Type", typeSDP)
	header.Set("Location", res.path)
	header.Set("ETag", res.first)
	header.Set("Accept-Patch", typeFragment)
	header.Set("Cache-Control", "no-store")
	if !d.ingest {
		header.Add("Link", "<"+res.path+`/events>; rel="`+relEvents+`"; events="`+strings.Join(eventNames[:], ",")+`"`)
		header.Add("Link", "<"+res.path+`/layer>; rel="`+relLayer+`"`)
	}
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, answer) // the client has gone
	return nil
}

// countFailure counts a refusal of somebody without a token against its address. That nobody casts, that the room is
// locked, or that the server is full, is nobody's fault.
func (h *Hub) countFailure(v *visitor, refused *Error) {
	if refused.code == CodeRoomLocked || refused.code == CodePINRequired {
		return
	}
	switch statusOf[refused.code] {
	case http.StatusConflict, http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusInternalServerError:
		return
	}
	if v.proof == nil {
		h.section(func() { h.guestFailures.take(v.addr, time.Now()) })
	}
}

// readOffer reads the body and gives each m-line its slot.
func (d *door) readOffer(w http.ResponseWriter, r *http.Request, v *visitor) (refused *Error) {
	if v.offer, refused = readBody(w, r, typeSDP); refused != nil {
		return refused
	}
	lines, refused := d.hub.outline(v.offer)
	if refused != nil {
		return refused
	}
	if d.ingest {
		v.slots, refused = slotsToPublish(lines)
	} else {
		v.slots, refused = slotsToWatch(lines)
	}
	return refused
}

// outline has the media plane read an offer.
func (h *Hub) outline(offer string) (lines []MediaLine, refused *Error) {
	defer func() {
		if fault := recover(); fault != nil {
			refused = refuse(CodeInternal, h.fault("Media.Outline", fault))
		}
	}()
	lines, err := h.cfg.Media.Outline(offer)
	if err == nil {
		return lines, nil
	}
	if coded, ok := asCoded(err); ok && coded.Code() != CodeBadSDP {
		if refused, ok := fromMedia(coded); ok {
			return nil, refused
		}
	} else if ok {
		return nil, refuse(CodeBadSDP, plain(coded.Reason()))
	}
	return nil, refuse(CodeBadSDP, "this is no SDP")
}

// readBody reads a body of that type.
func readBody(w http.ResponseWriter, r *http.Request, kind string) (string, *Error) {
	if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || got != kind {
		return "", refuse(CodeMediaType, "the body has to be "+kind)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return "", refuse(CodeTooLarge, "the body is longer than 64 KiB")
	case err != nil:
		return "", refuse(CodeBadSDP, "the body did not arrive")
	}
	return string(body), nil
}

// links adds the ICE servers for peer, one Link for each URL (RFC 9725 section 4.6). There is no way to say what is to be
// left out with media from the same port (ICEServer.Media), so that is left out for all.
func (d *door) links(w http.ResponseWriter, r *http.Request, peer string) {
	_, hostport := d.hub.cfg.External(r)
	servers, _ := d.hub.cfg.ICE(peer, bareHost(hostport), iceLife)
	for _, s := range servers {
		if s.Media {
			continue
		}
		for _, url := range s.URLs {
			link := "<" + url + `>; rel="ice-server"`
			if s.Username != "" {
				link += "; username=" + quoted(s.Username) + "; credential=" + quoted(s.Credential) + `; credential-type="password"`
			}
			w.Header().Add("Link", link)
		}
	}
}

// quoted writes a quoted-string (RFC 9110 section 5.6.4).
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}
