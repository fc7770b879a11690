// Package tcp ends ICE-TCP (RFC 6544): peers whose network lets no UDP through come over a TCP connection, on which each
// datagram is a frame of RFC 4571, two bytes of length before it. Server accepts them, and hands the datagrams to the
// media socket (udp.Socket.Connect), which treats them as those that it receives itself. So neither the viewers'
// transport nor the casters' library knows TCP.
//
//   - In: one goroutine per stream cuts frames (frames.go). Until the first check of the peer was answered, nothing but
//     checks is taken, and few and short ones; after that, checks must go on being answered.
//   - Out: one goroutine per stream writes what is queued (queue.go), several frames at once. The queue is short, and says
//     how much room it has: viewers are cursors in a log, so what has no room stays there, and nothing is thrown away in
//     the middle of a picture. The kernel's own queue is kept short too.
package tcp
