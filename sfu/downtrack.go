package sfu

import (
	"strings"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"

	"castcode/sfu/forward"
)

// downTrack is a track as one viewer gets it: a pion TrackLocal that wears any of the negotiated codecs, so that a
// viewer can connect before anybody casts and stay when the caster's codec changes.
type downTrack struct {
	// fixed
	viewer *viewer
	track  *track
	kind   webrtc.RTPCodecType

	// guarded by track.mu
	rewriter forward.Rewriter
	context  webrtc.TrackLocalContext   // nil until the connection is negotiated, and after it ended
	codec    *webrtc.RTPCodecParameters // of the source that payload belongs to
	payload  uint8                      // payload type that the viewer negotiated for codec; 0: it cannot decode it
	header   rtp.Header
	sent     uint64
}

func newDownTrack(v *viewer, t *track) *downTrack {
	kind := webrtc.RTPCodecTypeVideo
	if t.slot == Audio {
		kind = webrtc.RTPCodecTypeAudio
	}
	return &downTrack{viewer: v, track: t, kind: kind, rewriter: forward.NewRewriter(t.slot.clock())}
}

// Bind, Unbind, ID, RID, StreamID and Kind make a downTrack a webrtc.TrackLocal. One StreamID for all slots keeps
// sound and picture in one MediaStream, which is what synchronises them in a browser.

func (d *downTrack) ID() string                { return d.track.slot.String() }
func (d *downTrack) RID() string               { return "" }
func (d *downTrack) StreamID() string          { return "cast" }
func (d *downTrack) Kind() webrtc.RTPCodecType { return d.kind }

// Bind is called by pion when the connection is negotiated. The codec it returns tells pion which feedback there
// is; packets may wear the payload type of any negotiated codec.
func (d *downTrack) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	codecs := c.CodecParameters()
	if len(codecs) == 0 {
		return webrtc.RTPCodecParameters{}, webrtc.ErrUnsupportedCodec
	}
	d.track.mu.Lock()
	defer d.track.mu.Unlock()
	d.context, d.codec = c, nil
	return codecs[0], nil
}

// Unbind is called by pion when the connection ends.
func (d *downTrack) Unbind(webrtc.TrackLocalContext) error {
	d.track.mu.Lock()
	defer d.track.mu.Unlock()
	d.context = nil
	return nil
}

// offered is what the viewer can decode on this down track; nil before the connection is negotiated.
func (d *downTrack) offered() []webrtc.RTPCodecParameters {
	d.track.mu.Lock()
	defer d.track.mu.Unlock()
	if d.context == nil {
		return nil
	}
	return d.context.CodecParameters()
}

// write sends p, encoded with codec, under this viewer's numbers. Called with track.mu held.
func (d *downTrack) write(codec *webrtc.RTPCodecParameters, p *rtp.Packet, now time.Time) {
	drops := d.track.drops
	if d.context == nil || !d.viewer.connected.Load() {
		drops.add(DropNotConnected)
		return
	}
	if codec != d.codec {
		d.codec = codec
		d.payload = payloadFor(codec, d.context.CodecParameters())
		if d.payload == 0 {
			d.viewer.tell("unsupported")
		}
	}
	if d.payload == 0 {
		drops.add(DropNoCodec)
		return
	}
	seq, ts, ok := d.rewriter.Rewrite(p.SequenceNumber, p.Timestamp, now)
	if !ok {
		drops.add(DropBeforeSwitch)
		return
	}
	// No header extension and no padding: what leaves under a number is the same bytes each time it leaves.
	d.header = rtp.Header{
		Version: 2, Marker: p.Marker, PayloadType: d.payload,
		SequenceNumber: seq, Timestamp: ts, SSRC: uint32(d.context.SSRC()),
	}
	if _, err := d.context.WriteStream().WriteRTP(&d.header, p.Payload); err != nil {
		drops.add(DropWrite)
		return
	}
	d.sent++
}

// payloadFor finds the payload type that a viewer negotiated for codec, 0 if it has none.
func payloadFor(codec *webrtc.RTPCodecParameters, offered []webrtc.RTPCodecParameters) uint8 {
	for _, o := range offered {
		if strings.EqualFold(o.MimeType, codec.MimeType) && sameFormat(codec.MimeType, o.SDPFmtpLine, codec.SDPFmtpLine) {
			return uint8(o.PayloadType)
		}
	}
	return 0
}

// sameFormat says whether a decoder of format a can decode format b: the profile must be the same, and for H.264 the
// packetization mode (RFC 6184 §8.1; a level does not matter to a browser). Absent parameters have their defaults.
func sameFormat(mime, a, b string) bool {
	same := func(key, standard string) bool { return parameter(a, key, standard) == parameter(b, key, standard) }
	switch strings.ToLower(mime) {
	case "video/h264":
		pa, pb := parameter(a, "profile-level-id", "42000a"), parameter(b, "profile-level-id", "42000a")
		return same("packetization-mode", "0") && len(pa) == 6 && len(pb) == 6 &&
			h264Profile(pa) == h264Profile(pb)
	case "video/vp9":
		return same("profile-id", "0")
	case "video/av1":
		return same("profile", "0")
	}
	return true
}

// h264Profile is the profile of a profile-level-id. Baseline with constraint flags is constrained baseline whichever
// flags say so, and every decoder of baseline that browsers have decodes it.
func h264Profile(id string) string {
	if p := strings.ToLower(id[:2]); p == "42" {
		return p
	}
	return strings.ToLower(id[:4])
}

// parameter is the value of key in a format line such as "profile-id=0;max-fr=30".
func parameter(line, key, standard string) string {
	for part := range strings.SplitSeq(line, ";") {
		if k, v, ok := strings.Cut(strings.TrimSpace(part), "="); ok && strings.EqualFold(k, key) {
			return v
		}
	}
	return standard
}
