package peer

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"castcode/internal/stunwire"
	"castcode/loadtest/stream"
)

const sample = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=ice-lite\r\n" +
	"m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n" +
	"a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n" +
	"a=setup:passive\r\na=mid:0\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=sendonly\r\n" +
	"a=ssrc-group:FID 11 12\r\na=ssrc:11 cname:x\r\na=ssrc:12 cname:x\r\n" +
	"a=candidate:1 1 udp 2130706431 127.0.0.1 8443 typ host\r\na=candidate:2 1 tcp 1 127.0.0.1 8443 typ host tcptype passive\r\n" +
	"a=candidate:3 1 UDP 5 ::1 8443 typ host\r\na=candidate:4 1 udp 5 x.local 8443 typ host\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\na=ice-ufrag:other\r\na=rtpmap:111 opus/48000/2\r\na=sendonly\r\n"

func TestAnswer(t *testing.T) {
	a, err := readAnswer(sample)
	if err != nil {
		t.Fatal(err)
	}
	if !a.lite || a.active || a.ufrag != "abcd" || a.password != "0123456789012345678901" || len(a.fingerprints) != 1 {
		t.Errorf("%+v", a)
	}
	if len(a.candidates) != 2 || a.candidates[1] != netip.MustParseAddrPort("[::1]:8443") {
		t.Errorf("candidates %v", a.candidates)
	}
	if a.codecs[96] != (payload{stream.VP8, false}) || a.codecs[97] != (payload{stream.VP8, true}) || a.codecs[111].codec != stream.Opus || len(a.codecs) != 3 {
		t.Errorf("codecs %v", a.codecs)
	}
	for _, cut := range []string{"a=ice-pwd", "a=fingerprint", "a=rtpmap", "a=candidate", "m=video 9"} {
		if _, err := readAnswer(strings.ReplaceAll(sample, cut, "x"+cut[1:])); err == nil && cut != "m=video 9" {
			t.Errorf("an answer without %s passes", cut)
		}
	}
	if _, err := readAnswer(strings.ReplaceAll(sample, " 9 UDP", " 0 UDP")); err == nil {
		t.Error("an answer that takes nothing passes")
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add(sample)
	f.Add("v=0\nm=video\n")
	f.Add("v=0\na=candidate:\na=fmtp:1 apt=1\na=rtpmap:x\n")
	f.Fuzz(func(t *testing.T, sdp string) {
		if a, err := readAnswer(sdp); err == nil && (len(a.candidates) == 0 || len(a.candidates) > maxCandidates || len(a.codecs) == 0) {
			t.Fatalf("%+v", a)
		}
	})
}

func TestOfferHasWhatWasAskedFor(t *testing.T) {
	at := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:5"), netip.MustParseAddrPort("[2001:db8::1]:5")}
	all := writeOffer(1, credentials{"user", "pass"}, "AA", at, nil)
	for _, want := range []string{"m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 102 103 45 46\r\n", "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", "a=recvonly", "a=setup:actpass", " 192.0.2.1 5 typ host", " 2001:db8::1 5 typ host"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	if one := writeOffer(1, credentials{}, "", nil, []stream.Codec{stream.H264}); !strings.Contains(one, "SAVPF 102 103\r\n") || strings.Contains(one, "VP8") {
		t.Errorf("only H.264:\n%s", one)
	}
}

// far is the other side of an agent.
var near, far = credentials{"near", "near-password-0123456789"}, credentials{"far", "far-password-01234567890"}

// answerTo is what a far end says to a check.
func answerTo(t *testing.T, p []byte, from netip.AddrPort) []byte {
	t.Helper()
	h, ok := listen(p, far, near)
	if !ok || h.response {
		t.Fatalf("the far end does not believe %x", p)
	}
	return respond(nil, h.id, from, far.password)
}

func TestAgentNominatesTheFirstPathThatWorks(t *testing.T) {
	now := time.Unix(100, 0)
	deaf, good := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("[::1]:2")
	me := netip.MustParseAddrPort("127.0.0.1:9")
	a := newAgent(near, far, 7, []netip.AddrPort{deaf, good}, now)
	if out, _ := a.due(now); len(out) != 1 || out[0].to != deaf {
		t.Fatalf("first %v", out)
	}
	out, _ := a.due(now.Add(checkPace))
	if len(out) != 1 || out[0].to != good {
		t.Fatalf("second %v", out)
	}
	answer := answerTo(t, out[0].data, me)
	if more, chosen := a.take(answer, deaf, now); more != nil || chosen {
		t.Error("an answer from elsewhere counts")
	}
	out, chosen := a.take(answer, good, now)
	if len(out) != 1 || chosen || a.path().IsValid() || !a.valid(good) || a.valid(deaf) {
		t.Fatalf("after the answer: %v %v", out, chosen)
	}
	if !strings.Contains(string(out[0].data), string([]byte{0, attrUseCandidate, 0, 0})) {
		t.Error("no USE-CANDIDATE")
	}
	if _, chosen = a.take(answerTo(t, out[0].data, me), good, now); !chosen || a.path() != good {
		t.Errorf("not chosen")
	}
	for range 20 { // consent, answered
		now = now.Add(consentEvery)
		out, dead := a.due(now)
		if dead || len(out) != 1 || out[0].to != good {
			t.Fatalf("consent: %v %v", out, dead)
		}
		a.take(answerTo(t, out[0].data, me), good, now)
	}
	if _, dead := a.due(now.Add(consentLife + time.Second)); !dead {
		t.Error("silence is no end")
	}
}

func TestAgentAnswersChecksAndBelievesNobodyElse(t *testing.T) {
	now := time.Unix(100, 0)
	from := netip.MustParseAddrPort("[2001:db8::7]:7")
	a := newAgent(near, far, 7, nil, now)
	request := check(nil, transaction{1, 2, 3}, far, near, 9, true)
	out, _ := a.take(request, from, now)
	if len(out) != 1 || out[0].to != from {
		t.Fatalf("%v", out)
	}
	if h, ok := listen(out[0].data, far, near); !ok || !h.response || h.id != (transaction{1, 2, 3}) {
		t.Errorf("the answer: %+v %v", h, ok)
	}
	if checks, _ := a.due(now); len(checks) != 1 || checks[0].to != from {
		t.Errorf("the address that it came from is not checked: %v", checks)
	}
	for i := range request {
		bad := append([]byte{}, request...)
		bad[i] ^= 1
		if m, fault := stunwire.Parse(bad); fault == stunwire.OK && i < m.IntegrityAt()+24 {
			if out, _ := a.take(bad, from, now); out != nil {
				t.Errorf("a request with byte %d changed is answered", i)
			}
		}
	}
}

func FuzzAgent(f *testing.F) {
	f.Add(check(nil, transaction{1}, far, near, 9, true))
	f.Add(respond(nil, transaction{}, netip.MustParseAddrPort("127.0.0.1:1"), far.password))
	f.Fuzz(func(_ *testing.T, p []byte) {
		a := newAgent(near, far, 7, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}, time.Unix(0, 0))
		a.take(p, netip.MustParseAddrPort("127.0.0.1:1"), time.Unix(0, 0))
	})
}
