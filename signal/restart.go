package signal

import "context"

// restart gives the connection of a caster, viewer or bound display a new path. Whatever comes of it, the room does
// not change: a connection that cannot be restarted is the old one still, and the client asks for a new one.
func (h *Hub) restart(t *turn, m *restartRequest) *Error {
	p := t.session.seat
	t.then = func(ctx context.Context) *Error {
		s, cast := p.session, p.room.cast
		answer, refused := h.askMedia(s, func() (string, error) {
			return h.cfg.Media.Restart(ctx, cast, s.peer, m.Offer)
		})
		if refused != nil {
			return refused
		}
		h.section(func() {
			if s.seat != p {
				refused = refuse(CodeBadState, "no longer in the room")
				return
			}
			t.answer(answerMessage{t.head("restarted"), answer})
		})
		return refused
	}
	return nil
}
