package transport

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// clash is the header extensions of an offer of sound and picture in one BUNDLE group, as aiortc writes them: 2 means one
// thing in the sound and another in the picture.
const clash = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=recvonly\r\na=extmap:1 " + uriMid + "\r\na=extmap:2 " + uriAudioLevel + "\r\n" +
	"a=mid:0\r\na=rtcp-mux\r\na=rtpmap:96 opus/48000/2\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n" +
	"a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n" +
	"a=setup:actpass\r\n" +
	"m=video 9 UDP/TLS/RTP/SAVPF 97 98\r\na=recvonly\r\na=extmap:1 " + uriMid + "\r\na=extmap:2 " + uriSendTime + "\r\n" +
	"a=mid:1\r\na=rtcp-mux\r\na=rtpmap:97 VP8/90000\r\na=rtpmap:98 rtx/90000\r\na=fmtp:98 apt=97\r\n" +
	"a=ice-ufrag:efgh\r\na=ice-pwd:0123456789012345678901\r\n" +
	"a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n" +
	"a=setup:actpass\r\n"

var extmap = regexp.MustCompile(`a=extmap:\S+ \S+`)

func TestIdentifiersThatClashAreLeftOut(t *testing.T) {
	const mid, level, sendTime = "a=extmap:1 " + uriMid, "a=extmap:2 " + uriAudioLevel, "a=extmap:2 " + uriSendTime
	replace := func(old, new string) string {
		if !strings.Contains(clash, old) {
			t.Fatalf("%q is not in the offer", old)
		}
		return strings.Replace(clash, old, new, 1)
	}
	for name, c := range map[string]struct {
		offer   string
		want    []string // in the answer to a viewer
		library []string // in what a caster's connection is given
	}{
		"clash":             {clash, []string{mid, mid}, []string{mid, mid}},
		"apart":             {replace("extmap:2 "+uriSendTime, "extmap:3 "+uriSendTime), []string{mid, level, mid, "a=extmap:3 " + uriSendTime}, []string{mid, level, mid, "a=extmap:3 " + uriSendTime}},
		"another direction": {replace("extmap:2 "+uriSendTime, "extmap:2/sendonly "+uriSendTime), []string{mid, mid}, []string{mid, mid}},
		"unknown to us":     {replace("extmap:2 "+uriSendTime, "extmap:2 urn:other"), []string{mid, mid}, []string{mid, mid}},
		"all":               {replace("extmap:1 "+uriMid, "extmap:1 urn:other"), nil, nil},
		"two bytes": {
			strings.ReplaceAll(clash, "extmap:2", "extmap:20"), []string{mid, mid}, []string{mid, mid},
		},
		"in an m-line that is refused": {
			replace("video 9", "video 0"), []string{mid, level}, []string{mid, level, mid, sendTime}, // whose lines nobody reads
		},
		"not bundled": {replace("BUNDLE 0 1", "BUNDLE 1"), []string{mid, sendTime}, []string{mid, level, mid, sendTime}},
	} {
		o, err := ParseOffer(c.offer)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := extmap.FindAllString(o.Unified(c.offer, nil), -1); !slices.Equal(got, c.library) {
			t.Errorf("%s: a library gets %q, want %q", name, got, c.library)
		}
		names := map[string]string{"0": "audio", "1": "screen"}
		for mid := range names {
			if i := slices.IndexFunc(o.Media, func(m Media) bool { return m.Mid == mid }); o.Media[i].rejected || !o.inBundle(&o.Media[i]) {
				delete(names, mid)
			}
		}
		s, answer, err := newTestServer(t, nil).Open(context.Background(), o, names, 0, nil, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		defer s.Close()
		if got := extmap.FindAllString(answer, -1); !slices.Equal(got, c.want) {
			t.Errorf("%s: answered %q, want %q", name, got, c.want)
		}
		for _, track := range s.Tracks() {
			if len(o.clashing) > 0 && track.ids.sendTime|track.ids.audioLevel != 0 {
				t.Errorf("%s: packets of %s carry %+v", name, track.name, track.ids)
			}
		}
	}
}
