package sfu

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"

	"castcode/sfu/codec"
	"castcode/sfu/forward"
	"castcode/sfu/packet"
)

const (
	// maxRTP is the largest RTP packet read from a caster, in bytes; browsers stay below 1,250.
	maxRTP = 1500
	// Shards with many viewers are woken at the end of a frame, or when so many packets of an unfinished one have come,
	// or one so long after the first. A frame of 2.5 Mbit/s arrives within 0.5 ms at the median, 2 ms at p95 (measured
	// 2026); a keyframe that a caster spreads over more goes out as it comes. There is no timer: what is not followed by
	// another packet cannot be shown yet, and the shard's tick takes care of it.
	wakeEvery = 32
	holdFor   = time.Millisecond
	// repairPoll is how often the read loop looks for packets that were sent again while some are missing, and repairFor
	// for how long after the newest gap: the library hands them out when it is asked for the next packet, and behind
	// the last one of a screen that stands still there is none.
	repairPoll = 10 * time.Millisecond
	repairFor  = packet.Span
)

// layer is one incoming RTP stream of a caster, as pion hands it out.
type layer struct {
	// fixed
	caster *caster
	track  *track
	remote *webrtc.TrackRemote
	rid    string // "": the caster names none
	ids    extensionIDs

	// owned by the read loop
	stream   *stream
	parser   *packet.Parser
	unwoken  int    // packets since the last wake
	since    int64  // the first of them
	missing  int    // packets that may still be sent again
	gapAt    int64  // when the newest of them were found missing
	keyTS    uint64 // of the keyframe that is arriving; 0: none
	keyBytes int

	packets atomic.Uint64
	bytes   atomic.Uint64
	asked   atomic.Uint64 // keyframe requests sent to the caster
	timing  atomic.Pointer[forward.Timing]
	newest  atomic.Pointer[packet.Packet] // by arrival
	current atomic.Pointer[stream]        // as stream, for everybody

	// guarded by mu
	mu   sync.Mutex
	gate forward.Keyframe
}

// extensionIDs are the header extensions of a caster that are passed on; 0: not negotiated.
type extensionIDs struct{ dependency, capture, level uint8 }

// The header extensions that a caster may send us for our viewers.
const (
	uriDependency = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
	uriCapture    = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
	uriLevel      = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
)

func newLayer(c *caster, t *track, remote *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) *layer {
	policy := forward.VideoKeyframes
	if t.slot == Screen {
		policy = forward.ScreenKeyframes
	}
	l := &layer{caster: c, track: t, remote: remote, rid: remote.RID(), gate: forward.NewKeyframe(policy)}
	for _, e := range receiver.GetParameters().HeaderExtensions {
		switch e.URI {
		case uriDependency:
			l.ids.dependency = uint8(e.ID)
		case uriCapture:
			l.ids.capture = uint8(e.ID)
		case uriLevel:
			l.ids.level = uint8(e.ID)
		}
	}
	return l
}

// begin starts a log for the codec that the caster sends now, and makes it one of the slot's layers.
func (l *layer) begin() {
	c := l.remote.Codec()
	s := &stream{id: l.caster.engine.nextStream(), layer: l, codec: c, kind: codec.KindOf(c.MimeType)}
	slots := packet.VideoSlots
	if !s.kind.Video() {
		slots = packet.AudioSlots
	}
	s.ring = packet.NewRing(slots)
	s.meter.begin(l.track.slot.clock(), l.caster.engine.now())
	s.audiences = make([]audience, len(l.track.follows))
	l.stream, l.parser, l.keyTS, l.missing = s, packet.NewParser(s.id, s.kind), 0, 0
	l.current.Store(s)
	if l.track.enter(s) {
		l.caster.engine.castChanged(l.caster.cast)
	}
}

// run reads the stream until it ends. It is the layer's goroutine.
func (l *layer) run() {
	l.begin()
	var p rtp.Packet
	buf := make([]byte, maxRTP)
	for polling := false; ; {
		polling = l.poll(polling)
		n, _, err := l.remote.Read(buf)
		if timeout := net.Error(nil); polling && errors.As(err, &timeout) && timeout.Timeout() {
			continue
		}
		if err != nil {
			return
		}
		if err := p.Unmarshal(buf[:n]); err != nil {
			l.track.drops.add(DropMalformed)
			continue
		}
		l.packets.Add(1)
		l.bytes.Add(uint64(n))
		if webrtc.PayloadType(p.PayloadType) != l.stream.codec.PayloadType {
			l.begin() // the caster's browser changed its encoder
		}
		l.take(&p, l.caster.engine.now())
	}
}

// poll limits the next read while packets are missing. It is given and returns whether there is a limit.
func (l *layer) poll(polling bool) bool {
	wanted := l.missing > 0 && l.caster.engine.now()-l.gapAt < int64(repairFor)
	var limit time.Time
	if wanted {
		limit = time.Now().Add(repairPoll)
	} else {
		l.missing = 0
	}
	if (wanted || polling) && l.remote.SetReadDeadline(limit) != nil {
		return false
	}
	return wanted
}

// take parses one packet, puts it into the log and wakes those who follow.
func (l *layer) take(p *rtp.Packet, now int64) {
	in := packet.Incoming{
		Seq: p.SequenceNumber, TS: p.Timestamp, Marker: p.Marker, Payload: p.Payload, Arrival: now,
	}
	l.guess(in.TS, now)
	if t := l.timing.Load(); t.Reported {
		in.Captured = t.Captured(in.TS)
	}
	l.extensions(&p.Header, &in)
	parsed, before, ok := l.parser.Parse(&in)
	if !ok {
		l.track.drops.add(DropMalformed)
		return
	}
	if before != nil && l.stream.ring.Put(before) == packet.Appended {
		l.keyframe(before)
	}
	l.newest.Store(parsed)
	l.stream.meter.count(parsed)
	last := l.stream.ring.Get(l.stream.ring.Newest())
	gap := last != nil && parsed.Seq > last.Seq+1
	if gap {
		lacks := int(min(parsed.Seq-last.Seq-1, uint64(packet.VideoSlots)))
		l.stream.meter.lost.Add(int64(lacks))
		l.missing, l.gapAt = l.missing+lacks, now
	}
	switch placed := l.stream.ring.Put(parsed); placed {
	case packet.Appended:
		l.keyframe(parsed)
		if gap && now-last.Arrival >= int64(forward.Away) {
			l.returned(parsed)
		}
		if parsed.Marker && l.stream.kind.Video() {
			l.stream.ring.Even(parsed)
		}
		l.wake(parsed, now)
	case packet.Late:
		l.missing--
		l.stream.meter.lost.Add(-1)
		if l.stale(parsed) {
			l.track.drops.add(DropStale)
		} else {
			l.track.late(l.stream, parsed)
		}
	default:
		l.track.drops.misplaced(placed)
	}
}

// stale says whether a packet that came late is of no use to those who have passed its place: a whole picture has begun
// since, or it is older than anybody waits. After an outage of some seconds the caster may send hundreds of them.
func (l *layer) stale(p *packet.Packet) bool {
	if !l.stream.kind.Video() {
		return false
	}
	ring := l.stream.ring
	if at, ok := ring.Keyframe(); ok && p.Seq < at {
		return true
	}
	newest := ring.Get(ring.Newest())
	return newest != nil && newest.TS > p.TS+uint64(l.track.slot.clock())*uint64(packet.Span/time.Second)
}

// wake tells the shards of p, now or together with what follows it.
func (l *layer) wake(p *packet.Packet, now int64) {
	if l.unwoken == 0 {
		l.since = now
	}
	l.unwoken++
	urgent := !l.stream.kind.Video() || p.FrameEnd || p.Marker || l.unwoken >= wakeEvery || now-l.since >= int64(holdFor)
	if urgent {
		l.unwoken = 0
	}
	l.track.wake(l.stream, urgent)
}

// extensions reads those of the header that are passed on.
func (l *layer) extensions(h *rtp.Header, in *packet.Incoming) {
	if l.ids.dependency != 0 {
		in.Descriptor = h.GetExtension(l.ids.dependency)
	}
	if l.ids.capture != 0 {
		b, clock := h.GetExtension(l.ids.capture), l.caster.reports.clock.Load()
		if len(b) >= 8 && clock != nil { // viewers know our clock, not the caster's
			in.AbsCapture = uint64(l.caster.engine.clock.NTP(clock.At(binary.BigEndian.Uint64(b))))
		}
	}
	if l.ids.level != 0 {
		if b := h.GetExtension(l.ids.level); len(b) == 1 {
			in.Level, in.HasLevel = b[0], true
		}
	}
}

// keyframe tells the gate how a keyframe is coming along.
func (l *layer) keyframe(p *packet.Packet) {
	if p.Keyframe {
		l.keyTS, l.keyBytes = p.TS, 0
		l.mu.Lock()
		l.gate.Began(time.Now())
		l.mu.Unlock()
	}
	if l.keyTS == 0 || p.TS != l.keyTS {
		return
	}
	l.keyBytes += len(p.Payload)
	if p.Marker {
		l.keyTS = 0
		l.mu.Lock()
		l.gate.Completed(l.keyBytes)
		l.mu.Unlock()
	}
}

// returned asks for a keyframe when p is the first packet after the caster's network was away. The viewers would ask
// too, but a browser waits for the missing frames up to 3 s before it does.
func (l *layer) returned(p *packet.Packet) {
	if p.Keyframe || !l.followed() {
		return
	}
	l.mu.Lock()
	l.gate.Cut()
	l.mu.Unlock()
	l.wantKeyframe(time.Now())
}

// wantKeyframe is a viewer's wish. It may be called from any goroutine.
func (l *layer) wantKeyframe(now time.Time) {
	if l.remote.Kind() != webrtc.RTPCodecTypeVideo {
		return
	}
	l.mu.Lock()
	ask := l.gate.Want(now)
	l.mu.Unlock()
	if ask {
		l.askKeyframe()
	}
}

// followed says whether a viewer gets the layer or wants to.
func (l *layer) followed() bool {
	s := l.current.Load()
	if s == nil {
		return false
	}
	for i := range s.audiences {
		if s.audiences[i].size.Load() > 0 {
			return true
		}
	}
	return false
}

// due repeats a request that was not answered, or sends one that had to wait for the gap. For a layer that nobody
// follows nothing is asked: whoever comes asks then.
func (l *layer) due(now time.Time) {
	if !l.followed() {
		return
	}
	l.mu.Lock()
	ask := l.gate.Due(now)
	l.mu.Unlock()
	if ask {
		l.askKeyframe()
	}
}

func (l *layer) askKeyframe() {
	l.asked.Add(1)
	l.caster.sendPLI(uint32(l.remote.SSRC()))
}
