package sfu

import "fmt"

// Error is a refusal with a stable code that the client sees (docs/protocol.md) and a reason in English for people
// who debug. It is the signal plane's Coded without that package being imported.
type Error struct{ code, reason string }

func (e *Error) Error() string  { return e.code + ": " + e.reason }
func (e *Error) Code() string   { return e.code }
func (e *Error) Reason() string { return e.reason }

func badOffer(format string, args ...any) *Error {
	return &Error{code: "bad_offer", reason: fmt.Sprintf(format, args...)}
}

var (
	errClosed = &Error{code: "draining", reason: "the engine is closed"}
	errEnded  = &Error{code: "not_live", reason: "the cast has ended"}
	errCodec  = &Error{code: "codec_unsupported", reason: "no codec in common"}
)
