package forward

// Drop names why a packet is not sent to a viewer. The zero value, Forward, means that it is.
type Drop uint8

// The reasons.
const (
	Forward       Drop = iota
	AwaitKeyframe      // the viewer cannot start here
	OtherSource        // neither the present nor the wanted source
	TemporalLayer      // above the viewer's frame rate
	SpatialLayer       // above the viewer's picture size
	Unfinished         // a switch that waits for the end of the present frame: offer the packet again
	BeforeStart        // older than what this viewer got first, or of a range that was skipped
	TooLate            // its number is too far behind the newest
	AlreadySent        // its number was used
	Drops              // how many there are
)

var dropNames = [Drops]string{
	"", "await_keyframe", "other_source", "temporal_layer", "spatial_layer", "unfinished", "before_start", "too_late",
	"already_sent",
}

// String names the reason as a counter's label does; it is empty for Forward.
func (d Drop) String() string {
	if d >= Drops {
		return "unknown"
	}
	return dropNames[d]
}
