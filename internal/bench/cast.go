//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"
)

// broadcaster is the process of a caster: one PeerConnection with one VP8 track.
type broadcaster struct {
	pc     *webrtc.PeerConnection
	track  *webrtc.TrackLocalStaticRTP
	stream *Stream
	asked  atomic.Bool // for a key frame

	stop chan struct{} // of what is being sent in the background; nil while nothing is
	sent chan error    // its end
}

// cast serves as a caster until in ends.
func cast(in io.Reader, out io.Writer) error {
	b := &broadcaster{stream: NewStream(1)}
	defer func() {
		_ = b.end() // the connection is closed anyway
		if b.pc != nil {
			b.pc.Close()
		}
	}()
	return answer(in, out, b.serve)
}

func (b *broadcaster) serve(q request) (a reply, err error) {
	switch q.Do {
	case "offer":
		a.SDP, err = b.offer()
	case "answer":
		err = b.answer(q.SDP)
	case "run":
		a.Figures, err = b.run(q.Speed, time.Now().Add(q.Length), nil)
	case "start":
		err = b.start()
	case "stop":
		err = b.end()
	default:
		err = fmt.Errorf("cannot do %q", q.Do)
	}
	return a, err
}

func (b *broadcaster) offer() (string, error) {
	media, registry := &webrtc.MediaEngine{}, &interceptor.Registry{}
	responder, err := nack.NewResponderInterceptor()
	if err := errors.Join(err, media.RegisterDefaultCodecs()); err != nil {
		return "", err
	}
	registry.Add(responder)
	api := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(loopback()))
	if b.pc, err = api.NewPeerConnection(webrtc.Configuration{}); err != nil {
		return "", err
	}
	if b.track, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "video", "bench"); err != nil {
		return "", err
	}
	t, err := b.pc.AddTransceiverFromTrack(b.track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		return "", err
	}
	go b.listen(t.Sender())
	offer, err := b.pc.CreateOffer(nil)
	if err != nil {
		return "", err
	}
	return offer.SDP, b.pc.SetLocalDescription(offer)
}

// listen reads reports until the connection ends; the responder sees NACK only if somebody does.
func (b *broadcaster) listen(sender *webrtc.RTPSender) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		for _, p := range packets {
			if _, ok := p.(*rtcp.PictureLossIndication); ok {
				b.asked.Store(true)
			}
		}
	}
}

func (b *broadcaster) answer(sdp string) error {
	ctx, cancel := context.WithTimeout(context.Background(), connectPatience)
	defer cancel()
	connected := make(chan struct{}, 1)
	b.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			connected <- struct{}{}
		}
	})
	if err := b.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: sdp}); err != nil {
		return err
	}
	select {
	case <-connected:
		return nil
	case <-ctx.Done():
		return errors.New("the caster is not connected in time")
	}
}

// start sends in real time until end is called, in the background.
func (b *broadcaster) start() error {
	if b.stop != nil {
		return errors.New("it is sending already")
	}
	stop, sent := make(chan struct{}), make(chan error, 1)
	b.stop, b.sent = stop, sent
	go func() {
		_, err := b.run(1, time.Now().Add(24*time.Hour), stop)
		sent <- err
	}()
	return nil
}

// end ends what start began and waits for it.
func (b *broadcaster) end() error {
	if b.stop == nil {
		return nil
	}
	close(b.stop)
	b.stop = nil
	return <-b.sent
}

// run sends at speed times real time, until end or until stop is closed.
func (b *broadcaster) run(speed int, end time.Time, stop <-chan struct{}) (f Figures, err error) {
	gap := time.Second / frameRate / time.Duration(max(speed, 1))
	for next := time.Now(); next.Before(end); next = next.Add(gap) {
		select {
		case <-stop:
			return f, nil
		case <-time.After(time.Until(next)):
		}
		if time.Since(next) > gap {
			f.Late++
		}
		b.stream.Key = b.asked.Swap(false)
		frame := b.stream.Next(time.Now())
		for i := range frame.Packets {
			p := &frame.Packets[i]
			err := b.track.WriteRTP(&rtp.Packet{Header: rtp.Header{
				Version: 2, Marker: p.Marker, SequenceNumber: p.Seq, Timestamp: p.Timestamp,
			}, Payload: p.Payload})
			if err != nil {
				return f, err
			}
		}
		f.Packets += uint64(len(frame.Packets))
	}
	return f, nil
}
