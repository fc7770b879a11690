// Package forward holds the decisions about a packet on its way from a ring to one viewer: whether it may pass
// (Selector), which numbers it wears (Rewriter, which keeps the History that a NACK is answered from), when it leaves
// (Pacer), whether it is sent again (Repair), how a viewer starts (Start), and when a keyframe is asked of the caster
// (Keyframe). Every type is pure: no I/O, no lock, no clock of its own. The caller passes the time in (nanoseconds of
// the engine's clock) and sees to it that one goroutine at a time uses a value.
//
// For one packet at a viewer's cursor the calls are, in this order:
//
//	v := selector.Select(p, now)         // forward, or why not
//	n := rewriter.Next(p, v.Top)         // forward; rewriter.Skip(p) when it was dropped for good
//	pacer.Take(forward.Video, size, now) // after pacer asked for it
//	tail.Sent(now)
//
// A packet that came late into the ring, after the cursor had passed its place, goes through Rewriter.Late alone. It
// gets the number that was kept for it, and never one that was used.
package forward
