//go:build linux

package main

import (
	"errors"
	"io"
	"sync"

	"github.com/pion/dtls/v2"
	"github.com/pion/ice/v2"
	"github.com/pion/interceptor"
	"github.com/pion/logging"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"
)

// naive is the fan-out that the library's examples show: one local track that is added to a PeerConnection per
// viewer, with the default codecs and interceptors.
type naive struct {
	api   *webrtc.API
	track *webrtc.TrackLocalStaticRTP
	peers []*webrtc.PeerConnection
	out   rtp.Packet

	readers sync.WaitGroup
}

// newNaive takes AES-GCM if gcm, and else what browsers come to when they are left to their order: AES-CM with SHA-1.
func newNaive(gcm bool) (Contestant, error) {
	media, registry := &webrtc.MediaEngine{}, &interceptor.Registry{}
	if err := errors.Join(media.RegisterDefaultCodecs(), webrtc.RegisterDefaultInterceptors(media, registry)); err != nil {
		return nil, err
	}
	settings := loopback()
	if gcm {
		settings.SetSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM)
	} else {
		settings.SetSRTPProtectionProfiles(dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	}
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "video", "bench")
	if err != nil {
		return nil, err
	}
	return &naive{
		track: track,
		api:   webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(settings)),
	}, nil
}

// loopback keeps PeerConnections on 127.0.0.1, and quiet.
func loopback() webrtc.SettingEngine {
	s := webrtc.SettingEngine{LoggerFactory: &logging.DefaultLoggerFactory{Writer: io.Discard}}
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	s.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	s.SetIncludeLoopbackCandidate(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	return s
}

func (n *naive) Bare() bool   { return false }
func (n *naive) Ready() error { return nil }

func (n *naive) Join(v Viewer) (string, error) {
	pc, err := n.api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return "", err
	}
	n.peers = append(n.peers, pc)
	sender, err := pc.AddTrack(n.track)
	if err != nil {
		return "", err
	}
	n.readers.Go(func() { // ends with the connection; the interceptors see RTCP only if somebody reads
		buf := make([]byte, 1500)
		for {
			if _, _, err := sender.Read(buf); err != nil {
				return
			}
		}
	})
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: v.Offer}); err != nil {
		return "", err
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return "", err
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(answer); err != nil {
		return "", err
	}
	<-gathered
	return pc.LocalDescription().SDP, nil
}

func (n *naive) Forward(f *Frame) error {
	for i := range f.Packets {
		p := &f.Packets[i]
		n.out = rtp.Packet{Header: rtp.Header{
			Version: 2, Marker: p.Marker, SequenceNumber: p.Seq, Timestamp: p.Timestamp,
		}, Payload: p.Payload}
		if err := n.track.WriteRTP(&n.out); err != nil {
			return err
		}
	}
	return nil
}

func (n *naive) Close() error {
	var errs []error
	for _, pc := range n.peers {
		errs = append(errs, pc.Close())
	}
	n.readers.Wait()
	return errors.Join(errs...)
}
