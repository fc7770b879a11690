package transport

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pion/webrtc/v3"
)

func TestAnswer(t *testing.T) {
	server := newTestServer(t, nil)
	o, err := ParseOffer(offered)
	if err != nil {
		t.Fatal(err)
	}
	s, answer, err := server.Open(context.Background(), o, map[string]string{"v": "screen"}, 0, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v := s.Tracks()[0]
	want := fmt.Sprintf(`v=0
o=- %d 1 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE v a
a=ice-lite
a=msid-semantic:WMS *
a=extmap-allow-mixed
m=video 9 UDP/TLS/RTP/SAVPF 96 99 100 97
c=IN IP4 0.0.0.0
a=ice-ufrag:%[2]s
a=ice-pwd:%[3]s
a=fingerprint:sha-256 %[4]s
a=setup:passive
a=mid:v
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:99 H264/90000
a=fmtp:99 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c1f
a=rtpmap:100 H264/90000
a=fmtp:100 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtcp-mux
a=rtcp-rsize
a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:4 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:7 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension
a=sendonly
a=msid:castcode screen
a=ssrc-group:FID %[5]d %[6]d
a=ssrc:%[5]d cname:castcode
a=ssrc:%[5]d msid:castcode screen
a=ssrc:%[6]d cname:castcode
a=ssrc:%[6]d msid:castcode screen
a=candidate:1 1 udp 2130706431 192.0.2.1 443 typ host
a=candidate:2 1 tcp 1520434943 192.0.2.1 443 typ host tcptype passive
a=end-of-candidates
m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
a=ice-ufrag:%[2]s
a=ice-pwd:%[3]s
a=fingerprint:sha-256 %[4]s
a=setup:passive
a=mid:a
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
a=rtcp-mux
a=inactive
`, s.id, s.ice.current.local.Ufrag, s.ice.current.local.Password, server.fingerprint, v.SSRC(), v.resend.ssrc)
	if got := strings.ReplaceAll(answer, "\r\n", "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	other := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}
	if _, err := other.Unmarshal(); err != nil {
		t.Errorf("another parser says %v", err)
	}
}

func TestAnswerToWhatIsNotTaken(t *testing.T) {
	server := newTestServer(t, func(c *Config) { c.TransportFeedback = true })
	// A third m-line is rejected by the offer itself, a fourth has no codec of ours.
	offer := strings.Replace(offered, "BUNDLE v a", "BUNDLE v a r n", 1) +
		"m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:r\r\na=rtpmap:96 VP8/90000\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 8\r\na=mid:n\r\na=inactive\r\na=rtcp-mux\r\na=rtpmap:8 PCMA/8000\r\n"
	o, err := ParseOffer(offer)
	if err != nil {
		t.Fatal(err)
	}
	s, answer, err := server.Open(context.Background(), o, map[string]string{"v": "screen", "a": "audio"}, 0, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, want := range []string{
		"a=group:BUNDLE v a n\r\n", "m=video 0 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:r\r\na=inactive\r\n",
		"a=rtpmap:8 PCMA/8000\r\na=rtcp-mux\r\na=inactive\r\n", "a=extmap:5 " + uriTransportSeq, "a=rtcp-fb:96 transport-cc",
	} {
		if !strings.Contains(answer, want) {
			t.Errorf("missing %q in\n%s", want, answer)
		}
	}
	if strings.Count(answer, "a=sendonly") != 2 || strings.Count(answer, "\r\nm=") != 4 {
		t.Errorf("answer\n%s", answer)
	}
}

// Some libraries write "nack " where there is no parameter. Taken for something unknown, it would leave their viewers
// without any repair.
func TestFeedbackWithASpaceAtTheEndIsAgreedTo(t *testing.T) {
	spaced := strings.ReplaceAll(offered, "a=rtcp-fb:96 nack\r\n", "a=rtcp-fb:96 nack \r\na=rtcp-fb:96 goog-remb \r\n")
	offer, err := ParseOffer(spaced)
	if err != nil {
		t.Fatal(err)
	}
	_, answer, err := newTestServer(t, nil).Open(context.Background(), offer, map[string]string{"v": "v"}, 1, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"\r\na=rtcp-fb:96 nack\r\n", "\r\na=rtcp-fb:96 goog-remb\r\n"} {
		if !strings.Contains(answer, line) {
			t.Errorf("no %q in the answer:\n%s", line, answer)
		}
	}
}

func TestFormatForACaster(t *testing.T) {
	s := newTestSession(t, newTestServer(t, nil))
	v := s.Tracks()[0]
	for _, c := range []struct {
		codec, parameters string
		want              uint8
		ok                bool
	}{
		{"video/VP8", "", 96, true},
		{"video/vp8", "", 96, true},
		{"video/H264", "packetization-mode=1;profile-level-id=42e01f", 100, true},
		{"video/H264", "packetization-mode=1;profile-level-id=640032", 99, true},
		{"video/H264", "packetization-mode=1;profile-level-id=4d001f", 100, true}, // no main profile: what is below it
		{"video/AV1", "", 0, false},
	} {
		f, ok := v.Format(c.codec, c.parameters)
		if ok != c.ok || ok && f.PayloadType != c.want {
			t.Errorf("%s %s: %+v %v", c.codec, c.parameters, f, ok)
		}
	}
	if f, _ := v.Format("video/VP8", ""); f.RTX != 97 || f.Clock != 90000 || !slices.Equal(f.feedback, []string{"nack", "nack pli"}) {
		t.Errorf("VP8: %+v", f)
	}
}

// What a viewer offers of H.264, each profile in packetization mode 1, and which of it gets what is cast: counted from 0.
func TestNearestProfile(t *testing.T) {
	for _, c := range []struct {
		cast, offered string
		want          uint8
	}{
		{"4d0032", "42e01f", 0},
		{"640032", "42e01f", 0},
		{"640c32", "42001f 42e01f", 0}, // baseline has more than constrained baseline
		{"4d401f", "42e01f 42001f", 1},
		{"4d401f", "42e01f 4d001f 640c1f", 1},
		{"4d001f", "640c1f 42e01f 4d401f", 2},
		{"640032", "42e01f 4d001f 640c1f", 2},
		{"640c1f", "42e01f 64001f 4d001f", 1},
		{"42e01f", "640c1f 4d001f", 0}, // all above: the highest
		{"42e01f", "4d001f 640c1f", 1},
		{"42c01f", "640c1f 42001f 42e01f", 2},
		{"4de01f", "4d001f 42e01f", 1}, // constrained baseline, written another way
		{"58f01f", "4d001f 42e01f", 1},
		{"42001f", "42e01f 42401f 4d001f", 0},
		{"f4001f", "42e01f 640c1f 2c001f", 1},
		{"", "42e01f 42001f 4d001f", 1},
		{"zz001f", "4d001f 640c1f", 1},
	} {
		track := &Track{}
		for i, p := range strings.Fields(c.offered) {
			track.formats = append(track.formats, Format{
				Codec: codecH264, PayloadType: uint8(i), Parameters: "packetization-mode=1;profile-level-id=" + p,
			})
		}
		if f, ok := track.Format("video/h264", "profile-level-id="+c.cast); !ok || f.PayloadType != c.want {
			t.Errorf("%q cast, %s offered: %+v, want the one at %d", c.cast, c.offered, f, c.want)
		}
	}
}

func TestOffersThatAreRefused(t *testing.T) {
	replace := func(old, new string) string {
		if !strings.Contains(offered, old) {
			t.Fatalf("%q is not in the offer", old)
		}
		return strings.Replace(offered, old, new, 1)
	}
	malformed := []string{
		"empty", "no session", "another version", "m-line first", "no line", "short m-line", "port", "format twice", "format 128",
		"format -1", "format 007", "mid twice", "second mid", "empty mid", "control", "return in a line",
		"short ufrag", "odd ufrag", "short password",
	}
	for name, offer := range map[string]string{
		"empty":            "",
		"no session":       "v=0\r\n",
		"no m-line":        offered[:strings.Index(offered, "m=")],
		"another version":  replace("v=0", "v=00"),
		"m-line first":     replace("t=0 0\r\n", ""),
		"no line":          replace("s=-", "s -"),
		"port":             replace("m=audio 9", "m=audio nine"),
		"second mid":       replace("a=mid:a\r\n", "a=mid:a\r\na=mid:b\r\n"),
		"empty mid":        replace("a=mid:a\r\n", "a=mid:\r\n"),
		"long":             offered + "a=" + strings.Repeat("x", maxOfferBytes),
		"lines":            offered + strings.Repeat("a=x\r\n", maxOfferLines),
		"m-lines":          offered + strings.Repeat("m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", 7),
		"data channel":     offered + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:d\r\n",
		"text":             offered + "m=text 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:d\r\n",
		"short m-line":     offered + "m=audio 9\r\n",
		"no encryption":    replace("SAVPF 111", "AVPF 111"),
		"plain RTP":        replace("UDP/TLS/RTP/SAVPF 111", "RTP/AVP 111"),
		"formats":          replace("SAVPF 111 0", "SAVPF"+numbers(0, 65)),
		"format twice":     replace("111 0\r\n", "111 111\r\n"),
		"format 128":       replace("111 0\r\n", "111 128\r\n"),
		"format -1":        replace("111 0\r\n", "111 -1\r\n"),
		"format 007":       replace("111 0\r\n", "111 007\r\n"),
		"no mid":           replace("a=mid:a\r\n", ""),
		"mid twice":        replace("a=mid:a\r\n", "a=mid:v\r\n"),
		"long mid":         replace("a=mid:a\r\n", "a=mid:12345678901234567\r\n"),
		"no mux":           replace("a=rtcp-mux\r\n", ""),
		"control":          replace("a=mid:a", "a=mid:a\x00"),
		"return in a line": replace("a=mid:a", "a=mid:a\rb"),
		"bundle nowhere":   replace("BUNDLE v a", "BUNDLE v b"),
		"two bundles":      replace("a=group:BUNDLE v a\r\n", "a=group:BUNDLE v\r\na=group:BUNDLE a\r\n"),
		"short ufrag":      replace("a=ice-ufrag:peer", "a=ice-ufrag:pee"),
		"odd ufrag":        replace("a=ice-ufrag:peer", "a=ice-ufrag:pe:r"),
		"no ufrag":         replace("a=ice-ufrag:peer\r\n", ""),
		"short password":   replace("012345678901234567890", ""),
		"holdconn":         replace("setup:actpass", "setup:holdconn"),
		"no setup":         replace("a=setup:actpass\r\n", ""),
		"SHA-1 only":       replace("sha-256", "sha-1"),
		"short print":      replace("00:01:02:", ""),
		"rids":             offered + strings.Repeat("a=rid:x send\r\n", maxRIDs+1),
		"candidates":       offered + strings.Repeat("a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n", maxCandidates+1),
		"fingerprints":     offered + strings.Repeat("a=fingerprint:sha-256 "+strings.Repeat("00:", 31)+"00\r\n", maxFingerprints+1),
		"first is refused": replace("m=video 9", "m=video 0"),
	} {
		o, err := ParseOffer(offer)
		var refusal *Error
		code := "bad_offer"
		if slices.Contains(malformed, name) {
			code = "bad_sdp"
		}
		if !errors.As(err, &refusal) || refusal.Code() != code || refusal.Reason() == "" {
			t.Errorf("%s: %v, %v, want %s", name, o, err, code)
		}
		if _, err := Outline(offer); code == "bad_sdp" && err == nil {
			t.Errorf("%s: the outline takes it", name)
		}
	}
}

func numbers(from, to int) string {
	var b strings.Builder
	for ; from < to; from++ {
		fmt.Fprintf(&b, " %d", from)
	}
	return b.String()
}

func TestOffersThatCannotBeOpened(t *testing.T) {
	server := newTestServer(t, nil)
	for name, c := range map[string]struct {
		offer string
		names map[string]string
		code  string
	}{
		"nothing wanted":  {offered, nil, "bad_offer"},
		"sends only":      {strings.Replace(offered, "a=recvonly", "a=sendonly", 1), map[string]string{"v": "screen"}, "bad_offer"},
		"inactive":        {strings.Replace(offered, "a=recvonly", "a=inactive", 1), map[string]string{"v": "screen"}, "bad_offer"},
		"outside BUNDLE":  {strings.Replace(offered, "BUNDLE v a", "BUNDLE a", 1), map[string]string{"v": "screen"}, "bad_offer"},
		"no BUNDLE":       {strings.Replace(offered, "a=group:BUNDLE v a\r\n", "", 1), map[string]string{"a": "audio"}, "bad_offer"},
		"passive":         {strings.Replace(offered, "setup:actpass", "setup:passive", 1), map[string]string{"v": "screen"}, "bad_offer"},
		"no codec we do":  {strings.Replace(offered, "opus", "silk", 1), map[string]string{"a": "audio"}, "codec_unsupported"},
		"mono by rtpmap":  {strings.Replace(offered, "opus/48000/2", "opus/48000", 1), map[string]string{"a": "audio"}, "codec_unsupported"},
		"other clockrate": {strings.Replace(offered, "opus/48000/2", "opus/44100/2", 1), map[string]string{"a": "audio"}, "codec_unsupported"},
	} {
		o, err := ParseOffer(c.offer)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		s, _, err := server.Open(context.Background(), o, c.names, 0, nil, nil)
		var refusal *Error
		if s != nil || !errors.As(err, &refusal) || refusal.Code() != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(server.slots) + users(server); n != 0 {
		t.Errorf("%d entries left by refused offers", n)
	}
}

// Offers with a transport of their own in each m-line, as peers with a balanced bundle policy write them: the first
// of the group counts.
func TestTransportOfTheFirstInTheBundleCounts(t *testing.T) {
	offer := strings.Replace(offered, "BUNDLE v a", "BUNDLE a v", 1)
	offer = strings.Replace(offer, "a=mid:a\r\n", "a=mid:a\r\na=ice-ufrag:audio\r\na=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa\r\n", 1)
	o, err := ParseOffer(offer)
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := newTestServer(t, nil).Open(context.Background(), o, map[string]string{"v": "screen"}, 0, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := s.ice.current.remoteUfrag; got != "audio" {
		t.Errorf("user fragment %q", got)
	}
}
