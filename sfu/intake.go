package sfu

import (
	"slices"

	"castcode/sfu/transport"
	"castcode/sfu/udp"
)

// intake takes the viewers' datagrams out of the socket, on the goroutine that reads it.
type intake struct{ engine *Engine }

// Owns says whether d is a viewer's.
func (r intake) Owns(d *udp.Datagram) bool {
	if d.Kind == udp.KindAnswer || d.Kind == udp.KindCheck && d.User == nil { // viewers are asked nothing
		return false
	}
	s := r.engine.transport.Lookup(d.User, d.From)
	if s == nil {
		return false
	}
	d.Owner = s.Owner()
	return true
}

// Receive brings datagrams to the shards of their viewers, and lets those shards answer that have nothing else to do.
func (r intake) Receive(batch []udp.Datagram) {
	var room [16]*shard // enough for most machines; more is an allocation
	fed := room[:0]
	for i := range batch {
		v, ok := batch[i].Owner.(*viewer)
		if !ok {
			continue
		}
		v.shard.deliver(v, batch[i].P, batch[i].From)
		if !slices.Contains(fed, v.shard) {
			fed = append(fed, v.shard)
		}
	}
	for _, s := range fed {
		s.serve()
	}
}

// Ready lets the shard of the viewer whose stream has room go on.
func (r intake) Ready(to udp.Route) {
	if s := r.engine.transport.Lookup(nil, to); s != nil {
		if v, ok := s.Owner().(*viewer); ok {
			v.shard.post(message{kind: messageReady, viewer: v})
		}
	}
}

// handshakes carries those of viewers.
type handshakes struct{ socket *udp.Socket }

func (s handshakes) Send(p []byte, to udp.Route) { _ = s.socket.Send(to, p) } // closed: so is the handshake

// candidates are the advertised addresses as peers are told them: over UDP, and behind these over TCP, if there is
// ICE-TCP.
func (e *Engine) candidates() (list []transport.Candidate) {
	all := e.addresses()
	for _, a := range all {
		list = append(list, transport.Candidate{Addr: a})
	}
	if e.tcp == nil {
		return list
	}
	for _, a := range all {
		list = append(list, transport.Candidate{Addr: a, TCP: true})
	}
	return list
}
