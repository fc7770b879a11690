package main

import (
	"encoding/json"
	"mime"
	"net/http"
	"time"
)

// maxAdminBody bounds the body of a request to the admin address, in bytes.
const maxAdminBody = 256 << 10

// adminRooms adds what operators see of rooms and do to them. It needs an admin token also on loopback: whoever runs a
// program on this machine is not yet the operator, and neither is a page that makes a name point here.
func (s *server) adminRooms(m *http.ServeMux) {
	for pattern, serve := range map[string]http.HandlerFunc{
		"GET /api/rooms":           s.listRooms,
		"DELETE /api/rooms/{id}":   s.endRoom,
		"DELETE /api/peers/{peer}": s.kickPeer,
		"GET /api/revocations":     s.listRevocations,
		"POST /api/revocations":    s.revokeToken,
	} {
		m.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if s.cfg.AdminToken == "" {
				http.Error(w, "this needs an admin token: --admin-token-file or CASTCODE_ADMIN_TOKEN", http.StatusForbidden)
				return
			}
			w.Header().Set("Cache-Control", "no-store")
			serve(w, r)
		})
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client has gone
}

func (s *server) listRooms(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{"rooms": s.hub.Roster()})
}

func (s *server) listRevocations(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{"revocations": s.hub.Revocations()})
}

// audit writes down what an operator has done.
func (s *server) audit(r *http.Request, what string, on string, ok bool) {
	s.log.Info("admin: "+what, "on", brief(on), "done", ok, "from", r.RemoteAddr)
}

func (s *server) endRoom(w http.ResponseWriter, r *http.Request) {
	ok := s.hub.EndRoom(r.PathValue("id"))
	s.audit(r, "end room", r.PathValue("id"), ok)
	done(w, ok, "no such room")
}

func (s *server) kickPeer(w http.ResponseWriter, r *http.Request) {
	ok := s.hub.Kick(r.PathValue("peer"))
	s.audit(r, "kick", r.PathValue("peer"), ok)
	done(w, ok, "no such peer")
}

// done answers 204, or 404.
func done(w http.ResponseWriter, ok bool, not string) {
	if !ok {
		http.Error(w, not, http.StatusNotFound)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// revokeToken takes {"jti": "…", "exp": UNIX}; exp may be left out.
func (s *server) revokeToken(w http.ResponseWriter, r *http.Request) {
	var m struct {
		JTI string `json:"jti"`
		Exp int64  `json:"exp"`
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		http.Error(w, "the body has to be application/json", http.StatusUnsupportedMediaType)
		return
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAdminBody)).Decode(&m); err != nil || m.JTI == "" {
		http.Error(w, `the body has to be {"jti": "…"}`, http.StatusBadRequest)
		return
	}
	var until time.Time
	if m.Exp > 0 {
		until = time.Unix(m.Exp, 0)
	}
	kicked, ok := s.hub.Revoke(m.JTI, until)
	s.audit(r, "revoke join token", m.JTI, ok)
	if !ok {
		http.Error(w, "the id is too long, exp too far away, or the list full: change the key instead", http.StatusUnprocessableEntity)
		return
	}
	writeJSON(w, map[string]int{"kicked": kicked})
}

// brief makes a text of a request fit for the log.
func brief(text string) string {
	return printable(string([]rune(text)[:min(len([]rune(text)), 64)]))
}
