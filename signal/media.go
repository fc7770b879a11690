package signal

import "context"

// Media is the media plane as the Hub sees it: five verbs, plain arguments. The Hub calls it without holding
// any of its locks, from the goroutine of the session that asked, so a call may take as long as making an SDP
// answer takes. An error that implements Coded with bad_offer, codec_unsupported, server_busy, not_live,
// bad_state, rate_limited or draining reaches the client with its code; any other one becomes "internal" and is logged, so its text must
// quote nothing of the offer.
//
// For one peer the calls do not overlap, but Leave and End may be called while a Publish or Watch is under way;
// if that loses the peer its place, Leave follows. After an End no call names that cast, except for an End after
// a Publish or Watch that was under way.
type Media interface {
	// Publish makes peer the caster of cast: it takes the peer's only offer and gives the only answer. slots
	// says what each m-line carries: its mid to "screen", "camera" or "audio". A caster that cast has already
	// is replaced: viewers stay and see a layer switch.
	Publish(ctx context.Context, cast, peer, offer string, slots map[string]string) (answer string, err error)
	// Watch connects peer to the slots of cast. The cast need not have a caster yet: the peer then waits. A
	// connection that peer has already is replaced.
	Watch(ctx context.Context, cast, peer, offer string, slots map[string]string) (answer string, err error)
	// Restart gives the connection that peer has to cast new ICE credentials, for an offer of the same connection:
	// a new path for the same media. bad_state says that there is no such connection, rate_limited that there were
	// too many restarts; the peer then asks for a new connection.
	Restart(ctx context.Context, cast, peer, offer string) (answer string, err error)
	// Leave closes the connection of peer, if it has one.
	Leave(peer string)
	// End closes the connections of everybody in cast and forgets it.
	End(cast string)
}

// Coded is an error with a stable code for the client (docs/protocol.md) and a reason in English for people
// who debug.
type Coded interface {
	error
	Code() string
	Reason() string
}

// ICEServer is an entry for RTCPeerConnection's iceServers.
type ICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}
