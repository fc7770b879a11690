package loadtest

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v3"
)

// caster is a synthetic caster: a room of its own and one stream into it.
type caster struct {
	*client
	pc    *webrtc.PeerConnection
	track *webrtc.TrackLocalStaticRTP
	code  string // of the room
	asked atomic.Int64
	key   atomic.Bool // the next frame must be a keyframe
}

// newCaster opens a room on c and publishes into it.
func newCaster(ctx context.Context, c *client) (*caster, error) {
	created, err := c.request(ctx, "create", nil)
	if err != nil {
		return nil, err
	}
	s := &caster{client: c, code: created.Room.Code}
	if s.track, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "v", "s"); err != nil {
		return nil, err
	}
	responder, err := nack.NewResponderInterceptor()
	if err != nil {
		return nil, err
	}
	if s.pc, err = newConnection(responder); err != nil {
		return nil, err
	}
	t, err := s.pc.AddTransceiverFromTrack(s.track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		return nil, err
	}
	connected := make(chan struct{})
	s.pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state == webrtc.PeerConnectionStateConnected {
			close(connected)
		}
	})
	if err := negotiate(ctx, s.pc, c, "publish", nil); err != nil {
		return nil, err
	}
	go s.readRTCP(t.Sender())
	select {
	case <-connected:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return s, nil
}

// readRTCP notes every wish for a keyframe, until the connection is closed.
func (s *caster) readRTCP(sender *webrtc.RTPSender) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		for _, p := range packets {
			if _, ok := p.(*rtcp.PictureLossIndication); ok {
				s.asked.Add(1)
				s.key.Store(true)
			}
		}
	}
}

// run sends frames until ctx ends.
func (s *caster) run(ctx context.Context, bitsPerSecond int) error {
	src := newSource(bitsPerSecond, time.Now())
	s.key.Store(true)
	tick := time.NewTicker(time.Second / frameRate)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			for _, p := range src.next(s.key.Swap(false), now) {
				if err := s.track.WriteRTP(p); err != nil {
					return err
				}
			}
		}
	}
}

// newConnection makes a PeerConnection with the one interceptor that its side needs.
func newConnection(i interceptor.Factory) (*webrtc.PeerConnection, error) {
	m := &webrtc.MediaEngine{}
	if err := m.RegisterDefaultCodecs(); err != nil {
		return nil, err
	}
	s := webrtc.SettingEngine{}
	s.SetIncludeLoopbackCandidate(true)
	r := &interceptor.Registry{}
	r.Add(i)
	api := webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithSettingEngine(s), webrtc.WithInterceptorRegistry(r))
	return api.NewPeerConnection(webrtc.Configuration{})
}

// negotiate makes the only offer of pc, sends it with fields in a message of the given type, and takes the answer.
// The server is ICE-lite, so the offer need not wait for candidates.
func negotiate(ctx context.Context, pc *webrtc.PeerConnection, c *client, kind string, fields map[string]any) error {
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	if err := pc.SetLocalDescription(offer); err != nil {
		return err
	}
	slots := map[string]string{}
	for _, t := range pc.GetTransceivers() {
		slots[t.Mid()] = "screen"
	}
	all := map[string]any{"offer": offer.SDP, "slots": slots}
	for k, v := range fields {
		all[k] = v
	}
	m, err := c.request(ctx, kind, all)
	if err != nil {
		return err
	}
	return pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: m.Answer})
}
