package signal

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Relation types of what a player is offered besides (draft-ietf-wish-whep-03).
const (
	relEvents = "urn:ietf:params:whep:ext:core:server-sent-events"
	relLayer  = "urn:ietf:params:whep:ext:core:layer"
)

// eventNames are the events of a stream.
var eventNames = [...]string{eventActive, eventInactive, eventLayers, eventReconnect, eventViewers}

const (
	eventActive    = "active"
	eventInactive  = "inactive"
	eventLayers    = "layers"
	eventReconnect = "reconnect"
	eventViewers   = "viewercount"
)

// maxStreams is how many event streams a player may have.
const maxStreams = 4

// viewersEvery is the least time between two counts of viewers.
const viewersEvery = time.Second

// eventStream is what a player has asked to be told. It holds no queue: whoever reads it is told what has changed since
// it was told last.
type eventStream struct {
	// fixed
	wanted []string
	woken  chan struct{} // holds one value when something may have changed

	// guarded by Hub.mu
	gone   chan struct{} // closed when the stream is
	reader chan struct{} // closed when another request reads; nil without one
	leave  bool          // the server is leaving, and this stream is to be told now
}

func (st *eventStream) wake() {
	select {
	case st.woken <- struct{}{}:
	default: // it is awake already
	}
}

func (st *eventStream) wants(name string) bool { return slices.Contains(st.wanted, name) }

// openStream makes an event stream for the events that the body names.
func (h *Hub) openStream(w http.ResponseWriter, r *http.Request, res *resource) *Error {
	body, refused := readBody(w, r, typeJSON)
	if refused != nil {
		return refused
	}
	var wanted []string
	if json.Unmarshal([]byte(body), &wanted) != nil || len(wanted) == 0 || len(wanted) > len(eventNames) {
		return refuse(CodeBadMessage, "the body has to be a list of names of events")
	}
	for _, name := range wanted {
		if !slices.Contains(eventNames[:], name) {
			return refuse(CodeBadMessage, "there is no event "+strconv.Quote(plain(name)))
		}
	}
	text, secret := newToken()
	h.section(func() {
		switch {
		case res.session.guest != res:
			refused = errGone()
		case len(res.streams) >= maxStreams:
			refused = refuseFor(CodeRateLimited, "a player has four streams at most", time.Minute)
		default:
			res.streams[secret] = &eventStream{wanted: wanted, woken: make(chan struct{}, 1), gone: make(chan struct{})}
			h.streams++
		}
	})
	if refused != nil {
		return refused
	}
	w.Header().Set("Location", res.path+"/events/"+text)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusCreated)
	return nil
}

// stream serves one event stream: GET reads it, DELETE ends it.
func (h *Hub) stream(w http.ResponseWriter, r *http.Request, res *resource, text string) *Error {
	var st *eventStream
	replaced := make(chan struct{})
	h.section(func() {
		if st = res.streams[hashToken(text)]; st == nil {
			return
		}
		if r.Method == http.MethodDelete {
			delete(res.streams, hashToken(text))
			h.streams--
			close(st.gone)
			return
		}
		if st.reader != nil {
			close(st.reader) // a client that has come back before its old connection was seen to be gone
		}
		st.reader = replaced
	})
	if st == nil {
		return errGone()
	}
	if r.Method == http.MethodDelete {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	h.sendEvents(w, r, res, st, replaced)
	return nil
}

// sendEvents writes events until one of the two sides, the stream or the session ends.
func (h *Hub) sendEvents(w http.ResponseWriter, r *http.Request, res *resource, st *eventStream, replaced chan struct{}) {
	control := http.NewResponseController(w)
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // a proxy would keep what is small
	if r.ProtoMajor == 1 {
		header.Set("Connection", "close") // the deadline of the last write stays with the connection
	}
	w.WriteHeader(http.StatusOK)
	send := func(text string) error {
		if err := control.SetWriteDeadline(time.Now().Add(h.timing.write)); err != nil {
			return err
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
		return control.Flush()
	}
	beat := time.NewTicker(h.timing.beat)
	defer beat.Stop()
	var told news
	quiet := time.Now()
	for {
		text := h.news(res, st, &told)
		if now := time.Now(); text == "" && now.Sub(quiet) >= h.timing.comment {
			text = ":\n\n" // shows that the connection lives, and finds out when it does not
		}
		if text != "" {
			quiet = time.Now()
		}
		if send(text) != nil {
			return
		}
		select {
		case <-st.woken:
		case <-beat.C:
		case <-res.gone:
			_ = send(told.farewell(st)) // the last words may be lost
			return
		case <-st.gone:
			return
		case <-replaced:
			return
		case <-r.Context().Done():
			return
		case <-h.ctx.Done():
			return
		}
	}
}

// news is what a reader of a stream has been told.
type news struct {
	live    bool
	layers  string
	viewers int
	counted time.Time
	left    bool
}

// news says what has changed for a stream since told, as events, and notes that it was told.
func (h *Hub) news(res *resource, st *eventStream, told *news) (text string) {
	var r *Room
	h.section(func() {
		if res.session.seat == nil {
			return
		}
		r = res.session.seat.room
		if live := r.casting(); live != told.live {
			told.live = live
			text += event(st, map[bool]string{true: eventActive, false: eventInactive}[live], struct{}{})
		}
		now := time.Now()
		if n := len(r.seats); n != told.viewers && now.Sub(told.counted) >= viewersEvery {
			told.viewers, told.counted = n, now
			text += event(st, eventViewers, map[string]int{"viewercount": n})
		}
		if st.leave && !told.left {
			told.left = true
			text += event(st, eventReconnect, struct{}{})
		}
	})
	if r != nil && st.wants(eventLayers) {
		layers := layersByLine(h.layersOf(r), res.slots)
		frame := event(st, eventLayers, layers)
		if frame != told.layers && len(layers) > 0 {
			told.layers = frame
			text += frame
		}
	}
	return text
}

// farewell is the last event of a stream whose session ends.
func (n *news) farewell(st *eventStream) string {
	if !n.live {
		return ""
	}
	return event(st, eventInactive, struct{}{})
}

// event writes one event, "" when the stream does not want it (WHATWG HTML section 9.2.6).
func event(st *eventStream, name string, data any) string {
	if !st.wants(name) {
		return ""
	}
	return "event: " + name + "\ndata: " + string(encode(data)) + "\n\n"
}
