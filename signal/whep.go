package signal

import "context"

// slotsToWatch gives the m-lines of a player's offer their slots: the first picture is the screen, a second one the
// camera. M-lines that the player has switched off stay so.
func slotsToWatch(lines []MediaLine) (map[string]string, *Error) {
	slots := map[string]string{}
	for _, l := range lines {
		if l.Inactive {
			continue
		}
		slot := map[string]string{"video": slotScreen, "audio": slotAudio}[l.Kind]
		if slot == slotScreen && taken(slots, slotScreen) {
			slot = slotCamera
		}
		switch {
		case slot == "":
			return nil, refuse(CodeBadOffer, "an m-line is neither video nor audio; data channels are not supported")
		case !l.Receives:
			return nil, refuse(CodeBadOffer, "an m-line is sendonly; a player receives on all of them")
		case taken(slots, slot):
			return nil, refuse(CodeBadOffer, "more m-lines of "+l.Kind+" than a cast has")
		}
		slots[l.Mid] = slot
	}
	if len(slots) == 0 {
		return nil, refuse(CodeBadOffer, "no m-line on which the player receives")
	}
	return slots, nil
}

// play makes v a viewer of its room. When it is refused everything is as it was.
func (h *Hub) play(d *door, v *visitor) (res *resource, answer string, refused *Error) {
	s := h.newSession(newID("p_"), v.agent)
	t := &turn{hub: h, session: s, addr: v.addr}
	var p *seat
	h.section(func() {
		var r *Room
		if r, refused = h.roomToPlay(t, v); refused != nil {
			return
		}
		h.sessions[s.peer] = s
		h.settleGrant(s, v.grant())
		p = r.place(s, roleViewer)
		p.holder, p.pending = newID("v_"), true
	})
	if refused != nil {
		s.cancel()
		return nil, "", refused
	}
	t.then = func(ctx context.Context) *Error {
		answer, refused = h.askWatch(ctx, p, v.offer, v.slots)
		h.section(func() {
			if refused == nil && s.seat != p {
				refused = refuseFor(CodeNotLive, "the room has ended", castingWait)
				h.undo(t, p)
			}
			if refused == nil {
				p.pending, s.role = false, roleViewer
				p.arrived()
				res = h.openResource(d, s, v)
				h.touch(p.room)
			}
		})
		return refused
	}
	t.run()
	if refused = t.ask(); refused != nil {
		h.section(func() { h.forget(&t.outside, s) })
	}
	t.run()
	return res, answer, refused
}

// roomToPlay finds the room of a player: one where somebody casts and that has a place.
func (h *Hub) roomToPlay(t *turn, v *visitor) (r *Room, refused *Error) {
	if refused := h.roomForGuest(); refused != nil {
		return nil, refused
	}
	switch {
	case v.proof != nil:
		r = h.rooms[v.proof.Room]
	case v.to.code != "":
		found, refused := h.find(t, v.to.code, onlyRoom)
		if refused != nil {
			return nil, refused
		}
		r = found.room
	case v.to.id != "":
		if r = h.rooms[v.to.id]; r == nil {
			return nil, refuse(CodeUnknown, "no such room")
		}
	default:
		r = h.names[nameKey(v.to.name)]
	}
	if r != nil {
		if refused := h.turnsAway(r, v.proof != nil); refused != nil {
			return nil, refused
		}
	}
	switch {
	case r == nil || !r.casting():
		return nil, refuseFor(CodeNotLive, "nobody is casting", castingWait)
	case r.full(0):
		return nil, refuseFor(CodeRoomFull, "the room is full", mediaBusyWait)
	}
	return r, nil
}
