// Package peer is a receiving WebRTC peer that costs little: one UDP socket, one goroutine, no PeerConnection. It makes
// an offer, takes an answer, and then speaks ICE (as the controlling side, to lite and full agents), DTLS by pion, SRTP,
// and RTCP toward the sender: receiver reports, requests for packets and for keyframes, consent checks.
//
// A Peer's media are judged by loadtest/track. A Clock moves many peers on. What the far end sends is not trusted: it is
// checked before it is parsed, and nothing of it can stop the process.
package peer
