package forward

import (
	"time"

	"castcode/sfu/codec"
	"castcode/sfu/packet"
)

// noLayer is a spatial layer that no packet has: the marker bit is as it came.
const noLayer = 0xff

// unfinished is how long a switch waits for the rest of the frame that is being sent.
const unfinished = int64(50 * time.Millisecond)

// Layer is what a viewer gets of a slot: a source (one simulcast layer has one) and the highest layers of it.
type Layer struct {
	Source            uint32
	Spatial, Temporal uint8
}

// Verdict is what the Selector says of a packet.
type Verdict struct {
	Drop     Drop  // Forward, or why not
	Switched bool  // the packet is the first of its source
	Top      uint8 // highest spatial layer that the viewer gets now, for Rewriter.Next
}

// Selector decides which packets of a slot one viewer gets. It changes the source at a keyframe of the new one and
// after the end of a frame of the old one, climbs where the payload or the dependency descriptor marks a place for
// it, and steps down at the end of a picture, since the lower layers were being sent all the time. The zero value
// waits for SetTarget. Audio and unknown codecs switch at any packet.
type Selector struct {
	present, target Layer
	started         bool
	open            bool   // in the middle of a picture
	climb           bool   // temporal layers may be added from the next picture on
	ts              uint64 // of the picture
	at              int64  // when the newest packet was forwarded

	// with a dependency descriptor
	structure *codec.Structure
	active    uint32
	decode    uint8 // decode target in use
	wanted    uint8
	stale     bool // wanted must be found again
}

// SetTarget says what the viewer shall get from now on. It takes effect where the stream allows.
func (s *Selector) SetTarget(l Layer) {
	s.stale = s.stale || s.target != l
	s.target = l
}

// Present is what the viewer gets now. ok is false before its first packet and after Restart.
func (s *Selector) Present() (l Layer, ok bool) { return s.present, s.started }

// Restart forgets what was sent: the next packet is a keyframe of the target. Call it when the cursor jumps.
func (s *Selector) Restart() { s.started, s.open, s.climb = false, false, false }

// Awaits returns the source that the viewer needs a keyframe of; ok is false when it needs none.
func (s *Selector) Awaits() (source uint32, ok bool) {
	if s.started && s.present.Source == s.target.Source {
		return 0, false
	}
	return s.target.Source, s.target.Source != 0
}

// Select decides about p, which is the next packet of the present or of the target's source.
func (s *Selector) Select(p *packet.Packet, now int64) Verdict {
	if !p.Codec.Video() {
		return s.plain(p)
	}
	if !s.started || p.Source != s.present.Source {
		return s.enter(p, now)
	}
	if p.TS > s.ts {
		s.ts = p.TS
		s.boundary()
	}
	drop := Forward
	if p.Structure != nil {
		drop = s.byTarget(p)
	} else {
		drop = s.byLayer(p)
	}
	if drop == Forward {
		s.forwarded(p, now)
	}
	return Verdict{Drop: drop, Top: s.present.Spatial}
}

// plain decides about a stream without frames that depend on each other.
func (s *Selector) plain(p *packet.Packet) Verdict {
	if p.Source != s.target.Source {
		return Verdict{Drop: OtherSource}
	}
	switched := !s.started || s.present.Source != p.Source
	s.started, s.present = true, s.target
	return Verdict{Switched: switched, Top: noLayer}
}

// enter decides about a packet of a source that is not being sent yet.
func (s *Selector) enter(p *packet.Packet, now int64) Verdict {
	switch {
	case p.Source != s.target.Source:
		return Verdict{Drop: OtherSource}
	case !p.Keyframe:
		return Verdict{Drop: AwaitKeyframe}
	case s.open && now-s.at < unfinished:
		return Verdict{Drop: Unfinished}
	}
	s.started, s.present, s.ts, s.climb = true, s.target, p.TS, false
	s.structure = nil
	if p.Structure != nil {
		s.byTarget(p)
	}
	s.forwarded(p, now)
	return Verdict{Switched: true, Top: s.present.Spatial}
}

func (s *Selector) forwarded(p *packet.Packet, now int64) {
	s.open = !p.Marker && !(p.FrameEnd && p.Spatial == s.present.Spatial)
	s.at = now
}

// boundary is the beginning of a picture.
func (s *Selector) boundary() {
	s.open = false
	if s.target.Source != s.present.Source || s.structure != nil {
		return
	}
	if s.climb {
		s.present.Temporal = max(s.present.Temporal, s.target.Temporal)
	}
	s.climb = false
	s.present.Temporal = min(s.present.Temporal, s.target.Temporal)
	s.present.Spatial = min(s.present.Spatial, s.target.Spatial)
}

// byLayer decides by the layer ids in the payload.
func (s *Selector) byLayer(p *packet.Packet) Drop {
	s.structure = nil
	if p.FrameStart && s.target.Source == s.present.Source {
		s.step(p)
	}
	switch {
	case p.Temporal > s.present.Temporal:
		return TemporalLayer
	case p.Spatial > s.present.Spatial:
		return SpatialLayer
	}
	return Forward
}

// step climbs if the frame that begins with p allows it.
func (s *Selector) step(p *packet.Packet) {
	if p.Keyframe {
		s.present = s.target
		return
	}
	if p.Spatial > 0 {
		if p.Switch && p.Spatial == s.present.Spatial+1 && p.Spatial <= s.target.Spatial {
			s.present.Spatial = p.Spatial
		}
		return
	}
	// A VP8 frame with the mark depends on the base layer alone; elsewhere it needs all layers below its own.
	adjacent := p.Codec == codec.VP8 || p.Temporal == s.present.Temporal+1
	if p.Switch && adjacent && p.Temporal > s.present.Temporal && p.Temporal <= s.target.Temporal {
		s.present.Temporal = p.Temporal
	}
	if p.SwitchUp && p.Temporal <= s.present.Temporal {
		s.climb = true
	}
}

// byTarget decides by the decode targets of the dependency descriptor.
func (s *Selector) byTarget(p *packet.Packet) Drop {
	fresh := p.Structure != s.structure
	if fresh || s.stale || p.ActiveDecodeTargets != s.active {
		s.structure, s.active, s.stale = p.Structure, p.ActiveDecodeTargets, false
		if s.target.Source == s.present.Source {
			t, _ := p.Structure.Target(s.target.Spatial, s.target.Temporal, p.ActiveDecodeTargets)
			s.wanted = uint8(t)
		}
	}
	begins := p.FrameStart && p.Structure.Indication(p.Indications, int(s.wanted)) == codec.SwitchPoint
	if fresh || s.wanted != s.decode && begins {
		s.decode = s.wanted
		s.present.Spatial = p.Structure.TargetSpatial[s.decode]
		s.present.Temporal = p.Structure.TargetTemporal[s.decode]
	}
	switch {
	case p.Structure.Indication(p.Indications, int(s.decode)) != codec.NotPresent:
		return Forward
	case p.Spatial > s.present.Spatial:
		return SpatialLayer
	case p.Temporal > s.present.Temporal:
		return TemporalLayer
	}
	return SpatialLayer // a lower picture size that this decode target does without
}
