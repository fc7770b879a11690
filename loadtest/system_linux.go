package loadtest

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ticksPerSecond is USER_HZ, in which /proc counts: 100 on all architectures that Go knows.
const ticksPerSecond = 100

// processUsage is what a process on this machine has used; pid 0 is this one.
func processUsage(pid int) (u usage, ok bool) {
	at := "/proc/self"
	if pid != 0 {
		at = fmt.Sprintf("/proc/%d", pid)
	}
	stat, err := os.ReadFile(at + "/stat")
	statm, err2 := os.ReadFile(at + "/statm")
	if err != nil || err2 != nil {
		return u, false
	}
	// The name in parentheses may hold anything (proc(5)).
	_, rest, _ := bytes.Cut(stat[max(bytes.LastIndexByte(stat, ')'), 0):], []byte(" "))
	f := strings.Fields(string(rest))
	pages := strings.Fields(string(statm))
	if len(f) < 13 || len(pages) < 2 {
		return u, false
	}
	user, err := strconv.ParseUint(f[11], 10, 64)
	system, err2 := strconv.ParseUint(f[12], 10, 64)
	resident, err3 := strconv.ParseUint(pages[1], 10, 64)
	if err != nil || err2 != nil || err3 != nil {
		return u, false
	}
	u.cpu = time.Duration(user+system) * time.Second / ticksPerSecond
	u.memory = resident * uint64(os.Getpagesize())
	if pid == 0 {
		var r unix.Rusage
		if unix.Getrusage(unix.RUSAGE_SELF, &r) == nil { // finer than ticks
			u.cpu = time.Duration(r.Utime.Nano() + r.Stime.Nano())
		}
	}
	return u, true
}

// OwnerOf is the process that listens on a TCP port of this machine; 0 when host is another machine, or when nobody may
// tell.
func OwnerOf(host string, port int) int {
	addrs, err := net.LookupHost(host)
	if err != nil || len(addrs) == 0 || !isLocal(addrs[0]) {
		return 0
	}
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		listening(table, port, inodes)
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/[0-9]*") // of processes that are not ours nothing is seen
	for _, link := range links {
		to, err := os.Readlink(link)
		inode, ok := strings.CutPrefix(to, "socket:[")
		if err == nil && ok && inodes[strings.TrimSuffix(inode, "]")] {
			if pid, err := strconv.Atoi(strings.Split(link, "/")[2]); err == nil {
				return pid
			}
		}
	}
	return 0
}

// listening adds the inodes of sockets that listen on port.
func listening(table string, port int, inodes map[string]bool) {
	f, err := os.Open(table)
	if err != nil {
		return
	}
	defer f.Close() //nolint:errcheck // read only
	want := strings.ToUpper(hex.EncodeToString([]byte{byte(port >> 8), byte(port)}))
	for lines := bufio.NewScanner(f); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) > 9 && f[3] == "0A" && strings.HasSuffix(f[1], ":"+want) {
			inodes[f[9]] = true
		}
	}
}

// isLocal says whether an address is one of this machine.
func isLocal(text string) bool {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return false
	}
	if addr.IsLoopback() {
		return true
	}
	own, err := net.InterfaceAddrs()
	for _, o := range own {
		if p, perr := netip.ParsePrefix(o.String()); perr == nil && p.Addr() == addr.WithZone("") {
			return err == nil
		}
	}
	return false
}

// nameOf is what a process is called.
func nameOf(pid int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
}
