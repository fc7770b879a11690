// Package sfu is the media plane: it takes a caster's tracks once and forwards their packets to every viewer of the
// cast. It knows casts, peers and packets; who may do what is the business of package signal, and the two meet only
// in plain arguments (Engine's methods one way, Events the other).
//
// The path of a packet, in the order of the files:
//
//  1. caster.go: a caster's PeerConnection receives, repairs (NACK) and decrypts. Each incoming stream becomes a
//     layer.
//  2. layer.go: the read loop of one layer, a goroutine that lives as long as the stream. It parses the packet,
//     looks for keyframes and hands the packet to its track.
//  3. track.go: one slot of a cast ("screen", "camera", "audio"). The slot is stable: viewers hang on to it while
//     casters come and go. The newest layer that was put into it is its source; packets of any other are dropped.
//  4. downtrack.go: the track as one viewer gets it. The rewriter (package forward) gives the packet the numbers
//     that this viewer expects next, so a caster's reload is a jump in the picture and nothing else.
//  5. viewer.go: a viewer's PeerConnection encrypts, sends, and answers NACK from its own store of sent packets.
//
// The way back: a viewer's PLI or FIR goes to the layer's gate (forward.Keyframe), which lets one request leave
// however many viewers ask. The caster's loop repeats it while nobody has answered.
//
// Who owns what:
//
//   - Engine.mu guards the maps of casts and peers, and is never held while pion is called or an event is told.
//   - track.mu guards the list of down tracks and what is in them; a packet is forwarded under it. Lock order:
//     track.mu, then Engine.mu.
//   - A peer's goroutines (read loops, RTCP readers, the caster's loop) end when its PeerConnection is closed;
//     Engine.Close waits for all of them.
//
// Both ends are ICE-lite and answer once: the server never sends a check and never offers.
package sfu
