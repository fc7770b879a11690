package sfu

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"

	"castcode/sfu/codec"
	"castcode/sfu/forward"
)

// maxRTP is the largest RTP packet read from a caster, in bytes; browsers stay below 1,250.
const maxRTP = 1500

// layer is one incoming RTP stream of a caster.
type layer struct {
	// fixed
	caster *caster
	track  *track
	remote *webrtc.TrackRemote

	codec   atomic.Pointer[webrtc.RTPCodecParameters] // stored by the read loop alone
	packets atomic.Uint64
	bytes   atomic.Uint64
	asked   atomic.Uint64 // keyframe requests sent to the caster

	// guarded by mu
	mu   sync.Mutex
	gate forward.Keyframe
}

func newLayer(c *caster, t *track, remote *webrtc.TrackRemote) *layer {
	l := &layer{caster: c, track: t, remote: remote}
	l.setCodec()
	return l
}

func (l *layer) setCodec() {
	c := l.remote.Codec()
	l.codec.Store(&c)
}

// run reads the stream until it ends: parse, look for a keyframe, forward. It is the layer's goroutine.
func (l *layer) run() {
	var p rtp.Packet
	buf := make([]byte, maxRTP)
	for {
		n, _, err := l.remote.Read(buf)
		if err != nil {
			return
		}
		if err := p.Unmarshal(buf[:n]); err != nil {
			l.track.drops.add(DropMalformed)
			continue
		}
		now := time.Now()
		l.packets.Add(1)
		l.bytes.Add(uint64(n))
		if webrtc.PayloadType(p.PayloadType) != l.codec.Load().PayloadType {
			l.setCodec() // the caster's browser changed its encoder
		}
		if codec.Keyframe(l.codec.Load().MimeType, p.Payload) {
			l.mu.Lock()
			l.gate.Arrived()
			l.mu.Unlock()
		}
		l.track.forward(l, &p, now)
	}
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

// due repeats a request that was not answered, or sends one that had to wait for the gap.
func (l *layer) due(now time.Time) {
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
