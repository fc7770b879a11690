package loadtest

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/logging"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"

	"castcode/loadtest/stream"
)

const (
	// keyGap is how long an encoder makes no second keyframe.
	keyGap = 300 * time.Millisecond
	// burst is how many packets of a frame leave at once; the rest follows in bursts a millisecond apart, as browsers
	// pace them.
	burst = 12
)

// caster is a synthetic caster: one room, one stream of pictures in layers, one of sound.
type caster struct {
	options *Options
	room    int
	target  target
	ledger  *stream.Ledger
	asked   atomic.Uint64 // keyframes asked for by the server
	sent    atomic.Uint64 // packets
	began   atomic.Uint64 // how often it cast anew
	number  uint32        // of the next frame; it goes on over a restart

	restarting sync.Mutex // held while it begins anew

	cancel  context.CancelFunc // of what is sent now
	sending sync.WaitGroup
	pc      *webrtc.PeerConnection
	leave   func()
}

// rids are the names of layers, the smallest first.
var rids = [3]string{"q", "h", "f"}

// source tells whose frames those of this caster are, since its last start.
func (c *caster) source() uint32 { return uint32(c.room+1)<<8 | uint32(c.began.Load()&0xff) }

// start casts. It returns when media go out.
func (c *caster) start(ctx context.Context) error {
	pc, err := newCasterConnection(c.options)
	if err != nil {
		return err
	}
	c.pc, c.leave = pc, func() {}
	connected, failed := make(chan struct{}), make(chan struct{})
	var once, never sync.Once
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		switch state {
		case webrtc.PeerConnectionStateConnected:
			once.Do(func() { close(connected) })
		case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
			never.Do(func() { close(failed) })
		}
	})
	sending, cancel := context.WithCancel(ctx)
	c.cancel = cancel
	send, err := c.streams(sending, pc)
	if err != nil {
		return err
	}
	if err := c.negotiate(ctx, pc); err != nil {
		return err
	}
	late := time.NewTimer(joinWithin)
	defer late.Stop()
	select {
	case <-connected:
	case <-failed:
		return errors.New("the caster's connection failed")
	case <-late.C:
		return errors.New("the caster's connection was not up in time")
	case <-ctx.Done():
		return ctx.Err()
	}
	send()
	return nil
}

// stop ends the cast and waits for what was sending.
func (c *caster) stop() {
	if c.cancel == nil {
		return
	}
	c.cancel()
	c.leave()
	_ = c.pc.Close() // it only tells which of its parts were closed before
	c.sending.Wait()
	c.cancel = nil
}

// streams adds the tracks to pc and returns what makes them go.
func (c *caster) streams(ctx context.Context, pc *webrtc.PeerConnection) (func(), error) {
	pictures, err := c.pictures()
	if err != nil {
		return nil, err
	}
	layers, err := newLayers(pc, pictures, c.options.Layers)
	if err != nil {
		return nil, err
	}
	sound, err := c.soundTrack(pc)
	if err != nil {
		return nil, err
	}
	return func() {
		for _, l := range layers {
			c.sending.Go(func() { c.listen(l) })
		}
		c.sending.Go(func() { c.sendPictures(ctx, layers) })
		if sound != nil {
			c.sending.Go(func() { c.sendSound(ctx, sound) })
		}
	}, nil
}

// pictures are the sources of the layers.
func (c *caster) pictures() (list []stream.Source, err error) {
	if c.options.File != "" {
		s, err := stream.OpenPictures(c.options.File, c.options.FPS)
		return []stream.Source{s}, err
	}
	for i := range c.options.Layers {
		list = append(list, stream.NewVideo(c.options.video(i, c.source())))
	}
	return list, nil
}

// soundTrack adds the sound, when there is any.
func (c *caster) soundTrack(pc *webrtc.PeerConnection) (*layer, error) {
	var s stream.Source
	switch {
	case c.options.Sound != "":
		var err error
		if s, err = stream.OpenSound(c.options.Sound); err != nil {
			return nil, err
		}
	case c.options.Audio > 0:
		s = stream.NewSound(c.source(), int(c.options.Audio))
	default:
		return nil, nil
	}
	layers, err := newLayers(pc, []stream.Source{s}, 1)
	if err != nil {
		return nil, err
	}
	return layers[0], nil
}

// negotiate makes the only offer and takes the answer.
func (c *caster) negotiate(ctx context.Context, pc *webrtc.PeerConnection) error {
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		return err
	}
	select {
	case <-gathered:
	case <-ctx.Done():
		return ctx.Err()
	}
	slots := map[string]string{}
	for _, t := range pc.GetTransceivers() {
		slots[t.Mid()] = "audio"
		if t.Kind() == webrtc.RTPCodecTypeVideo {
			slots[t.Mid()] = "screen"
		}
	}
	answer, leave, err := c.target.publish(ctx, c.room, pc.LocalDescription().SDP, slots)
	if err != nil {
		return err
	}
	c.leave = leave
	return pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer})
}

// sendPictures sends frames at their times until ctx ends.
func (c *caster) sendPictures(ctx context.Context, layers []*layer) {
	every := layers[0].source.Interval()
	var lastKey time.Time
	for _, l := range layers {
		l.key.Store(true)
	}
	for at := time.Now(); ; at = at.Add(every) {
		if !waitUntil(ctx, at) {
			return
		}
		now := time.Now()
		if c.options.KeyEvery > 0 && now.Sub(lastKey) >= c.options.KeyEvery {
			lastKey = now
			for _, l := range layers {
				l.key.Store(true)
			}
		}
		for _, l := range layers {
			key := now.Sub(l.keyAt) >= keyGap && l.key.Swap(false)
			if key {
				l.keyAt = now
			}
			f := l.source.Next(c.number, now, key)
			if c.ledger != nil {
				c.ledger.Add(l.source.Codec(), f, stream.Stamp{Number: c.number, Sent: now, Source: c.source()})
			}
			if !c.send(ctx, l, f) {
				return
			}
			l.time += uint32(every * time.Duration(l.source.Codec().Clock()) / time.Second)
		}
		c.number++
	}
}

// sendSound sends one packet after the other until ctx ends.
func (c *caster) sendSound(ctx context.Context, l *layer) {
	every := l.source.Interval()
	number := uint32(0)
	for at := time.Now(); waitUntil(ctx, at); at = at.Add(every) {
		if !c.send(ctx, l, l.source.Next(number, time.Now(), false)) {
			return
		}
		l.time += uint32(every * time.Duration(l.source.Codec().Clock()) / time.Second)
		number++
	}
}

// send sends a frame. It is false when nothing can be sent any more.
func (c *caster) send(ctx context.Context, l *layer, f stream.Frame) bool {
	for i, payload := range f.Payloads {
		if i > 0 && i%burst == 0 && !waitUntil(ctx, time.Now().Add(time.Millisecond)) {
			return false
		}
		p := rtp.Packet{Header: rtp.Header{
			Version: 2, SequenceNumber: l.seq, Timestamp: l.time,
			Marker: i == len(f.Payloads)-1 && l.source.Codec().Video(),
		}, Payload: payload}
		l.mark(&p.Header)
		l.seq++
		if err := l.track.WriteRTP(&p); err != nil && errors.Is(err, io.ErrClosedPipe) {
			return false
		}
		c.sent.Add(1)
	}
	return true
}

// waitUntil sleeps. It is false when ctx ended.
func waitUntil(ctx context.Context, at time.Time) bool {
	wait := time.Until(at)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// listen notes every wish for a keyframe of a layer, until the connection is closed.
func (c *caster) listen(l *layer) {
	for {
		packets, err := l.feedback()
		if err != nil {
			return
		}
		for _, p := range packets {
			switch p.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				c.asked.Add(1)
				l.key.Store(true)
			}
		}
	}
}

// newCasterConnection makes a PeerConnection that resends what is asked for and reports the time.
func newCasterConnection(o *Options) (*webrtc.PeerConnection, error) {
	media := &webrtc.MediaEngine{}
	codec := o.Codec
	if o.File != "" {
		var err error
		if codec, err = stream.CodecOf(o.File); err != nil {
			return nil, err
		}
	}
	if err := register(media, codec); err != nil {
		return nil, err
	}
	settings := webrtc.SettingEngine{LoggerFactory: &logging.DefaultLoggerFactory{Writer: io.Discard}}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	registry := &interceptor.Registry{}
	resends, err := nack.NewResponderInterceptor()
	if err != nil {
		return nil, err
	}
	reports, err := report.NewSenderInterceptor()
	if err != nil {
		return nil, err
	}
	registry.Add(resends)
	registry.Add(reports)
	api := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithSettingEngine(settings), webrtc.WithInterceptorRegistry(registry))
	return api.NewPeerConnection(webrtc.Configuration{})
}
