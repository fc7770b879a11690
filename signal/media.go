package signal

import (
	"context"
	"time"
)

// Media is the media plane as the Hub sees it: plain arguments. The Hub calls it without holding any of its locks, from
// the goroutine of the session that asked, so a call may take as long as making an SDP answer takes. An error that
// implements Coded with bad_offer, codec_unsupported, server_busy, not_live, bad_state, rate_limited or draining reaches
// the client with its code, bad_sdp (what is no SDP at all) as bad_offer; any other one becomes "internal" and is logged,
// so its text must quote nothing of the offer.
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

	// Outline reads the m-lines of an offer in order, so that each can be given its slot before Publish or Watch, which may
	// still refuse it. The error is Coded: bad_sdp for what is no SDP, bad_offer for what is larger than any client's.
	Outline(offer string) ([]MediaLine, error)
	// Prefer limits what the connection that peer has now gets of a slot, until the next call or the next Watch. Without
	// such a connection or slot it does nothing.
	Prefer(peer, slot string, wish Wish)
	// Layers lists what the slots of cast for pictures have to choose from now: slot by slot, from the lowest layer to the
	// highest. It is empty without a caster.
	Layers(cast string) []Layer
	// Ingest tells what the source of cast sends now, stream by stream, in the order of Layers with the sound behind. It is
	// empty without a caster.
	Ingest(cast string) []Ingest
	// View tells what peer gets. ok is false when it has no connection.
	View(peer string) (view View, ok bool)
}

// View is what somebody who watches gets, by the last report of the client.
type View struct {
	Width, Height int           // of the main picture that is sent to it, in pixels; 0 where that is not known
	Loss          float64       // part of the packets that its path lost lately, 0 to 1
	RoundTrip     time.Duration // 0 before the first report
	Streams       bool          // its media goes over TCP
}

// MediaLine is an m-line of an offer as it stands there.
type MediaLine struct {
	Mid, Kind string // Kind is "audio", "video", "application" or whatever else the offer says
	// Sends and Receives are true for sendonly and recvonly, both for sendrecv. An m-line that does neither, or has port 0,
	// is Inactive.
	Sends, Receives, Inactive bool
}

// Wish limits what a peer gets of a slot. Within it the layer is chosen automatically, by what the peer's path carries.
type Wish struct {
	// RID is the highest simulcast layer; "" for any. One that the cast does not have (any more) limits nothing.
	RID string
	// Spatial and Temporal are the highest layers within a stream (SVC), from 0; -1 for any.
	Spatial, Temporal int
	// Width and Height are the largest picture, in pixels; 0 for any. If every layer is larger, the smallest is sent, and a
	// layer whose size is not known counts as fitting.
	Width, Height int
	// Bitrate is the most that the pictures of all slots may take together, in bit/s; 0 for any. Without a smaller layer
	// more is sent.
	Bitrate int
}

// Automatic is the wish that limits nothing.
var Automatic = Wish{Spatial: -1, Temporal: -1}

// Layer is something that a slot has to choose from.
type Layer struct {
	Slot, RID     string // RID is "" for the only layer of a caster that names none
	Width, Height int    // of the newest keyframe, in pixels; 0 where the stream does not say it
	Bitrate       int    // bit/s, smoothed over a second
	Temporal      int    // the highest temporal layer within it; 0 without any
	Active        bool   // it is being sent
}

// Ingest is one stream that the source of a cast sends.
type Ingest struct {
	Slot, RID, Codec string // Codec is the mime type
	Width, Height    int    // as in Layer
	FPS              float64
	Bitrate          int // bit/s, smoothed over a second
	// KeyframeAge is how long ago the newest keyframe came; while there was none, how long ago the stream began. 0 for sound.
	KeyframeAge time.Duration
	Reordered   bool   // within the last seconds pictures were sent in another order than shown (B-frames)
	Jumps       uint64 // timestamps that jumped by more than 2 s against the arrival
	Lost        uint64 // packets that never came, so far
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
	// Media says that the URLs are of the UDP port that media is on: who reaches it needs no relay to it. Chromium
	// takes all that comes from the address of a relay for the relay's, so a browser must not be given such a URL
	// unless it is to use relays only.
	Media bool `json:"media,omitempty"`
}
