// Package sfu is the media plane: it takes a caster's tracks once and forwards their packets to every viewer of the
// cast. It knows casts, peers and packets; who may do what is the business of package signal, and the two meet only
// in plain arguments (Engine's methods one way, Events the other).
//
// Two rules come before everything else. A packet is immutable from the moment it lies in a ring. And what belongs to
// a viewer's media is touched only by whoever holds its shard.
//
// The path of a packet, in the order of the files:
//
//  1. caster.go: a caster's PeerConnection (pion) receives, repairs (NACK) and decrypts. Each incoming stream becomes
//     a layer, whether or not the offer told its SSRC (undeclared.go).
//  2. layer.go: the read loop of one layer, a goroutine that lives as long as the stream. It parses the packet once,
//     puts it into the ring, evens out the sizes of a frame's packets and wakes the shards that follow, at the end of a
//     frame.
//     timing.go: the caster's sender reports put its streams on the engine's clock, with one offset for all of them, so
//     that sound and picture keep their relation. Viewers' reports say when what was sent last was captured.
//  3. track.go: one slot of a cast ("screen", "camera", "audio"). The slot is stable: viewers hang on to it while
//     casters and their logs come and go. It has a menu of up to three layers, which meter.go measures;
//     ingest.go tells what it found.
//  4. shard.go: one goroutine per processor. It takes what changed and goes through its viewers one after the other.
//  5. viewer.go: what one viewer may be sent now: audio first, then video as its pacer allows. What it does not
//     allow waits in the log, up to a point (forward/lag.go).
//  6. downtrack.go: the track as one viewer gets it: a cursor in the log, the selector that decides what passes, the
//     rewriter that gives it this viewer's numbers. It is sealed straight into the shard's batch (package transport).
//     layers.go: which layer the viewer shall get (package estimate guesses what its path carries, forward.Allocate
//     divides that), and the turn to another layer: the cursor stays in the old log until a keyframe of the new one is
//     there. prefer.go: what the viewer itself wants at most.
//  7. The shard flushes the batch (package udp).
//
// The way back: intake.go finds the viewer whose datagram it is and leaves a copy in its shard's inbox. NACK is
// answered from the ring by way of the rewriter's history; PLI and FIR go to the layer's gate (forward.Keyframe),
// which lets one request leave however many viewers ask.
//
// Who owns what:
//
//   - Engine.mu guards the maps of casts and peers, and is never held while pion, a shard or an event is called.
//   - shard.mu guards the inbox and the list of what changed, for the time of an append.
//   - No lock is taken for a forwarded packet and nothing is allocated (TestForwardingAllocatesNothing counts). A shard's
//     state belongs to whoever holds shard.busy: its own goroutine, or the socket's reader for what it has just read.
//   - A caster's goroutines end when its PeerConnection is closed; Engine.Close waits for them and for the shards.
//
// Both ends are ICE-lite and answer once: the server never offers. Only an ICE restart (restart.go) is answered again,
// over the same connection; a viewer's runs on its shard.
package sfu
