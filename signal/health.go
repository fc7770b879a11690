package signal

import "time"

// Warnings about what an encoder sends, as docs/protocol.md names them.
const (
	warnKeyframe   = "no_keyframe"
	warnReordered  = "b_frames"
	warnAudio      = "no_audio"
	warnTimestamps = "timestamps"
	warnCodec      = "codec"
)

const (
	// keyframeLate is when a viewer who loses everything would wait too long.
	keyframeLate = 10 * time.Second
	// audioLate is how long an encoder may take until its sound arrives.
	audioLate = 5 * time.Second
	// jumpFor is how long a jump of timestamps is worth telling.
	jumpFor = 30 * time.Second
)

// health is what a room knows of its encoder beyond the connection. It is guarded by Hub.mu.
type health struct {
	timer   *time.Timer // of the next report, nil without an encoder
	agent   string
	since   time.Time // when the encoder came, or went; zero before the first one
	present bool
	streams []Ingest // of the last report
	jumps   uint64   // in all streams, at the last report
	jumped  time.Time
	refused *Error // why the last offer with the room's token was turned down; nil since one was taken
}

func (l *health) came(agent string, now time.Time) {
	l.stop()
	*l = health{agent: agent, since: now, present: true}
}

func (l *health) went(now time.Time) {
	l.stop()
	l.present, l.since, l.streams, l.jumped = false, now, nil, time.Time{}
}

func (l *health) stop() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
}

// take notes what arrives now.
func (l *health) take(streams []Ingest, now time.Time) {
	jumps := uint64(0)
	for _, s := range streams {
		jumps += s.Jumps
	}
	if jumps > l.jumps {
		l.jumped = now
	}
	l.streams, l.jumps = streams, jumps
}

// warnings are what is wrong with streams, which an encoder has been sending for that long. jumped is how long ago a
// timestamp jumped, negative for never; refused is the code of the last refusal, "" without one.
func warnings(streams []Ingest, sending, jumped time.Duration, refused string) []string {
	list := []string{}
	late, reordered, audio := false, false, false
	for _, s := range streams {
		if s.Slot == slotAudio {
			audio = true
			continue
		}
		late = late || s.Bitrate > 0 && s.KeyframeAge >= keyframeLate
		reordered = reordered || s.Reordered
	}
	for _, w := range []struct {
		yes  bool
		name string
	}{
		{late, warnKeyframe},
		{reordered, warnReordered},
		{len(streams) > 0 && !audio && sending >= audioLate, warnAudio},
		{jumped >= 0 && jumped < jumpFor, warnTimestamps},
		{refused == CodeCodecUnsupported, warnCodec},
	} {
		if w.yes {
			list = append(list, w.name)
		}
	}
	return list
}

// message is what the room's page is told.
func (l *health) message(now time.Time) encoderMessage {
	m := encoderMessage{
		head: head{"encoder", 0}, Present: l.present, Agent: l.agent, Streams: make([]streamState, 0, len(l.streams)),
	}
	if !l.since.IsZero() {
		m.Since = milliseconds(now.Sub(l.since))
	}
	for _, s := range l.streams {
		m.Streams = append(m.Streams, streamState{
			Slot: s.Slot, RID: s.RID, Codec: s.Codec, Width: s.Width, Height: s.Height, FPS: s.FPS, Bitrate: s.Bitrate,
			Keyframe: milliseconds(s.KeyframeAge),
		})
	}
	jumped, refused := time.Duration(-1), ""
	if !l.jumped.IsZero() {
		jumped = now.Sub(l.jumped)
	}
	if l.refused != nil {
		refused = l.refused.code
		m.Refused = &refusedState{refused, l.refused.reason}
	}
	m.Warnings = warnings(l.streams, now.Sub(l.since), jumped, refused)
	return m
}

// tellEncoder tells the room's page what is known of the encoder.
func (r *Room) tellEncoder() {
	if r.caster != nil && (!r.health.since.IsZero() || r.health.refused != nil) {
		r.caster.session.push(r.health.message(time.Now()))
	}
}

// reportEncoder tells the room's page what arrives of encoder p, now and from then on for as long as it is there.
func (h *Hub) reportEncoder(o *outside, r *Room, p *seat) {
	if r.ended || r.encoder != p {
		return
	}
	r.health.timer = h.after(h.timing.health, func(o *outside) { h.reportEncoder(o, r, p) })
	if r.caster == nil || r.caster.session.sock == nil {
		return // nobody reads it
	}
	o.add(func() {
		streams := h.arriving(r.cast)
		h.section(func() {
			if r.encoder == p {
				r.health.take(streams, time.Now())
				r.tellEncoder()
			}
		})
	})
}

// arriving asks the media plane what the source of a cast sends.
func (h *Hub) arriving(cast string) []Ingest {
	defer h.caught("Media.Ingest")
	return h.cfg.Media.Ingest(cast)
}

// tellRefused tells the page of the room that tk is for that an offer with it was refused.
func (h *Hub) tellRefused(tk ticket, refused *Error) {
	h.section(func() {
		if r := h.rooms[tk.Room]; r != nil {
			r.health.refused = refused
			r.tellEncoder()
		}
	})
}
