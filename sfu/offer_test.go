package sfu

import (
	"strings"
	"testing"

	"github.com/pion/webrtc/v3"
)

func publishOffer(t *testing.T, f *far) *webrtc.TrackLocalStaticRTP {
	t.Helper()
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "v", "s")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}); err != nil {
		t.Fatal(err)
	}
	return track
}

const head = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"

func TestParseOffer(t *testing.T) {
	video := "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n"
	screen := map[string]string{"0": "screen"}
	for _, c := range []struct {
		name, offer string
		slots       map[string]string
		reason      string // "" when it is accepted
	}{
		{"one m-line", head + video + "a=sendonly\r\n", screen, ""},
		{"bare line feeds", strings.ReplaceAll(head+video+"a=sendonly\r\n", "\r", ""), screen, ""},
		{"no direction is sendrecv", head + video, screen, ""},
		{"direction at session level", head + "a=sendonly\r\n" + video, screen, ""},
		{"an inactive m-line needs no slot", head + video + "m=audio 9 X 111\r\na=mid:1\r\na=inactive\r\n", screen, ""},
		{"recvonly", head + video + "a=recvonly\r\n", screen, "must be sendonly"},
		{"nothing active", head + video + "a=inactive\r\n", screen, "no active m-line"},
		{"no m-line", head, nil, "no active m-line"},
		{"no mid", head + "m=video 9 X 96\r\n", screen, "no a=mid"},
		{"long mid", head + "m=video 9 X 96\r\na=mid:" + strings.Repeat("x", 17) + "\r\n", screen, "a=mid of 17"},
		{"data channel", head + "m=application 9 X webrtc-datachannel\r\n", nil, "data channels"},
		{"text", head + "m=text 9 X 96\r\n", nil, `kind "text"`},
		{"short m-line", head + "m=video 9\r\n", nil, "short m-line"},
		{"slot twice", head + video + "m=video 9 X 96\r\na=mid:1\r\n", map[string]string{"0": "screen", "1": "screen"}, "used twice"},
		{"too many m-lines", head + strings.Repeat(video, 9), screen, "more than 8 m-lines"},
		{"too many formats", head + "m=video 9 X" + strings.Repeat(" 96", 65) + "\r\n", screen, "more than 64 formats"},
		{"too many rids", head + video + strings.Repeat("a=rid:a send\r\n", 7), screen, "more than 6 rids"},
		{"too many lines", head + strings.Repeat("a=x\r\n", 2001), screen, "more than 2000 lines"},
		{"too long", head + strings.Repeat("x", maxOfferBytes), screen, "longer than"},
	} {
		ms, err := parseOffer(c.offer, c.slots, "sendonly")
		switch {
		case c.reason == "" && (err != nil || len(ms) != 1 || ms[0].slot != Screen):
			t.Errorf("%s: got %v %v", c.name, ms, err)
		case c.reason != "" && (err == nil || !strings.Contains(err.Error(), c.reason)):
			t.Errorf("%s: got %v, want a refusal with %q", c.name, err, c.reason)
		}
	}
}

func FuzzParseOffer(f *testing.F) {
	f.Add(head + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=sendonly\r\n")
	f.Add("v=0\nm=\na=mid:\n")
	f.Add(head + "m=application 9 X y\r\n")
	f.Fuzz(func(t *testing.T, offer string) {
		ms, err := parseOffer(offer, map[string]string{"0": "screen", "1": "audio"}, "sendonly")
		if err == nil && (len(ms) == 0 || len(ms) > 2) {
			t.Errorf("%d m-lines for two slots", len(ms))
		}
	})
}
