//go:build linux

package main

import (
	"net"

	"golang.org/x/sys/unix"
)

// dropMedia makes the kernel drop what begins like RTP or RTCP (RFC 7983: 128 and more) before it lies in the
// socket's queue. ICE and DTLS pass, so that a connection lives on.
func dropMedia(conn *net.UDPConn) error {
	const afterUDPHeader = 8
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: afterUDPHeader},
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: 128, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 16},
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	cerr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	})
	if cerr != nil {
		return cerr
	}
	return err
}
