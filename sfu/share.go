package sfu

import (
	"sync/atomic"
	"time"
)

// maxArrivals datagrams a second are taken of one viewer. Browsers send 5 to 20, some 100 while they lose much; what
// is beyond that would only fill the inbox that the viewer has in common with others.
const maxArrivals = 1000

// share is how much of its shard's inbox a viewer used in the present second. Several goroutines may take from it.
type share struct{ state atomic.Uint64 } // the second in the upper half, how many in the lower

// take says whether one more datagram may go in. now is the engine's clock in nanoseconds.
func (s *share) take(now int64) bool {
	second := uint64(uint32(now / int64(time.Second)))
	for {
		old := s.state.Load()
		n := old & 0xFFFFFFFF
		if old>>32 != second {
			n = 0
		}
		if n >= maxArrivals {
			return false
		}
		if s.state.CompareAndSwap(old, second<<32|(n+1)) {
			return true
		}
	}
}
