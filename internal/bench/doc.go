//go:build linux

// Bench measures what a packet costs that is carried to many viewers, beside the least that it can cost and beside
// the ordinary way, in one run on one machine:
//
//	go run ./internal/bench floor --viewers 50,200,1000
//
// Contestants carry the same frames (frame.go) to receivers in another process (receive.go) over the loopback:
//
//   - floor: one AES-GCM seal and a bare batched send, and nothing else
//   - batch: the same seal into castcode's sfu/udp.Batch
//   - naive: a pion/webrtc v3 fan-out with its default interceptors, to PeerConnections
//
// The CPU time counted is that of the sending process, user and system. The floor has a process of its own and runs
// just before each run of a contestant; "of floor" is the median of the ratios of such pairs. The kernel charges the
// receiving side of the loopback to the sender, so the receivers' sockets drop media by a BPF filter, but those of a
// sample that decrypts and checks every packet. Flat out, that sample may lose what it cannot read in time; paced at
// real frame times it must not lose a packet.
package main
