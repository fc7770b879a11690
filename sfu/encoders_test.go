package sfu

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// offerer writes an offer as some client would: a session part and m-lines.
type offerer struct {
	session []string // lines behind t=0 0
	lines   []string // m-lines with their attributes, one text each
}

const (
	print1 = "sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F"
	print2 = "sha-256 1F:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:00"
)

func (o offerer) String() string {
	all := append([]string{"v=0", "o=- 4962303333179871722 1 IN IP4 127.0.0.1", "s=-", "t=0 0"}, o.session...)
	return strings.Join(append(all, o.lines...), "\r\n") + "\r\n"
}

// section is an m-line with a transport of its own and the given further attributes.
func section(m, mid, ufrag, setup string, attributes ...string) string {
	all := append([]string{
		"m=" + m, "c=IN IP4 0.0.0.0", "a=mid:" + mid, "a=ice-ufrag:" + ufrag, "a=ice-pwd:0123456789012345678901" + ufrag,
		"a=fingerprint:" + print1, "a=setup:" + setup, "a=rtcp-mux",
	}, attributes...)
	return strings.Join(all, "\r\n")
}

func opus(mid string, attributes ...string) string {
	return section("audio 9 UDP/TLS/RTP/SAVPF 111", mid, "abcd", "actpass",
		append([]string{"a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1"}, attributes...)...)
}

func vp8(mid string, attributes ...string) string {
	return section("video 9 UDP/TLS/RTP/SAVPF 96", mid, "abcd", "actpass", append([]string{"a=rtpmap:96 VP8/90000"}, attributes...)...)
}

func h264(mid, parameters string, attributes ...string) string {
	all := []string{"a=rtpmap:96 H264/90000"}
	if parameters != "" {
		all = append(all, "a=fmtp:96 "+parameters)
	}
	return section("video 9 UDP/TLS/RTP/SAVPF 96", mid, "abcd", "actpass", append(all, attributes...)...)
}

func together(mids string, lines ...string) offerer {
	return offerer{session: []string{"a=group:BUNDLE " + mids, "a=msid-semantic:WMS *"}, lines: lines}
}

// slotsFor is what the door does: the first m-line of each kind is the screen and the sound, a second one for pictures
// the camera.
func slotsFor(t *testing.T, e *Engine, offer string) map[string]string {
	t.Helper()
	lines, err := e.Outline(offer)
	if err != nil {
		t.Fatalf("outline: %v", err)
	}
	names := map[string][]string{"video": {"screen", "camera"}, "audio": {"audio"}}
	slots := map[string]string{}
	for _, l := range lines {
		if free := names[l.Kind]; !l.Inactive && len(free) > 0 {
			slots[l.Mid], names[l.Kind] = free[0], free[1:]
		}
	}
	return slots
}

var mline = regexp.MustCompile(`(?m)^m=(\w+) (\d+) .*$`)

// answered lists the m-lines of an answer with their directions.
func answered(answer string) (lines []string) {
	at := mline.FindAllStringSubmatchIndex(answer, -1)
	for i, m := range at {
		end := len(answer)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		direction := ""
		for _, d := range []string{"sendrecv", "sendonly", "recvonly", "inactive"} {
			if strings.Contains(answer[m[0]:end], "\na="+d) {
				direction = d
			}
		}
		if answer[m[4]:m[5]] == "0" {
			direction = "refused"
		}
		lines = append(lines, answer[m[2]:m[3]]+" "+direction)
	}
	return lines
}

// encoders are offers to publish, and what must become of them: the m-lines of the answer, or the code and a part of the
// reason of the refusal.
func encoders() map[string]struct {
	offer  offerer
	want   string
	reason string
} {
	send := "a=sendonly"
	obs := func(profile string) offerer { // as libdatachannel writes it
		return together("0 1",
			section("audio 9 UDP/TLS/RTP/SAVPF 111", "0", "abcd", "actpass", "a=sendonly", "a=ssrc:10 cname:x", "a=ssrc:10 msid:s s-audio",
				"a=msid:s s-audio", "a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;maxaveragebitrate=96000;stereo=1;sprop-stereo=1;useinbandfec=1"),
			section("video 9 UDP/TLS/RTP/SAVPF 96", "1", "abcd", "actpass", "a=sendonly", "a=ssrc:11 cname:x", "a=msid:s s-video",
				"a=rtpmap:96 H264/90000", "a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli", "a=rtcp-fb:96 goog-remb",
				"a=fmtp:96 profile-level-id="+profile+";packetization-mode=1;level-asymmetry-allowed=1"))
	}
	active := func(o offerer, setup string) offerer {
		for i := range o.lines {
			o.lines[i] = strings.Replace(o.lines[i], "a=setup:actpass", "a=setup:"+setup, 1)
		}
		return o
	}
	apart := func(o offerer) offerer { // each m-line with a transport of its own
		o.lines[1] = strings.Replace(strings.Replace(o.lines[1], "ufrag:abcd", "ufrag:efgh", 1), "901abcd", "901efgh", 1)
		return o
	}
	unbundled := func(o offerer) offerer { o.session = nil; return o }
	both := func() offerer { return together("0 1", opus("0", send), vp8("1", send)) }
	type row = struct {
		offer  offerer
		want   string
		reason string
	}
	rows := map[string]row{
		"one m-line in a bundle":             {together("0", vp8("0", send)), "video recvonly", ""},
		"one m-line, no bundle":              {offerer{lines: []string{vp8("0", send)}}, "video recvonly", ""},
		"sound alone":                        {together("0", opus("0", send)), "audio recvonly", ""},
		"both":                               {both(), "audio recvonly, video recvonly", ""},
		"setup active":                       {active(both(), "active"), "audio recvonly, video recvonly", ""},
		"setup passive":                      {active(both(), "passive"), "audio recvonly, video recvonly", ""},
		"setup holdconn":                     {active(both(), "holdconn"), "bad_offer", "setup:holdconn"},
		"sendrecv":                           {together("0 1", opus("0", "a=sendrecv"), vp8("1", "a=sendrecv")), "audio recvonly, video recvonly", ""},
		"no direction":                       {together("0 1", opus("0"), vp8("1")), "audio recvonly, video recvonly", ""},
		"recvonly":                           {together("0 1", opus("0", "a=recvonly"), vp8("1", "a=recvonly")), "bad_offer", "must be sendonly"},
		"one of two recvonly":                {together("0 1", opus("0", send), vp8("1", "a=recvonly")), "bad_offer", "must be sendonly"},
		"inactive":                           {together("0 1", opus("0", "a=inactive"), vp8("1", "a=inactive")), "bad_offer", "no active m-line"},
		"one of two inactive":                {together("0 1", opus("0", "a=inactive"), vp8("1", send)), "audio inactive, video recvonly", ""},
		"one of two with port 0":             {together("1", strings.Replace(opus("0", send), "audio 9", "audio 0", 1), vp8("1", send)), "audio refused, video recvonly", ""},
		"unbundled, credentials that differ": {unbundled(apart(both())), "bad_offer", "a=ice-ufrag of its own"},
		"unbundled, the same credentials":    {unbundled(both()), "bad_offer", "not in a=group:BUNDLE"},
		"bundled, credentials that differ":   {apart(both()), "audio recvonly, video recvonly", ""},
		"bundled, certificates that differ": {func() offerer {
			o := apart(both())
			o.lines[1] = strings.Replace(o.lines[1], print1, print2, 1)
			return o
		}(), "audio recvonly, video recvonly", ""},
		"only data": {together("0", section("application 9 UDP/DTLS/SCTP webrtc-datachannel", "0", "abcd", "actpass", "a=sctp-port:5000")), "bad_offer", "data channels"},
		"data too": {
			together("0 1", vp8("0", send), section("application 9 UDP/DTLS/SCTP webrtc-datachannel", "1", "abcd", "actpass", "a=sctp-port:5000")),
			"bad_offer", "data channels",
		},
		"two pictures":    {together("0 1", vp8("0", send), vp8("1", send)), "video recvonly, video recvonly", ""}, // the door refuses it
		"no rtcp-mux":     {offerer{lines: []string{strings.Replace(vp8("0", send), "a=rtcp-mux\r\n", "", 1)}}, "bad_offer", "rtcp-mux"},
		"rtcp-mux-only":   {offerer{lines: []string{strings.Replace(vp8("0", send), "a=rtcp-mux\r\n", "a=rtcp-mux-only\r\n", 1)}}, "video recvonly", ""},
		"rtcp-rsize":      {offerer{lines: []string{vp8("0", send, "a=rtcp-rsize", "a=rtcp-mux-only")}}, "video recvonly", ""},
		"feedback":        {offerer{lines: []string{vp8("0", send, "a=rtcp-fb:* nack pli", "a=rtcp-fb:96 transport-cc")}}, "video recvonly", ""},
		"no codec":        {offerer{lines: []string{strings.Replace(vp8("0", send), "VP8", "theora", 1)}}, "codec_unsupported", "codec"},
		"no common sound": {together("0 1", strings.ReplaceAll(opus("0", send), "opus/48000/2", "MPEG4-GENERIC/48000/2"), vp8("1", send)), "codec_unsupported", "codec"},
		"static sound": {
			together("0 1", section("audio 9 UDP/TLS/RTP/SAVPF 0", "0", "abcd", "actpass", send), vp8("1", send)),
			"codec_unsupported", "codec",
		},
		"H.265 alone": {
			offerer{lines: []string{section("video 9 UDP/TLS/RTP/SAVPF 96", "0", "abcd", "actpass", send, "a=rtpmap:96 H265/90000")}},
			"codec_unsupported", "codec",
		},
		"H.265 before H.264": {offerer{lines: []string{section("video 9 UDP/TLS/RTP/SAVPF 97 96", "0", "abcd", "actpass", send,
			"a=rtpmap:97 H265/90000", "a=rtpmap:96 H264/90000", "a=fmtp:96 packetization-mode=1;profile-level-id=42e01f")}}, "video recvonly", ""},
		"simulcast": {offerer{lines: []string{vp8("0", send, "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid",
			"a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
			"a=rid:h send", "a=rid:m send", "a=rid:l send", "a=simulcast:send h;m;l")}}, "video recvonly", ""},
		"AV1": {offerer{lines: []string{section("video 9 UDP/TLS/RTP/SAVPF 98", "0", "abcd", "actpass", send, "a=rtpmap:98 AV1/90000",
			"a=fmtp:98 profile=0;level-idx=5;tier=0")}}, "video recvonly", ""},
		"VP9 without a profile": {
			offerer{lines: []string{section("video 9 UDP/TLS/RTP/SAVPF 98", "0", "abcd", "actpass", send, "a=rtpmap:98 VP9/90000")}},
			"video recvonly", "",
		},
		"data at session level": {offerer{
			session: []string{"a=group:BUNDLE video0", "a=ice-options:trickle ice2", "a=ice-ufrag:abcd", "a=ice-pwd:0123456789012345678901", "a=fingerprint:" + print1, "a=setup:active"},
			lines:   []string{"m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:96 VP8/90000\r\na=mid:video0\r\na=sendonly\r\na=rtcp-mux"},
		}, "video recvonly", ""},
	}
	for _, profile := range []string{"42e01f", "42c01f", "42001f", "42e034", "4d0032", "4d401f", "640032", "64001f", "640c1f", "64002a"} {
		rows["OBS "+profile] = row{obs(profile), "audio recvonly, video recvonly", ""}
		rows["H.264 beside VP8 "+profile] = row{
			offerer{lines: []string{section("video 9 UDP/TLS/RTP/SAVPF 96 97", "0", "abcd", "actpass", send, "a=rtpmap:96 H264/90000",
				"a=fmtp:96 packetization-mode=1;profile-level-id="+profile, "a=rtpmap:97 VP8/90000")}}, "video recvonly H264", "",
		}
	}
	for _, parameters := range []string{
		"", "packetization-mode=1", "profile-level-id=640032", "packetization-mode=1;profile-level-id=640032;sprop-parameter-sets=Z2QAKKzZQHgCJ+XAWoCAgKAAAAMAIAAAB4HjBjLA,aOvjyyLA",
		"packetization-mode=1; profile-level-id=64002a; level-asymmetry-allowed=1", "packetization-mode=0;profile-level-id=42e01f",
	} {
		rows["H.264 with "+parameters] = row{offerer{lines: []string{h264("0", parameters, send)}}, "video recvonly", ""}
	}
	return rows
}

func TestWhatEncodersOffer(t *testing.T) {
	e, _ := newEngine(t)
	n := 0
	for name, c := range encoders() {
		n++
		offer, id := c.offer.String(), fmt.Sprint("p", n)
		answer, err := e.Publish(context.Background(), id, id, offer, slotsFor(t, e, offer))
		var refused interface {
			Code() string
			Reason() string
		}
		if err != nil {
			if !errors.As(err, &refused) || refused.Code() != c.want || !strings.Contains(refused.Reason(), c.reason) {
				t.Errorf("%s: %v, want %s %s", name, err, c.want, c.reason)
			}
			continue
		}
		want, _, _ := strings.Cut(c.want, " H264")
		if got := strings.Join(answered(answer), ", "); got != want {
			t.Errorf("%s: answered %s, want %s", name, got, c.want)
		}
		if strings.HasSuffix(c.want, "H264") && !strings.Contains(answer, "H264/90000") {
			t.Errorf("%s: without H.264:\n%s", name, answer)
		}
		for what, wrong := range map[string]bool{
			"is at the wrong end": strings.Contains(answer, "a=setup:active") != strings.Contains(offer, "a=setup:passive") ||
				strings.Contains(answer, "a=setup:passive") == strings.Contains(offer, "a=setup:passive"),
			"a group":            strings.Contains(answer, "a=group:") != strings.Contains(offer, "a=group:"),
			"reduced reports":    strings.Contains(answer, "a=rtcp-rsize") != strings.Contains(offer, "a=rtcp-rsize"),
			"a space at the end": strings.Contains(answer, " \r\n"),
			"no SDP":             func() bool { _, err := e.Outline(answer); return err != nil }(),
		} {
			if wrong {
				t.Errorf("%s: %s in\n%s", name, what, answer)
			}
		}
		e.Leave(id)
	}
	eventually(t, "nothing is left", func() bool { return e.Snapshot().Casts == 0 })
}

func TestWhatPlayersOffer(t *testing.T) {
	e, _ := newEngine(t)
	receive := "a=recvonly"
	for name, c := range map[string]struct {
		offer  offerer
		want   string
		reason string
	}{
		"both":                {together("0 1", opus("0", receive), vp8("1", receive)), "audio sendonly, video sendonly", ""},
		"picture first":       {together("0 1", vp8("0", receive), opus("1", receive)), "video sendonly, audio sendonly", ""},
		"one, no bundle":      {offerer{lines: []string{vp8("0", receive)}}, "video sendonly", ""},
		"sound rejected":      {together("1", strings.Replace(opus("0", receive), "audio 9", "audio 0", 1), vp8("1", receive)), "audio refused, video sendonly", ""},
		"sound inactive":      {together("0 1", opus("0", "a=inactive"), vp8("1", receive)), "audio inactive, video sendonly", ""},
		"sendrecv":            {together("0 1", opus("0", "a=sendrecv"), vp8("1", "a=sendrecv")), "audio sendonly, video sendonly", ""},
		"no direction":        {together("0 1", opus("0"), vp8("1")), "audio sendonly, video sendonly", ""},
		"sendonly":            {together("0 1", opus("0", "a=sendonly"), vp8("1", "a=sendonly")), "bad_offer", "must be recvonly"},
		"one of two sendonly": {together("0 1", opus("0", "a=sendonly"), vp8("1", receive)), "bad_offer", "must be recvonly"},
		"inactive":            {together("0 1", opus("0", "a=inactive"), vp8("1", "a=inactive")), "bad_offer", "no active m-line"},
		"two pictures":        {together("0 1 2", vp8("0", receive), opus("1", receive), vp8("2", receive)), "video sendonly, audio sendonly, video sendonly", ""},
		"unbundled":           {offerer{lines: []string{opus("0", receive), vp8("1", receive)}}, "bad_offer", "not in a=group:BUNDLE"},
		"setup passive":       {offerer{lines: []string{strings.Replace(vp8("0", receive), "setup:actpass", "setup:passive", 1)}}, "bad_offer", "setup:passive"},
		"setup active":        {offerer{lines: []string{strings.Replace(vp8("0", receive), "setup:actpass", "setup:active", 1)}}, "video sendonly", ""},
		"no codec for sound":  {together("0 1", strings.Replace(opus("0", receive), "opus", "speex", 1), vp8("1", receive)), "codec_unsupported", "codec"},
		"data": {
			together("0 1", vp8("0", receive), section("application 9 UDP/DTLS/SCTP webrtc-datachannel", "1", "abcd", "actpass")),
			"bad_offer", "data channels",
		},
		"H.264 without parameters": {offerer{lines: []string{h264("0", "", receive)}}, "video sendonly", ""},
		"H.264 without fragments":  {offerer{lines: []string{h264("0", "packetization-mode=0", receive)}}, "codec_unsupported", "codec"},
		"H.264 high":               {offerer{lines: []string{h264("0", "packetization-mode=1;profile-level-id=640032", receive)}}, "video sendonly", ""},
	} {
		offer := c.offer.String()
		answer, err := e.Watch(context.Background(), "c", "p", offer, slotsFor(t, e, offer))
		var refused interface {
			Code() string
			Reason() string
		}
		switch {
		case err == nil && strings.Join(answered(answer), ", ") != c.want:
			t.Errorf("%s: answered %s, want %s", name, answered(answer), c.want)
		case err != nil && (!errors.As(err, &refused) || refused.Code() != c.want || !strings.Contains(refused.Reason(), c.reason)):
			t.Errorf("%s: %v, want %s %s", name, err, c.want, c.reason)
		}
	}
}
