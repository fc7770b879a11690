package sfu

import (
	"context"
	"fmt"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v3"

	"github.com/pion/dtls/v2"
)

// Times of a connection.
const (
	connectTimeout = 20 * time.Second // an answered peer that is not connected by then is closed
	dtlsTimeout    = 15 * time.Second // security.md: DTLS half-open peers
	iceSilence     = 5 * time.Second  // without a check or a packet: disconnected
	iceConsent     = 30 * time.Second // RFC 7675 §5.1: consent expires; failed
)

// replayWindow is how far behind the newest a packet of a caster may be, in packets (RFC 3711 §3.3.2): 2 s of 8 Mbit/s.
const replayWindow = 2048

// settings is how every connection of the engine behaves: ICE-lite on the one socket, no mDNS, AES-GCM
// before AES-CM because it seals in a quarter of the time.
func settings(mux ice.UDPMux, logs logging.LoggerFactory) webrtc.SettingEngine {
	s := webrtc.SettingEngine{LoggerFactory: logs}
	s.SetLite(true)
	s.SetICEUDPMux(mux)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetICETimeouts(iceSilence, iceConsent, 2*time.Second)
	s.SetIncludeLoopbackCandidate(true) // what is advertised is the mux's list, not the machine's
	s.SetSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	// A caster that resends under the packet's own number (OBS does) is late by a round trip or two: 64 packets, which is
	// the library's window, are 0.2 s at 2.5 Mbit/s and less than one keyframe.
	s.SetSRTPReplayProtectionWindow(replayWindow)
	s.SetDTLSConnectContextMaker(func() (context.Context, func()) {
		return context.WithTimeout(context.Background(), dtlsTimeout)
	})
	return s
}

// askMost is how often a caster is asked for one lost packet, every 100 ms. The library asks for as long as the packet is
// among the newest 512, which of a slow stream is half a minute, also when the answers cannot be taken; a browser that
// answers all of it has nothing left for the picture. These are two seconds: longer than a network holds its breath, and
// what is older helps nobody.
const askMost = 20

// newCasterAPI makes the connection of one caster, which receives: it asks for lost packets (NACK), reports per-packet
// arrival so that the sender's estimate works (transport-wide congestion control) and sends receiver reports.
// Retransmissions come in on their own stream (RFC 4588); pion puts them back into the main one. The caster's own
// reports go to in. passive says that the caster waits for us to begin the DTLS handshake; otherwise it has to.
func newCasterAPI(s webrtc.SettingEngine, in *reports, passive bool) (*webrtc.API, error) {
	role := webrtc.DTLSRoleServer
	if passive {
		role = webrtc.DTLSRoleClient
	}
	if err := s.SetAnsweringDTLSRole(role); err != nil {
		return nil, err
	}
	m := &webrtc.MediaEngine{}
	if err := registerCodecs(m); err != nil {
		return nil, err
	}
	for uri, kinds := range map[string][]webrtc.RTPCodecType{
		uriDependency: {webrtc.RTPCodecTypeVideo},
		uriCapture:    {webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio},
		uriLevel:      {webrtc.RTPCodecTypeAudio},
	} {
		for _, kind := range kinds {
			if err := m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: uri}, kind); err != nil {
				return nil, err
			}
		}
	}
	r := &interceptor.Registry{}
	generator, err := nack.NewGeneratorInterceptor(nack.GeneratorMaxNacksPerPacket(askMost))
	if err != nil {
		return nil, err
	}
	receiverReports, err := report.NewReceiverInterceptor()
	if err != nil {
		return nil, err
	}
	r.Add(generator)
	r.Add(reportFactory{receiverReports, in.bind})
	if err := webrtc.ConfigureTWCCSender(m, r); err != nil {
		return nil, err
	}
	if err := webrtc.ConfigureSimulcastExtensionHeaders(m); err != nil {
		return nil, err
	}
	return webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithInterceptorRegistry(r),
		webrtc.WithSettingEngine(in.settingsFor(s))), nil
}

// h264Profiles are the profiles of H.264 and the constraints (RFC 6184 §8.1) that encoders write: constrained baseline as
// browsers and as x264 write it, baseline, main in both ways, high, constrained high. The library compares all of these
// bits, and where one codec of an offer matches so, it passes over those that do not.
var h264Profiles = []string{"42e0", "42c0", "4200", "4d00", "4d40", "6400", "640c"}

// registerCodecs lists what can be forwarded. The payload types are only our own preference: pion answers with those
// of the offer.
func registerCodecs(m *webrtc.MediaEngine) error {
	feedback := []webrtc.RTCPFeedback{{Type: "ccm", Parameter: "fir"}, {Type: "nack"}, {Type: "nack", Parameter: "pli"}}
	type format struct {
		mime, format string
		payload      webrtc.PayloadType
		rtx          webrtc.PayloadType
		rtxFormat    string
	}
	video := []format{
		{webrtc.MimeTypeVP8, "", 96, 97, "apt=96"},
		{webrtc.MimeTypeVP9, "profile-id=0", 98, 99, "apt=98"},
		{webrtc.MimeTypeAV1, "", 45, 46, "apt=45"},
	}
	for i, profile := range h264Profiles {
		payload := webrtc.PayloadType(112 + 2*i)
		video = append(video, format{
			webrtc.MimeTypeH264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=" + profile + "1f",
			payload, payload + 1, fmt.Sprint("apt=", payload),
		})
	}
	for _, v := range video {
		codec := webrtc.RTPCodecParameters{PayloadType: v.payload, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: v.mime, ClockRate: 90000, SDPFmtpLine: v.format, RTCPFeedback: feedback,
		}}
		if err := m.RegisterCodec(codec, webrtc.RTPCodecTypeVideo); err != nil {
			return err
		}
		resend := webrtc.RTPCodecParameters{PayloadType: v.rtx, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: "video/rtx", ClockRate: 90000, SDPFmtpLine: v.rtxFormat,
		}}
		if err := m.RegisterCodec(resend, webrtc.RTPCodecTypeVideo); err != nil {
			return err
		}
	}
	return m.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: 111, RTPCodecCapability: webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1;stereo=1",
	}}, webrtc.RTPCodecTypeAudio)
}
