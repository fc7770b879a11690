//go:build unix

package logging

import (
	"os"

	"golang.org/x/sys/unix"
)

// Terminal says whether f is a terminal and how many columns it has; 80 when it does not know, as under some
// container runtimes.
func Terminal(f *os.File) (columns int, ok bool) {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, false
	}
	if size.Col == 0 {
		return 80, true
	}
	return int(size.Col), true
}
