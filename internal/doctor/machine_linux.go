package doctor

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// readBuffers is the smaller limit of receiving and sending, in bytes.
func readBuffers() (int, error) {
	least := 0
	for _, name := range []string{"rmem_max", "wmem_max"} {
		raw, err := os.ReadFile("/proc/sys/net/core/" + name)
		if err != nil {
			return 0, err
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(raw)))
		if err != nil {
			return 0, err
		}
		if least == 0 || n < least {
			least = n
		}
	}
	return least, nil
}

// readSegmentation asks the kernel whether it knows UDP GSO (udp(7), since Linux 4.18).
func readSegmentation() (works bool, err error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return false, err
	}
	defer conn.Close() //nolint:errcheck // nobody has used it
	raw, err := conn.SyscallConn()
	if err != nil {
		return false, err
	}
	err = raw.Control(func(fd uintptr) {
		_, refused := unix.GetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT)
		works = refused == nil
	})
	return works, err
}

// readFiles is how many files the process may open; that of ours without one, which was started the same way at best.
func readFiles(process int) (uint64, error) {
	at := "/proc/self/limits"
	if process != 0 {
		at = fmt.Sprintf("/proc/%d/limits", process)
	}
	f, err := os.Open(at)
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // read only
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "Max open files"); ok && len(strings.Fields(rest)) > 0 {
			return strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
		}
	}
	return 0, errUnknown
}

func readDisk(path string) (free uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}

// readClock says whether something keeps the kernel's clock (adjtimex(2)).
func readClock() (kept bool, err error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return false, errUnknown
	}
	return err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0, err
}
