package signal

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// statusOf gives each refusal over WHIP and WHEP its status (RFC 9110 section 15, RFC 9725 section 4). A client acts on
// the class and on Retry-After; what it means is in the problem.
var statusOf = map[string]int{
	CodeBadMessage:       http.StatusUnprocessableEntity,
	CodeBadSDP:           http.StatusBadRequest,
	CodeBadOffer:         http.StatusUnprocessableEntity,
	CodeCodecUnsupported: http.StatusUnprocessableEntity,
	CodeAuth:             http.StatusUnauthorized,
	CodePINRequired:      http.StatusUnauthorized,
	CodeRoomLocked:       http.StatusForbidden,
	CodeUnknown:          http.StatusNotFound,
	CodeResource:         http.StatusNotFound,
	CodeMethod:           http.StatusMethodNotAllowed,
	CodeNotLive:          http.StatusConflict,
	CodeAlreadyCasting:   http.StatusConflict,
	CodeRoomWaiting:      http.StatusConflict,
	CodeBadState:         http.StatusConflict,
	CodeMatchStale:       http.StatusPreconditionFailed,
	CodeTooLarge:         http.StatusRequestEntityTooLarge,
	CodeMediaType:        http.StatusUnsupportedMediaType,
	CodeMatchMissing:     http.StatusPreconditionRequired,
	CodeLimited:          http.StatusTooManyRequests,
	CodeRateLimited:      http.StatusTooManyRequests,
	CodeRoomFull:         http.StatusServiceUnavailable,
	CodeServerBusy:       http.StatusServiceUnavailable,
	CodeDraining:         http.StatusServiceUnavailable,
	CodeInternal:         http.StatusInternalServerError,
}

// problem is the body of a refusal (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Code   string `json:"code"`
	Tries  *int   `json:"tries,omitempty"`
}

// refuseHTTP answers a request with a refusal.
func (h *Hub) refuseHTTP(w http.ResponseWriter, e *Error) {
	h.tally.refused(e.code)
	status, ok := statusOf[e.code]
	if !ok {
		status = http.StatusInternalServerError
	}
	header := w.Header()
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	if e.wait > 0 {
		header.Set("Retry-After", strconv.Itoa(seconds(e.wait)))
	}
	if status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer")
	}
	body, err := json.Marshal(problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: e.reason, Code: e.code, Tries: e.tries,
	})
	if err != nil {
		body = nil // strings and numbers always marshal
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone
}
