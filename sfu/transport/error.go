package transport

import (
	"errors"
	"fmt"
)

// Error is a refusal with a stable code that the client sees (docs/protocol.md) and a reason in English for people who
// debug. The reason quotes at most 16 characters of what the client sent.
type Error struct{ code, reason string }

func (e *Error) Error() string { return e.code + ": " + e.reason }

// Code is "bad_sdp", "bad_offer", "codec_unsupported" or "server_busy" in this package's own errors.
func (e *Error) Code() string { return e.code }

// Reason says what is wrong.
func (e *Error) Reason() string { return e.reason }

// NewError makes an error of the media plane's own.
func NewError(code, reason string) *Error { return &Error{code: code, reason: reason} }

// BadSDP is what makes an offer no SDP at all.
func BadSDP(format string, args ...any) *Error {
	return &Error{code: "bad_sdp", reason: fmt.Sprintf(format, args...)}
}

// BadOffer is why an offer that is SDP cannot be answered.
func BadOffer(format string, args ...any) *Error {
	return &Error{code: "bad_offer", reason: fmt.Sprintf(format, args...)}
}

// Errors that a caller may branch on.
var (
	// ErrBusy: too many sessions are on their way up, and none came free in time.
	ErrBusy = &Error{code: "server_busy", reason: "too many connections are being set up"}
	// ErrCodec: an m-line that is to be sent offers no codec that can be forwarded.
	ErrCodec = &Error{code: "codec_unsupported", reason: "no codec in common"}
	// ErrClosed: the server or the session has been closed.
	ErrClosed = errors.New("transport is closed")
	// ErrRestarts: more ICE restarts in a minute than are allowed.
	ErrRestarts = errors.New("too many ICE restarts")
)

// clip shortens what a client sent before it is told back in a reason.
func clip(s string) string {
	if len(s) > 16 {
		return s[:16] + "…"
	}
	return s
}
