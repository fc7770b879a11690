// Package udp is the one UDP socket: media of casters and viewers and TURN, on one port number.
//
// In:
//
//  1. One goroutine reads the socket, up to 32 datagrams at a time (recvmmsg). It looks at the first byte (RFC 7983)
//     and passes each datagram through the guard (guard.go).
//  2. The Receiver is asked first (mux.go): what belongs to a viewer's transport goes there, without a copy, a lock or
//     an allocation. Table says whose it is, by address or by ICE user fragment.
//  3. What is left is the casters' and TURN's. Media passes the books about its sender (remotes.go); both go into
//     bounded queues. Media() and TURN() are the ends of these, as net.PacketConn. The libraries that read them stop
//     for good at the first error, so the only one they ever see is net.ErrClosed.
//
// Out:
//
//  4. A Batch collects what a shard has for its viewers, grouped into runs by Route, and sends it with one system
//     call: UDP GSO where the kernel and the card can, for good one by one where they cannot (gso_linux.go).
//  5. Send and the two ends send one datagram at once.
//
// Attach gives an address that no kernel knows to code of this process: a TURN relay. What that code injects comes in
// as if it had been received; what is sent there, by whatever way, goes to the code.
//
// The socket is hidden from Go's poller, which would wake a thread for each packet that has left (batch_linux.go).
// Other systems, and a Linux that forbids it, get the standard library's way (wire.go). Nothing blocks the reader: a
// full queue drops, and every drop has a name and a counter.
package udp
