//go:build !linux

package tcp

import (
	"net"
	"time"
)

// gauge cannot look into other kernels.
type gauge struct{}

// tune does nothing: other kernels keep the queue that they keep.
func tune(net.Conn) gauge { return gauge{} }

func (gauge) read() (acked uint64, roundTrip time.Duration, ok bool) { return 0, 0, false }
