package sfu

import (
	"context"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v3"
)

// viewer is a receiving peer of a cast: a display or somebody who watches.
type viewer struct {
	connection
	downs []*downTrack // fixed
}

// newViewer answers offer with one down track for each of its m-lines, and follows the tracks of the cast from the
// moment the connection is up.
func newViewer(ctx context.Context, e *Engine, id string, on *cast, offer string, ms []media) (*viewer, string, error) {
	v := &viewer{}
	if err := v.init(e, id, on, e.viewerAPI, v.wantKeyframes); err != nil {
		return nil, "", err
	}
	var senders []*webrtc.RTPSender
	for _, m := range ms { // pion gives the m-lines of a kind their transceivers in this order
		d := newDownTrack(v, on.tracks[m.slot])
		t, err := v.pc.AddTransceiverFromTrack(d, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
		if err != nil {
			v.close()
			return nil, "", err
		}
		v.downs = append(v.downs, d)
		senders = append(senders, t.Sender())
	}
	answer, err := v.connection.answer(ctx, offer)
	if err == nil {
		err = v.codecs()
	}
	if err != nil {
		v.close()
		return nil, "", err
	}
	for i, d := range v.downs {
		d.track.add(d)
		v.start(func() { v.readRTCP(d, senders[i]) })
	}
	return v, answer, nil
}

// codecs refuses a viewer that can decode nothing of what is being cast. One that lacks only a part is admitted.
func (v *viewer) codecs() error {
	live, usable := 0, 0
	for _, d := range v.downs {
		codec := d.track.codec()
		if codec == nil {
			continue
		}
		live++
		if payloadFor(codec, d.offered()) != 0 {
			usable++
		}
	}
	if live > 0 && usable == 0 {
		return errCodec
	}
	return nil
}

// close ends the viewer and takes its down tracks out of their tracks.
func (v *viewer) close() {
	for _, d := range v.downs {
		d.track.remove(d)
	}
	v.connection.close()
}

// wantKeyframes starts the pictures of a viewer that has just connected: a request before DTLS is up would be a
// keyframe that it cannot receive.
func (v *viewer) wantKeyframes() {
	now := time.Now()
	for _, d := range v.downs {
		d.track.wantKeyframe(now)
	}
}

// readRTCP reads the viewer's feedback for one down track until the connection ends. NACK is answered by pion's
// responder below this; what is left here is the wish for a keyframe.
func (v *viewer) readRTCP(d *downTrack, sender *webrtc.RTPSender) {
	buf := make([]byte, maxRTP)
	for {
		n, _, err := sender.Read(buf)
		if err != nil {
			return
		}
		packets, err := rtcp.Unmarshal(buf[:n])
		if err != nil {
			continue
		}
		for _, p := range packets {
			switch p.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				d.track.wantKeyframe(time.Now())
			}
		}
	}
}
