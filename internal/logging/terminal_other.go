//go:build !unix

package logging

import "os"

// Terminal says whether f is a terminal; its width is not asked for here.
func Terminal(f *os.File) (columns int, ok bool) {
	st, err := f.Stat()
	if err != nil || st.Mode()&os.ModeCharDevice == 0 {
		return 0, false
	}
	return 80, true
}
