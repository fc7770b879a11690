package sfu

import (
	"time"

	"castcode/sfu/forward"
)

// tooNarrow is how long media waits for room on a stream before that says something of what the path carries: a keyframe
// may take as long without being too much.
const tooNarrow = 400 * time.Millisecond

// room is how many bytes the viewer's path takes now. Datagrams may always be sent; a stream (ICE-TCP) takes what it can
// carry soon, and the rest waits in the log, as for any viewer of a narrow path: nothing is queued that might have to be
// thrown away, and a cursor that is too far behind jumps to a keyframe.
func (v *viewer) room() int {
	if route := v.session.Route(); route != v.route {
		v.route = route
		for _, d := range v.downs {
			d.streamed = d.rewriter.Newest()
		}
		v.pace()
	}
	v.starved = false
	return v.route.Room()
}

// starve leaves what waits in the log until the stream has room again. The stream itself says what it carries.
func (v *viewer) starve(now int64) {
	v.starved = true
	if q := v.queues[forward.Video]; q.Size > 0 && now-q.Oldest > int64(tooNarrow) && v.estimate.Full(v.route.Took(), now) {
		v.limit(now)
	}
	v.route.Await()
}
