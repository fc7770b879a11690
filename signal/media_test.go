package signal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// fakeMedia is a media plane that writes down what it is asked. What it answers stands in the offer.
type fakeMedia struct {
	mu    sync.Mutex
	lines []string
	// arrived gets a value from an offer "gate", which then waits for gate; hold does the same to Leave calls.
	arrived chan string
	gate    chan struct{}
	held    chan struct{} // guarded by mu; nil: Leave returns at once
	layers  []Layer       // guarded by mu, like ingest: what a cast has
	ingest  []Ingest
	views   map[string]View // guarded by mu, by peer

	stubborn string // guarded by mu: what Restart answers, "" for yes
}

func newFakeMedia() *fakeMedia {
	return &fakeMedia{arrived: make(chan string, 16), gate: make(chan struct{}), views: map[string]View{}}
}

type codedError struct{ code, reason string }

func (e codedError) Error() string  { return e.code }
func (e codedError) Code() string   { return e.code }
func (e codedError) Reason() string { return e.reason }

func (f *fakeMedia) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, fmt.Sprintf(format, args...))
}

func (f *fakeMedia) answer(ctx context.Context, offer string) (string, error) {
	if code, ok := strings.CutPrefix(offer, "refuse "); ok {
		return "", fmt.Errorf("wrapped: %w", codedError{code, "because"})
	}
	if _, rest, ok := strings.Cut(offer, "a=refuse:"); ok {
		code, _, _ := strings.Cut(rest, "\n")
		return "", codedError{code, "because"}
	}
	if strings.Contains(offer, "a=gate\n") {
		f.arrived <- offer
		<-f.gate
	}
	if _, rest, ok := strings.Cut(offer, "a=ice-ufrag:"); ok {
		ufrag, _, _ := strings.Cut(rest, "\n")
		return fakeAnswer(ufrag), nil
	}
	switch offer {
	case "fail":
		return "", errors.New("out of ports")
	case "panic":
		panic("a bug of the media plane")
	case "gate":
		f.arrived <- offer
		<-f.gate
	case "hang":
		<-ctx.Done()
		return "", ctx.Err()
	}
	return "answer to " + offer, nil
}

// fakeAnswer is one with ICE credentials, made from those of the offer.
func fakeAnswer(ufrag string) string {
	return "v=0\r\na=group:BUNDLE 0 1\r\na=ice-lite\r\na=fingerprint:sha-256 00\r\n" +
		"m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=ice-ufrag:our" + ufrag + "\r\na=ice-pwd:ourpassword0123456789ab\r\n" +
		"a=ice-options:ice2\r\na=candidate:1 1 udp 2130706431 192.0.2.9 8443 typ host\r\na=end-of-candidates\r\na=rtcp-mux\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\na=ice-ufrag:our" + ufrag + "\r\na=ice-pwd:ourpassword0123456789ab\r\n"
}

func (f *fakeMedia) Publish(ctx context.Context, cast, peer, offer string, _ map[string]string) (string, error) {
	f.note("publish %s %s", cast, peer)
	return f.answer(ctx, offer)
}

func (f *fakeMedia) Watch(ctx context.Context, cast, peer, offer string, _ map[string]string) (string, error) {
	f.note("watch %s %s", cast, peer)
	return f.answer(ctx, offer)
}

func (f *fakeMedia) Restart(ctx context.Context, cast, peer, offer string) (string, error) {
	f.note("restart %s %s", cast, peer)
	f.mu.Lock()
	code := f.stubborn
	f.mu.Unlock()
	switch code {
	case "":
	case "hang":
		<-ctx.Done()
		return "", ctx.Err()
	default:
		return "", codedError{code, "because"}
	}
	return f.answer(ctx, offer)
}

func (f *fakeMedia) Leave(peer string) {
	f.mu.Lock()
	held := f.held
	f.mu.Unlock()
	if held != nil {
		f.arrived <- "leave " + peer
		<-held
	}
	f.note("leave %s", peer)
}

func (f *fakeMedia) End(cast string) { f.note("end %s", cast) }

// Outline takes an offer of lines such as "video 0 sendonly"; "refuse CODE" is refused.
func (f *fakeMedia) Outline(offer string) (lines []MediaLine, err error) {
	if code, ok := strings.CutPrefix(offer, "refuse "); ok {
		return nil, codedError{code, "because"}
	}
	for line := range strings.Lines(offer) {
		if strings.HasPrefix(line, "a=") {
			continue
		}
		part := strings.Fields(line)
		if len(part) != 3 {
			return nil, codedError{CodeBadSDP, "because"}
		}
		both := part[2] == "sendrecv"
		lines = append(lines, MediaLine{
			Kind: part[0], Mid: part[1], Sends: both || part[2] == "sendonly", Receives: both || part[2] == "recvonly",
			Inactive: part[2] == "inactive",
		})
	}
	return lines, nil
}

func (f *fakeMedia) Prefer(peer, slot string, wish Wish) {
	f.note("prefer %s %s %+v", peer, slot, wish)
}

func (f *fakeMedia) Layers(string) []Layer {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.layers
}

func (f *fakeMedia) Ingest(string) []Ingest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ingest
}

func (f *fakeMedia) View(peer string) (View, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := f.views[peer]
	return v, ok
}

// sees is what View says of peer from now on.
func (f *fakeMedia) sees(peer string, v View) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.views[peer] = v
}

// calls are all calls so far that start with what.
func (f *fakeMedia) calls(what string) (found []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, line := range f.lines {
		if strings.HasPrefix(line, what) {
			found = append(found, line)
		}
	}
	return found
}

// hold makes Leave calls wait until the returned channel is closed.
func (f *fakeMedia) hold() chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = make(chan struct{})
	return f.held
}

// refuseRestarts makes Restart fail with code; "" makes it work again.
func (f *fakeMedia) refuseRestarts(code string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stubborn = code
}

// send is what Ingest says from now on.
func (f *fakeMedia) send(streams ...Ingest) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ingest = streams
}

// offers is what Layers says from now on.
func (f *fakeMedia) offers(layers ...Layer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.layers = layers
}
