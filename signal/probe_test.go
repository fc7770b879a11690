package signal

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// probe asks for a probe from an address.
func (st *stage) probe(from string) reply {
	st.t.Helper()
	return st.do("POST", "/probe", typeSDP, playerOffer, "X-Test-Addr", from)
}

func TestProbeIsAnsweredAndEndsByItself(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		got := st.probe("192.0.2.1")
		var said probeAnswer
		if err := json.Unmarshal([]byte(got.body), &said); err != nil || got.status != 200 || got.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%d %s", got.status, got.body)
		}
		if !strings.Contains(said.Answer, "a=candidate:") || said.Life != 10 || len(said.ICE.Servers) != 2 {
			t.Errorf("answered %+v", said)
		}
		watch := strings.Fields(st.media.calls("watch ")[0])
		if !strings.HasPrefix(said.ICE.Servers[0].Username, "q_") || said.ICE.Servers[0].Username == watch[2] {
			t.Errorf("the relay is for %q, the peer is %q", said.ICE.Servers[0].Username, watch[2])
		}
		if c := st.hub.Counts(); c.Probes != 1 || c.Sessions != 0 || c.Rooms != 0 {
			t.Errorf("counts %+v", c)
		}
		time.Sleep(probeLife - time.Millisecond)
		synctest.Wait()
		if c := st.hub.Counts(); c.Probes != 1 || len(st.media.calls("end ")) != 0 {
			t.Errorf("ended early: %+v", c)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if c := st.hub.Counts(); c.Probes != 0 || !slices.Equal(st.media.calls("end "), []string{"end " + watch[1]}) {
			t.Errorf("after its life: %+v, %v", c, st.media.calls("end "))
		}
	})
}

func TestProbeWhoseConnectionEndsGivesItsPlaceBack(t *testing.T) {
	bubble(t, options{bounds: func(b *bounds) { b.probes = 1 }}, func(t *testing.T, st *stage) {
		st.probe("192.0.2.1")
		if got := st.probe("192.0.2.2"); got.status != 503 || got.code != CodeServerBusy || got.header.Get("Retry-After") == "" {
			t.Fatalf("a second one: %d %s", got.status, got.body)
		}
		watch := strings.Fields(st.media.calls("watch ")[0])
		st.hub.PeerChanged(watch[2], "connected")
		synctest.Wait()
		if n := st.hub.Counts().Probes; n != 1 {
			t.Fatalf("%d probes", n)
		}
		st.hub.PeerChanged(watch[2], "failed")
		synctest.Wait()
		if got := st.probe("192.0.2.2"); got.status != 200 {
			t.Fatalf("then: %d %s", got.status, got.body)
		}
		if ends := st.media.calls("end "); !slices.Equal(ends, []string{"end " + watch[1]}) {
			t.Errorf("ended %v", ends)
		}
		st.hub.PeerChanged(watch[2], "closed") // again, of one that is gone
		time.Sleep(probeLife)
		synctest.Wait()
		if n := st.hub.Counts().Probes; n != 0 || len(st.hub.probes.from) != 0 || len(st.media.calls("end ")) != 2 {
			t.Errorf("%d probes, %d networks, ended %v", n, len(st.hub.probes.from), st.media.calls("end "))
		}
	})
}

func TestProbesOfTheServerAndOfOneAddressAreCounted(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		for i := range 24 {
			if got := st.probe("2001:db8::" + fmt.Sprint(i+1)); got.status != 200 { // one network
				t.Fatalf("probe %d: %d %s", i, got.status, got.body)
			}
		}
		if got := st.probe("2001:db8::ffff"); got.status != 429 || got.code != CodeRateLimited || got.header.Get("Retry-After") == "" {
			t.Fatalf("one network: %d %s", got.status, got.body)
		}
		for i := range 40 {
			if got := st.probe(fmt.Sprintf("192.0.2.%d", i+1)); got.status != 200 {
				t.Fatalf("other %d: %d %s", i, got.status, got.body)
			}
		}
		if got := st.probe("198.51.100.1"); got.status != 503 || got.code != CodeServerBusy {
			t.Fatalf("the 65th: %d %s", got.status, got.body)
		}
		if c := st.hub.Counts(); c.Probes != 64 || c.Refusals[CodeServerBusy] != 1 || c.Refusals[CodeRateLimited] != 1 {
			t.Errorf("counts %+v", c)
		}
		time.Sleep(probeLife)
		synctest.Wait()
		if got := st.probe("2001:db8::1"); got.status != 200 || len(st.media.calls("end ")) != 64 {
			t.Errorf("later: %d %s; %d ended", got.status, got.body, len(st.media.calls("end ")))
		}
	})
}

func TestProbesAreAskedForAtARate(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		for i := range probeBurst {
			if got := st.do("GET", "/probe", "", ""); got.status != 200 || strings.Contains(got.body, `"answer"`) || !strings.Contains(got.body, "turn:") {
				t.Fatalf("request %d: %d %s", i, got.status, got.body)
			}
		}
		for _, method := range []string{"GET", "POST"} {
			if got := st.do(method, "/probe", typeSDP, playerOffer); got.status != 429 || got.code != CodeRateLimited || got.header.Get("Retry-After") != "1" {
				t.Errorf("%s beyond: %d %v %s", method, got.status, got.header, got.body)
			}
		}
		if got := st.probe("198.51.100.1"); got.status != 200 {
			t.Errorf("somebody else: %d %s", got.status, got.body)
		}
		time.Sleep(time.Second)
		if got := st.probe("192.0.2.1"); got.status != 200 {
			t.Errorf("a second later: %d %s", got.status, got.body)
		}
	})
}

func TestProbesThatAreRefused(t *testing.T) {
	st := newStage(t, options{})
	for _, c := range []struct {
		name, method, kind, body, origin string
		status                           int
		code                             string
	}{
		{"foreign page", "POST", typeSDP, playerOffer, "https://evil.test", 403, ""},
		{"foreign page, servers only", "GET", "", "", "https://evil.test", 403, ""},
		{"own page", "POST", typeSDP, playerOffer, "http://cast.test", 200, ""},
		{"what a form sends", "POST", "text/plain", playerOffer, "", 415, CodeMediaType},
		{"too large", "POST", typeSDP, strings.Repeat("x", maxBody+1), "", 413, CodeTooLarge},
		{"no SDP", "POST", typeSDP, "hello", "", 400, CodeBadSDP},
		{"sends", "POST", typeSDP, encoderOffer, "", 422, CodeBadOffer},
		{"fails", "POST", typeSDP, "video 0 recvonly\na=refuse:codec_unsupported\n", "", 422, CodeCodecUnsupported},
		{"breaks", "PUT", typeSDP, playerOffer, "", 405, CodeMethod},
	} {
		var headers []string
		if c.origin != "" {
			headers = []string{"Origin", c.origin}
		}
		if got := st.do(c.method, "/probe", c.kind, c.body, headers...); got.status != c.status || got.code != c.code {
			t.Errorf("%s: %d %s, want %d %s", c.name, got.status, got.body, c.status, c.code)
		}
	}
	if c := st.hub.Counts(); c.Probes != 1 || c.Drops[dropOrigin] != 2 {
		t.Errorf("counts %+v", c)
	}
	if n := len(st.media.calls("end ")); n != 1 {
		t.Errorf("%d of those that the media plane refused were ended", n)
	}
	st.hub.Close()
	if got := st.do("GET", "/probe", "", ""); got.status != 503 || got.code != CodeDraining {
		t.Errorf("closed: %d %s", got.status, got.body)
	}
}
