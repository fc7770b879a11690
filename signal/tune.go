package signal

import "time"

// tuning is what a caster has set for one display of its cast. It is guarded by Hub.mu.
type tuning struct {
	sound         bool // it may play the cast's sound
	width, height int  // of the largest picture, 0 for any
}

// identifyFor is how long a display shows its name.
const identifyFor = 5 * time.Second

// sounding says whether a newcomer plays the sound: one display of a room does, so that there is no echo, unless the
// caster has said otherwise.
func (r *Room) sounding() bool {
	if r.hushed {
		return false
	}
	for _, p := range r.seats {
		if p.role == roleDisplay && p.tuning.sound {
			return false
		}
	}
	return true
}

// sounds says whether the display in this seat is to play sound: both the caster and the display decide.
func (p *seat) sounds() bool { return p.tuning.sound && !p.session.display.device.Mute }

// tellSound tells a display whether to play sound.
func (h *Hub) tellSound(p *seat) { p.session.push(soundMessage{head{"sound", 0}, p.sounds()}) }

// smaller is the tighter of two limits, of which 0 is none.
func smaller(a, b int) int {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// size is the largest picture that the display in this seat gets: the caster's and the display's own limit.
func (p *seat) size() (width, height int) {
	d := p.session.display.device
	return smaller(p.tuning.width, d.Width), smaller(p.tuning.height, d.Height)
}

// limitSize tells the media plane, later, how large a picture a display gets.
func (h *Hub) limitSize(o *outside, s *Session) {
	p := s.seat
	o.add(func() {
		wish, there := Automatic, false
		h.section(func() {
			if there = s.seat == p && s.display != nil; there {
				wish.Width, wish.Height = p.size()
				wish = s.grant.within(wish)
			}
		})
		if !there {
			return
		}
		defer h.caught("Media.Prefer")
		for _, slot := range []string{slotScreen, slotCamera} {
			h.cfg.Media.Prefer(s.peer, slot, wish)
		}
	})
}

// tuneDisplay is the caster's change of one display of its cast, or of all.
func (h *Hub) tuneDisplay(t *turn, m *displayRequest) *Error {
	r := t.session.seat.room
	var chosen []*seat
	for _, p := range r.seats {
		if p.role == roleDisplay && (m.Peer == "" || p.session.peer == m.Peer) {
			chosen = append(chosen, p)
		}
	}
	if m.Peer != "" && len(chosen) == 0 {
		return refuse(CodePeerUnknown, "no such display in this room")
	}
	if m.Peer == "" && m.Sound != nil {
		r.hushed = !*m.Sound
	}
	h.touch(r)
	var named receipt
	for _, p := range chosen {
		if m.Sound != nil && p.tuning.sound != *m.Sound {
			p.tuning.sound = *m.Sound
			h.tellSound(p)
		}
		if m.Width != nil || m.Height != nil {
			p.tuning.limit(m.Width, m.Height)
			h.limitSize(&t.outside, p.session)
		}
		if m.Identify {
			p.session.push(identifyMessage{head{"identify", 0}, p.session.shownName(), milliseconds(identifyFor)})
		}
		if m.Name != nil {
			named = h.changeDevice(&t.outside, p.session.display.device, &deviceChange{Name: m.Name})
		}
	}
	if named != nil {
		t.whenKept(named, t.head("ok"))
		return nil
	}
	t.ok()
	return nil
}

func (n *tuning) limit(width, height *int) {
	if width != nil {
		n.width = *width
	}
	if height != nil {
		n.height = *height
	}
}

// placeState is what the caster is told of a display beyond what it is told of every member.
func (p *seat) placeState(key deviceKey) *placeState {
	d := p.session.display.device
	width, height := p.size()
	return &placeState{
		ID: d.ID, Sound: p.tuning.sound, Muted: d.Mute, Width: width, Height: height, Kept: d.kept,
		Remembers: key != deviceKey{} && d.remembers(key),
	}
}
