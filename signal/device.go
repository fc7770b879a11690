package signal

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"castcode/internal/jointoken"
	"castcode/internal/store"
)

// device is a display as people know it: it has a name and settings, and its session comes and goes. It is guarded by
// Hub.mu.
type device struct {
	store.Display
	kept bool       // it proved a key and is in Hub.devices; else it ends with its session
	addr netip.Addr // from which its session came
}

// Approvals: for which casters a display is asked.
const (
	approveNever   = "never"
	approveUnknown = "unknown"
	approveAlways  = "always"
)

const (
	maxAllowed = 64 // casters that a display remembers; the oldest gives way
	minSize    = 16 // pixels of a largest picture
)

// loadDevices takes over what the store has kept. Before the first session.
func (h *Hub) loadDevices() error {
	displays, groups, err := h.cfg.Store.Load()
	if err != nil {
		return err
	}
	for _, d := range displays {
		if len(d.Key) == len(deviceKey{}) {
			h.admitDevice(&device{Display: d})
		}
	}
	for _, g := range groups {
		h.groups[g.ID] = &g
	}
	return nil
}

// admitDevice makes d one of those that outlive their session.
func (h *Hub) admitDevice(d *device) {
	d.kept = true
	h.devices[d.ID] = d
	h.keys[deviceKey(d.Key)] = d
}

// claim is what `open` says of who the display is.
type claim struct {
	device *device  // it or, when fresh, what it is to become
	fresh  bool     // it is not known yet
	before *Session // that was this display so far; its place in a room is taken over
	grant  *grant   // of the join token by which it comes, or has come; nil without one
}

// claimed finds out who opens. It changes nothing.
func (h *Hub) claimed(t *turn, m *openRequest, now time.Time) (c claim, refused *Error) {
	if t.token != nil {
		tk, refused := h.presented(t, jointoken.Display, jointoken.Guest)
		if refused != nil {
			return claim{}, refused
		}
		c.grant = tk.Grant
	}
	hash, proved := hashKey(roleDisplay, m.Key)
	if d := h.keys[hash]; proved && d != nil {
		c.device, c.before = d, h.displays[d.ID]
		return c, nil
	}
	d := &device{Display: store.Display{ID: newID("d_"), Name: t.session.name, Approval: approveNever, Created: now}}
	c.device, c.fresh = d, true
	if m.Ticket != "" {
		tk, ok := h.verify(m.Ticket, displayTicket, now)
		if !ok || h.devices[tk.Holder] != nil { // the name of a display with a key comes back by the key only
			return claim{}, refuse(CodeAuth, "ticket bad or expired")
		}
		d.Name, c.grant = tk.Name, tk.Grant
		before := h.displays[tk.Holder]
		switch {
		case before == nil:
			d.ID = tk.Holder
		case before.sock == nil:
			*d = *before.display.device
			c.before = before
		} // else a second page with the ticket of the first: another display of that name
	}
	if proved {
		d.Key = hash[:]
	}
	return c, nil
}

// settleDevice makes what was claimed true, and keeps it.
func (h *Hub) settleDevice(c claim, t *turn, m *openRequest, now time.Time) {
	d := c.device
	if m.Name != "" && !d.Named {
		d.Name = m.Name
	}
	d.Seen, d.addr = now, t.addr
	if c.fresh && len(d.Key) > 0 && h.makeSpace() {
		h.admitDevice(d)
	}
	h.keepDevice(d)
}

// keepDevice has what is known of d written, if it is to outlive its session.
func (h *Hub) keepDevice(d *device) {
	if d.kept {
		h.note(d.Display)
	}
}

// writeDevice is keepDevice for those who want to know that it is.
func (h *Hub) writeDevice(d *device) receipt {
	if d.kept {
		return h.write(d.Display)
	}
	r := make(receipt, 1)
	r <- nil
	return r
}

// makeSpace says whether one more display may be kept, and forgets another one where that is needed.
func (h *Hub) makeSpace() bool {
	if len(h.devices) < h.bounds.devices {
		return true
	}
	least := leastMissed(h.devices, func(id string) bool { return h.displays[id] != nil })
	if least == nil {
		return false
	}
	h.dropDevice(least) // nobody waits for it
	return true
}

// leastMissed says which display is forgotten for another one: of those that are not here one that nobody has named
// and nobody has cast to, else any; the one that was seen longest ago. nil when all are here.
func leastMissed(devices map[string]*device, here func(id string) bool) (least *device) {
	matters := func(d *device) bool { return d.Named || d.Bound }
	for _, d := range devices {
		switch {
		case here(d.ID):
		case least == nil, matters(least) && !matters(d), matters(least) == matters(d) && d.Seen.Before(least.Seen):
			least = d
		}
	}
	return least
}

// dropDevice forgets a kept display. A session of it goes on as one that is not kept.
func (h *Hub) dropDevice(d *device) receipt {
	d.kept = false
	delete(h.devices, d.ID)
	delete(h.keys, deviceKey(d.Key))
	for _, g := range h.groups {
		if i := slices.Index(g.Displays, d.ID); i >= 0 {
			g.Displays = slices.Delete(slices.Clone(g.Displays), i, i+1)
			h.note(*g)
		}
	}
	return h.erase(store.Displays, d.ID)
}

// deviceChange is what a person changes on a display; nil fields stay as they are.
type deviceChange struct {
	Name     *string
	Approval *string
	Sound    *bool
	Width    *int
	Height   *int
	ShowCode *bool `json:"show_code"`
	Off      *offHours
}

// offHours are the hours in which a screen is dark, HH:MM by the display's own clock; both "" for none.
type offHours struct {
	From string `json:"from"`
	To   string `json:"to"`
}

func (m *deviceChange) check() string {
	if m.Name != nil {
		if why := checkName(m.Name); why != "" {
			return why
		}
	}
	if m.Approval != nil && !slices.Contains([]string{approveNever, approveUnknown, approveAlways}, *m.Approval) {
		return "approval is never, unknown or always"
	}
	if why := checkSize(m.Width, m.Height); why != "" {
		return why
	}
	if m.Off != nil && (!isTime(m.Off.From) || !isTime(m.Off.To) || (m.Off.From == "") != (m.Off.To == "")) {
		return "off has from and to as HH:MM, or neither"
	}
	return ""
}

// checkSize says what is wrong with a largest picture.
func checkSize(width, height *int) string {
	for _, side := range []*int{width, height} {
		if side != nil && *side != 0 && (*side < minSize || *side > maxPixels) {
			return "width and height are 16 to 65536, or 0 for any"
		}
	}
	return ""
}

func isTime(text string) bool {
	if text == "" {
		return true
	}
	_, err := time.Parse("15:04", text)
	return err == nil && len(text) == len("15:04")
}

// apply takes over what was changed.
func (d *device) apply(m *deviceChange) {
	if m.Name != nil && *m.Name != d.Name {
		d.Name, d.Named = *m.Name, *m.Name != ""
	}
	if m.Approval != nil {
		d.Approval = *m.Approval
	}
	if m.Sound != nil {
		d.Mute = !*m.Sound
	}
	if m.Width != nil {
		d.Width = *m.Width
	}
	if m.Height != nil {
		d.Height = *m.Height
	}
	if m.ShowCode != nil {
		d.ShowCode = *m.ShowCode
	}
	if m.Off != nil {
		d.OffFrom, d.OffTo = m.Off.From, m.Off.To
	}
}

// changeDevice takes over a change of d, whoever made it, and tells the display and the room that it is in.
func (h *Hub) changeDevice(o *outside, d *device, m *deviceChange) receipt {
	before := d.Display
	if s := h.displays[d.ID]; s != nil && s.grant != nil && s.grant.Name != "" {
		own := *m
		own.Name = nil // its join token names it
		m = &own
	}
	d.apply(m)
	if s := h.displays[d.ID]; s != nil {
		h.tellDevice(s)
		if p := s.seat; p != nil {
			h.touch(p.room)
			if before.Width != d.Width || before.Height != d.Height {
				h.limitSize(o, s)
			}
			if before.Mute != d.Mute {
				h.tellSound(p)
			}
		}
	}
	return h.writeDevice(d)
}

// tellDevice shows a display what is known of it.
func (h *Hub) tellDevice(s *Session) {
	if s.sock == nil {
		s.display.untold = true // it hears of it when it is back
		return
	}
	s.display.untold = false
	s.push(deviceMessage{head{"device", 0}, s.display.device.state()})
}

// configure is the display's own change.
func (h *Hub) configure(t *turn, m *configureRequest) *Error {
	t.whenKept(h.changeDevice(&t.outside, t.session.display.device, &m.deviceChange), t.head("ok"))
	return nil
}

// forgetCaster lets a display ask for a caster again that it remembered.
func (h *Hub) forgetCaster(t *turn, m *forgetRequest) *Error {
	r, ok := h.revoke(t.session.display.device, m.Caster)
	if !ok {
		return refuse(CodePeerUnknown, "no such caster is remembered")
	}
	t.whenKept(r, t.head("ok"))
	return nil
}

// revoke takes a caster off a display's list.
func (h *Hub) revoke(d *device, id string) (r receipt, ok bool) {
	i := slices.IndexFunc(d.Allowed, func(c store.Caster) bool { return c.ID == id })
	if i < 0 {
		return nil, false
	}
	d.Allowed = slices.Delete(slices.Clone(d.Allowed), i, i+1)
	if s := h.displays[d.ID]; s != nil {
		h.tellDevice(s)
	}
	return h.writeDevice(d), true
}

// remembers says whether a display has been told to let a caster in without asking.
func (d *device) remembers(key deviceKey) bool {
	return slices.ContainsFunc(d.Allowed, func(c store.Caster) bool { return bytes.Equal(c.Key, key[:]) })
}

// remember lets a caster in from now on without asking.
func (h *Hub) remember(d *device, key deviceKey, name string, now time.Time) receipt {
	if !d.remembers(key) {
		d.Allowed = append(slices.Clone(d.Allowed), store.Caster{ID: newID("c_"), Key: key[:], Name: name, Since: now})
		if len(d.Allowed) > maxAllowed {
			d.Allowed = d.Allowed[1:]
		}
		if s := h.displays[d.ID]; s != nil {
			h.tellDevice(s)
		}
	}
	return h.writeDevice(d)
}
