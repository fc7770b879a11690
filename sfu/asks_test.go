package sfu

import (
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"
)

// TestACasterIsNotAskedForEver: of a packet that never comes a caster is asked some times and then no more.
func TestACasterIsNotAskedForEver(t *testing.T) {
	e, seen := newEngine(t)
	s := publish(t, e, "c", "caster")
	seen.connected(t, "caster")
	for _, seq := range []uint16{65534, 65535, 1, 2} { // not 0
		s.send(seq, 3000*uint32(seq), seq == 65534)
	}
	asked, silence := 0, time.NewTimer(5*time.Second) // for the first one
	defer silence.Stop()
	for {
		select {
		case p := <-s.rtcp:
			n, ok := p.(*rtcp.TransportLayerNack)
			if !ok || !slices.ContainsFunc(n.Nacks, func(pair rtcp.NackPair) bool { return slices.Contains(pair.PacketList(), 0) }) {
				continue
			}
			if asked++; asked > askMost {
				t.Fatalf("asked %d times for one packet", asked)
			}
			silence.Reset(time.Second) // ten times the time between two
		case <-silence.C:
			if asked < askMost {
				t.Errorf("asked %d times, want %d", asked, askMost)
			}
			return
		}
	}
}
