//go:build !unix

package tlsutil

import "os"

// tryLock succeeds always: without flock, one data directory belongs to one server (docs/operations.md).
func tryLock(*os.File) (bool, error) { return true, nil }
