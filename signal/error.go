package signal

import (
	"errors"
	"math"
	"time"
	"unicode"
)

// The stable error codes of docs/protocol.md. Pages choose their texts by them.
const (
	CodeBadMessage       = "bad_message"
	CodeBadState         = "bad_state"
	CodeVersion          = "version"
	CodeAuth             = "auth"
	CodeFormat           = "code_format"
	CodeUnknown          = "code_unknown"
	CodeLimited          = "code_limited"
	CodeRoomFull         = "room_full"
	CodeRoomLocked       = "room_locked"
	CodePINRequired      = "pin_required"
	CodePINWrong         = "pin_wrong"
	CodeDenied           = "denied"
	CodeNotLive          = "not_live"
	CodeAlreadyCasting   = "already_casting"
	CodeDisplayGone      = "display_gone"
	CodeRemoved          = "removed"
	CodePeerUnknown      = "peer_unknown"
	CodeBadOffer         = "bad_offer"
	CodeCodecUnsupported = "codec_unsupported"
	CodeApprovalTimeout  = "approval_timeout"
	CodeCancelled        = "cancelled"
	CodeDisplayBusy      = "display_busy"
	CodeRequestUnknown   = "request_unknown"
	CodeKeyMissing       = "key_missing"
	CodeGroupUnknown     = "group_unknown"
	CodeGroupEmpty       = "group_empty"
	CodeGroupLimit       = "group_limit"
	CodeNotKept          = "not_kept"
	CodeRateLimited      = "rate_limited"
	CodeServerBusy       = "server_busy"
	CodeDraining         = "draining"
	CodeInternal         = "internal"

	// Over WHIP and WHEP only.
	CodeRoomWaiting  = "room_waiting"
	CodeBadSDP       = "bad_sdp"
	CodeResource     = "resource_unknown"
	CodeMediaType    = "media_type"
	CodeTooLarge     = "too_large"
	CodeMethod       = "method"
	CodeMatchMissing = "if_match_missing"
	CodeMatchStale   = "if_match_stale"
)

// Close codes beside those of RFC 6455 section 7.4.1; 4000 to 4999 are for private use (section 7.4.2).
const (
	closeRemoved  = 4403 // the operator has removed the peer
	closeReplaced = 4409 // the session was resumed on another socket
	closeVersion  = 4426 // the client speaks another version
)

// Error is a refusal: a stable code for the client, and what comes with it. It is the only kind of error that
// this package answers with.
type Error struct {
	code   string
	reason string
	tries  *int          // wrong codes or PINs left, code_unknown and pin_wrong only
	wait   time.Duration // sent in whole seconds, rounded up
}

// Error implements error.
func (e *Error) Error() string {
	if e.reason == "" {
		return e.code
	}
	return e.code + ": " + e.reason
}

// Code is one of the Code constants.
func (e *Error) Code() string { return e.code }

// Reason is in English, for people who debug; it may be empty.
func (e *Error) Reason() string { return e.reason }

func refuse(code, reason string) *Error { return &Error{code: code, reason: reason} }

func refuseFor(code, reason string, wait time.Duration) *Error {
	return &Error{code: code, reason: reason, wait: wait}
}

// seconds rounds d up, so that a client which waits that long is not refused again.
func seconds(d time.Duration) int {
	if d <= 0 {
		return 0
	}
	return int(math.Ceil(d.Seconds()))
}

// mediaCodes are the codes that the media plane may answer with; others would tell the client something untrue
// about signaling and become internal.
var mediaCodes = map[string]bool{
	CodeBadOffer: true, CodeCodecUnsupported: true, CodeServerBusy: true, CodeNotLive: true, CodeBadState: true,
	CodeDraining: true, CodeRateLimited: true,
}

// mediaBusyWait is what a client is told to wait when the media plane is full: a connection attempt that fails
// gives its place back after the handshake's 15 s, most do much earlier.
const mediaBusyWait = 5 * time.Second

// restartWait is what a client is told to wait that has had its ICE restarts of a minute.
const restartWait = time.Minute

// maxReason keeps the answer to a hostile offer small, in runes.
const maxReason = 200

func asCoded(err error) (coded Coded, ok bool) {
	ok = errors.As(err, &coded)
	return coded, ok
}

// fromMedia turns an error of the media plane into the answer to the client; ok is false when its code is none
// of those that the media plane may use.
func fromMedia(err Coded) (refusal *Error, ok bool) {
	code := err.Code()
	if code == CodeBadSDP { // clients of the socket know one word for both
		code = CodeBadOffer
	}
	if !mediaCodes[code] {
		return nil, false
	}
	refusal = refuse(code, plain(err.Reason()))
	switch code {
	case CodeServerBusy:
		refusal.wait = mediaBusyWait
	case CodeRateLimited:
		refusal.wait = restartWait
	}
	return refusal, true
}

// plain makes text that may quote a client safe for a log line and a terminal: short and printable.
func plain(text string) string {
	out := make([]rune, 0, min(len(text), maxReason))
	for _, r := range text {
		if len(out) == maxReason {
			break
		}
		if !unicode.IsPrint(r) {
			r = ' '
		}
		out = append(out, r)
	}
	return string(out)
}
