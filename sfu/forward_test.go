//go:build !race

package sfu

import (
	"testing"
	"time"

	"castcode/sfu/packet"
)

// path is a cast whose log a test writes itself, with viewers that do not listen: what is left is the way of a packet
// from the log to the kernel.
type path struct {
	engine  *Engine
	stream  *stream
	packets []*packet.Packet
	next    int
}

const (
	framePackets = 10
	packetSize   = 1100
)

// newPath connects viewers and prepares so many packets.
func newPath(t *testing.T, viewers, packets int) *path {
	t.Helper()
	e, seen := newEngine(t)
	caster := publish(t, e, "c", "caster")
	seen.connected(t, "caster")
	caster.send(1, 0, true)
	crowd := seat(t, e, seen, "c", viewers)
	eventually(t, "everybody has the picture", func() bool {
		begun := 0
		for _, sh := range e.shards {
			sh.busy.Lock()
			for _, v := range sh.viewers {
				if v.downs[0].cursor != 0 {
					begun++
				}
			}
			sh.busy.Unlock()
		}
		return begun == viewers
	})
	for _, v := range crowd {
		v.wire.stop()
	}
	e.mu.Lock()
	track := e.byID["c"].tracks[Screen]
	e.mu.Unlock()
	p := &path{engine: e, stream: track.menu.Load().top()}
	parser := packet.NewParser(p.stream.id, p.stream.kind)
	body := make([]byte, packetSize)
	for i := range packets {
		body[0], body[1] = 0, 1
		if i%framePackets == 0 {
			body[0] = 0x10
		}
		parsed, _, ok := parser.Parse(&packet.Incoming{
			Seq: uint16(2 + i), TS: uint32(3000 * (1 + i/framePackets)), Marker: i%framePackets == framePackets-1,
			Payload: body, Arrival: e.now(),
		})
		if !ok {
			t.Fatal("a packet of the test's own is malformed")
		}
		p.packets = append(p.packets, parsed)
	}
	offset := p.stream.ring.Newest() + 1 - p.packets[0].Seq
	for _, q := range p.packets {
		q.Seq += offset
	}
	return p
}

// frame puts the next frame into the log and lets every shard send it, here and now.
func (p *path) frame() {
	for range framePackets {
		q := p.packets[p.next]
		q.Arrival = p.engine.now()
		p.stream.ring.Put(q)
		p.next++
	}
	p.stream.ring.Even(p.packets[p.next-1])
	p.stream.layer.track.wake(p.stream, false)
	for _, s := range p.engine.shards {
		s.pass()
	}
}

// TestForwardingAllocatesNothing counts over the whole way from the log into the kernel: shard, viewer, pacer, cursor,
// selector, rewriter, history, seal, batch. What the connections of the test do in the meantime is in the count, so a
// few per hundred packets are let pass. The race detector allocates too, so this runs without it.
func TestForwardingAllocatesNothing(t *testing.T) {
	const viewers, frames = 20, 300
	p := newPath(t, viewers, (frames+2)*framePackets)
	sent := p.engine.socket.Counts().Sent
	gap := time.NewTicker(5 * time.Millisecond) // 18 Mbit/s: beyond 25 the pacers hold back
	defer gap.Stop()
	allocs := testing.AllocsPerRun(frames, func() { p.frame(); <-gap.C })
	if n := p.engine.socket.Counts().Sent - sent; n < viewers*frames*framePackets*9/10 {
		t.Errorf("only %d datagrams left", n)
	}
	if perPacket := allocs / (viewers * framePackets); perPacket > 0.1 {
		t.Errorf("%.3f allocations per forwarded packet", perPacket)
	} else {
		t.Logf("%.4f allocations per forwarded packet, the connections' own included", perPacket)
	}
}
