// Package doctor tries, from where it runs, every way to a server that a browser may take, and says which are open. It
// learns hosts and ports from what the server hands out and guesses none. What it finds are keys of the texts of the
// pages (web/static/lang), so that `sfu doctor` and the page /doctor say the same.
package doctor

import (
	"context"
	"crypto/tls"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// State is how a check went. The values stand in the texts as doctor.state.<State>.
type State string

// The states. Absent is what could not be tried, or what there is not.
const (
	OK      State = "ok"
	Slow    State = "slow"
	Blocked State = "blocked"
	Absent  State = "none"
)

// Phrase is a text by its key, and what fills its holes.
type Phrase struct {
	Key  string
	With map[string]string
}

// say makes a phrase; pairs are names and values.
func say(key string, pairs ...string) Phrase {
	p := Phrase{Key: "doctor." + key, With: map[string]string{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		p.With[pairs[i]] = pairs[i+1]
	}
	return p
}

// Finding is what a check found. Its name stands in the texts as doctor.name.<Check>.
type Finding struct {
	Check string
	State State
	// Said is what was measured, and where it is not OK what to do about it.
	Said []Phrase
	// RoundTrip is 0 where none was measured.
	RoundTrip time.Duration
	// Address is that of the far end, as host:port; "" where there is none.
	Address string
}

// found makes a finding.
func found(check string, state State, said ...Phrase) Finding {
	return Finding{Check: check, State: state, Said: said}
}

// Options say what to look at.
type Options struct {
	// URL is the server, as https://host:port or http://host:port.
	URL *url.URL
	// TLS says which CAs to trust; nil: the system's. It is not changed.
	TLS *tls.Config
	// OwnCA says that TLS trusts a CA that is not the system's: browsers here may not know it.
	OwnCA bool
}

// Times. Together they stay below the 20 s that an examination may take.
const (
	webTime  = 4 * time.Second // each step of HTTPS and WebSocket
	pathTime = 4 * time.Second // all paths of media, which are tried at the same time
	// slowTrip is the round trip above which a path is called slow: a pointer that moves half a second late is noticed.
	slowTrip = 250 * time.Millisecond
	// maxSkew is how wrong a clock may be. The date of an answer is good to a second.
	maxSkew = 5 * time.Second
)

// checks that need an answer of the server, in their order.
var mediaChecks = []string{"udp", "tcp", "ice-tcp", "turn-udp", "turn-tcp", "turn-tls"}

// Examine runs all checks against a server, in the order in which people read them. It ends with ctx and after about
// 12 s at the latest.
func Examine(ctx context.Context, o Options) []Finding {
	v := &visit{Options: o, host: o.URL.Hostname(), port: portOf(o.URL)}
	secure, reached := v.https(ctx)
	if !reached {
		return append([]Finding{secure}, untried(secure)...)
	}
	var socket, clock Finding
	var media []Finding
	var running sync.WaitGroup
	running.Go(func() { socket = v.websocket(ctx) })
	running.Go(func() { clock = v.clock(ctx) })
	running.Go(func() { media = v.media(ctx) })
	running.Wait()
	return append(append([]Finding{secure, socket}, media...), clock)
}

// untried are the other checks where HTTPS does not work.
func untried(secure Finding) (list []Finding) {
	why := say("unreached")
	if len(secure.Said) > 0 && strings.HasPrefix(secure.Said[0].Key, "doctor.cert_") {
		why = say("untrusted")
	}
	list = append(list, found("websocket", Absent, why))
	for _, check := range mediaChecks {
		list = append(list, found(check, Absent, why))
	}
	return append(list, found("clock", Absent, why))
}

// visit is one examination.
type visit struct {
	Options
	host, port string
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

// milliseconds writes d for people.
func milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	if ms < 10 {
		return strconv.FormatFloat(ms, 'f', 1, 64)
	}
	return strconv.FormatFloat(ms, 'f', 0, 64)
}

// seconds writes d for people, in whole seconds.
func seconds(d time.Duration) string { return strconv.Itoa(int(d.Round(time.Second) / time.Second)) }
