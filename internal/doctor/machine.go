package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
)

// Machine says what to look at on the server's own machine.
type Machine struct {
	// Data is the data directory.
	Data string
	// Process is the server's, 0 if unknown.
	Process int
}

// What a server is better off with.
const (
	wantedBuffer = 4 << 20 // bytes that a socket may have, as the server asks for (sfu/udp)
	wantedFiles  = 16_384  // two files per socket are enough for the 12,000 sockets that it lets in
	wantedDisk   = 100     // MiB: certificates, keys and a log
	mebibyte     = 1 << 20
)

// Inspect looks at the server's own machine. It says of a system that it does not know that it does not know.
func Inspect(m Machine) []Finding {
	return []Finding{
		dataDirectory(m.Data), buffers(readBuffers()), segmentation(readSegmentation()), openFiles(readFiles(m.Process)),
		freeDisk(m.Data), timeService(readClock()),
	}
}

// mend is the command that makes it better.
func mend(command string) Phrase { return say("mend", "command", command) }

var errUnknown = errors.New("unknown")

// unknown is what a check finds that could not look.
func unknown(check string) Finding { return found(check, Absent, say("machine_unknown")) }

func dataDirectory(path string) Finding {
	f, err := os.CreateTemp(path, ".doctor-")
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	if err == nil {
		return found("data", OK, say("data_ok", "path", path))
	}
	var failed *os.PathError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return found("data", Blocked, say("data_bad", "path", path, "reason", text(err)),
		mend("sudo install -d -m 700 -o $(id -un) "+strconv.Quote(filepath.Clean(path))))
}

// buffers judges by the smaller one of the limits of the machine, in bytes.
func buffers(limit int, err error) Finding {
	if err != nil {
		return unknown("buffers")
	}
	size := strconv.FormatFloat(float64(limit)/mebibyte, 'f', 1, 64)
	if limit >= wantedBuffer {
		return found("buffers", OK, say("buffers_ok", "size", size))
	}
	wanted := strconv.Itoa(wantedBuffer)
	return found("buffers", Slow, say("buffers_small", "size", size, "wanted", strconv.Itoa(wantedBuffer/mebibyte)),
		mend("sudo sysctl -w net.core.rmem_max="+wanted+" net.core.wmem_max="+wanted))
}

func segmentation(works bool, err error) Finding {
	switch {
	case err != nil:
		return unknown("gso")
	case works:
		return found("gso", OK, say("gso_ok"))
	}
	return found("gso", Slow, say("gso_no"), mend("uname -r  # 4.18 or newer is needed"))
}

func openFiles(limit uint64, err error) Finding {
	n := strconv.FormatUint(limit, 10)
	switch {
	case err != nil:
		return unknown("files")
	case limit >= wantedFiles:
		return found("files", OK, say("files_ok", "n", n))
	}
	return found("files", Slow, say("files_few", "n", n), mend("ulimit -n 65536  # before the start; LimitNOFILE=65536 in a systemd unit"))
}

func freeDisk(path string) Finding {
	free, err := readDisk(path)
	if err != nil {
		return unknown("disk")
	}
	return diskLeft(path, free)
}

// diskLeft judges by the free bytes at path.
func diskLeft(path string, free uint64) Finding {
	size := strconv.FormatUint(free/mebibyte, 10)
	if free/mebibyte >= wantedDisk {
		return found("disk", OK, say("disk_ok", "size", size, "path", path))
	}
	return found("disk", Blocked, say("disk_full", "size", size, "path", path), mend("du -xh --max-depth=2 / | sort -h | tail"))
}

func timeService(kept bool, err error) Finding {
	switch {
	case err != nil:
		return unknown("ntp")
	case kept:
		return found("ntp", OK, say("ntp_ok"))
	}
	return found("ntp", Slow, say("ntp_no"), mend("sudo timedatectl set-ntp true"))
}
