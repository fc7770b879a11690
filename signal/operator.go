package signal

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// What operators see and change. These methods may be called from any goroutine, without locks. Those that change
// something return when it is on the disk, or with an error whose Code is not_kept when it holds but is not.

// DisplayState is a display as operators see it.
type DisplayState struct {
	deviceState
	Named   bool      `json:"named"`          // by a person
	State   string    `json:"state"`          // idle, bound, away (its socket is gone) or gone
	Room    string    `json:"room,omitempty"` // in which it is bound, by id
	Since   time.Time `json:"since"`          // when it came, or was seen last
	Address string    `json:"address,omitempty"`
}

// DisplayChange is what an operator changes on a display; nil fields stay as they are.
type DisplayChange struct{ deviceChange }

// GroupState is a group of displays as operators see it.
type GroupState struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Operator bool     `json:"operator"` // made by an operator, not by a caster
	Displays []string `json:"displays"` // ids
}

// Displays lists all displays that are here or remembered, by name.
func (h *Hub) Displays() []DisplayState {
	list := []DisplayState{}
	h.section(func() {
		for _, d := range h.devices {
			if h.displays[d.ID] == nil {
				list = append(list, DisplayState{deviceState: d.state(), Named: d.Named, State: "gone", Since: d.Seen})
			}
		}
		for _, s := range h.displays {
			d := s.display.device
			one := DisplayState{deviceState: d.state(), Named: d.Named, State: "idle", Since: d.Seen, Address: d.addr.Unmap().String()}
			if s.seat != nil {
				one.State, one.Room = "bound", s.seat.room.id
			}
			if s.sock == nil {
				one.State = "away"
			}
			list = append(list, one)
		}
	})
	slices.SortFunc(list, func(a, b DisplayState) int {
		return cmp.Or(cmp.Compare(nameKey(a.Name), nameKey(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// deviceByID finds a display that is here or remembered.
func (h *Hub) deviceByID(id string) *device {
	if s := h.displays[id]; s != nil {
		return s.display.device
	}
	return h.devices[id]
}

// operate runs f in a section, what it leaves to be done outside, and waits for its receipt.
func (h *Hub) operate(ctx context.Context, f func(*outside) (receipt, *Error)) error {
	var o outside
	var r receipt
	var refused *Error
	h.section(func() { r, refused = f(&o) })
	o.run()
	if refused == nil && r != nil {
		refused = h.awaitKept(ctx, r)
	}
	if refused != nil {
		return refused
	}
	return nil
}

func errNoDisplay() *Error { return refuse(CodePeerUnknown, "no such display") }

// ChangeDisplay changes the display with that id, and tells it.
func (h *Hub) ChangeDisplay(ctx context.Context, id string, m DisplayChange) error {
	if why := m.check(); why != "" {
		return refuse(CodeBadMessage, why)
	}
	return h.operate(ctx, func(o *outside) (receipt, *Error) {
		d := h.deviceByID(id)
		if d == nil {
			return nil, errNoDisplay()
		}
		return h.changeDevice(o, d, &m.deviceChange), nil
	})
}

// ForgetDisplay takes a display out of what is remembered, with its settings and casters. If it is here it goes on, and
// is a new one when it comes the next time.
func (h *Hub) ForgetDisplay(ctx context.Context, id string) error {
	return h.operate(ctx, func(*outside) (receipt, *Error) {
		d := h.devices[id]
		if d == nil {
			return nil, errNoDisplay()
		}
		r := h.dropDevice(d)
		if s := h.displays[id]; s != nil {
			h.tellDevice(s)
		}
		return r, nil
	})
}

// RevokeCaster makes a display ask again for a caster that it remembers.
func (h *Hub) RevokeCaster(ctx context.Context, display, caster string) error {
	return h.operate(ctx, func(*outside) (receipt, *Error) {
		d := h.deviceByID(display)
		if d == nil {
			return nil, errNoDisplay()
		}
		r, ok := h.revoke(d, caster)
		if !ok {
			return nil, refuse(CodePeerUnknown, "no such caster is remembered")
		}
		return r, nil
	})
}

// Groups lists all groups of displays, by name.
func (h *Hub) Groups() []GroupState {
	list := []GroupState{}
	h.section(func() {
		for _, g := range h.groups {
			list = append(list, GroupState{g.ID, g.Name, len(g.Owner) == 0, slices.Clone(g.Displays)})
		}
	})
	slices.SortFunc(list, func(a, b GroupState) int {
		return cmp.Or(cmp.Compare(nameKey(a.Name), nameKey(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// SaveGroup makes the operators' group of that name, or gives it other displays.
func (h *Hub) SaveGroup(ctx context.Context, name string, displays []string) error {
	switch why := checkName(&name); {
	case why != "" || name == "":
		return refuse(CodeBadMessage, cmp.Or(why, "name is missing"))
	case len(displays) == 0 || len(displays) > maxGroupSize:
		return refuse(CodeBadMessage, "a group has 1 to 200 displays")
	}
	return h.operate(ctx, func(*outside) (receipt, *Error) {
		var ids []string
		for _, id := range displays {
			if h.devices[id] == nil {
				return nil, errNoDisplay()
			}
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
		g, refused := h.groupNamed(name, nil, time.Now())
		if refused != nil {
			return nil, refused
		}
		g.Displays = ids
		return h.write(*g), nil
	})
}

// DropGroup deletes a group, whoever made it.
func (h *Hub) DropGroup(ctx context.Context, id string) error {
	return h.operate(ctx, func(*outside) (receipt, *Error) {
		if h.groups[id] == nil {
			return nil, refuse(CodeGroupUnknown, "no such group")
		}
		return h.eraseGroup(id), nil
	})
}
