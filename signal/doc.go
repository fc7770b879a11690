// Package signal is the control plane: it knows people, rooms, codes and roles, and nothing of packets. It
// speaks docs/protocol.md over WebSocket and asks the media plane for answers through Media.
//
// Besides there are two doors over HTTP, for those who speak no WebSocket: WHIP for encoders and WHEP for players. A
// session from there, a guest, has a resource (a URL with a secret in it) instead of a socket.
//
// A Hub holds everything. A socket is one WebSocket: a reader on the goroutine that net/http gave, and a writer
// with a bounded queue. A Session is one peer; it outlives its socket by 60 s and is idle, a display, a caster,
// a viewer or an encoder. A Room is where sessions meet around one cast.
//
// There is one lock for all of it, Hub.mu; sections under it are short and do no I/O:
//
//	Hub.mu -> socket.mu, tally.mu
//
// What a section wants to do outside (Media.Leave, Media.End) it leaves in a turn, which is run after the lock
// is let go. A session takes one turn at a time, also across a change of its socket, so its requests are
// answered in order. Publish and Watch run in the turn of the session that asked; before them the turn waits
// until every Leave and End that concerns the peer has returned, and after them it looks whether the peer still
// has its place.
//
// Who closes whom: a socket ends when its reader or writer fails, or when the Hub shuts it; a session ends 60 s
// after its socket, unless it is resumed; a room ends with its caster's session or at the caster's wish; each
// tells the media plane. Hub.Close ends all of them and waits for every goroutine.
package signal
