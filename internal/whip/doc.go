// Package whip is the client side of WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep-03): one offer by POST, its answer
// and its resource, trickle and ICE restarts by PATCH, and DELETE. It knows HTTP and no SDP: offers, answers and
// fragments pass through as texts.
//
// A Client holds what is the same for all requests, a Resource what the server gave to one session. What a server
// refuses comes back as a *Refusal, with the stable code of its problem JSON (RFC 9457) where there is one, and with
// how long it wants to be left alone.
package whip
