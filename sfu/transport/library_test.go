package transport

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestUnified(t *testing.T) {
	const (
		apart = "a=ice-ufrag:audio\r\na=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa\r\na=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n"
		group = "a=group:BUNDLE v a\r\n"
	)
	replace := func(old, new string) string { return strings.Replace(offered, old, new, 1) }
	for name, c := range map[string]struct{ offer, want string }{
		"as it should be":        {offered, offered},
		"line feeds alone":       {strings.ReplaceAll(offered, "\r", ""), offered},
		"empty lines at the end": {offered + "\r\n\r\n", offered},
		"apart":                  {replace("a=mid:a\r\n", "a=mid:a\r\n"+apart), offered},
		"another setup":          {replace("a=mid:a\r\n", "a=mid:a\r\na=setup:passive\r\n"), offered},
		"no group":               {replace(group, ""), replace(group, "") + "GROUP v"},
		"another group":          {replace(group, "a=group:LS v a\r\n"+group), offered},
	} {
		o, err := ParseOffer(c.offer)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, alone := strings.CutSuffix(c.want, "GROUP v")
		members := "v a"
		if alone {
			members = "v"
		}
		// The group comes last of the session part.
		head, lines, _ := strings.Cut(strings.Replace(want, group, "", 1), "m=")
		if want = head + "a=group:BUNDLE " + members + "\r\nm=" + lines; o.Unified(c.offer, nil) != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, o.Unified(c.offer, nil), want)
		}
	}
}

func TestUnifiedSaysTheDirection(t *testing.T) {
	for session, want := range map[string]string{"": "a=sendrecv", "a=sendonly\r\n": "a=sendonly"} {
		offer := strings.ReplaceAll(offered, "a=recvonly\r\n", "")
		offer = strings.Replace(offer, "a=group", session+"a=group", 1)
		o, err := ParseOffer(offer)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range strings.Split(o.Unified(offer, nil), "m=")[1:] {
			if strings.Count(m, want+"\r\n") != 1 {
				t.Errorf("%q, m-line %d: no %s in\n%s", session, i, want, m)
			}
		}
	}
}

func TestAnswered(t *testing.T) {
	o, err := ParseOffer(offered)
	if err != nil {
		t.Fatal(err)
	}
	const theirs = "a=candidate:7 1 udp 1 192.0.2.1 8443 typ host\r\na=candidate:7 2 udp 1 192.0.2.1 8443 typ host\r\na=end-of-candidates\r\n"
	const answer = "v=0\r\na=group:BUNDLE v a\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtcp-fb:96 nack \r\na=rtcp-rsize\r\n" + theirs +
		"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtcp-rsize\r\n"
	want := strings.Replace(strings.TrimSuffix(answer, "a=rtcp-rsize\r\n"), "nack ", "nack", 1) // sound did not offer it
	want = strings.Replace(want, theirs, "a=candidate:1 1 udp 2130706431 192.0.2.1 8443 typ host\r\n"+
		"a=candidate:2 1 udp 2130706175 192.0.2.2 8443 typ host\r\n"+
		"a=candidate:3 1 tcp 1520434687 192.0.2.1 8443 typ host tcptype passive\r\na=end-of-candidates\r\n", 1)
	ours := []Candidate{
		{Addr: netip.MustParseAddrPort("192.0.2.1:8443")},
		{Addr: netip.MustParseAddrPort("192.0.2.2:8443")},
		{Addr: netip.MustParseAddrPort("192.0.2.1:8443"), TCP: true},
	}
	if got, err := o.Answered(answer, ours); err != nil || got != want {
		t.Errorf("got %v\n%s", err, got)
	}
	for _, refused := range []string{strings.Replace(answer, "audio 9", "audio 0", 1), answer + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"} {
		if _, err := o.Answered(refused, nil); !errors.Is(err, ErrCodec) {
			t.Errorf("%v for\n%s", err, refused)
		}
	}
	if o, err = ParseOffer(strings.Replace(offered, "audio 9", "audio 0", 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Answered(strings.Replace(answer, "audio 9", "audio 0", 1), nil); err != nil {
		t.Errorf("an m-line that the offer itself rejects: %v", err)
	}
}
