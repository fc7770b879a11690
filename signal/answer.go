package signal

import (
	"encoding/json"
	"time"
)

// head starts every message to a client. Re is the id of the request that it answers, 0 for none.
type head struct {
	Type string `json:"type"`
	Re   uint64 `json:"re,omitempty"`
}

type (
	iceState struct {
		Servers []ICEServer `json:"servers"`
		TTL     int         `json:"ttl"` // seconds
	}
	welcomeMessage struct {
		head
		Version int      `json:"version"`
		Peer    string   `json:"peer"`
		Resume  string   `json:"resume"`
		Resumed bool     `json:"resumed"`
		Role    role     `json:"role"`
		Bound   bool     `json:"bound"`
		ICE     iceState `json:"ice"`
	}
	iceMessage struct {
		head
		iceState
	}
	openedMessage struct {
		head
		Name    string `json:"name"`
		Ticket  string `json:"ticket"`
		Code    string `json:"code"`
		Expires int64  `json:"expires"` // milliseconds
		Approve bool   `json:"approve,omitempty"`

		Device deviceState `json:"device"`
	}
	codeMessage struct {
		head
		Code    string `json:"code"`
		Expires int64  `json:"expires"`           // milliseconds
		Approve bool   `json:"approve,omitempty"` // casts have to be approved at the display
	}
	foundMessage struct {
		head
		Kind string `json:"kind"`
		Name string `json:"name"`
		Live *bool  `json:"live,omitempty"`
	}
	// provedMessage is "settings" and "rotated", and the most of "created".
	provedMessage struct {
		head
		Room    roomState  `json:"room"`
		Ticket  string     `json:"ticket"`
		Encoder tokenState `json:"encoder"`
	}
	createdMessage struct {
		provedMessage
		Player tokenState `json:"player"`
	}
	// tokenState is a bearer token: of an encoder, or of a player.
	tokenState struct {
		Token string `json:"token"`
	}
	addedMessage struct {
		head
		addedState
	}
	joinedMessage struct {
		head
		Room   roomState `json:"room"`
		Ticket string    `json:"ticket"`
		Answer string    `json:"answer,omitempty"`
	}
	roomMessage struct {
		head
		Room roomState `json:"room"`
	}
	boundMessage struct {
		head
		Room roomState `json:"room"`
		Seat string    `json:"seat"`

		Sound bool `json:"sound"` // whether to play the cast's sound
	}
	// answerMessage is "published", "watching" and "restarted".
	answerMessage struct {
		head
		Answer string `json:"answer"`
	}
	mediaMessage struct {
		head
		State string `json:"state"`
	}
	endedMessage struct {
		head
		Reason string `json:"reason"`
	}
	encoderMessage struct {
		head
		Present  bool          `json:"present"`
		Agent    string        `json:"agent"`
		Since    int64         `json:"since"` // milliseconds since it came or went
		Streams  []streamState `json:"streams"`
		Warnings []string      `json:"warnings"`
		Refused  *refusedState `json:"refused,omitempty"`
	}
	streamState struct {
		Slot     string  `json:"slot"`
		RID      string  `json:"rid"`
		Codec    string  `json:"codec"`
		Width    int     `json:"width"`
		Height   int     `json:"height"`
		FPS      float64 `json:"fps"`
		Bitrate  int     `json:"bitrate"`  // bit/s
		Keyframe int64   `json:"keyframe"` // milliseconds since the newest
	}
	refusedState struct {
		Code   string `json:"code"`
		Reason string `json:"reason"`
	}
	drainingMessage struct {
		head
		Within int64 `json:"within"` // milliseconds
	}
	errorMessage struct {
		head
		Code   string `json:"code"`
		Tries  *int   `json:"tries,omitempty"`
		Wait   int    `json:"wait,omitempty"` // seconds
		Reason string `json:"reason,omitempty"`
	}
)

// Reasons of "ended".
const (
	endedOnPurpose = "ended"
	endedGone      = "gone"
	endedRemoved   = "removed"
	endedReplaced  = "replaced"
	endedExpired   = "expired" // what the join token gave is over
	endedDenied    = "denied"
)

// roomState is a room as a member sees it.
type roomState struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Code     string            `json:"code,omitempty"` // caster only
	State    string            `json:"state"`
	Slots    map[string]string `json:"slots"`
	Viewers  int               `json:"viewers"`
	Displays int               `json:"displays"`
	Capacity int               `json:"capacity"` // 0: no cap
	Locked   bool              `json:"locked,omitempty"`
	Starts   int64             `json:"starts,omitempty"` // milliseconds until it opens
	Members  []memberState     `json:"members,omitzero"` // caster only, as all that follows
	Link     string            `json:"link,omitempty"`
	Settings *settingsState    `json:"settings,omitempty"`
	Waiting  int               `json:"waiting,omitempty"` // how many wait in the lobby
	Lobby    []lobbyState      `json:"lobby,omitempty"`   // the first of them
}

type memberState struct {
	Peer  string `json:"peer"`
	Role  role   `json:"role"`
	Name  string `json:"name"`
	State string `json:"state"`

	Display *placeState `json:"display,omitempty"` // displays only
}

// encode makes the frame of a message.
func encode(message any) []byte {
	frame, err := json.Marshal(message)
	if err != nil {
		panic(err) // messages are structs of strings, numbers, bools and maps of strings: they always marshal
	}
	return frame
}

func errorFrame(re uint64, e *Error) []byte {
	return encode(errorMessage{
		head: head{"error", re}, Code: e.code, Tries: e.tries, Wait: seconds(e.wait), Reason: e.reason,
	})
}

func milliseconds(d time.Duration) int64 { return max(0, d.Milliseconds()) }
