package transport

import (
	"errors"
	"testing"
	"time"

	"github.com/pion/webrtc/v3"
)

func TestRestartKeepsMediaFlowing(t *testing.T) {
	r := newRig(t, nil)
	client := newClient(t, false)
	s := r.join(client, names)
	video := s.Tracks()[0]
	var before Credentials
	r.do(func() { before = s.ice.current.local })
	track := r.flowing(client, s, video)

	offer := client.offer(t, &webrtc.OfferOptions{ICERestart: true})
	o, err := ParseOffer(offer)
	if err != nil {
		t.Fatal(err)
	}
	var answer string
	r.do(func() { answer, err = s.Restart(o, r.now()) })
	if err != nil {
		t.Fatal(err)
	}
	r.send(s, video, RTPHeader{Seq: 2}, Extensions{}, Payload{Body: vp8(10)}) // over the old route
	client.answer(t, answer)
	r.until("a check under the new credentials", func() bool { return s.ice.previous == nil })
	r.do(func() {
		if s.ice.current.local == before || r.server.Lookup([]byte(before.Ufrag), Route{}) != nil || users(r.server) != 1 {
			t.Error("the old credentials are still there")
		}
	})
	deadline := time.Now().Add(10 * time.Second)
	for seq := uint16(3); ; seq++ {
		r.send(s, video, RTPHeader{Seq: seq}, Extensions{}, Payload{Body: vp8(10)})
		track.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if p, _, err := track.ReadRTP(); err == nil && p.SequenceNumber >= 3 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no media after the restart")
		}
	}
}

func TestRestartLimits(t *testing.T) {
	server := newTestServer(t, nil)
	s := newTestSession(t, server)
	first := s.ice.current.local
	if _, err := s.RestartICE("new1", 0); err != nil {
		t.Fatal(err)
	}
	second, err := s.RestartICE("new2", 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.RestartICE("new3", 2); !errors.Is(err, ErrRestarts) {
		t.Errorf("the third in a minute: %v", err)
	}
	if users(server) != 2 || s.ice.previous.local != first {
		t.Errorf("%d names, the first and the last are good", users(server))
	}
	// The first generation is good until the new one shows up.
	if s.testCheck(t, first, "peer", route(1), 3, useCandidate); s.Route() != route(1) {
		t.Errorf("route is %v", s.Route())
	}
	if s.testCheck(t, second, "new2", route(2), 2e9, useCandidate); s.Route() != route(2) || users(server) != 1 {
		t.Errorf("route is %v, %d names", s.Route(), users(server))
	}
	if s.testCheck(t, first, "peer", route(3), 4e9, useCandidate); s.Route() != route(2) {
		t.Errorf("the old credentials moved the route to %v", s.Route())
	}
	if _, err := s.RestartICE("new4", int64(61*time.Second)); err != nil {
		t.Errorf("a minute later: %v", err)
	}
	s.Close()
	if _, err := s.RestartICE("new5", int64(time.Hour)); !errors.Is(err, ErrClosed) || users(server) != 0 {
		t.Errorf("after the end: %v, %d names", err, users(server))
	}
}
