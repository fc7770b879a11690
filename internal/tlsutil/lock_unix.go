//go:build unix

package tlsutil

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the lock on f for this process and says whether it got it. The kernel releases it when f is
// closed or the process ends, however it ends.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}
