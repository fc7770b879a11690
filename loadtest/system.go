package loadtest

import (
	"runtime"
	"time"
)

// usage is what a process has used.
type usage struct {
	cpu    time.Duration // user and system, since it began
	memory uint64        // resident, bytes
}

// self is what this process has used.
func self() usage {
	u, ok := processUsage(0)
	if !ok {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		u.memory = m.Sys
	}
	return u
}
