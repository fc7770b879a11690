package signal

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestReadFragment(t *testing.T) {
	credentials := "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
	candidate := "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n"
	for _, c := range []struct {
		name, body string
		ok         bool
		candidates int
	}{
		{"as in RFC 9725", credentials + "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n" + candidate + "a=end-of-candidates\r\n", true, 1},
		{"credentials alone", credentials, true, 0},
		{"credentials in each m-line", "m=audio 9 RTP/AVP 0\r\n" + credentials + "m=video 9 RTP/AVP 0\r\n" + credentials, true, 0},
		{"LF", strings.ReplaceAll(credentials+candidate, "\r", ""), true, 1},
		{"candidate alone", candidate, true, 1},
		{"IPv6, TCP", "a=candidate:1 1 tcp 1518280447 2001:db8::1 9 typ host tcptype active\n", true, 1},
		{"mDNS", "a=candidate:1 1 udp 1 7a9b.local 9 typ host\n", true, 1},
		{"end alone", "a=end-of-candidates\n", true, 0},
		{"nothing", "", false, 0},
		{"m-line alone", "m=audio 9 RTP/AVP 0\r\n", false, 0},
		{"no attribute", "hello\r\n", false, 0},
		{"an unknown letter", "z=1\r\n", false, 0},
		{"control character", "a=ice-ufrag:ab\x00cd\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n", false, 0},
		{"ufrag alone", "a=ice-ufrag:EsAw\r\n", false, 0},
		{"password alone", "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n", false, 0},
		{"short ufrag", strings.Replace(credentials, "EsAw", "EsA", 1), false, 0},
		{"short password", strings.Replace(credentials, "P2uYro0UCOQ4zxjKXaWCBui1", "P2uYro0UCOQ4zxjKXaWCB", 1), false, 0},
		{"long ufrag", strings.Replace(credentials, "EsAw", strings.Repeat("x", 257), 1), false, 0},
		{"two ufrags", credentials + "a=ice-ufrag:abcd\r\n", false, 0},
		{"not ice-char", strings.Replace(credentials, "EsAw", "Es w", 1), false, 0},
		{"candidate without type", "a=candidate:1 1 udp 1 192.0.2.1 9\r\n", false, 0},
		{"candidate with a bad port", "a=candidate:1 1 udp 1 192.0.2.1 65536 typ host\r\n", false, 0},
		{"component 0, as a client in use writes it", "a=candidate:1 0 udp 1 192.0.2.1 9 typ host\r\n", true, 1},
		{"candidate with a bad component", "a=candidate:1 256 udp 1 192.0.2.1 9 typ host\r\n", false, 0},
		{"too many lines", strings.Repeat("a=x\n", 2001) + credentials, false, 0},
	} {
		f, ok := readFragment(c.body)
		if ok != c.ok || ok && f.candidates != c.candidates {
			t.Errorf("%s: %+v %v, want %v and %d candidates", c.name, f, ok, c.ok, c.candidates)
		}
	}
}

func TestKeptOffer(t *testing.T) {
	offer := "v=0\r\na=ice-ufrag:one1\r\na=ice-pwd:1111111111111111111111\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\nm=x\r\na=ice-ufrag:one1\r\n"
	want := "v=0\r\na=ice-ufrag:two2\r\na=ice-pwd:2\r\nm=x\r\na=ice-ufrag:two2\r\n"
	if got := withCredentials(keptOffer(offer), "two2", "2"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if keptOffer(strings.Repeat("x", maxKeptOffer+1)) != "" {
		t.Error("too long an offer is kept")
	}
	if _, ok := cutFragment("v=0\r\nm=video 9 x 96\r\n"); ok {
		t.Error("an answer without credentials gives a fragment")
	}
}

func FuzzSDPFrag(f *testing.F) {
	f.Add(trickle)
	f.Add(anew)
	f.Add("a=candidate:")
	f.Add("m=\r\na=end-of-candidates")
	f.Fuzz(func(t *testing.T, body string) {
		got, ok := readFragment(body)
		if !ok {
			return
		}
		if (got.ufrag == "") != (got.password == "") || len(got.ufrag) > 256 || got.candidates > maxFragmentLines+1 {
			t.Fatalf("%+v", got)
		}
		// What is put into an offer cannot break out of its line.
		offer := withCredentials("v=0\r\na=ice-ufrag:a\r\na=ice-pwd:b\r\n", got.ufrag, got.password)
		if strings.Count(offer, "\n") != 3 {
			t.Fatalf("%q", offer)
		}
	})
}

func FuzzAnswerFragment(f *testing.F) {
	f.Add(fakeAnswer("abcd"))
	f.Add("m=video 9 x\na=ice-ufrag:a\na=ice-pwd:b")
	f.Fuzz(func(t *testing.T, answer string) {
		body, ok := cutFragment(answer)
		if ok && (!strings.Contains(body, "a=ice-ufrag:") || !strings.HasSuffix(body, "\r\n")) {
			t.Fatalf("%q", body)
		}
	})
}

func FuzzTarget(f *testing.F) {
	for _, s := range []string{"123456789", "r_abcdefghij234567", "H%C3%A4ll", "%", "%ff", "..", "%2e%2e%2f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, segment string) {
		got, ok := readTarget(segment)
		if !ok {
			return
		}
		ways := 0
		for _, way := range []string{got.code, got.id, got.name} {
			if way != "" {
				ways++
			}
		}
		if ways != 1 || len(got.code) != 0 && len(got.code) != roomDigits {
			t.Fatalf("%+v", got)
		}
		if again, ok := cleanName(got.name); !ok || again != got.name {
			t.Fatalf("name %q cleans to %q", got.name, again)
		}
	})
}

func FuzzLayerRequest(f *testing.F) {
	f.Add(`{"mediaId":"0","rid":"h","maxWidth":640}`)
	f.Add(`{"temporalLayerId":-5}`)
	f.Fuzz(func(t *testing.T, body string) {
		_, wish, refused := readWish(body)
		if refused != nil {
			return
		}
		if wish.Spatial < -1 || wish.Spatial > maxLayerID || wish.Temporal < -1 || wish.Temporal > maxLayerID ||
			wish.Width < 0 || wish.Height < 0 || wish.Width > maxPixels || wish.Height > maxPixels || len(wish.RID) > maxMid {
			t.Fatalf("%+v", wish)
		}
		if !json.Valid([]byte(body)) {
			t.Fatal("no JSON")
		}
	})
}

func FuzzIfMatch(f *testing.F) {
	f.Add(`"a", W/"b", *`, `"b"`)
	f.Fuzz(func(t *testing.T, field, etag string) {
		if matches(field, etag) && !strings.Contains(field, strings.TrimSpace(etag)) && !strings.Contains(field, "*") {
			t.Fatalf("%q matches %q", field, etag)
		}
	})
}
