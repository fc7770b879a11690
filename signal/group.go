package signal

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"castcode/internal/store"
)

// Groups are sets of displays that are cast to together. A group gives nobody a right: each of its displays that is to
// be bound without a code must remember the caster. They are guarded by Hub.mu.
const (
	maxGroups      = 2000
	maxGroupsOwned = 50 // of one caster
	maxGroupSize   = 200
)

// Why a display of a group was left out.
const (
	skipOffline  = "offline"
	skipBusy     = "busy"     // shows somebody's cast
	skipUnknown  = "unknown"  // does not remember this caster
	skipApproval = "approval" // wants to be asked every time
	skipFull     = "full"
)

// saveGroup keeps the displays of the cast under a name. Those that do not remember the caster yet are asked whether
// they will.
func (h *Hub) saveGroup(t *turn, m *groupRequest) *Error {
	s, r := t.session, t.session.seat.room
	if !s.known {
		return refuse(CodeKeyMissing, "this page has shown no device key")
	}
	var ids []string
	var strangers []*Session
	for _, p := range r.seats {
		if p.role != roleDisplay || !p.session.display.device.kept || len(ids) == maxGroupSize {
			continue
		}
		ids = append(ids, p.session.display.device.ID)
		if !p.session.display.device.remembers(s.key) {
			strangers = append(strangers, p.session)
		}
	}
	if len(ids) == 0 {
		return refuse(CodeGroupEmpty, "no display of this cast can be kept")
	}
	g, refused := h.groupNamed(m.Name, s.key[:], time.Now())
	if refused != nil {
		return refused
	}
	g.Displays = ids
	for _, display := range strangers {
		if display.display.prompt == nil && display.sock != nil {
			h.prompt(askGroup, s, display, nil, nil)
		}
	}
	t.whenKept(h.write(*g), groupsMessage{t.head("groups"), h.groupsOf(s.key), len(strangers)})
	return nil
}

// groupNamed is the group of that name and owner, or a new one; the owner is empty for operators.
func (h *Hub) groupNamed(name string, owner []byte, now time.Time) (*store.Group, *Error) {
	owned := 0
	for _, g := range h.groups {
		if !bytes.Equal(g.Owner, owner) {
			continue
		}
		if owned++; nameKey(g.Name) == nameKey(name) {
			g.Name, g.Used = name, now
			return g, nil
		}
	}
	if len(h.groups) >= maxGroups || len(owner) > 0 && owned >= maxGroupsOwned {
		return nil, refuse(CodeGroupLimit, "delete another group first")
	}
	g := &store.Group{ID: newID("g_"), Name: name, Owner: owner, Used: now}
	h.groups[g.ID] = g
	return g, nil
}

// dropGroup deletes a caster's own group.
func (h *Hub) dropGroup(t *turn, m *ungroupRequest) *Error {
	g := h.groups[m.Group]
	if g == nil || !t.session.known || !bytes.Equal(g.Owner, t.session.key[:]) {
		return refuse(CodeGroupUnknown, "no such group is yours")
	}
	t.whenKept(h.eraseGroup(g.ID), groupsMessage{t.head("groups"), h.groupsOf(t.session.key), 0})
	return nil
}

// eraseGroup forgets a group.
func (h *Hub) eraseGroup(id string) receipt {
	delete(h.groups, id)
	return h.erase(store.Groups, id)
}

// listGroups answers with the groups that the caster may use.
func (h *Hub) listGroups(t *turn) *Error {
	t.answer(groupsMessage{t.head("groups"), h.groupsIf(t.session), 0})
	return nil
}

// groupsOf lists a caster's groups, and those of operators in which a display remembers the caster.
func (h *Hub) groupsOf(key deviceKey) []groupState {
	list := []groupState{}
	for _, g := range h.groups {
		own := bytes.Equal(g.Owner, key[:])
		if !own && len(g.Owner) > 0 {
			continue
		}
		one := groupState{ID: g.ID, Name: g.Name, Own: own, Displays: len(g.Displays)}
		known := false
		for _, id := range g.Displays {
			d := h.devices[id]
			known = known || d != nil && d.remembers(key)
			if why := h.skips(d, key, nil); why == "" {
				one.Ready++
			}
		}
		if own || known {
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b groupState) int {
		return cmp.Or(cmp.Compare(nameKey(a.Name), nameKey(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// skips says why a display of a group is left out, "" if it is not. r may be nil for any room.
func (h *Hub) skips(d *device, key deviceKey, r *Room) string {
	if d == nil {
		return skipOffline
	}
	s := h.displays[d.ID]
	switch {
	case s == nil || s.sock == nil:
		return skipOffline
	case s.seat != nil:
		return skipBusy
	case !d.remembers(key):
		return skipUnknown
	case h.mustApprove(d, key):
		return skipApproval
	case r != nil && r.full(0):
		return skipFull
	}
	return ""
}

// addGroup binds all displays of a group that are idle and allow it.
func (h *Hub) addGroup(t *turn, id string) *Error {
	s, r := t.session, t.session.seat.room
	g := h.groups[id]
	mine := slices.ContainsFunc(h.groupsIf(s), func(one groupState) bool { return one.ID == id })
	if g == nil || !mine {
		return refuse(CodeGroupUnknown, "no such group is yours")
	}
	answer := addedGroupMessage{head: t.head("added"), Displays: []addedState{}, Skipped: []skippedState{}}
	for _, id := range g.Displays {
		d := h.devices[id]
		why := h.skips(d, s.key, r)
		if d == nil {
			continue // forgotten since
		}
		shown := h.displays[id]
		switch {
		case why == "":
			h.bind(shown, r)
			answer.Displays = append(answer.Displays, addedState{shown.peer, shown.shownName()})
		case shown != nil && shown.seat != nil && shown.seat.room == r: // it is here already
		default:
			answer.Skipped = append(answer.Skipped, skippedState{d.Name, why})
		}
	}
	g.Used = time.Now()
	h.note(*g)
	t.answer(answer)
	return nil
}

// groupsIf are the groups of a session that has shown a key.
func (h *Hub) groupsIf(s *Session) []groupState {
	if !s.known {
		return []groupState{}
	}
	return h.groupsOf(s.key)
}
