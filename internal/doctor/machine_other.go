//go:build !linux

package doctor

func readBuffers() (int, error)         { return 0, errUnknown }
func readSegmentation() (bool, error)   { return false, errUnknown }
func readFiles(int) (uint64, error)     { return 0, errUnknown }
func readDisk(string) (uint64, error)   { return 0, errUnknown }
func readClock() (kept bool, err error) { return false, errUnknown }
