package sfu

import "castcode/sfu/transport"

// Refusals besides those of package transport. They are the signal plane's Coded without that package being imported.
var (
	errClosed = transport.NewError("draining", "the engine is closed")
	errEnded  = transport.NewError("not_live", "the cast has ended")
)
