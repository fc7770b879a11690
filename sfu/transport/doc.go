// Package transport is one viewer's wire: what a WebRTC peer connection that only sends needs, and nothing else.
//
// A Session belongs to one goroutine, its shard: every method of a Session and its Tracks is called there, unless its
// comment says otherwise. It owns no goroutine and no timer. The path of a viewer through this package:
//
//  1. ParseOffer reads the viewer's SDP within bounds (offer.go). Server.Open makes the Session and the only answer
//     (answer.go): ICE-lite, DTLS server, send only.
//  2. Server.Lookup says to which Session a datagram belongs: by ICE user fragment for a check, by address for the
//     rest (udp.Table). Session.HandleDatagram takes it and appends what it means to a list of Events.
//  3. STUN checks are authenticated before anything changes (stun.go, ice.go). They nominate the Route and keep
//     consent alive.
//  4. The first ClientHello from a checked address starts the only goroutine, which runs the DTLS handshake, at most
//     15 s long, and then ends (handshake.go, wire.go). The SRTP keys come back to the shard.
//  5. Seal writes one RTP packet, sealed, into the outgoing datagram (seal.go, srtp.go). Nothing is allocated.
//  6. Feedback is opened (srtcp.go), walked (rtcp.go, twcc.go) and becomes Events. Report writes sender reports.
//  7. Tick, about once a second, ends a session whose consent has expired or that never came up.
//
// Time is a number of nanoseconds of whatever clock the caller uses throughout; only differences count, except in
// abs-send-time, whose origin is arbitrary as well. Wall-clock time enters only in Report and Clock.
//
// Two rules keep AES-GCM safe (RFC 7714 §10.1): a sequence number of one SSRC is sealed once, unless the caller says
// that the bytes are the same, and there is one writer per SSRC. The first is enforced for 1,024 packets back;
// anything older is refused.
package transport
