package signal

import (
	"strings"
	"testing"
)

// The three ways to name a room in a URL, and what names none.
func TestTarget(t *testing.T) {
	for _, c := range []struct {
		segment string
		want    target
		ok      bool
	}{
		{"123456789", target{code: "123456789"}, true},
		{"123-456-789", target{code: "123456789"}, true},
		{"%EF%BC%91%EF%BC%92%EF%BC%93456789", target{code: "123456789"}, true},
		{"12345678", target{name: "12345678"}, true},
		{"1234567890", target{name: "1234567890"}, true},
		{"r_abcdefghij234567", target{id: "r_abcdefghij234567"}, true},
		{"r_ABCDEFGHIJ234567", target{name: "r_ABCDEFGHIJ234567"}, true},
		{"r_x", target{name: "r_x"}, true},
		{"Halle%20%C3%84", target{name: "Halle Ä"}, true},
		{"a%2Fb", target{name: "a/b"}, true},
		{"..", target{name: ".."}, true},
		{"%E2%80%AEevil", target{name: "evil"}, true},
		{"%20", target{}, false},
		{"%00", target{}, false},
		{"", target{}, false},
		{"%zz", target{}, false},
		{"%ff", target{}, false},
		{strings.Repeat("x", 64), target{name: strings.Repeat("x", 64)}, true},
		{strings.Repeat("x", 65), target{name: strings.Repeat("x", 65)}, false},
		{strings.Repeat("%20", 2000), target{}, false},
	} {
		if got, ok := readTarget(c.segment); ok != c.ok || ok && got != c.want {
			t.Errorf("%q is %+v %v, want %+v %v", c.segment, got, ok, c.want, c.ok)
		}
	}
}

func TestAgentName(t *testing.T) {
	for header, want := range map[string]string{
		"":         "player",
		"curl/8.0": "player",
		"Mozilla/5.0 (OBS-Studio/30.0.2; Windows x86_64; en-US)": "OBS",
		"GStreamer souphttpsrc 1.22":                             "GStreamer",
		"Lavf/61.7.100":                                          "FFmpeg",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36": "Chrome",
		"Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0":                                "Firefox",
		"Python/3.11 aiohttp/3.8.4": "aiortc",
	} {
		if got := agentName(header, "player"); got != want {
			t.Errorf("%q is %q, want %q", header, got, want)
		}
	}
}
