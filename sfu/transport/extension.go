package transport

import (
	"encoding/binary"
	"time"
)

// The header extensions that are sent; others of an offer are not answered.
const (
	uriMid           = "urn:ietf:params:rtp-hdrext:sdes:mid"
	uriSendTime      = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
	uriTransportSeq  = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
	uriPlayoutDelay  = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
	uriCaptureTime   = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
	uriDependency    = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
	uriAudioLevel    = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
	maxOneByteID     = 14 // RFC 8285 §4.2
	maxOneByteLength = 16
	maxExtensions    = 512 // bytes with the header of four
)

// extensions are the identifiers that were agreed for a track, 0 for those that were not.
type extensions struct {
	mid, sendTime, transportSeq, playoutDelay, captureTime, dependency, audioLevel uint8
	// mixed: one-byte and two-byte forms may change from packet to packet (a=extmap-allow-mixed, RFC 8285 §4.1.2).
	// Without it, a track with a dependency descriptor, which may be longer than 16 bytes, always uses two bytes.
	mixed bool
}

// slot is where the identifier of uri is kept, nil for a URI that is not sent.
func (e *extensions) slot(uri string) *uint8 {
	switch uri {
	case uriMid:
		return &e.mid
	case uriSendTime:
		return &e.sendTime
	case uriTransportSeq:
		return &e.transportSeq
	case uriPlayoutDelay:
		return &e.playoutDelay
	case uriCaptureTime:
		return &e.captureTime
	case uriDependency:
		return &e.dependency
	case uriAudioLevel:
		return &e.audioLevel
	}
	return nil
}

// changing says whether an extension is agreed whose value is another when a packet is sent again.
func (e *extensions) changing() bool { return e.sendTime|e.transportSeq|e.playoutDelay != 0 }

// Extensions are the values of the header extensions of one packet. What was not agreed with the peer is left out.
// So that the packets of a frame have one size, the presence of a value should not change within it.
type Extensions struct {
	// SendTime is when the packet leaves, in ns.
	SendTime int64
	// TransportSeq is the transport-wide number. The caller counts them and remembers when which left.
	TransportSeq uint16
	// PlayoutDelay comes from the function of that name; 0 for none.
	PlayoutDelay uint32
	// CaptureTime is when the content was captured, on the clock of the sender reports; 0 for none.
	CaptureTime NTP
	// AudioLevel is the byte of RFC 6464 §3, which the caster sent; HasLevel says that there is one.
	AudioLevel uint8
	HasLevel   bool
	// Dependency is the dependency descriptor as the caster sent it, at most 255 bytes; nil for none.
	Dependency []byte
}

const hasPlayoutDelay = 1 << 24

// PlayoutDelay packs the bounds of the peer's playout delay, each 0 to 40.95 s in steps of 10 ms, for Extensions.
func PlayoutDelay(shortest, longest time.Duration) uint32 {
	step := func(d time.Duration) uint32 { return uint32(min(max(d/(10*time.Millisecond), 0), 4095)) }
	return hasPlayoutDelay | step(shortest)<<12 | step(longest)
}

// sendTime24 is abs-send-time: seconds with 18 binary places, 6 bits before the point.
func sendTime24(ns int64) uint32 {
	seconds, rest := uint64(ns)/1e9, uint64(ns)%1e9
	return uint32(seconds<<18|rest<<18/1e9) & 0xFFFFFF
}

// writer appends extension elements to a header that has room for them.
type writer struct {
	p    []byte
	at   int
	wide bool // the two-byte form
}

// element opens an element of n bytes and returns them.
func (w *writer) element(id uint8, n int) []byte {
	if w.wide {
		w.p[w.at], w.p[w.at+1] = id, byte(n)
		w.at += 2
	} else {
		w.p[w.at] = id<<4 | byte(n-1)
		w.at++
	}
	w.at += n
	return w.p[w.at-n : w.at]
}

func put24(p []byte, v uint32) { p[0], p[1], p[2] = byte(v>>16), byte(v>>8), byte(v) }

// write puts the extension block behind the fixed header and returns its size, 0 if there is nothing to say. p has
// room for maxExtensions bytes.
func (e *extensions) write(p []byte, v *Extensions, mid string) int {
	dependency := v.Dependency
	if e.dependency == 0 || len(dependency) > 255 {
		dependency = nil
	}
	w := writer{p: p, at: 4, wide: len(dependency) > maxOneByteLength || e.dependency != 0 && !e.mixed}
	if e.mid != 0 {
		copy(w.element(e.mid, len(mid)), mid)
	}
	if e.sendTime != 0 {
		put24(w.element(e.sendTime, 3), sendTime24(v.SendTime))
	}
	if e.transportSeq != 0 {
		binary.BigEndian.PutUint16(w.element(e.transportSeq, 2), v.TransportSeq)
	}
	if e.playoutDelay != 0 && v.PlayoutDelay&hasPlayoutDelay != 0 {
		put24(w.element(e.playoutDelay, 3), v.PlayoutDelay)
	}
	if e.captureTime != 0 && v.CaptureTime != 0 {
		binary.BigEndian.PutUint64(w.element(e.captureTime, 8), uint64(v.CaptureTime))
	}
	if e.audioLevel != 0 && v.HasLevel {
		w.element(e.audioLevel, 1)[0] = v.AudioLevel
	}
	if len(dependency) > 0 {
		copy(w.element(e.dependency, len(dependency)), dependency)
	}
	if w.at == 4 {
		return 0
	}
	end := (w.at + 3) &^ 3
	clear(p[w.at:end])
	profile := uint16(0xBEDE)
	if w.wide {
		profile = 0x1000
	}
	binary.BigEndian.PutUint16(p, profile)
	binary.BigEndian.PutUint16(p[2:], uint16(end/4-1))
	return end
}
