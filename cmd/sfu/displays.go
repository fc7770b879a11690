package main

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"

	control "castcode/signal"
)

// trouble tells what works worse than it should while the server serves, for /healthz.
func (s *server) trouble() string {
	if st := s.kept.Status(); st.Failing != nil {
		return "store: cannot write, names and settings that change now are lost at a restart\n"
	}
	return ""
}

// displayDoor lets operators see and change displays and groups, as JSON on the admin address.
type displayDoor struct {
	hub     *control.Hub
	guarded bool // by a token
}

// maxDisplayBody bounds what an operator sends; 200 ids of displays fit.
const maxDisplayBody = 16 << 10

func (d *displayDoor) routes(m *http.ServeMux) {
	route := func(pattern string, f func(r *http.Request) (any, error)) {
		m.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { d.serve(w, r, f) })
	}
	route("GET /displays", func(*http.Request) (any, error) { return d.hub.Displays(), nil })
	route("PATCH /displays/{id}", func(r *http.Request) (any, error) {
		var change control.DisplayChange
		if err := readJSON(r, &change); err != nil {
			return nil, err
		}
		return nil, d.hub.ChangeDisplay(r.Context(), r.PathValue("id"), change)
	})
	route("DELETE /displays/{id}", func(r *http.Request) (any, error) {
		return nil, d.hub.ForgetDisplay(r.Context(), r.PathValue("id"))
	})
	route("DELETE /displays/{id}/casters/{caster}", func(r *http.Request) (any, error) {
		return nil, d.hub.RevokeCaster(r.Context(), r.PathValue("id"), r.PathValue("caster"))
	})
	route("GET /groups", func(*http.Request) (any, error) { return d.hub.Groups(), nil })
	route("PUT /groups", func(r *http.Request) (any, error) {
		var group struct {
			Name     string
			Displays []string
		}
		if err := readJSON(r, &group); err != nil {
			return nil, err
		}
		return nil, d.hub.SaveGroup(r.Context(), group.Name, group.Displays)
	})
	route("DELETE /groups/{id}", func(r *http.Request) (any, error) {
		return nil, d.hub.DropGroup(r.Context(), r.PathValue("id"))
	})
}

// errMediaType is a body that a page of another origin could send without asking us first.
var errMediaType = errors.New("the body has to be application/json")

func readJSON(r *http.Request, into any) error {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); strings.TrimSpace(kind) != "application/json" {
		return errMediaType
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxDisplayBody))
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.DisallowUnknownFields() // a setting that is misspelt is not set
	return decoder.Decode(into)
}

// serve answers one request. Without a token only this machine may reach us, and a page in its browser must not: one that
// has been given our address by its own name (DNS rebinding) shows by the Host that it asks for.
func (d *displayDoor) serve(w http.ResponseWriter, r *http.Request, f func(*http.Request) (any, error)) {
	if !d.guarded && !namesThisMachine(r.Host) {
		http.Error(w, "ask for this address by its number or as localhost", http.StatusForbidden)
		return
	}
	answer, err := f(r)
	var coded control.Coded
	switch {
	case err == nil && answer == nil:
		w.WriteHeader(http.StatusNoContent)
	case err == nil:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(answer) // the client has gone
	case errors.Is(err, errMediaType):
		http.Error(w, err.Error(), http.StatusUnsupportedMediaType)
	case !errors.As(err, &coded):
		http.Error(w, "bad_message: "+err.Error(), http.StatusBadRequest)
	default:
		http.Error(w, coded.Code()+": "+coded.Reason(), adminStatus[coded.Code()])
	}
}

// adminStatus is the status of each code that a change may be refused with.
var adminStatus = map[string]int{
	control.CodeBadMessage: http.StatusBadRequest, control.CodePeerUnknown: http.StatusNotFound,
	control.CodeGroupUnknown: http.StatusNotFound, control.CodeGroupLimit: http.StatusConflict,
	control.CodeNotKept: http.StatusInsufficientStorage,
}

func namesThisMachine(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || strings.EqualFold(host, "localhost")
}
