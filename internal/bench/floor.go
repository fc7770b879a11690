//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	floorArena = 256 << 10
	floorSends = 64 // messages to one sendmmsg

	maxSegments = 64
	maxRun      = 65_000 // bytes
)

type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

type segments struct {
	hdr  unix.Cmsghdr
	size uint16
	_    [6]byte
}

// floor is the least that carrying can cost: seal, and a bare batched send.
type floor struct {
	fd     int
	gso    bool
	peers  []floorPeer
	pad    padded
	arena  []byte
	used   int
	end    int
	msgs   [floorSends]mmsghdr
	iovs   [floorSends]unix.Iovec
	cmsgs  [floorSends]segments
	failed int
}

type floorPeer struct {
	*sealer
	name unix.RawSockaddrInet4
}

func newFloor(gso bool) (Contestant, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := &floor{fd: fd, gso: gso, arena: make([]byte, floorArena)}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<20); err != nil {
		return nil, err
	}
	for i := range f.msgs {
		f.msgs[i].hdr.Iov = &f.iovs[i]
		f.msgs[i].hdr.SetIovlen(1)
		f.msgs[i].hdr.Namelen = unix.SizeofSockaddrInet4
		f.cmsgs[i].hdr.Level, f.cmsgs[i].hdr.Type = unix.SOL_UDP, unix.UDP_SEGMENT
		f.cmsgs[i].hdr.SetLen(unix.CmsgLen(2))
	}
	return f, nil
}

func (f *floor) Bare() bool   { return true }
func (f *floor) Ready() error { return nil }
func (f *floor) Close() error { return unix.Close(f.fd) }

func (f *floor) Join(v Viewer) (string, error) {
	s, err := newSealer(v.Key, v.Salt, v.SSRC)
	if err != nil {
		return "", err
	}
	f.peers = append(f.peers, floorPeer{sealer: s, name: name4(v.Addr)})
	return "", nil
}

func name4(a netip.AddrPort) unix.RawSockaddrInet4 {
	return unix.RawSockaddrInet4{Family: unix.AF_INET, Port: a.Port()<<8 | a.Port()>>8, Addr: a.Addr().As4()}
}

func (f *floor) Forward(frame *Frame) error {
	f.pad.load(frame)
	size := headerSize + frame.Largest + tagSize
	longest := 1
	if f.gso {
		longest = min(maxSegments, maxRun/size)
	}
	for i := range f.peers {
		peer := &f.peers[i]
		for k := 0; k < len(frame.Packets); {
			count := min(longest, len(frame.Packets)-k)
			if f.end == floorSends || f.used+count*size > len(f.arena) {
				f.flush()
			}
			start := f.used
			for range count {
				f.used += peer.seal(f.arena[f.used:], &frame.Packets[k], f.pad.plains[k])
				k++
			}
			f.message(peer, f.arena[start:f.used], size, count)
		}
	}
	f.flush()
	if f.failed > 0 {
		return fmt.Errorf("%d datagrams or runs were refused", f.failed)
	}
	return nil
}

func (f *floor) message(peer *floorPeer, p []byte, size, count int) {
	f.iovs[f.end].Base = &p[0]
	f.iovs[f.end].SetLen(len(p))
	h := &f.msgs[f.end].hdr
	h.Name = (*byte)(unsafe.Pointer(&peer.name))
	h.Control = nil
	h.SetControllen(0)
	if count > 1 {
		f.cmsgs[f.end].size = uint16(size)
		h.Control = (*byte)(unsafe.Pointer(&f.cmsgs[f.end]))
		h.SetControllen(unix.CmsgSpace(2))
	}
	f.end++
}

func (f *floor) flush() {
	for at := 0; at < f.end; {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(f.fd), uintptr(unsafe.Pointer(&f.msgs[at])),
			uintptr(f.end-at), 0, 0, 0)
		if errno != 0 {
			f.failed++
			n = 1
		}
		at += int(n)
	}
	f.end, f.used = 0, 0
}
