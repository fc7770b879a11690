package loadtest

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v3"

	"castcode/loadtest/stream"
)

// layer is one RTP stream of a caster. But for key it is owned by the goroutine that sends it.
type layer struct {
	source stream.Source
	track  *webrtc.TrackLocalStaticRTP
	sender *webrtc.RTPSender
	mid    func() string
	rid    string // empty without simulcast
	ids    [2]uint8
	seq    uint16
	time   uint32
	keyAt  time.Time
	key    atomic.Bool // the next frame is to be a keyframe
}

// capability is what an offer says about a codec.
func capability(c stream.Codec) webrtc.RTPCodecCapability {
	if c == stream.Opus {
		return webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeOpus, ClockRate: stream.AudioClock, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1",
		}
	}
	parameters := map[stream.Codec]string{
		stream.VP9:  "profile-id=0",
		stream.H264: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
	}
	return webrtc.RTPCodecCapability{
		MimeType: "video/" + c.String(), ClockRate: stream.VideoClock, SDPFmtpLine: parameters[c],
		RTCPFeedback: []webrtc.RTCPFeedback{{Type: "goog-remb"}, {Type: "ccm", Parameter: "fir"}, {Type: "nack"}, {Type: "nack", Parameter: "pli"}},
	}
}

// register lets an engine offer one codec for pictures, and Opus.
func register(media *webrtc.MediaEngine, c stream.Codec) error {
	err := errors.Join(
		media.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: capability(c), PayloadType: 96}, webrtc.RTPCodecTypeVideo),
		media.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: capability(stream.Opus), PayloadType: 111}, webrtc.RTPCodecTypeAudio))
	for _, uri := range []string{sdp.SDESMidURI, sdp.SDESRTPStreamIDURI} {
		err = errors.Join(err, media.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: uri}, webrtc.RTPCodecTypeVideo))
	}
	return err
}

// newLayers adds one m-line with those sources as layers, the smallest first, to pc.
func newLayers(pc *webrtc.PeerConnection, sources []stream.Source, simulcast int) (layers []*layer, err error) {
	kind := "audio"
	if sources[0].Codec().Video() {
		kind = "video"
	}
	for i, s := range sources {
		l := &layer{source: s, seq: uint16(rand.Uint32()), time: rand.Uint32()}
		var options []func(*webrtc.TrackLocalStaticRTP)
		if simulcast > 1 {
			l.rid = rids[i]
			options = append(options, webrtc.WithRTPStreamID(l.rid))
		}
		if l.track, err = webrtc.NewTrackLocalStaticRTP(capability(s.Codec()), kind, "loadtest", options...); err != nil {
			return nil, err
		}
		if i > 0 {
			if err := layers[0].sender.AddEncoding(l.track); err != nil {
				return nil, err
			}
			l.sender, l.mid = layers[0].sender, layers[0].mid
		} else {
			t, err := pc.AddTransceiverFromTrack(l.track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
			if err != nil {
				return nil, err
			}
			l.sender, l.mid = t.Sender(), t.Mid
		}
		layers = append(layers, l)
	}
	return layers, nil
}

// mark writes mid and rid into a header: of simulcast nothing else tells which layer it is (RFC 8853 section 5.5).
func (l *layer) mark(h *rtp.Header) {
	if l.rid == "" {
		return
	}
	if l.ids[0] == 0 {
		for _, e := range l.sender.GetParameters().HeaderExtensions {
			switch e.URI {
			case sdp.SDESMidURI:
				l.ids[0] = uint8(e.ID)
			case sdp.SDESRTPStreamIDURI:
				l.ids[1] = uint8(e.ID)
			}
		}
	}
	for i, value := range []string{l.mid(), l.rid} {
		if l.ids[i] != 0 {
			_ = h.SetExtension(l.ids[i], []byte(value)) // it fits: both are short
		}
	}
}

// feedback reads what the server says about the layer.
func (l *layer) feedback() ([]rtcp.Packet, error) {
	if l.rid == "" {
		packets, _, err := l.sender.ReadRTCP()
		return packets, err
	}
	packets, _, err := l.sender.ReadSimulcastRTCP(l.rid)
	return packets, err
}
