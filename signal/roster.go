package signal

import (
	"slices"
	"strings"
)

// RoomView is a room as operators see it. It holds nothing that lets anybody in.
type RoomView struct {
	ID       string       `json:"id"`
	Name     string       `json:"name"`
	State    string       `json:"state"` // as in docs/protocol.md
	Capacity int          `json:"capacity"`
	Members  []MemberView `json:"members"`
}

// MemberView is a member of a room as operators see it.
type MemberView struct {
	Peer  string `json:"peer"`
	Role  string `json:"role"`
	Name  string `json:"name"`
	State string `json:"state"`
	Token string `json:"jti,omitempty"` // of the join token by which it came
}

// Roster lists all rooms with their members, by id: the caster and the encoder first, then the others as they came, then
// those in the lobby.
func (h *Hub) Roster() []RoomView {
	list := []RoomView{}
	h.section(func() {
		for _, r := range h.rooms {
			list = append(list, r.roster())
		}
	})
	slices.SortFunc(list, func(a, b RoomView) int { return strings.Compare(a.ID, b.ID) })
	return list
}

func (r *Room) roster() RoomView {
	v := RoomView{ID: r.id, Name: r.shownName(), State: r.state(), Capacity: max(0, r.capacity()), Members: []MemberView{}}
	add := func(s *Session, as role, state string) {
		m := MemberView{Peer: s.peer, Role: string(as), Name: s.shownName(), State: state}
		if s.grant != nil {
			m.Token = s.grant.ID
		}
		v.Members = append(v.Members, m)
	}
	for _, p := range append([]*seat{r.caster, r.encoder}, r.seats...) {
		if p != nil && !p.pending {
			add(p.session, p.role, p.state())
		}
	}
	for _, p := range r.lobby {
		add(p.session, roleWaiting, p.state())
	}
	return v
}
