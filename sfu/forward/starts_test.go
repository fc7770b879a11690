package forward

import "time"

// starts are the sequence numbers that every test of this package begins at: around the wrap and around the middle.
var starts = []uint16{0, 1, 2, 100, 16383, 16384, 32766, 32767, 32768, 32769, 49152, 65000, 65533, 65534, 65535, 40000}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
