//go:build linux

package main

import (
	"net/netip"
	"time"
)

// Viewer is one receiver of the other process that joins a contestant.
type Viewer struct {
	// Offer is the SDP of a PeerConnection that wants to receive one video track; the answer must hold the
	// candidates. It is empty for a bare receiver.
	Offer string
	// Addr is where a bare receiver listens. It knows Key and Salt, the SRTP master key and salt of
	// AEAD_AES_128_GCM, and takes SSRC.
	Addr      netip.AddrPort
	Key, Salt []byte
	SSRC      uint32
}

// Contestant is a way to carry one stream to many viewers. Its methods are called by one goroutine; those of its own
// end with Close. Castcode's own path takes part by implementing it.
type Contestant interface {
	// Bare says whether the receivers are plain sockets with a key, instead of PeerConnections.
	Bare() bool
	// Join takes in one viewer and returns the SDP answer to its offer.
	Join(v Viewer) (answer string, err error)
	// Ready is called when all viewers are connected.
	Ready() error
	// Forward carries the frame to every viewer. It returns when all packets of it have been handed to the kernel,
	// or were given up. The frame is good during the call only.
	Forward(f *Frame) error
	// Close ends all connections.
	Close() error
}

// Runner is a contestant whose frames come from a process of their own.
type Runner interface {
	Contestant
	// Run is one run at speed times real time; it returns when all packets of it have been handed to the kernel. What
	// the sample saw is left out.
	Run(speed int, length time.Duration) (Figures, error)
}

// Entry is a line of the start list.
type Entry struct {
	Name string
	New  func() (Contestant, error)
}

// entries are all that take part, in their order.
func entries() []Entry {
	return []Entry{
		{"floor", func() (Contestant, error) { return newFloor(true) }},
		{"floor-nogso", func() (Contestant, error) { return newFloor(false) }},
		{"batch", func() (Contestant, error) { return newBatch(true) }},
		{"batch-nogso", func() (Contestant, error) { return newBatch(false) }},
		{"castcode", func() (Contestant, error) { return newProduct(true) }},
		{"castcode-nogso", func() (Contestant, error) { return newProduct(false) }},
		{"naive-gcm", func() (Contestant, error) { return newNaive(true) }},
		{"naive", func() (Contestant, error) { return newNaive(false) }},
	}
}
