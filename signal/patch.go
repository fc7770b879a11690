package signal

import (
	"context"
	"io"
	"net/http"
	"strings"
)

// patch takes candidates, or an ICE restart (RFC 9725 section 4.3).
func (h *Hub) patch(w http.ResponseWriter, r *http.Request, res *resource) *Error {
	match := strings.Join(r.Header.Values("If-Match"), ",")
	if match == "" {
		match = r.Header.Get("ETag") // a client in use writes it there (whip-web-client 1.1)
	}
	body, refused := readBody(w, r, typeFragment)
	switch {
	case refused != nil:
		return refused
	case match == "":
		return refuse(CodeMatchMissing, "PATCH needs If-Match: the ETag, or * to restart ICE")
	}
	f, ok := readFragment(body)
	if !ok {
		return refuse(CodeBadSDP, "this is no SDP fragment")
	}
	restart, refused := h.trickle(res, match, f)
	if refused != nil {
		return refused
	}
	if !restart {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	etag, fragment, refused := h.restartGuest(res, match, f)
	if refused != nil {
		return refused
	}
	header := w.Header()
	header.Set("Content-Type", typeFragment)
	header.Set("ETag", etag)
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, fragment) // the client has gone
	return nil
}

// trickle takes the candidates of f, unless it is for another ICE session. restart says that it begins one.
func (h *Hub) trickle(res *resource, match string, f fragment) (restart bool, refused *Error) {
	h.section(func() {
		switch {
		case res.session.guest != res:
			refused = errGone()
		case !matches(match, res.etag):
			refused = refuse(CodeMatchStale, "the ETag is of an earlier ICE session")
		case f.ufrag != "" && f.ufrag != res.ufrag:
			restart = true
		default:
			res.checked += f.candidates
			if res.checked > maxCandidates {
				refused = refuse(CodeBadMessage, "more than 64 candidates")
			}
		}
	})
	return restart, refused
}

// matches evaluates If-Match (RFC 9110 section 13.1.1): strong comparison, and "*" with or without quotation marks, for
// RFC 9725 writes them.
func matches(field, etag string) bool {
	for one := range strings.SplitSeq(field, ",") {
		if one = strings.TrimSpace(one); one == etag || one == "*" || one == `"*"` {
			return true
		}
	}
	return false
}

// restartGuest gives a guest's connection a new path. When that fails the old one stays, and its ETag.
func (h *Hub) restartGuest(res *resource, match string, f fragment) (etag, answer string, refused *Error) {
	s := res.session
	if !s.begin(s.ctx) {
		return "", "", errGone()
	}
	defer s.end()
	offer, cast := "", ""
	h.section(func() {
		switch {
		case s.guest != res || s.seat == nil:
			refused = errGone()
		case !matches(match, res.etag):
			refused = refuse(CodeMatchStale, "the ETag is of an earlier ICE session")
		case res.offer == "":
			refused = refuse(CodeBadOffer, "the offer was too long to be kept for a restart; make a new session")
		default:
			offer, cast = withCredentials(res.offer, f.ufrag, f.password), s.seat.room.cast
		}
	})
	if refused != nil {
		return "", "", refused
	}
	t := &turn{hub: h, session: s}
	t.then = func(ctx context.Context) *Error {
		sdp, refused := h.askMedia(s, func() (string, error) { return h.cfg.Media.Restart(ctx, cast, s.peer, offer) })
		if refused != nil {
			return refused
		}
		var ok bool
		if answer, ok = cutFragment(sdp); !ok {
			return refuse(CodeInternal, h.fault("restart", "the answer has no ICE credentials"))
		}
		return nil
	}
	if refused = t.ask(); refused != nil {
		if s.ctx.Err() != nil {
			refused = errGone() // deleted meanwhile
		}
		return "", "", refused
	}
	h.section(func() {
		if s.guest != res {
			refused = errGone()
			return
		}
		res.etag, res.offer, res.ufrag, res.checked = newETag(), offer, f.ufrag, f.candidates
		etag = res.etag
	})
	return etag, answer, refused
}
