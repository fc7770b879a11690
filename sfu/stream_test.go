package sfu

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestViewerOverTCP: all that a viewer needs goes over one connection, and the answer says where that may be made.
func TestViewerOverTCP(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	e, seen := newStreamEngine(t, nil, loopback)
	openStudio(t, e, seen, "c", "caster", 1, newWire(t, nil, loopback, 1), crowdRate)
	v := sit(t, e, "c", "v", newFramedWire(t, nil, loopback), nil)
	seen.connected(t, "v")
	shows(t, []*spectator{v}, 60)
	if n := e.Snapshot(); n.Streams.Streams != 1 || n.Streams.Waiting != 0 || n.Streams.Sent < 60 {
		t.Errorf("streams %+v", n.Streams)
	}
	answer := v.pc.CurrentRemoteDescription().SDP
	if udp, tcp := strings.Index(answer, " udp 2130706431 "), strings.Index(answer, " typ host tcptype passive"); udp < 0 || tcp < udp {
		t.Errorf("candidates of the answer: %s", answer)
	}
}

// TestCasterOverTCP: the library hears of a peer with an address that is nobody's, and the peer of its own.
func TestCasterOverTCP(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	e, seen := newStreamEngine(t, nil, loopback)
	caster := openStudio(t, e, seen, "c", "caster", 1, newFramedWire(t, nil, loopback), crowdRate)
	v := sit(t, e, "c", "v", newWire(t, nil, loopback, 2), nil)
	seen.connected(t, "v")
	shows(t, []*spectator{v}, 60)
	if n := e.Snapshot(); n.Streams.Streams != 1 || n.Streams.Received < 60 {
		t.Errorf("streams %+v", n.Streams)
	}
	if answer := caster.pc.CurrentRemoteDescription().SDP; strings.Count(answer, " typ host tcptype passive") != 1 {
		t.Errorf("candidates of the answer: %s", answer)
	}
	e.Leave("caster")
	eventually(t, "the caster left", func() bool { return e.Snapshot().Live == 0 })
}
