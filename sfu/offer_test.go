package sfu

import (
	"errors"
	"slices"
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

const head = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n" +
	"a=setup:actpass\r\na=fingerprint:sha-256 " +
	"00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n"

func TestCasterOffer(t *testing.T) {
	line := func(kind, mid string) string {
		return "m=" + kind + " 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:" + mid + "\r\na=rtcp-mux\r\n"
	}
	video := line("video", "0")
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
		{"an inactive m-line needs no slot", head + video + line("audio", "1") + "a=inactive\r\n", screen, ""},
		{"recvonly", head + video + "a=recvonly\r\n", screen, "must be sendonly"},
		{"nothing active", head + video + "a=inactive\r\n", screen, "no active m-line"},
		{"no m-line", head, nil, "no m-line"},
		{"no mid", head + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n", screen, "no a=mid"},
		{"no slot", head + line("video", "7"), screen, "has no slot"},
		{"a slot of another kind", head + line("audio", "0"), screen, "cannot be slot screen"},
		{"long mid", head + line("video", strings.Repeat("x", 17)), screen, "a=mid of 17"},
		{"data channel", head + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n", nil, "data channels"},
		{"slot twice", head + video + line("video", "1"), map[string]string{"0": "screen", "1": "screen"}, "used twice"},
		{"too many candidates", head + video + strings.Repeat("a=candidate:1 1 udp 1 127.0.0.1 1 typ host\r\n", 65), screen, "more than 64 candidates"},
		{"too long", head + strings.Repeat("x", 64<<10), screen, "longer than"},
	} {
		_, ms, err := casterOffer(c.offer, c.slots)
		var coded interface{ Code() string }
		switch {
		case c.reason == "" && (err != nil || len(ms) != 1 || ms[0] != media{"0", Screen}):
			t.Errorf("%s: got %v %v", c.name, ms, err)
		case c.reason != "" && (err == nil || !strings.Contains(err.Error(), c.reason)):
			t.Errorf("%s: got %v, want a refusal with %q", c.name, err, c.reason)
		case err != nil && (!errors.As(err, &coded) || coded.Code() != "bad_offer"):
			t.Errorf("%s: %v has no code for the client", c.name, err)
		}
	}
	if _, _, err := viewerOffer(head+video+"a=sendonly\r\n", screen); err == nil || !strings.Contains(err.Error(), "must be recvonly") {
		t.Errorf("a viewer that sends: %v", err)
	}
	if _, ms, err := viewerOffer(head+video+"a=recvonly\r\n", screen); err != nil || len(ms) != 1 {
		t.Errorf("a viewer that receives: %v %v", ms, err)
	}
}

func FuzzCasterOffer(f *testing.F) {
	f.Add(head + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=sendonly\r\n")
	f.Add("v=0\nm=\na=mid:\n")
	f.Add(head + "m=application 9 X y\r\n")
	f.Fuzz(func(t *testing.T, offer string) {
		_, ms, err := casterOffer(offer, map[string]string{"0": "screen", "1": "audio"})
		if err == nil && (len(ms) == 0 || len(ms) > 2) {
			t.Errorf("%d m-lines for two slots", len(ms))
		}
	})
}

func TestOutline(t *testing.T) {
	e, _ := newEngine(t)
	offer := head + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a\r\na=sendonly\r\n" +
		"m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\n" +
		"m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:off\r\na=recvonly\r\n" +
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=inactive\r\n"
	got, err := e.Outline(offer)
	want := []MediaLine{
		{Mid: "a", Kind: "audio", Sends: true},
		{Mid: "v", Kind: "video", Sends: true, Receives: true},
		{Mid: "off", Kind: "video", Inactive: true},
		{Kind: "application", Inactive: true},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for offer, code := range map[string]string{
		"": "bad_sdp", "hello": "bad_sdp", strings.Replace(head, "s=-\r\n", "", 1): "bad_sdp",
		head + strings.Repeat("a=x\r\n", 2000): "bad_offer",
	} {
		_, err := e.Outline(offer)
		var coded interface{ Code() string }
		if !errors.As(err, &coded) || coded.Code() != code {
			t.Errorf("%.20q: %v, want %s", offer, err, code)
		}
	}
}

// TestAnswerNamesEachAddressOnce looks at a caster's answer: RTCP needs no candidates of its own.
func TestAnswerNamesEachAddressOnce(t *testing.T) {
	e, _ := newEngine(t)
	answer := publish(t, e, "c", "caster").pc.RemoteDescription().SDP
	seen := map[string]bool{}
	for line := range strings.Lines(answer) {
		if value, is := strings.CutPrefix(line, "a=candidate:"); is {
			f := strings.Fields(value)
			if f[1] != "1" || seen[f[4]+" "+f[5]] {
				t.Errorf("a candidate too many: %s", line)
			}
			seen[f[4]+" "+f[5]] = true
		}
	}
	if len(seen) == 0 || !strings.Contains(answer, "a=rtcp-mux\r\n") || !strings.Contains(answer, "a=end-of-candidates\r\n") {
		t.Errorf("the answer lacks candidates, their end, or rtcp-mux:\n%s", answer)
	}
}
