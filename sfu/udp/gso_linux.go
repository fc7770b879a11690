package udp

import (
	"bytes"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// gsoVerdict says whether runs go out as UDP GSO, or why not. It only ever leaves gsoOn, and never comes back.
type gsoVerdict uint32

const (
	gsoOn       gsoVerdict = iota
	gsoDisabled            // switched off by configuration
	gsoMissing             // the kernel does not know the option
	gsoCorrupts            // the kernel takes runs, but what arrives is something else
	gsoHardware            // EIO
	gsoRefused             // EINVAL, again and again
	gsoVerdicts = iota
)

var gsoReasons = [gsoVerdicts]string{
	"", "switched off", "the kernel has none", "probe did not arrive intact", "the network card cannot (EIO)",
	"the kernel refuses runs (EINVAL)",
}

const (
	// maxStrikes runs in a row that were refused as such and went one by one mean that none will ever pass. A few
	// mean one destination with a small path MTU, which a peer can bring about and others must not pay for.
	maxStrikes = 64

	probeSize    = 1200
	probePatient = 250 * time.Millisecond
)

// gsoState is what is known about UDP GSO on this socket. Some kernels and drivers take runs and lose them without
// an error (PPPoE and some virtual devices are known for it): nobody here can see that, so there is a switch.
type gsoState struct {
	verdict atomic.Uint32
	strikes atomic.Uint32
}

func (g *gsoState) works() bool { return gsoVerdict(g.verdict.Load()) == gsoOn }

// turnOff makes v the verdict unless there is one already.
func (g *gsoState) turnOff(v gsoVerdict) { g.verdict.CompareAndSwap(uint32(gsoOn), uint32(v)) }

// worked notes that the kernel took a run.
func (g *gsoState) worked() {
	if g.strikes.Load() != 0 {
		g.strikes.Store(0)
	}
}

// failed notes that a run was refused with errno whose datagrams then passed one by one.
func (g *gsoState) failed(errno syscall.Errno) {
	switch {
	case errno == unix.EIO:
		g.turnOff(gsoHardware)
	case g.strikes.Add(1) >= maxStrikes:
		g.turnOff(gsoRefused)
	}
}

// blamesGSO says whether errno may be about the run and not about the destination.
func blamesGSO(errno syscall.Errno) bool {
	switch errno {
	case unix.EIO: // udp_send_skb: the device computes no checksums, or the route is encrypted (IPsec)
		return true
	case unix.EINVAL: // a segment with its headers exceeds the path MTU, or an old kernel with IPv6 on virtio
		return true
	case unix.EMSGSIZE: // likewise, where the path MTU has just become known
		return true
	case unix.EOPNOTSUPP, unix.ENOPROTOOPT: // sandboxes that emulate a kernel
		return true
	}
	return false
}

func (w *linuxWire) gso() string { return gsoReasons[w.out.verdict.Load()] }
func (w *linuxWire) disableGSO() { w.out.turnOff(gsoDisabled) }

// probe finds out whether the kernel has UDP GSO and whether runs of equal datagrams, which some kernels got wrong,
// and runs with a shorter last one arrive as they were sent. It asks over the loopback; what the network card makes
// of them is seen when the first run fails. Without a loopback the kernel's word is taken.
func (g *gsoState) probe(fd int, v4 bool) {
	if _, err := unix.GetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT); err != nil {
		g.turnOff(gsoMissing)
		return
	}
	network, host := "udp6", netip.IPv6Loopback()
	if v4 {
		network, host = "udp4", netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	loopback := net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, 0))
	near, err := net.ListenUDP(network, loopback)
	if err != nil {
		return
	}
	defer near.Close()
	far, err := net.ListenUDP(network, loopback)
	if err != nil {
		return
	}
	defer far.Close()
	for _, sizes := range [][]int{{probeSize, probeSize, probeSize}, {probeSize, probeSize, 7}} {
		if v := probeRun(near, far, sizes); v != gsoOn {
			g.turnOff(v)
			return
		}
	}
}

// probeRun sends datagrams of these sizes as one run from near to far.
func probeRun(near, far *net.UDPConn, sizes []int) gsoVerdict {
	var all []byte
	for i, n := range sizes {
		all = append(all, bytes.Repeat([]byte{byte(i + 1)}, n)...)
	}
	c := &control{size: uint16(sizes[0])}
	c.hdr.Level, c.hdr.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	c.hdr.SetLen(unix.CmsgLen(2))
	oob := unsafe.Slice((*byte)(unsafe.Pointer(&c.hdr)), unix.CmsgSpace(2))
	to, ok := far.LocalAddr().(*net.UDPAddr)
	if !ok {
		return gsoOn
	}
	if _, _, err := near.WriteMsgUDPAddrPort(all, oob, to.AddrPort()); err != nil {
		return gsoMissing
	}
	if err := far.SetReadDeadline(time.Now().Add(probePatient)); err != nil {
		return gsoOn
	}
	p := make([]byte, len(all)+1)
	for _, size := range sizes {
		n, _, err := far.ReadFromUDPAddrPort(p)
		if err != nil || n != size || !bytes.Equal(p[:n], all[:n]) {
			return gsoCorrupts
		}
		all = all[n:]
	}
	return gsoOn
}
