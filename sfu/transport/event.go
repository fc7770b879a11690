package transport

import "time"

// EventKind says which fields of an Event count.
type EventKind uint8

// The kinds of events.
const (
	// EventConnected: the SRTP keys are there and Seal works. Once per session. Firefox may lose what is sent in the
	// first 100 ms after it (measured with ESR 153).
	EventConnected EventKind = iota + 1
	// EventClosed: the session is over, Close has nothing left to do. The last event of a session.
	EventClosed
	// EventNack: Track, Resend, Nack[:Pairs].
	EventNack
	// EventKeyframe: Track wants a keyframe (PLI, RFC 4585 §6.3.1, or FIR, RFC 5104 §4.3.1, which counts as PLI).
	EventKeyframe
	// EventReport: Track, Resend, Report.
	EventReport
	// EventFeedback: Feedback, for the whole session.
	EventFeedback
	// EventBitrate: Bitrate, the peer's estimate for the whole session (REMB).
	EventBitrate
	// EventBye: the peer says BYE. It may still come back; the session lives on.
	EventBye
)

// Event is something that a datagram or the passing of time brought about. Feedback aliases the datagram.
type Event struct {
	Kind EventKind
	// Track is the track that the peer names, Resend whether by the SSRC of its resends.
	Track    *Track
	Resend   bool
	Pairs    int
	Nack     [MaxPairs]NackPair
	Report   ReceptionReport
	Feedback Feedback
	Bitrate  uint64 // bit/s
	Closed   CloseReason
}

// CloseReason says why a session is over. Its name is stable.
type CloseReason uint8

// The reasons.
const (
	ClosedByCaller  CloseReason = iota + 1
	ClosedSilent                // no check for 30 s, or none after a DTLS alert for 10 s
	ClosedUnready               // not connected within 20 s
	ClosedHandshake             // DTLS failed, or the peer sent too much of it
	ClosedMedia                 // the peer sent media
)

var closeNames = [...]string{"none", "caller", "silent", "unready", "handshake", "media"}

func (r CloseReason) String() string {
	if int(r) < len(closeNames) {
		return closeNames[r]
	}
	return "unknown"
}

// NackPair is one FCI of a generic NACK, RFC 4585 §6.2.1: First is missing, and First+1+i for each bit i of Mask.
type NackPair struct {
	First uint16
	Mask  uint16
}

// ReceptionReport is a report block, RFC 3550 §6.4.1.
type ReceptionReport struct {
	FractionLost uint8  // of 256, since the report before
	Lost         int32  // packets, over all; negative if duplicates came
	Highest      uint32 // extended sequence number
	Jitter       uint32 // in units of the timestamp
	// RoundTrip is 0 if the peer has had no sender report of ours.
	RoundTrip time.Duration
}
