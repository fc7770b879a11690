package transport

import "castcode/sfu/udp"

// Route is where a datagram comes from and goes to, as the media socket knows it.
type Route = udp.Route

// Batch takes outgoing datagrams of one shard; *udp.Batch is one. Reserve gives room for a datagram of up to n bytes,
// or nil if there is none; Commit says how many of them are used, 0 for none. The two calls alternate.
type Batch interface {
	Reserve(to Route, n int) []byte
	Commit(used int)
}

// Sender sends one datagram at once. Handshake goroutines call it, several at a time; it does not block and keeps
// nothing of p.
type Sender interface {
	Send(p []byte, to Route)
}
