package forward

// Holes tells what a viewer's path lost from what never got as far: a number that the log does not have is a gap for the
// viewer too, and in its reports it looks like loss. After an outage of the caster hundreds of packets are missing, and
// an estimate that took them for the path's would starve the keyframe that ends it. The zero value is ready.
type Holes struct {
	passed  uint32 // numbers that were missing and are in no report yet
	highest uint32 // of the newest report
	begun   bool
}

// Passed says that a number was left out because its packet has not come.
func (h *Holes) Passed() { h.passed++ }

// Filled says that one of them was sent after all.
func (h *Holes) Filled() { h.passed -= min(h.passed, 1) }

// PathLoss is the fraction lost, in 256ths, of a report block (RFC 3550 §6.4.1) without what was missing anyway. highest
// is the block's extended highest sequence number; of the first report nothing can be told, and it is 0.
func (h *Holes) PathLoss(highest uint32, fraction uint8) uint8 {
	expected := highest - h.highest
	known := h.begun && expected < 1<<16
	h.highest, h.begun = highest, true
	if !known || expected == 0 {
		return 0
	}
	lost := (expected*uint32(fraction) + 255) / 256
	missing := min(lost, h.passed)
	h.passed -= missing
	return uint8(min((lost-missing)*256/expected, 255))
}
