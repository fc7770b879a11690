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
//
//	go run ./internal/bench joins --viewers 1000
//
// measures a rush of newcomers into a running cast (joins.go): how long after DTLS is up each has a whole key frame
// (look.go) and a picture that is live, counted at the viewer, and what that asks of the caster. Offers are made
// before, and --flight of them connect at a time, from the answer until the picture is live; then they go deaf. A rate
// at which the processors are busy for most of the time measures the viewers, who cost more than the server.
//
//	go run ./internal/bench loss --viewers 50 --loss 0.02
//
// measures what repair costs (loss.go): viewers that read everything over sockets that lose RTP packets, resends too
// (patient.go), by turns without loss and with it. They ask as browsers do (book.go): the library's generator asks for
// what came by RTX again and again. "Recovered" is counted against what the sockets lost.
//
//	go run ./internal/bench naive --addr 127.0.0.1:9090
//
// is no measurement: it serves loadtest/naive, so that `sfu loadtest --whip … --whep …` has somebody to compare with.
package main
