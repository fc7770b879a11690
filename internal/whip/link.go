package whip

import "strings"

// maxLinks bounds how many links of one answer are kept.
const maxLinks = 64

// Link is one value of a Link header (RFC 8288 section 3).
type Link struct {
	Target string            // as it stands there, relative perhaps
	Params map[string]string // names in lower case; of two with one name the first
}

// ICEServer is a server for RTCPeerConnection, as RFC 9725 section 4.6 lends it.
type ICEServer struct {
	URL                  string
	Username, Credential string // empty for STUN
}

// Is says whether the link has that relation type.
func (l Link) Is(rel string) bool {
	for _, r := range strings.Fields(l.Params["rel"]) {
		if strings.EqualFold(r, rel) {
			return true
		}
	}
	return false
}

// ParseLinks reads Link headers. What is malformed is left out, up to the next comma.
func ParseLinks(headers []string) (links []Link) {
	for _, h := range headers {
		for len(h) > 0 && len(links) < maxLinks {
			var l Link
			var ok bool
			if l, h, ok = nextLink(h); ok {
				links = append(links, l)
			}
		}
	}
	return links
}

// nextLink reads one value and returns what follows its comma.
func nextLink(h string) (l Link, rest string, ok bool) {
	h = strings.TrimLeft(h, " \t,")
	if !strings.HasPrefix(h, "<") {
		return l, pastComma(h), false
	}
	end := strings.IndexByte(h, '>')
	if end < 0 {
		return l, "", false
	}
	l = Link{Target: h[1:end], Params: map[string]string{}}
	h = h[end+1:]
	for {
		h = strings.TrimLeft(h, " \t")
		if h == "" || h[0] == ',' {
			return l, strings.TrimPrefix(h, ","), l.Target != ""
		}
		if h[0] != ';' {
			return l, pastComma(h), false
		}
		var name, value string
		name, value, h = nextParam(h[1:])
		if _, twice := l.Params[name]; name != "" && !twice {
			l.Params[name] = value
		}
	}
}

// nextParam reads name, name=token or name="quoted".
func nextParam(h string) (name, value, rest string) {
	h = strings.TrimLeft(h, " \t")
	end := strings.IndexAny(h, "=;, \t")
	if end < 0 {
		return strings.ToLower(h), "", ""
	}
	name, h = strings.ToLower(h[:end]), strings.TrimLeft(h[end:], " \t")
	if !strings.HasPrefix(h, "=") {
		return name, "", h
	}
	h = strings.TrimLeft(h[1:], " \t")
	if strings.HasPrefix(h, `"`) {
		value, rest = quoted(h[1:])
		return name, value, rest
	}
	if end = strings.IndexAny(h, ";, \t"); end < 0 {
		end = len(h)
	}
	return name, h[:end], h[end:]
}

// quoted reads a quoted-string (RFC 9110 section 5.6.4) whose opening quote is gone. One that does not end goes to the
// end.
func quoted(h string) (value, rest string) {
	var b strings.Builder
	for i := 0; i < len(h); i++ {
		switch {
		case h[i] == '"':
			return b.String(), h[i+1:]
		case h[i] == '\\' && i+1 < len(h):
			i++
			b.WriteByte(h[i])
		default:
			b.WriteByte(h[i])
		}
	}
	return b.String(), ""
}

// pastComma skips a malformed value.
func pastComma(h string) string {
	_, rest, _ := strings.Cut(h, ",")
	return rest
}

// iceServers are the links that lend ICE servers.
func iceServers(links []Link) (servers []ICEServer) {
	for _, l := range links {
		if l.Is("ice-server") {
			servers = append(servers, ICEServer{URL: l.Target, Username: l.Params["username"], Credential: l.Params["credential"]})
		}
	}
	return servers
}
