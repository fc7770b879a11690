// Package loadtest loads a server with synthetic casters and viewers and says what they saw. It looks from outside only:
// it speaks WHIP and WHEP (RFC 9725, draft-ietf-wish-whep-03) and the code signaling of docs/protocol.md over real
// sockets, and imports nothing of the server.
//
// Options say what to load and how: presets and scenarios fill them, a YAML file and flags change them. Run makes the
// casters, lets viewers come and go as the plan says, looks at all of them once a second, and returns a Report: figures,
// a time line, and whether the thresholds hold. Report writes itself as a table, as JSON and as a web page.
//
//	options.go scenario.go   what can be asked for
//	plan.go                  who does what when; pure
//	caster.go layers.go      one synthetic caster, by pion
//	viewer.go                one synthetic viewer, by loadtest/peer
//	target.go codes.go       how both reach a server: WHIP and WHEP, or codes
//	crowd.go collect.go      all viewers, and what they saw
//	metric.go report.go …    what is said at the end
//
// loadtest/stream makes and reads media, loadtest/track judges one stream, loadtest/peer is the viewers' wire, and
// loadtest/naive a foreign server for tests.
package loadtest
