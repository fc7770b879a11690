// Package udp is the one UDP socket: media of casters and viewers and TURN, on one port number.
//
//  1. One goroutine reads the socket. It looks at the first byte (RFC 7983), passes the datagram through the
//     guard (guard.go) and the books about its sender (remotes.go), and puts it into one of two bounded queues.
//  2. Media() and TURN() are the ends of these queues, as net.PacketConn. The libraries that read them stop for
//     good at the first error, so the only one they ever see is net.ErrClosed.
//  3. Attach gives an address that no kernel knows to code of this process: a TURN relay. What that code
//     injects comes out of Media() as if it had been received; what Media() sends there goes to the code.
//
// Nothing blocks the reader: a full queue drops, and every drop has a name and a counter.
package udp
