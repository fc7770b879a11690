// Package loadtest loads a server with synthetic peers and says what they saw. It looks from outside only: it speaks
// the signaling socket (docs/protocol.md) and WebRTC over real sockets and imports nothing of the server.
//
// Run opens a room as a caster whose stream is shaped like a browser's (frames of many packets, a large keyframe when
// one is asked for), lets viewers join by the room's code, and measures at every viewer: time to join, to connect and
// to the first packet, packets lost after repair, and the one-way delay, which each packet tells by the send time it
// carries. Both ends read the same clock, so both run on one machine.
package loadtest
