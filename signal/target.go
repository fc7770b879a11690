package signal

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// target is the room that a URL of WHIP or WHEP names, in one of three ways.
type target struct{ code, id, name string }

// maxSegment bounds what is looked at as a name: three characters for each byte that is percent-encoded.
const maxSegment = 3 * maxNameBytes

// readTarget reads a segment of a path as it stands in the request. ok is false for what can be no room.
func readTarget(segment string) (t target, ok bool) {
	if len(segment) > maxSegment {
		return target{}, false
	}
	text, err := url.PathUnescape(segment)
	if err != nil || !utf8.ValidString(text) {
		return target{}, false
	}
	if code, ok := normaliseCode(text); ok && len(code) == roomDigits {
		return target{code: code}, true
	}
	if isRoomID(text) {
		return target{id: text}, true
	}
	name, ok := cleanName(text)
	return target{name: name}, ok && name != ""
}

// isRoomID knows what newID makes of "r_".
func isRoomID(text string) bool {
	digits, ok := strings.CutPrefix(text, "r_")
	if !ok || len(digits) != 16 {
		return false
	}
	for _, c := range digits {
		if (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// of says whether the target is what a publish token calls its room.
func (t target) of(tk ticket) bool {
	switch {
	case t.code != "":
		return t.code == tk.Code
	case t.id != "":
		return t.id == tk.Room
	default:
		return tk.Name != "" && nameKey(t.name) == nameKey(tk.Name)
	}
}

// is says whether the target is room r.
func (t target) is(r *Room) bool { return t.of(ticket{Room: r.id, Code: r.code, Name: r.name}) }

// agents are the programs that people know by name, by what they write into User-Agent. The first that fits counts:
// browsers name each other.
var agents = []struct{ mark, name string }{
	{"obs", "OBS"},
	{"gstreamer", "GStreamer"},
	{"webrtcsink", "GStreamer"},
	{"lavf", "FFmpeg"},
	{"ffmpeg", "FFmpeg"},
	{"mediamtx", "MediaMTX"},
	{"larix", "Larix"},
	{"vlc", "VLC"},
	{"aiortc", "aiortc"},
	{"aiohttp", "aiortc"},
	{"castcode", "castcode"},
	{"edg/", "Edge"},
	{"firefox", "Firefox"},
	{"chrom", "Chrome"},
	{"safari", "Safari"},
}

// agentName is the name under which a guest is shown: that of its program, if it says so, or usual.
func agentName(header, usual string) string {
	header = strings.ToLower(header[:min(len(header), 256)])
	for _, a := range agents {
		if strings.Contains(header, a.mark) {
			return a.name
		}
	}
	return usual
}

// deviceKinds tell by User-Agent what somebody has in the hand; the first that fits counts.
var deviceKinds = []struct{ mark, kind string }{
	{"smart-tv", "tv"},
	{"smarttv", "tv"},
	{"web0s", "tv"},
	{"tizen", "tv"},
	{"ipad", "tablet"},
	{"tablet", "tablet"},
	{"iphone", "phone"},
	{"mobile", "phone"},
	{"android", "tablet"}, // phones say "Mobile"
	{"windows", "computer"},
	{"macintosh", "computer"},
	{"cros", "computer"},
	{"linux", "computer"},
}

// deviceKind is a word for the device of a client, "" when it does not say.
func deviceKind(header string) string {
	header = strings.ToLower(header[:min(len(header), 256)])
	for _, k := range deviceKinds {
		if strings.Contains(header, k.mark) {
			return k.kind
		}
	}
	return ""
}
